//! The variables of one request: their values, where the text uses them, and on what of them the compiled operation depends.
//!
//! A compiled operation serves later requests with other values, so it must be known which values decided its structure. Each
//! place where a variable's value goes is a [`Use`]. Whoever puts the value into a slot of its own, and asks nothing else of
//! it, says so; every use of which nobody said so is taken to have decided something, and binds the operation to that value.

use std::cell::RefCell;

use cardine_model::Value;
use serde_json::Value as Json;

use crate::coerce::Input;

/// The coerced values of an operation's variables, in the order of their definitions; `None` if one has neither a value nor a
/// default.
pub type Inputs = Vec<Option<Input>>;

/// One place of the text where a value comes from a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use(usize);

/// Where in the variables a value stands: the variable, and the positions in the objects and lists on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    variable: usize,
    steps: Box<[usize]>,
}

/// What a use asked of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Nothing: it is a statement's parameter.
    Free,
    /// Whether it is a number greater than 0; beyond that it is a parameter.
    Positive,
    /// Anything else.
    Decides,
}

/// The variables of one request.
#[derive(Debug, Default)]
pub struct Variables {
    given: Vec<Given>,
    uses: RefCell<Vec<(Place, Reading)>>,
}

#[derive(Debug)]
struct Given {
    name: String,
    input: Option<Input>,
    json: Option<Json>,
}

impl Variables {
    /// Adds the next variable, as it was coerced and as it came.
    pub fn push(&mut self, name: &str, input: Option<Input>, json: Option<Json>) {
        self.given.push(Given { name: name.to_owned(), input, json });
    }

    /// A variable's value in a place of the text. Values in an input object carry their uses ([`crate::schema::InputValue::given`]);
    /// that of the whole is given beside it, unless it is null or an object.
    pub fn substitute(&self, name: &str) -> Option<(Input, Option<Use>)> {
        let variable = self.position(name)?;
        let mut input = self.given[variable].input.clone()?;
        let given = self.mark(variable, &mut Vec::new(), &mut input);
        Some((input, given))
    }

    /// A variable as it came, for what takes any JSON.
    pub fn json(&self, name: &str) -> Option<Json> {
        // All of it decides.
        self.substitute(name)?;
        self.given[self.position(name)?].json.clone()
    }

    /// Says that a use asks no more of its value than `reading`. Gives where the value stands.
    pub fn take(&self, given: Use, reading: Reading) -> Place {
        let use_of = &mut self.uses.borrow_mut()[given.0];
        use_of.1 = reading;
        use_of.0.clone()
    }

    /// Where a use's value stands, without a word about what is asked of it.
    pub fn place(&self, given: Use) -> Place {
        self.uses.borrow()[given.0].0.clone()
    }

    /// Forgets all uses: compilation begins.
    pub fn begin(&self) {
        self.uses.borrow_mut().clear();
    }

    /// What the uses so far depend on.
    pub fn dependence(&self) -> Dependence {
        let mut tests: Vec<(Place, Test)> = Vec::new();
        for (place, reading) in self.uses.borrow().iter() {
            let test = match reading {
                Reading::Free => continue,
                Reading::Positive => Test::Positive,
                Reading::Decides => Test::Equal(place.find_in(self).cloned().unwrap_or(Input::Null)),
            };
            if !tests.iter().any(|known| known.0 == *place && known.1 == test) {
                tests.push((place.clone(), test));
            }
        }
        let forms = self.given.iter().map(|given| given.input.as_ref().map(Form::of)).collect();
        Dependence { forms, tests }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.given.iter().position(|given| given.name == name)
    }

    fn mark(&self, variable: usize, steps: &mut Vec<usize>, input: &mut Input) -> Option<Use> {
        if is_leaf(input) {
            let mut uses = self.uses.borrow_mut();
            uses.push((Place { variable, steps: steps.as_slice().into() }, Reading::Decides));
            return Some(Use(uses.len() - 1));
        }
        match input {
            Input::Object(fields) => {
                for (position, (field, value)) in fields.iter_mut().enumerate() {
                    steps.push(position);
                    field.given = self.mark(variable, steps, value);
                    steps.pop();
                }
            }
            Input::List(items) => {
                for (position, item) in items.iter_mut().enumerate() {
                    steps.push(position);
                    self.mark(variable, steps, item);
                    steps.pop();
                }
            }
            Input::Null | Input::Value(_) => {}
        }
        None
    }
}

/// A value without structure of its own: a scalar, or a list of scalars, which goes into one parameter.
fn is_leaf(input: &Input) -> bool {
    match input {
        Input::Value(_) => true,
        Input::List(items) => items.iter().all(|item| *item == Input::Null || is_leaf(item)),
        Input::Null | Input::Object(_) => false,
    }
}

impl Place {
    /// The value that stands there.
    pub fn value(&self, inputs: &Inputs) -> Value {
        self.find(inputs.get(self.variable).and_then(Option::as_ref)).map_or(Value::Null, Input::to_value)
    }

    fn find_in<'a>(&self, variables: &'a Variables) -> Option<&'a Input> {
        self.find(variables.given.get(self.variable).and_then(|given| given.input.as_ref()))
    }

    fn find<'a>(&self, variable: Option<&'a Input>) -> Option<&'a Input> {
        self.steps.iter().try_fold(variable?, |input, step| match input {
            Input::Object(fields) => fields.get(*step).map(|(_, value)| value),
            Input::List(items) => items.get(*step),
            Input::Null | Input::Value(_) => None,
        })
    }
}

/// On what of the variables a compiled operation depends. It holds only values that decided something.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependence {
    forms: Vec<Option<Form>>,
    tests: Vec<(Place, Test)>,
}

