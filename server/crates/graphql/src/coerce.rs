//! Input coercion by the specification: a literal or a JSON value becomes a value of its type, or every fault in it is told.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use async_graphql_value::{ConstValue, Value as Literal};
use cardine_engine::DECIMAL_DIGITS_MAX;
use cardine_model::duration::{self, DurationFault};
use cardine_model::{Decimal, Issue, PathSegment, Value};
use chrono::{DateTime, NaiveDate, NaiveTime, SubsecRound as _, Utc};
use serde_json::{Number, Value as Json};
use uuid::Uuid;

use crate::error::Error;
use crate::limits::Limits;
use crate::schema::{FigureType, InputTarget, InputValue, JSON_PLACE, Kind, Scalar, Schema, TypeKey, TypeRef};
use crate::variables::{Use, Variables};

/// A coerced value.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Explicitly null.
    Null,
    /// A scalar, or an enum's value as text.
    Value(Value),
    /// A list.
    List(Vec<Input>),
    /// An input object, with the fields that were given.
    Object(Vec<(InputValue, Input)>),
}

impl Input {
    /// The fields of an object.
    pub fn fields(&self) -> &[(InputValue, Input)] {
        match self {
            Self::Object(fields) => fields,
            _ => &[],
        }
    }

    /// The items of a list.
    pub fn items(&self) -> &[Input] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The id, or the ids of a list.
    pub fn ids(&self) -> Vec<Uuid> {
        let id = |item: &Input| match item {
            Self::Value(Value::Id(id)) => *id,
            _ => Uuid::nil(),
        };
        match self {
            Self::List(items) => items.iter().map(id).collect(),
            one => vec![id(one)],
        }
    }

    /// The value with lists as lists of values.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::List(items) => Value::List(items.iter().map(Self::to_value).collect()),
            Self::Null | Self::Object(_) => Value::Null,
        }
    }
}

/// An uncoerced value, wherever it comes from.
#[derive(Debug, Clone, Copy)]
pub enum Raw<'a> {
    /// In the text, where variables may stand.
    Literal(&'a Literal),
    /// In the text, where none may.
    Const(&'a ConstValue),
    /// In the request's variables.
    Json(&'a Json),
}

/// One look at an uncoerced value.
enum View<'a> {
    Null,
    Boolean(bool),
    Number(&'a Number),
    /// A text; in JSON an enum's value too.
    Text {
        text: &'a str,
        json: bool,
    },
    Enum(&'a str),
    Variable(&'a str),
    List(Vec<Raw<'a>>),
    Object(Vec<(&'a str, Raw<'a>)>),
    /// Bytes, which no text and no JSON has.
    Other,
}

impl<'a> Raw<'a> {
    fn view(self) -> View<'a> {
        match self {
            Self::Literal(literal) => match literal {
                Literal::Variable(name) => View::Variable(name.as_str()),
                Literal::Null => View::Null,
                Literal::Number(number) => View::Number(number),
                Literal::String(text) => View::Text { text, json: false },
                Literal::Boolean(truth) => View::Boolean(*truth),
                Literal::Enum(name) => View::Enum(name.as_str()),
                Literal::List(items) => View::List(items.iter().map(Raw::Literal).collect()),
                Literal::Object(fields) => {
                    View::Object(fields.iter().map(|(name, value)| (name.as_str(), Raw::Literal(value))).collect())
                }
                Literal::Binary(_) => View::Other,
            },
            Self::Const(literal) => match literal {
                ConstValue::Null => View::Null,
                ConstValue::Number(number) => View::Number(number),
                ConstValue::String(text) => View::Text { text, json: false },
                ConstValue::Boolean(truth) => View::Boolean(*truth),
                ConstValue::Enum(name) => View::Enum(name.as_str()),
                ConstValue::List(items) => View::List(items.iter().map(Raw::Const).collect()),
                ConstValue::Object(fields) => {
                    View::Object(fields.iter().map(|(name, value)| (name.as_str(), Raw::Const(value))).collect())
                }
                ConstValue::Binary(_) => View::Other,
            },
            Self::Json(json) => match json {
                Json::Null => View::Null,
                Json::Bool(truth) => View::Boolean(*truth),
                Json::Number(number) => View::Number(number),
                Json::String(text) => View::Text { text, json: true },
                Json::Array(items) => View::List(items.iter().map(Raw::Json).collect()),
                Json::Object(fields) => {
                    View::Object(fields.iter().map(|(name, value)| (name.as_str(), Raw::Json(value))).collect())
                }
            },
        }
    }

    /// Without a look at what stands inside.
    fn is_null(self) -> bool {
        matches!(self, Self::Literal(Literal::Null) | Self::Const(ConstValue::Null) | Self::Json(Json::Null))
    }

    /// The name, if it is a variable.
    fn variable(self) -> Option<&'a str> {
        match self {
            Self::Literal(Literal::Variable(name)) => Some(name.as_str()),
            _ => None,
        }
    }

    /// As JSON, with the variables that stand in it.
    pub fn to_json(self, variables: &Variables) -> Option<Json> {
        Some(match self.view() {
            View::Null => Json::Null,
            View::Boolean(truth) => Json::Bool(truth),
            View::Number(number) => Json::Number(number.clone()),
            View::Text { text, .. } | View::Enum(text) => Json::String(text.to_owned()),
            View::Variable(name) => variables.json(name)?,
            View::List(items) => {
                Json::Array(items.into_iter().map(|item| item.to_json(variables).unwrap_or(Json::Null)).collect())
            }
            View::Object(fields) => Json::Object(
                fields
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value.to_json(variables)?)))
                    .collect(),
            ),
            View::Other => return None,
        })
    }

    /// Its beginning: a value may be as long as a body, and each fault in it is told.
    fn describe(self) -> String {
        let mut start = Start::default();
        // It fails where it is cut.
        let _ = match self {
            Self::Literal(literal) => write!(start, "{literal}"),
            Self::Const(literal) => write!(start, "{literal}"),
            Self::Json(json) => write!(start, "{json}"),
        };
        start.text
    }
}

