//! Records as output: the fields of a module's type, its connection, edge and page.

use cardine_model::catalog::{Field, FieldId, HierarchyWay, ModuleId, Relation};
use cardine_model::{FieldKind, ScalarType};

use super::history::HISTORY;
use super::{FigureType, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef, Words};

const ID: TypeKey = TypeKey::Scalar(Scalar::Id);
const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);
const BOOLEAN: TypeKey = TypeKey::Scalar(Scalar::Boolean);

/// What the id of a reference has after the reference's name.
pub(super) const ID_SUFFIX: &str = "Id";

impl Schema<'_> {
    pub(super) fn record_fields(&self, module: ModuleId) -> Vec<OutputField> {
        let mut fields = Vec::new();
        for field in self.readable_fields(module) {
            match field.reference() {
                Some(_) => fields.extend([self.reference_field(module, field), reference_id_field(field)]),
                None => fields.extend(
                    self.group_field(field)
                        .or_else(|| self.value_field(module, field))
                        .or_else(|| computed_field(field)),
                ),
            }
        }
        fields.extend(self.relations(module).map(|relation| self.relation_field(module, relation)));
        fields.extend(self.history_field(module));
        fields.extend(self.link_field(module));
        fields
    }

    pub(super) fn record_field(&self, module: ModuleId, name: &str) -> Option<OutputField> {
        let definition = self.catalog.module(module);
        if let Some(field) = self.readable_value(module, name) {
            return match field.reference() {
                Some(_) => Some(self.reference_field(module, field)),
                None => {
                    let value = self.group_field(field).or_else(|| self.value_field(module, field));
                    value.or_else(|| computed_field(field))
                }
            };
        }
        if let Some(field) = self.reference_of_id(module, name) {
            return Some(reference_id_field(field));
        }
        if name == HISTORY {
            return self.history_field(module);
        }
        if let Some(field) = self.link_field(module).filter(|field| field.name == name) {
            return Some(field);
        }
        let relation = definition.relation_named(name)?;
        self.reads_relation(relation).then(|| self.relation_field(module, relation))
    }

    /// `url` of a file.
    fn link_field(&self, module: ModuleId) -> Option<OutputField> {
        let words = "Where the caller gets the content for the next minutes, without signing in and as long as they may read the file.";
        let ty = TypeRef::required(STRING);
        let is_file = self.catalog.module(module).held;
        is_file.then(|| OutputField::new("url", ty, Meaning::FileLink, Some(words.to_owned())))
    }

    /// The readable field of this name; one that stands for a relation is not among them.
    pub(super) fn readable_value(&self, module: ModuleId, name: &str) -> Option<&Field> {
        let field = self.catalog.module(module).field_named(name)?;
        let is_relation = matches!(field.kind, FieldKind::References { .. });
        (!is_relation && self.reads(module, field.id)).then_some(field)
    }

    /// Whether a plugin computes what this name would mean in an input of this type, as far as the caller may know of it.
    pub(crate) fn is_computed(&self, input: TypeKey, name: &str) -> bool {
        let (TypeKey::Filter(module) | TypeKey::OrderBy(module) | TypeKey::Create(module) | TypeKey::Update(module)) =
            input
        else {
            return false;
        };
        self.readable_value(module, name).is_some_and(|field| field.computed().is_some())
    }

    /// The readable reference whose id has this name (`accountId`).
    pub(super) fn reference_of_id(&self, module: ModuleId, name: &str) -> Option<&Field> {
        let field = self.catalog.module(module).field_named(name.strip_suffix(ID_SUFFIX)?)?;
        (field.reference().is_some() && self.reads(module, field.id)).then_some(field)
    }

    /// The readable to-many relations of the module.
    pub(super) fn relations(&self, module: ModuleId) -> impl Iterator<Item = &Relation> {
        self.catalog.module(module).relations.iter().filter(|relation| self.reads_relation(relation))
    }

    /// The type of a value: a scalar or a choice's enum; `None` for references.
    pub(super) fn value_type(&self, module: ModuleId, field: FieldId) -> Option<TypeKey> {
        let definition = self.catalog.field(module, field);
        if definition.options().is_some() {
            return Some(TypeKey::Choice(module, field));
        }
        definition.scalar().map(|scalar| TypeKey::Scalar(scalar_of(scalar)))
    }

    pub(super) fn value_field(&self, module: ModuleId, field: &Field) -> Option<OutputField> {
        let key = self.value_type(module, field.id)?;
        let ty = match field.kind {
            FieldKind::MultiChoice { .. } => TypeRef::list(key),
            _ => TypeRef::named(key),
        };
        let ty = if field.is_non_null() { ty.non_null() } else { ty };
        let output = OutputField::new(&field.name, ty, Meaning::Value(field.id), None);
        Some(output.described(Words::of_field(field)).deprecated(field.deprecated.as_ref()))
    }

    fn reference_field(&self, module: ModuleId, field: &Field) -> OutputField {
        let ty = TypeRef::named(self.reference_type(module, field));
        OutputField::new(&field.name, ty, Meaning::Reference(field.id), None)
            .described(Words::of_field(field))
            .deprecated(field.deprecated.as_ref())
    }

    fn reference_type(&self, module: ModuleId, field: &Field) -> TypeKey {
        match field.reference().map(|reference| reference.targets.as_slice()) {
            Some([target]) => TypeKey::Record(*target),
            _ => self.union_of(module, field.id),
        }
    }

    fn relation_field(&self, module: ModuleId, relation: &Relation) -> OutputField {
        let related = self.catalog.related_module(relation);
        let mut arguments = self.list_arguments(related);
        let key = match relation.through {
            None => TypeKey::Connection(related),
            // Links lead to no deleted record.
            Some(_) => {
                arguments.retain(|argument| argument.name != "deleted");
                TypeKey::LinkConnection(module, relation.id)
            }
        };
        let label = self.catalog.module(related).plural_label.clone();
        let words = match relation.hierarchy {
            None => Words::Label(label),
            Some(HierarchyWay::Ancestors) => Words::LabelThen(label, "above this record, on all levels."),
            Some(HierarchyWay::Descendants) => Words::LabelThen(label, "below this record, on all levels."),
        };
        OutputField::new(&relation.name, TypeRef::required(key), Meaning::Relation(relation.id), None)
            .described(words)
            .with(arguments)
    }

    pub(super) fn connection_fields(&self, module: ModuleId) -> Vec<OutputField> {
        vec![
            OutputField::part("nodes", TypeRef::required_list(TypeKey::Record(module)), "The records of the page."),
            OutputField::part("edges", TypeRef::required_list(TypeKey::Edge(module)), "The records with their places."),
            OutputField::part("pageInfo", TypeRef::required(TypeKey::PageInfo), "Where the page stands in the list."),
            OutputField::part("totalCount", TypeRef::required(INT), "The number of all records that meet the filter."),
            OutputField::part(
                "aggregate",
                TypeRef::required(TypeKey::Figures(module, FigureType::Aggregate)),
                "Figures over all records that meet the filter.",
            ),
        ]
    }

    pub(super) fn edge_fields(&self, module: ModuleId) -> Vec<OutputField> {
        let words = "The record's place in this order, for `after` and `before`.";
        vec![
            OutputField::part("cursor", TypeRef::required(STRING), words),
            OutputField::part("node", TypeRef::required(TypeKey::Record(module)), "The record."),
        ]
    }

    pub(super) fn page_info_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("hasNextPage", TypeRef::required(BOOLEAN), "Whether there are records after the page."),
            OutputField::part(
                "hasPreviousPage",
                TypeRef::required(BOOLEAN),
                "Whether there are records before the page.",
            ),
            OutputField::part("startCursor", TypeRef::named(STRING), "The place of the page's first record."),
            OutputField::part("endCursor", TypeRef::named(STRING), "The place of the page's last record."),
        ]
    }
}

