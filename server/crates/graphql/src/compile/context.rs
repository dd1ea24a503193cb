//! What the cursors of a list belong to: its module, filter and order, the filter's values included.

use cardine_model::Value;

use super::Compiler;
use super::arguments::Arguments;
use crate::coerce::Input;
use crate::cursor::{ContextBuilder, CursorContext};
use crate::schema::{InputTarget, InputValue, TypeKey};
use crate::variables::{Inputs, Place, Use};

/// How a list's context is made for each request: values that come from variables are the request's own.
#[derive(Debug, Default)]
pub struct ContextRecipe(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Value(Value),
    /// With the value of the request that was compiled.
    Given(Place, Value),
}

impl ContextRecipe {
    /// The context in the request that was compiled.
    pub fn now(&self) -> CursorContext {
        self.with(|_, value| value.clone())
    }

    /// The context in another request that the operation serves.
    pub fn of(&self, inputs: &Inputs) -> CursorContext {
        self.with(|place, _| place.value(inputs))
    }

    /// The same without the values of the request that was compiled.
    pub fn emptied(self) -> Self {
        let empty = |part| match part {
            Part::Given(place, _) => Part::Given(place, Value::Null),
            other => other,
        };
        Self(self.0.into_iter().map(empty).collect())
    }

    fn with(&self, given: impl Fn(&Place, &Value) -> Value) -> CursorContext {
        let mut context = ContextBuilder::default();
        for part in &self.0 {
            match part {
                Part::Text(text) => context.text(text),
                Part::Value(value) => context.value(value),
                Part::Given(place, value) => context.value(&given(place, value)),
            }
        }
        context.finish()
    }

    fn text(&mut self, text: &str) {
        self.0.push(Part::Text(text.to_owned()));
    }
}

impl Compiler<'_> {
    pub(super) fn context(&self, ty: TypeKey, arguments: &Arguments) -> ContextRecipe {
        let mut recipe = ContextRecipe::default();
        // A module's connection has the module's name for its cursors: they hold at the root and in each record alike.
        match ty {
            TypeKey::Connection(module) => recipe.text(&self.schema.catalog.module(module).name),
            _ => recipe.text(&self.schema.name(ty)),
        }
        for name in ["filter", "orderBy"] {
            recipe.text(name);
            match arguments.get(name).filter(|value| !matches!(value, Input::List(items) if items.is_empty())) {
                Some(value) => self.describe(value, arguments.given(name), &mut recipe),
                None => recipe.text("null"),
            }
        }
        // Who may not see deleted records has no such argument, and the same list.
        recipe.text("deleted");
        recipe.text(arguments.text("deleted").filter(|deleted| *deleted != "EXCLUDE").unwrap_or("null"));
        recipe
    }

    /// The context of what is no list of records, but has a filter as lists have.
    pub(super) fn filtered_context(&self, marks: &[&str], values: &[Value], arguments: &Arguments) -> CursorContext {
        let mut recipe = ContextRecipe::default();
        marks.iter().for_each(|mark| recipe.text(mark));
        recipe.0.extend(values.iter().cloned().map(Part::Value));
        match arguments.get("filter") {
            Some(filter) => self.describe(filter, arguments.given("filter"), &mut recipe),
            None => recipe.text("null"),
        }
        recipe.now()
    }

    fn describe(&self, input: &Input, given: Option<Use>, recipe: &mut ContextRecipe) {
        if let Some(given) = given {
            recipe.text("value");
            recipe.0.push(Part::Given(self.variables.place(given), input.to_value()));
            return;
        }
        match input {
            Input::Null => recipe.text("null"),
            Input::List(items) if items.iter().any(|item| matches!(item, Input::Object(_))) => {
                recipe.text("[");
                items.iter().for_each(|item| self.describe(item, None, recipe));
                recipe.text("]");
            }
            // The same whether it was written in the text or came from a variable.
            Input::Value(_) | Input::List(_) => {
                recipe.text("value");
                recipe.0.push(Part::Value(input.to_value()));
            }
            Input::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().filter(|(field, value)| !says_nothing(field, value)).collect();
                if fields.is_empty() {
                    recipe.text("null");
                    return;
                }
                // Their order means nothing.
                fields.sort_unstable_by(|(one, _), (other, _)| one.name.cmp(&other.name));
                recipe.text("{");
                for (field, value) in fields {
                    recipe.text(&field.name);
                    self.describe(value, field.given, recipe);
                }
                recipe.text("}");
            }
        }
    }
}

/// Whether a filter's field makes no difference, as `{}` where all conditions in it must hold. Related records with `{some: {}}`
/// do, and so does a choice among nothing.
fn says_nothing(field: &InputValue, value: &Input) -> bool {
    let is_empty = |value: &Input| match value {
        Input::Object(fields) => fields.iter().all(|(field, value)| says_nothing(field, value)),
        _ => false,
    };
    match (field.target, value) {
        (Some(InputTarget::Logic), Input::List(items)) => field.name == "and" && items.iter().all(is_empty),
        (Some(InputTarget::Logic | InputTarget::Target(_) | InputTarget::Links(_)) | None, _) => false,
        (Some(_), value) => is_empty(value),
    }
}
