//! Filters as input: by field, by reference, by related records, and the operators of each scalar.

use cardine_model::FieldKind;
use cardine_model::catalog::{Field, FieldId, ModuleId, Relation};
use cardine_model::name::lower_first;

use super::group::group_input;
use super::record::ID_SUFFIX;
use super::{InputTarget, InputValue, Scalar, Schema, TypeKey, TypeRef, Words};

const EQUALITY: [&str; 2] = ["eq", "ne"];
const MEMBERSHIP: [&str; 2] = ["in", "notIn"];
const ORDER: [&str; 4] = ["lt", "lte", "gt", "gte"];
const TEXT: [&str; 3] = ["contains", "startsWith", "endsWith"];
/// What says where in a JSON document the operators look.
pub(crate) const JSON_PLACE: &str = "path";
const LOGIC: [&str; 3] = ["and", "or", "not"];

impl Schema<'_> {
    pub(super) fn filter_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let mut fields: Vec<InputValue> = LOGIC.iter().map(|name| logic(module, name)).collect();
        for field in self.readable_fields(module) {
            if field.reference().is_some() {
                fields.extend(self.reference_filter(module, field));
                fields.push(reference_id_filter(field));
            } else {
                fields.extend(self.value_filter_field(module, field));
            }
        }
        fields.extend(self.relations(module).map(|relation| self.relation_filter(relation)));
        fields
    }

    pub(super) fn filter_field(&self, module: ModuleId, name: &str) -> Option<InputValue> {
        if LOGIC.contains(&name) {
            return Some(logic(module, name));
        }
        let definition = self.catalog.module(module);
        if let Some(field) = self.readable_value(module, name) {
            return match field.reference() {
                Some(_) => self.reference_filter(module, field),
                None => self.value_filter_field(module, field),
            };
        }
        if let Some(field) = self.reference_of_id(module, name) {
            return Some(reference_id_filter(field));
        }
        let relation = definition.relation_named(name)?;
        self.reads_relation(relation).then(|| self.relation_filter(relation))
    }

    /// The type of the operators on a value; `None` for references.
    pub(super) fn value_filter(&self, module: ModuleId, field: FieldId) -> Option<TypeKey> {
        Some(match self.value_type(module, field)? {
            TypeKey::Choice(module, field) => TypeKey::ChoiceFilter(module, field),
            TypeKey::Scalar(Scalar::EmailAddress | Scalar::PhoneNumber | Scalar::Url) => {
                TypeKey::ScalarFilter(Scalar::String)
            }
            TypeKey::Scalar(scalar) => TypeKey::ScalarFilter(scalar),
            _ => return None,
        })
    }

    fn value_filter_field(&self, module: ModuleId, field: &Field) -> Option<InputValue> {
        if field.group().is_some() {
            return group_input(field, TypeKey::GroupFilter);
        }
        let ty = TypeRef::named(self.value_filter(module, field.id)?);
        Some(describe(InputValue::targeting(&field.name, ty, InputTarget::Value(field.id)), field))
    }

    /// A reference with several targets nests a filter for each, as otherwise it would not be clear whose fields are meant.
    fn reference_filter(&self, module: ModuleId, field: &Field) -> Option<InputValue> {
        let [target] = field.reference()?.targets.as_slice() else {
            let TypeKey::Union(module, id) = self.union_of(module, field.id) else { return None };
            let ty = TypeRef::named(TypeKey::UnionFilter(module, id));
            return Some(describe(InputValue::targeting(&field.name, ty, InputTarget::Union(field.id)), field));
        };
        let ty = TypeRef::named(TypeKey::Filter(*target));
        Some(describe(InputValue::targeting(&field.name, ty, InputTarget::Reference(field.id)), field))
    }

    /// `TaskParentFilter`: a filter for each module that the reference may lead to.
    pub(super) fn union_filter_fields(&self, module: ModuleId, field: FieldId) -> Vec<InputValue> {
        let field = self.catalog.field(module, field);
        let target = |target: ModuleId| {
            let name = lower_first(&self.catalog.module(target).name);
            let value =
                InputValue::targeting(&name, TypeRef::named(TypeKey::Filter(target)), InputTarget::Target(target));
            value.described("It is one of these, and meets this.".into())
        };
        self.rights.readable_targets(field).map(target).chain([is_null()]).collect()
    }

    fn relation_filter(&self, relation: &Relation) -> InputValue {
        let ty = TypeRef::named(TypeKey::ListFilter(self.catalog.related_module(relation)));
        InputValue::targeting(&relation.name, ty, InputTarget::Relation(relation.id))
    }

    pub(super) fn list_filter_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let quantifier = |name, words| InputValue::argument(name, TypeRef::named(TypeKey::Filter(module)), words);
        vec![
            quantifier("some", "At least one related record meets this."),
            quantifier("none", "No related record meets this."),
            quantifier("every", "Every related record meets this; true if there is none."),
        ]
    }

    pub(super) fn scalar_filter_fields(&self, scalar: Scalar) -> Vec<InputValue> {
        let key = TypeKey::Scalar(scalar);
        let mut fields = Vec::new();
        if scalar == Scalar::Json {
            let words = "The place in the document that the other operators look at, such as $.a.b[0]; the whole of it if left out.";
            fields.push(InputValue::argument(JSON_PLACE, TypeRef::named(TypeKey::Scalar(Scalar::String)), words));
        }
        fields.extend(operators(&EQUALITY, &TypeRef::named(key)));
        fields.extend(operators(&MEMBERSHIP, &TypeRef::list(key)));
        if !matches!(scalar, Scalar::Boolean | Scalar::Id) {
            fields.extend(operators(&ORDER, &TypeRef::named(key)));
        }
        if matches!(scalar, Scalar::String | Scalar::Json) {
            fields.extend(operators(&TEXT, &TypeRef::named(TypeKey::Scalar(Scalar::String))));
        }
        if matches!(scalar, Scalar::Date | Scalar::DateTime) {
            let words = "It is in this span of time around now.";
            fields.push(InputValue::argument("within", TypeRef::named(TypeKey::Within), words));
        }
        fields.push(is_null());
        fields
    }

    pub(super) fn within_fields(&self) -> Vec<InputValue> {
        let duration = TypeRef::named(TypeKey::Scalar(Scalar::Duration));
        let part = TypeRef::named(TypeKey::DatePart);
        vec![
            InputValue::argument("last", duration.clone(), "So long up to now; of dates, up to today, today included."),
            InputValue::argument("next", duration, "So long from now on; of dates, from today on, today included."),
            InputValue::argument("this", part, "The day, week, month, quarter or year that is now."),
        ]
    }

    pub(super) fn choice_filter_fields(&self, module: ModuleId, field: FieldId) -> Vec<InputValue> {
        let key = TypeKey::Choice(module, field);
        let mut fields = Vec::new();
        if let FieldKind::MultiChoice { .. } = self.catalog.field(module, field).kind {
            fields.push(InputValue::operator("has", TypeRef::named(key)));
            fields.extend(operators(&["hasAny", "hasAll"], &TypeRef::list(key)));
        } else {
            fields.extend(operators(&EQUALITY, &TypeRef::named(key)));
            fields.extend(operators(&MEMBERSHIP, &TypeRef::list(key)));
        }
        fields.push(is_null());
        fields
    }
}

fn operators(names: &[&str], ty: &TypeRef) -> Vec<InputValue> {
    names.iter().map(|name| InputValue::operator(name, ty.clone())).collect()
}

fn is_null() -> InputValue {
    InputValue::operator("isNull", TypeRef::named(TypeKey::Scalar(Scalar::Boolean)))
}

fn logic(module: ModuleId, name: &str) -> InputValue {
    let key = TypeKey::Filter(module);
    let ty = if name == "not" { TypeRef::named(key) } else { TypeRef::list(key) };
    InputValue::targeting(name, ty, InputTarget::Logic)
}

fn reference_id_filter(field: &Field) -> InputValue {
    let name = format!("{}{ID_SUFFIX}", field.name);
    let ty = TypeRef::named(TypeKey::ScalarFilter(Scalar::Id));
    describe(InputValue::targeting(&name, ty, InputTarget::ReferenceId(field.id)), field)
}

fn describe(value: InputValue, field: &Field) -> InputValue {
    value.described(Words::of_field(field)).deprecated(field.deprecated.as_ref())
}