/// The first characters of a text that is being written.
#[derive(Default)]
struct Start {
    text: String,
    length: usize,
}

impl fmt::Write for Start {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        const LENGTH_MAX: usize = 60;
        for character in more.chars() {
            if self.length == LENGTH_MAX {
                self.text.push('…');
                return Err(fmt::Error);
            }
            self.text.push(character);
            self.length += 1;
        }
        Ok(())
    }
}

/// Most faults that are told of one value; what comes after them is not looked at.
const ISSUES_MAX: usize = 100;

/// Coerces values and collects what is wrong with them.
pub struct Coercion<'a> {
    schema: Schema<'a>,
    /// `None` while a document is validated: variables have no values then, and their types are checked elsewhere.
    variables: Option<&'a Variables>,
    path: Vec<PathSegment>,
    issues: Vec<Issue>,
    given: Option<Use>,
    limits: &'a Limits,
    /// Conditions of filters so far: those of one value go into one filter.
    conditions: usize,
    /// The bound that is passed. Nothing is looked at any more.
    exceeded: Option<Error>,
    /// What must be given of the input objects that were met: a list has hundreds of one type.
    required: Vec<(TypeKey, Arc<[InputValue]>)>,
}

impl<'a> Coercion<'a> {
    /// Starts at `path`, from the argument or variable on.
    pub fn new(
        schema: Schema<'a>,
        variables: Option<&'a Variables>,
        limits: &'a Limits,
        path: Vec<PathSegment>,
    ) -> Self {
        let (issues, required) = (Vec::new(), Vec::new());
        Self { schema, variables, path, issues, given: None, limits, conditions: 0, exceeded: None, required }
    }

    /// What was wrong; or the bound that was passed.
    pub fn into_issues(self) -> Result<Vec<Issue>, Error> {
        self.exceeded.map_or(Ok(self.issues), Err)
    }

    /// Whether no more is told, so that nothing more is looked at.
    fn is_over(&self) -> bool {
        self.exceeded.is_some() || self.issues.len() >= ISSUES_MAX
    }

    /// The use of a variable that the last value came from as a whole.
    pub fn given(&mut self) -> Option<Use> {
        self.given.take()
    }

