//! The second oracle: the same schema as a dynamic schema of async-graphql, stopped once it has validated.

use std::sync::Arc;

use async_graphql::dynamic::{
    Enum, EnumItem, Field, FieldFuture, InputObject, InputValue, Interface, InterfaceField, Object, Scalar, Schema,
    SchemaBuilder, Subscription, SubscriptionField, SubscriptionFieldFuture, TypeRef, Union,
};
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::{Error, Request, SDLExportOptions, ServerError, ValidationResult, Value};
use futures_util::stream;

use super::schema::{self, Ref, Type};

/// A description as its SDL must have it: it prints descriptions without escapes.
fn in_block(text: &str) -> String {
    text.replace("\"\"\"", "\\\"\"\"")
}

/// Stands for a quotation mark in a reason, which its SDL does not escape (all else it does).
const QUOTE: &str = "\u{E000}";

fn in_quotes(text: &str) -> String {
    text.replace('"', QUOTE)
}

/// The builder with the description, where there is one.
macro_rules! described {
    ($builder:expr, $what:expr) => {{
        let builder = $builder;
        match &$what.description {
            Some(description) => builder.description(in_block(description)),
            None => builder,
        }
    }};
}

/// The builder with the reason, where it is deprecated.
macro_rules! deprecated {
    ($builder:expr, $what:expr) => {{
        let builder = $builder;
        match &$what.deprecated {
            Some(reason) => builder.deprecation(Some(&in_quotes(reason))),
            None => builder,
        }
    }};
}

/// What the schema's validation ends with when it found nothing.
const VALID: &str = "valid";

pub struct Dynamic(Schema);

impl Dynamic {
    pub fn build(model: &schema::Schema) -> Dynamic {
        let builder = Schema::build(&model.query, model.mutation.as_deref(), model.subscription.as_deref());
        let own = model.types.values().filter(|ty| !ty.name.starts_with("__"));
        let builder = own.fold(builder, |builder, ty| {
            let is_subscription = model.subscription.as_deref() == Some(&ty.name);
            if is_subscription { builder.register(subscription(ty)) } else { register(builder, ty) }
        });
        let built = builder.extension(OnlyValidation).finish();
        Dynamic(built.unwrap_or_else(|error| panic!("async-graphql refuses the schema: {error}")))
    }

    /// The messages of what is wrong; none if it is valid.
    pub async fn verdict(&self, text: &str) -> Vec<String> {
        let answer = self.0.execute(Request::new(text)).await;
        answer.errors.into_iter().map(|error| error.message).filter(|message| message != VALID).collect()
    }

    pub fn sdl(&self) -> String {
        self.0.sdl_with_options(SDLExportOptions::new().include_specified_by()).replace(QUOTE, "\\\"")
    }
}

/// Ends every request after its validation.
struct OnlyValidation;

impl ExtensionFactory for OnlyValidation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(OnlyValidation)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for OnlyValidation {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await?;
        Err(vec![ServerError::new(VALID, None)])
    }
}

fn register(builder: SchemaBuilder, ty: &Type) -> SchemaBuilder {
    let name = ty.name.as_str();
    match ty.kind.as_str() {
        "OBJECT" => {
            let object = ty.fields.iter().map(field).fold(Object::new(name), Object::field);
            let object = ty.interfaces.iter().fold(object, |object, interface| object.implement(interface));
            builder.register(described!(object, ty))
        }
        "INTERFACE" => {
            let interface = ty.fields.iter().map(interface_field).fold(Interface::new(name), Interface::field);
            builder.register(described!(interface, ty))
        }
        "UNION" => {
            let union = ty.possible.iter().fold(Union::new(name), |union, object| union.possible_type(object));
            builder.register(described!(union, ty))
        }
        "ENUM" => {
            let items = ty.values.iter().map(|(name, description, deprecated)| {
                let item = EnumItem::new(name);
                let item = match description {
                    Some(description) => item.description(in_block(description)),
                    None => item,
                };
                match deprecated {
                    Some(reason) => item.deprecation(Some(&in_quotes(reason))),
                    None => item,
                }
            });
            builder.register(described!(Enum::new(name).items(items), ty))
        }
        "INPUT_OBJECT" => {
            let object = ty.input_fields.iter().map(input).fold(InputObject::new(name), InputObject::field);
            let object = if ty.one_of { object.oneof() } else { object };
            builder.register(described!(object, ty))
        }
        _ if ["Int", "Float", "String", "Boolean", "ID"].contains(&name) => builder,
        _ => {
            let scalar = match &ty.specified_by {
                Some(url) => Scalar::new(name).specified_by_url(url),
                None => Scalar::new(name),
            };
            builder.register(described!(scalar, ty))
        }
    }
}

fn field(field: &schema::Field) -> Field {
    let nothing = Field::new(&field.name, reference(&field.ty), |_| FieldFuture::Value(None));
    let all = field.arguments.iter().map(input).fold(nothing, Field::argument);
    deprecated!(described!(all, field), field)
}

fn interface_field(field: &schema::Field) -> InterfaceField {
    let bare = InterfaceField::new(&field.name, reference(&field.ty));
    let all = field.arguments.iter().map(input).fold(bare, InterfaceField::argument);
    deprecated!(described!(all, field), field)
}

fn subscription(ty: &Type) -> Subscription {
    let all = ty.fields.iter().fold(Subscription::new(&ty.name), |all, field| {
        let nothing = SubscriptionField::new(&field.name, reference(&field.ty), |_| {
            SubscriptionFieldFuture::new(async { Ok(stream::empty::<Result<Value, Error>>()) })
        });
        let one = field.arguments.iter().map(input).fold(nothing, SubscriptionField::argument);
        all.field(deprecated!(described!(one, field), field))
    });
    described!(all, ty)
}

fn input(input: &schema::Input) -> InputValue {
    let value = InputValue::new(&input.name, reference(&input.ty));
    let value = match &input.default {
        Some(default) => value.default_value(constant(default)),
        None => value,
    };
    deprecated!(described!(value, input), input)
}

/// A default as introspection writes it.
fn constant(literal: &str) -> Value {
    let document = format!("query ($x: X = {literal}) {{ x }}");
    let document = async_graphql::parser::parse_query(document).expect("a literal");
    let (_, operation) = document.operations.iter().next().expect("an operation");
    let default = operation.node.variable_definitions[0].node.default_value.clone();
    default.expect("it was written").node
}

fn reference(ty: &Ref) -> TypeRef {
    match ty {
        Ref::Named(name) => TypeRef::named(name),
        Ref::NonNull(inner) => TypeRef::NonNull(Box::new(reference(inner))),
        Ref::List(inner) => TypeRef::List(Box::new(reference(inner))),
    }
}