/// A value but for its scalars.
#[derive(Debug, Clone, PartialEq)]
enum Form {
    Null,
    Leaf,
    List(Vec<Form>),
    Object(Vec<(String, Form)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equal(Input),
    Positive,
}

impl Dependence {
    /// Whether a request with these values compiles to the same.
    pub fn holds(&self, inputs: &Inputs) -> bool {
        let fits = |(form, input): (&Option<Form>, &Option<Input>)| match (form, input) {
            (Some(form), Some(input)) => form.fits(input),
            (None, None) => true,
            _ => false,
        };
        let passes = |(place, test): &(Place, Test)| {
            let input = place.find(inputs.get(place.variable).and_then(Option::as_ref));
            match test {
                Test::Equal(decided) => input.unwrap_or(&Input::Null) == decided,
                Test::Positive => matches!(input, Some(Input::Value(Value::Integer(number))) if *number > 0),
            }
        };
        self.forms.len() == inputs.len() && self.forms.iter().zip(inputs).all(fits) && self.tests.iter().all(passes)
    }
}

impl Form {
    fn of(input: &Input) -> Self {
        match input {
            Input::Null => Self::Null,
            leaf if is_leaf(leaf) => Self::Leaf,
            Input::Value(_) => Self::Leaf,
            Input::List(items) => Self::List(items.iter().map(Self::of).collect()),
            Input::Object(fields) => {
                Self::Object(fields.iter().map(|(field, value)| (field.name.clone(), Self::of(value))).collect())
            }
        }
    }

    fn fits(&self, input: &Input) -> bool {
        match (self, input) {
            (Self::Null, Input::Null) => true,
            (Self::Leaf, input) => is_leaf(input),
            (Self::List(forms), Input::List(items)) => {
                forms.len() == items.len()
                    && forms.iter().zip(items).all(|(form, item)| form.fits(item))
                    && !is_leaf(input)
            }
            (Self::Object(forms), Input::Object(fields)) => {
                forms.len() == fields.len()
                    && forms
                        .iter()
                        .zip(fields)
                        .all(|((name, form), (field, value))| *name == field.name && form.fits(value))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Input {
        Input::Value(Value::Text(text.to_owned()))
    }

    fn number(number: i64) -> Input {
        Input::Value(Value::Integer(number))
    }

    fn variables(input: &Input) -> Variables {
        let mut variables = Variables::default();
        variables.push("x", Some(input.clone()), None);
        variables
    }

    fn object(name: &str, value: Input) -> Input {
        let ty = crate::schema::TypeRef::named(crate::schema::TypeKey::PageInfo);
        Input::Object(vec![(crate::schema::InputValue::operator(name, ty), value)])
    }

    /// Whether what was compiled for `one` serves `other`, if its value was read so.
    fn serves(one: &Input, other: Option<Input>, reading: Option<Reading>) -> bool {
        let variables = variables(one);
        let (_, given) = variables.substitute("x").unwrap();
        if let (Some(given), Some(reading)) = (given, reading) {
            variables.take(given, reading);
        }
        variables.dependence().holds(&vec![other])
    }

    #[test]
    fn what_nobody_took_decides() {
        assert!(serves(&text("a"), Some(text("a")), None));
        assert!(!serves(&text("a"), Some(text("b")), None));
    }

    #[test]
    fn a_parameter_may_have_any_value_but_none() {
        let free = Some(Reading::Free);
        assert!(serves(&text("a"), Some(text("b")), free));
        assert!(!serves(&text("a"), Some(Input::Null), free));
        assert!(!serves(&text("a"), None, free));
        let list = |items: &[&str]| Input::List(items.iter().map(|item| text(item)).collect());
        assert!(serves(&list(&["a"]), Some(list(&["b", "c"])), free));
        assert!(serves(&list(&["a"]), Some(list(&[])), free));
    }

    #[test]
    fn a_number_that_is_asked_whether_it_is_positive_binds_to_no_other_question() {
        let positive = Some(Reading::Positive);
        assert!(serves(&number(1), Some(number(20)), positive));
        assert!(!serves(&number(1), Some(number(0)), positive));
    }

    #[test]
    fn one_use_that_decides_outweighs_others() {
        let variables = variables(&text("a"));
        let (_, one) = variables.substitute("x").unwrap();
        let _decides = variables.substitute("x").unwrap();
        variables.take(one.unwrap(), Reading::Free);
        assert!(!variables.dependence().holds(&vec![Some(text("b"))]));
    }

    #[test]
    fn the_form_of_objects_and_lists_decides() {
        let eq = |value| object("eq", value);
        let variables = variables(&Input::List(vec![eq(text("a"))]));
        let (input, whole) = variables.substitute("x").unwrap();
        assert_eq!(whole, None);
        let Input::Object(fields) = &input.items()[0] else { panic!("an object") };
        let place = variables.take(fields[0].0.given.unwrap(), Reading::Free);
        let dependence = variables.dependence();
        let other = vec![Some(Input::List(vec![eq(text("b"))]))];
        assert!(dependence.holds(&other));
        assert_eq!(place.value(&other), Value::Text("b".to_owned()));
        for different in [
            Input::List(vec![eq(text("a")), eq(text("a"))]),
            Input::List(Vec::new()),
            Input::List(vec![object("ne", text("a"))]),
            Input::List(vec![eq(Input::Null)]),
            eq(text("a")),
        ] {
            assert!(!dependence.holds(&vec![Some(different.clone())]), "{different:?}");
        }
    }

    #[test]
    fn what_is_kept_has_no_value_that_decided_nothing() {
        let variables = variables(&text("secret"));
        let (_, given) = variables.substitute("x").unwrap();
        variables.take(given.unwrap(), Reading::Free);
        assert!(!format!("{:?}", variables.dependence()).contains("secret"));
    }
}
