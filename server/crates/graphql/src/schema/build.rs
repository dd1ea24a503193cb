//! Short constructors for type references, fields and arguments, shared by the files that describe types.

use super::{InputTarget, InputValue, Meaning, OutputField, TypeKey, TypeRef, Words};

impl TypeRef {
    /// `T`.
    pub fn named(key: TypeKey) -> Self {
        Self::Named(key)
    }

    /// `T!`.
    pub fn required(key: TypeKey) -> Self {
        Self::Named(key).non_null()
    }

    /// `[T!]!`.
    pub fn required_list(key: TypeKey) -> Self {
        Self::list(key).non_null()
    }

    /// `[T!]`.
    pub fn list(key: TypeKey) -> Self {
        Self::List(Box::new(Self::required(key)))
    }

    /// The type without null.
    pub fn non_null(self) -> Self {
        match self {
            Self::NonNull(_) => self,
            other => Self::NonNull(Box::new(other)),
        }
    }

    /// The named type inside all wrappers.
    pub fn inner(&self) -> TypeKey {
        match self {
            Self::Named(key) => *key,
            Self::NonNull(inner) | Self::List(inner) => inner.inner(),
        }
    }

    /// Whether null is no value of the type.
    pub fn is_non_null(&self) -> bool {
        matches!(self, Self::NonNull(_))
    }

    /// The type with one non-null wrapper taken off, if it has one.
    pub fn nullable(&self) -> &Self {
        match self {
            Self::NonNull(inner) => inner,
            other => other,
        }
    }
}

impl OutputField {
    pub(super) fn part(name: &str, ty: TypeRef, description: &str) -> Self {
        Self::new(name, ty, Meaning::Part, Some(description.to_owned()))
    }

    pub(super) fn new(name: &str, ty: TypeRef, meaning: Meaning, description: Option<String>) -> Self {
        let description = description.map(Words::Fixed);
        Self { name: name.to_owned(), description, arguments: Vec::new(), ty, deprecated: None, meaning }
    }

    pub(super) fn described(mut self, words: Words) -> Self {
        self.description = Some(words);
        self
    }

    pub(super) fn with(mut self, arguments: Vec<InputValue>) -> Self {
        self.arguments = arguments;
        self
    }

    pub(super) fn deprecated(mut self, reason: Option<&String>) -> Self {
        self.deprecated = reason.cloned();
        self
    }
}

impl InputValue {
    pub(super) fn argument(name: &str, ty: TypeRef, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: Some(description.into()),
            ty,
            default: None,
            deprecated: None,
            target: None,
            given: None,
        }
    }

    /// An operator of a filter, which needs no words.
    pub(crate) fn operator(name: &str, ty: TypeRef) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
            ty,
            default: None,
            deprecated: None,
            target: None,
            given: None,
        }
    }

    pub(super) fn targeting(name: &str, ty: TypeRef, target: InputTarget) -> Self {
        Self { target: Some(target), ..Self::operator(name, ty) }
    }

    pub(super) fn defaulting(mut self, literal: &str) -> Self {
        self.default = Some(literal.to_owned());
        self
    }

    pub(super) fn described(mut self, words: Words) -> Self {
        self.description = Some(words);
        self
    }

    pub(super) fn deprecated(mut self, reason: Option<&String>) -> Self {
        self.deprecated = reason.cloned();
        self
    }
}