/// What a plugin computes.
fn computed_field(field: &Field) -> Option<OutputField> {
    let ty = TypeRef::named(TypeKey::Scalar(scalar_of(field.computed()?.returns)));
    let output = OutputField::new(&field.name, ty, Meaning::Computed(field.id), None);
    Some(output.described(Words::of_field(field)).deprecated(field.deprecated.as_ref()))
}

fn reference_id_field(field: &Field) -> OutputField {
    let name = format!("{}{ID_SUFFIX}", field.name);
    let words = format!("The id of `{}`; null too if the caller may not see it.", field.name);
    OutputField::new(&name, TypeRef::named(ID), Meaning::ReferenceId(field.id), Some(words))
        .deprecated(field.deprecated.as_ref())
}

/// The GraphQL scalar of a value's type.
pub(crate) fn scalar_of(scalar: ScalarType) -> Scalar {
    match scalar {
        ScalarType::Id => Scalar::Id,
        // A choice has an enum of its own; one without options is shown as what it is, text.
        ScalarType::Text | ScalarType::Choice => Scalar::String,
        ScalarType::Email => Scalar::EmailAddress,
        ScalarType::Phone => Scalar::PhoneNumber,
        ScalarType::Url => Scalar::Url,
        ScalarType::Integer => Scalar::Int,
        ScalarType::BigInteger => Scalar::BigInt,
        ScalarType::Decimal { .. } => Scalar::Decimal,
        ScalarType::Boolean => Scalar::Boolean,
        ScalarType::Date => Scalar::Date,
        ScalarType::Time => Scalar::Time,
        ScalarType::DateTime => Scalar::DateTime,
        ScalarType::Duration => Scalar::Duration,
        ScalarType::Json => Scalar::Json,
    }
}