    /// The value as one of type `ty`; `None` if it is a variable without a value. Faulty values come as null, with an issue.
    pub fn value(&mut self, raw: Raw<'_>, ty: &TypeRef) -> Option<Input> {
        self.given = None;
        if self.is_over() {
            return Some(Input::Null);
        }
        if let Some(name) = raw.variable() {
            let (input, given) = self.variables?.substitute(name)?;
            if ty.is_non_null() && input == Input::Null {
                return Some(self.refuse(
                    "required",
                    format!("Expected a value of type \"{}\", found null.", self.schema.show(ty)),
                ));
            }
            self.given = given;
            return Some(input);
        }
        let value = match ty {
            TypeRef::NonNull(inner) => match raw.is_null() {
                true => self
                    .refuse("required", format!("Expected a value of type \"{}\", found null.", self.schema.show(ty))),
                false => self.value(raw, inner)?,
            },
            _ if raw.is_null() => Input::Null,
            TypeRef::List(item) => self.list(raw, item),
            TypeRef::Named(key) => match self.schema.kind(*key) {
                Kind::InputObject => self.object(raw, *key),
                Kind::Enum => self.enum_value(raw, *key),
                _ => self.scalar(raw, *key),
            },
        };
        // What stands in it came from variables, but not it.
        self.given = None;
        Some(value)
    }

    fn list(&mut self, raw: Raw<'_>, item: &TypeRef) -> Input {
        match raw.view() {
            View::List(items) => {
                let is_order =
                    matches!(item.inner(), TypeKey::OrderBy(_) | TypeKey::Figures(_, FigureType::GroupOrderBy));
                if is_order && items.len() > self.limits.order_keys {
                    self.exceeded = Some(Error::limit("keys of an order", self.limits.order_keys, items.len()));
                }
                let mut list = Vec::new();
                for (position, raw) in items.into_iter().enumerate() {
                    if self.is_over() {
                        break;
                    }
                    self.path.push(position.into());
                    let value = self.value(raw, item);
                    if value.is_none() && self.variables.is_some() && item.is_non_null() {
                        self.refuse("required", "A variable in a list has no value.".to_owned());
                    }
                    // A variable without a value is null in a list.
                    list.push(value.unwrap_or(Input::Null));
                    self.path.pop();
                }
                Input::List(list)
            }
            // A single value is a list of one.
            _ => Input::List(self.value(raw, item).into_iter().collect()),
        }
    }

    fn object(&mut self, raw: Raw<'_>, key: TypeKey) -> Input {
        let View::Object(given) = raw.view() else {
            return self.refuse(
                "type",
                format!("Expected an object of type \"{}\", found {}.", self.schema.name(key), raw.describe()),
            );
        };
        let mut fields = Vec::new();
        let faults_before = self.issues.len();
        for (name, raw) in &given {
            if self.is_over() {
                return Input::Null;
            }
            self.path.push((*name).into());
            match self.schema.input_field(key, name) {
                Some(mut field) => {
                    self.count_condition(key, &field);
                    if let Some(value) = self.value(*raw, &field.ty) {
                        field.given = self.given();
                        fields.push((field, value));
                    } else if self.variables.is_some() && field.ty.is_non_null() {
                        self.refuse("required", format!("The variable of the required field \"{name}\" has no value."));
                    }
                }
                None => {
                    let mut message = format!("Field \"{name}\" is not defined by type \"{}\".", self.schema.name(key));
                    if self.schema.is_computed(key, name) {
                        message.push_str(" A plugin computes it when it is selected: it can be used in no other way.");
                    }
                    self.refuse("unknownField", message);
                }
            }
            self.path.pop();
        }
        // What is null because it is faulty was told.
        if self.schema.is_one_of(key) && (given.len() != 1 || self.issues.len() == faults_before) {
            self.one_of(key, &given, &fields);
        }
        for field in self.required(key).iter() {
            if !given.iter().any(|(name, _)| *name == field.name) {
                let ty = self.schema.show(&field.ty);
                self.path.push(field.name.as_str().into());
                let owner = self.schema.name(key);
                self.refuse(
                    "required",
                    format!("Field \"{owner}.{}\" of required type \"{ty}\" was not provided.", field.name),
                );
                self.path.pop();
            }
        }
        Input::Object(fields)
    }

    fn required(&mut self, key: TypeKey) -> Arc<[InputValue]> {
        if let Some((_, required)) = self.required.iter().find(|(known, _)| *known == key) {
            return Arc::clone(required);
        }
        let required: Arc<[InputValue]> = self.schema.input_fields_required(key).into();
        self.required.push((key, Arc::clone(&required)));
        required
    }

