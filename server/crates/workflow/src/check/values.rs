//! Values that steps write, checked against the fields that they are for.

use cardine_model::PathSegment;
use cardine_model::catalog::{Field, FieldId, FieldKind, Module};
use cardine_model::rule::RuleType;
use serde_json::Value as Json;

use super::{Checking, below};
use crate::definition::Values;
use crate::program::Given;
use crate::shape::Shape;
use crate::template::{Checker, Hole, Template};
use crate::value::{fits_rule, typed_value};

impl<'a> Checking<'a> {
    /// Values by field name.
    pub(super) fn set(&mut self, module: &'a Module, values: &Values, place: &[PathSegment]) -> Vec<(FieldId, Given)> {
        let mut set = Vec::new();
        for (name, value) in values {
            let place = below(place, name.as_str());
            let template = self.template(value, &place);
            if let Some(field) = self.writable_field(module, name, &place) {
                self.check_type(field, &template, place);
                set.push((field.id, Given::Template(template)));
            }
        }
        set
    }

    pub(super) fn template(&mut self, value: &Json, place: &[PathSegment]) -> Template {
        if self.unknown_module {
            return Template::Constant(Json::Null);
        }
        let mut faults = Vec::new();
        let template = Checker { names: &self.names }.check(value, &mut faults);
        for fault in faults {
            self.tell([place, &fault.path].concat(), "rule", fault.message);
        }
        template
    }

    /// An id: of a record to write, of an owner.
    pub(super) fn id_template(&mut self, text: &str, place: Vec<PathSegment>) -> Template {
        let template = self.template(&Json::String(text.to_owned()), &place);
        let fits = match &template {
            Template::Constant(value) => value.as_str().is_some_and(|id| uuid::Uuid::try_parse(id).is_ok()),
            Template::Value(Hole::Rule(rule)) => rule.ty == RuleType::Id,
            Template::Value(Hole::Outside(_, shape)) => fits_shape(shape, |ty| ty == RuleType::Id),
            _ => false,
        };
        // Where a rule was faulty, that was told.
        if !fits && !matches!(template, Template::Constant(Json::Null)) {
            self.tell(place, "type", "this must be a record's id, such as `{{ record.id }}`");
        }
        template
    }

    /// An id, or a list of ids or of what has one.
    pub(super) fn ids_template(&mut self, text: &str, place: Vec<PathSegment>, what: &str) -> Template {
        let template = self.template(&Json::String(text.to_owned()), &place);
        let is_id = |ty: RuleType| ty == RuleType::Id;
        let fits = match &template {
            // Where a rule was faulty, that was told.
            Template::Constant(Json::Null) => true,
            Template::Constant(value) => value.as_str().is_some_and(|id| uuid::Uuid::try_parse(id).is_ok()),
            Template::Value(Hole::Rule(rule)) => is_id(rule.ty),
            Template::Value(Hole::Outside(_, Shape::List(_))) => true,
            Template::Value(Hole::Outside(_, shape)) => fits_shape(shape, is_id),
            _ => false,
        };
        if !fits {
            self.tell(place, "type", format!("this must be {what}"));
        }
        template
    }

    /// What is known of a value before it runs: its rule's type, or all of a constant.
    pub(super) fn check_type(&mut self, field: &Field, template: &Template, place: Vec<PathSegment>) {
        if !fits(field, template) {
            self.tell(place, "type", format!("this is no value for the field `{}`", field.name));
        }
    }

    pub(super) fn writable_field(
        &mut self,
        module: &'a Module,
        name: &str,
        place: &[PathSegment],
    ) -> Option<&'a Field> {
        let field = module.field(self.stored_field(module, name, place.to_vec())?);
        if field.read_only {
            self.tell(place.to_vec(), "readOnly", format!("`{name}` can't be written"));
            return None;
        }
        Some(field)
    }
}

fn fits(field: &Field, template: &Template) -> bool {
    match template {
        Template::Constant(value) => fits_constant(field, value),
        Template::Value(Hole::Rule(rule)) => fits_rule(field, rule.ty),
        Template::Value(Hole::Outside(_, shape)) => fits_shape(shape, |ty| fits_rule(field, ty)),
        Template::Text(_) => true,
        Template::List(_) => matches!(field.kind, FieldKind::MultiChoice { .. } | FieldKind::Json { .. }),
        Template::Object(_) => matches!(field.kind, FieldKind::Json { .. }),
    }
}

fn fits_shape(shape: &Shape, fits: impl FnOnce(RuleType) -> bool) -> bool {
    match shape {
        Shape::Any | Shape::Value(None) => true,
        Shape::Value(Some(ty)) => fits(*ty),
        Shape::List(_) | Shape::Object(_) => false,
    }
}

pub(super) fn fits_constant(field: &Field, value: &Json) -> bool {
    let known = match (&field.kind, value) {
        (FieldKind::Choice { options }, Json::String(text)) => options.iter().any(|option| option.value == *text),
        _ => true,
    };
    known && typed_value(field, value).is_some()
}