    /// Counts what is a condition of a filter by the same measure as compilation does, which would refuse it later.
    fn count_condition(&mut self, key: TypeKey, field: &InputValue) {
        let is_condition = match key {
            TypeKey::ScalarFilter(Scalar::Json) => field.name != JSON_PLACE,
            TypeKey::ScalarFilter(_)
            | TypeKey::ChoiceFilter(..)
            | TypeKey::UnionFilter(..)
            | TypeKey::ListFilter(_) => true,
            _ => field.target == Some(InputTarget::Logic),
        };
        self.conditions += usize::from(is_condition);
        let most = self.limits.conditions;
        if self.conditions > most {
            self.exceeded = Some(Error::limit("conditions of a filter", most, format!("more than {most}")));
        }
    }

    fn one_of(&mut self, key: TypeKey, given: &[(&str, Raw<'_>)], fields: &[(InputValue, Input)]) {
        let name = self.schema.name(key);
        if given.len() != 1 {
            let message = format!("Exactly one field of \"{name}\" must be given, found {}.", given.len());
            self.refuse("oneOf", message);
        } else if let [(field, Input::Null)] = fields {
            let message = format!("Field \"{name}.{}\" must not be null.", field.name);
            self.refuse("oneOf", message);
        } else if fields.is_empty() && self.variables.is_some() && self.issues.is_empty() {
            self.refuse("oneOf", format!("Exactly one field of \"{name}\" must be given, found none."));
        }
    }

    fn enum_value(&mut self, raw: Raw<'_>, key: TypeKey) -> Input {
        let name = match raw.view() {
            View::Enum(name) | View::Text { text: name, json: true } => name,
            _ => {
                let message =
                    format!("Enum \"{}\" cannot represent the value {}.", self.schema.name(key), raw.describe());
                return self.refuse("type", message);
            }
        };
        if !self.schema.has_enum_value(key, name) {
            return self
                .refuse("choice", format!("Value \"{name}\" does not exist in \"{}\" enum.", self.schema.name(key)));
        }
        Input::Value(Value::Text(name.to_owned()))
    }

    fn scalar(&mut self, raw: Raw<'_>, key: TypeKey) -> Input {
        let TypeKey::Scalar(scalar) = key else { return Input::Null };
        let coerced = match scalar {
            Scalar::Json => self.json(raw),
            _ => scalar_value(raw, scalar),
        };
        match coerced {
            Ok(value) => Input::Value(value),
            Err(hint) => {
                let message = format!("{} cannot represent the value {}{hint}.", scalar.name(), raw.describe());
                self.refuse("type", message)
            }
        }
    }

    fn json(&self, raw: Raw<'_>) -> Result<Value, &'static str> {
        let nothing = Variables::default();
        let json = raw.to_json(self.variables.unwrap_or(&nothing)).unwrap_or(Json::Null);
        if has_nul(&json) { Err(NUL) } else { Ok(Value::Json(json)) }
    }

    fn refuse(&mut self, rule: &str, message: String) -> Input {
        self.issues.push(Issue::new(self.path.clone(), rule, message));
        Input::Null
    }
}

const NUL: &str = ": the character U+0000 cannot be stored";

fn has_nul(json: &Json) -> bool {
    match json {
        Json::String(text) => text.contains('\0'),
        Json::Array(items) => items.iter().any(has_nul),
        Json::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// A scalar's value, or what to tell after "cannot represent the value …".
fn scalar_value(raw: Raw<'_>, scalar: Scalar) -> Result<Value, &'static str> {
    let view = raw.view();
    match scalar {
        Scalar::Boolean => match view {
            View::Boolean(truth) => Ok(Value::Boolean(truth)),
            _ => Err(""),
        },
        Scalar::Int => match view {
            View::Number(number) => {
                let whole = number.as_i64().or_else(|| whole_of_json(raw, number)).ok_or("")?;
                i32::try_from(whole).map(|int| Value::Integer(int.into())).map_err(|_| ": it has 32 bits")
            }
            _ => Err(""),
        },
        Scalar::BigInt => match view {
            View::Number(number) => number
                .as_i64()
                .map(Value::Integer)
                .ok_or(": it is a whole number of at most 64 bits, or a string of one"),
            View::Text { text, .. } => {
                big_int(text).map(Value::Integer).ok_or(": it is a whole number of at most 64 bits")
            }
            _ => Err(""),
        },
        Scalar::Decimal => match view {
            View::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => Ok(Value::Decimal(Decimal::from_i64(whole))),
                (None, Some(whole)) => Ok(Value::Decimal(Decimal::from_parts(whole.into(), 0))),
                (None, None) => Err(": write it as a string, such as \"12.50\", so that it stays exact"),
            },
            View::Text { text, .. } => match Decimal::parse(text) {
                Some(number) if number.total_digits() as usize > DECIMAL_DIGITS_MAX => {
                    Err(": it has at most 28 digits, those after the point included")
                }
                Some(number) => Ok(Value::Decimal(number)),
                None => Err(": it is digits with an optional sign and point, such as \"-12.50\""),
            },
            _ => Err(""),
        },
        Scalar::Float => match view {
            View::Number(_) => Err(": no field of this schema takes a float"),
            _ => Err(""),
        },
        Scalar::Id => match view {
            View::Text { text, .. } => Ok(Value::Id(id(text))),
            View::Number(number) if number.is_i64() || number.is_u64() => Ok(Value::Id(Uuid::nil())),
            _ => Err(""),
        },
        Scalar::Date => text(view, |text| date(text).map(Value::Date), ": it is YYYY-MM-DD"),
        Scalar::Time => text(view, |text| time(text).map(Value::Time), ": it is HH:MM:SS"),
        Scalar::Duration => match view {
            View::Text { text, .. } => duration::parse(text).map(Value::Integer).map_err(DurationFault::hint),
            _ => Err(DurationFault::Form.hint()),
        },
        Scalar::DateTime => {
            text(view, |text| date_time(text).map(Value::DateTime), ": it is by RFC 3339, such as 2026-01-31T12:00:00Z")
        }
        // What an address or number looks like is a rule of the field, checked with the others when it is written.
        Scalar::String | Scalar::EmailAddress | Scalar::PhoneNumber | Scalar::Url => match view {
            View::Text { text, .. } if text.contains('\0') => Err(NUL),
            View::Text { text, .. } => Ok(Value::Text(text.to_owned())),
            _ => Err(""),
        },
        Scalar::Json => Err(""),
    }
}

/// JSON has one kind of number: `2.0` there is the integer 2.
fn whole_of_json(raw: Raw<'_>, number: &Number) -> Option<i64> {
    let number = matches!(raw, Raw::Json(_)).then(|| number.as_f64()).flatten()?;
    (number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX)).then_some(number as i64)
}

fn big_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The record id; a text that is none stands for a record that does not exist, so that asking for it is no error.
pub fn id(text: &str) -> Uuid {
    Uuid::try_parse(text).unwrap_or_else(|_| Uuid::nil())
}

fn text(view: View<'_>, parse: impl Fn(&str) -> Option<Value>, hint: &'static str) -> Result<Value, &'static str> {
    match view {
        View::Text { text, .. } => parse(text).ok_or(hint),
        _ => Err(hint),
    }
}

/// `YYYY-MM-DD`, years 0001 to 9999: what both databases hold.
pub fn date(text: &str) -> Option<NaiveDate> {
    let form = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    let date = form.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()?;
    (text > "0001").then_some(date)
}

/// `HH:MM:SS`, up to 23:59:59.
pub fn time(text: &str) -> Option<NaiveTime> {
    let form = text.len() == 8
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 2 || at == 5 { byte == b':' } else { byte.is_ascii_digit() });
    if !form || &text[6..] == "60" {
        return None;
    }
    NaiveTime::parse_from_str(text, "%H:%M:%S").ok()
}

/// RFC 3339, brought to UTC and cut to milliseconds.
pub fn date_time(text: &str) -> Option<DateTime<Utc>> {
    let year = text.get(..4)?;
    if !year.bytes().all(|byte| byte.is_ascii_digit()) || year == "0000" || text.as_bytes().get(17..19) == Some(b"60") {
        return None;
    }
    let instant = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc).trunc_subsecs(3);
    let (first, last) = (NaiveDate::from_ymd_opt(1, 1, 1)?, NaiveDate::from_ymd_opt(9999, 12, 31)?);
    (first..=last).contains(&instant.date_naive()).then_some(instant)
}
