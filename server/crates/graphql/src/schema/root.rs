//! The fields of `Query`, the caller's own types, and the meta-fields of every type.

use cardine_model::catalog::{Module, ModuleId};
use cardine_model::name::{lower_first, upper_first};

use super::busy::BUSY_TIMES_SUFFIX;
use super::occurrences::OCCURRENCES_SUFFIX;
use super::timeline::TIMELINE_SUFFIX;
use super::{FigureType, InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef, introspection_types};

const ID: TypeKey = TypeKey::Scalar(Scalar::Id);
const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);
const BOOLEAN: TypeKey = TypeKey::Scalar(Scalar::Boolean);

/// What follows a module's name in the name of its groups.
const GROUPS_SUFFIX: &str = "Groups";

impl Schema<'_> {
    pub(super) fn query_fields(&self) -> Vec<OutputField> {
        let mut fields = Vec::from_iter(
            ["node", "nodes", "search", "notifications", "me"].into_iter().filter_map(|name| self.query_field(name)),
        );
        for module in self.catalog.modules.iter().filter(|module| self.is_listed(module.id)) {
            fields.push(self.one_field(module));
            fields.push(self.list_field(module));
            fields.extend(self.groups_field(module));
            fields.extend(self.timeline_field(module));
            fields.extend(self.occurrences_field(module));
            fields.extend(self.busy_times_field(module));
            fields.extend(self.duplicates_field(module.id));
        }
        fields
    }

    pub(super) fn query_field(&self, name: &str) -> Option<OutputField> {
        match name {
            "node" => return self.exists(TypeKey::Node).then(node_field),
            "nodes" => return self.exists(TypeKey::Node).then(nodes_field),
            "search" => return self.search_field(),
            "notifications" => return self.notifications_field(),
            "me" => return Some(me_field()),
            _ => {}
        }
        if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
            return None;
        }
        if let Some(module) = self.catalog.served_by_name(&upper_first(name)) {
            return self.is_listed(module.id).then(|| self.one_field(module));
        }
        if let Some(module) = name.strip_prefix("duplicatesOf").and_then(|name| self.catalog.served_by_name(name)) {
            return self.duplicates_field(module.id);
        }
        if let Some(module) = self.served_modules().find(|module| same_but_first(&module.plural, name)) {
            return self.is_listed(module.id).then(|| self.list_field(module));
        }
        if let Some(name) = name.strip_suffix(TIMELINE_SUFFIX) {
            return self.timeline_field(self.catalog.served_by_name(&upper_first(name))?);
        }
        if let Some(name) = name.strip_suffix(OCCURRENCES_SUFFIX) {
            return self.occurrences_field(self.catalog.served_by_name(&upper_first(name))?);
        }
        if let Some(name) = name.strip_suffix(BUSY_TIMES_SUFFIX) {
            return self.busy_times_field(self.catalog.served_by_name(&upper_first(name))?);
        }
        let module = self.catalog.served_by_name(&upper_first(name.strip_suffix(GROUPS_SUFFIX)?))?;
        self.groups_field(module)
    }

    fn one_field(&self, module: &Module) -> OutputField {
        let description = "The record of this id; null if there is none that the caller may see.".to_owned();
        let ty = TypeRef::named(TypeKey::Record(module.id));
        OutputField::new(&lower_first(&module.name), ty, Meaning::One(module.id), Some(description))
            .with(vec![InputValue::argument("id", TypeRef::required(ID), "The record's id.")])
    }

    fn list_field(&self, module: &Module) -> OutputField {
        let description = "A page of the records that meet the filter.".to_owned();
        let ty = TypeRef::required(TypeKey::Connection(module.id));
        OutputField::new(&lower_first(&module.plural), ty, Meaning::List(module.id), Some(description))
            .with(self.list_arguments(module.id))
    }

    /// None where there is nothing to group by.
    fn groups_field(&self, module: &Module) -> Option<OutputField> {
        if !self.figure_exists(module.id, FigureType::Group) {
            return None;
        }
        let description = "Groups of the records that meet the filter, with figures over each.".to_owned();
        let ty = TypeRef::required_list(TypeKey::Figures(module.id, FigureType::Group));
        let name = format!("{}{GROUPS_SUFFIX}", lower_first(&module.name));
        let field = OutputField::new(&name, ty, Meaning::Groups(module.id), Some(description));
        Some(field.with(self.group_arguments(module.id)))
    }

    /// The arguments of a list, at the root and nested alike.
    pub(super) fn list_arguments(&self, module: ModuleId) -> Vec<InputValue> {
        let mut arguments = vec![
            InputValue::argument("filter", TypeRef::named(TypeKey::Filter(module)), "Which records."),
            InputValue::argument(
                "orderBy",
                TypeRef::list(TypeKey::OrderBy(module)),
                "In which order; ties end on the id.",
            ),
            InputValue::argument(
                "first",
                TypeRef::named(INT),
                "How many from the start; 50 by default, 10 in a nested list, at most 1,000.",
            ),
            InputValue::argument("after", TypeRef::named(STRING), "Only what comes after this cursor."),
            InputValue::argument("last", TypeRef::named(INT), "How many from the end, at most 1,000."),
            InputValue::argument("before", TypeRef::named(STRING), "Only what comes before this cursor."),
            InputValue::argument("offset", TypeRef::named(INT), "How many to leave out first."),
        ];
        if self.may_see_deleted(module) {
            let deleted =
                InputValue::argument("deleted", TypeRef::named(TypeKey::Deleted), "Whether deleted records take part.");
            arguments.push(deleted.defaulting("EXCLUDE"));
        }
        arguments
    }

    pub(super) fn node_fields(&self) -> Vec<OutputField> {
        vec![OutputField::new(
            "id",
            TypeRef::required(ID),
            Meaning::Value(Module::ID),
            Some("The record's id.".to_owned()),
        )]
    }

    pub(super) fn viewer_fields(&self) -> Vec<OutputField> {
        let mut fields = Vec::new();
        if let Some(module) = self.user_module().filter(|module| self.knows(*module)) {
            let words = "The caller's user; null for a caller without one.".to_owned();
            fields.push(OutputField::new(
                "user",
                TypeRef::named(TypeKey::Record(module)),
                Meaning::ViewerUser,
                Some(words),
            ));
        }
        fields.push(OutputField::part("role", TypeRef::required(STRING), "The name of the caller's role."));
        fields.push(OutputField::part("locale", TypeRef::required(STRING), "The caller's language, by BCP 47."));
        fields.push(OutputField::part(
            "timeZone",
            TypeRef::required(STRING),
            "The caller's time zone, by its IANA name.",
        ));
        let words = "What the caller may do, for each module that exists for the caller.";
        fields.push(OutputField::part("modules", TypeRef::required_list(TypeKey::ViewerModule), words));
        fields
    }

    pub(super) fn viewer_module_fields(&self) -> Vec<OutputField> {
        let flag = |name, words| OutputField::part(name, TypeRef::required(BOOLEAN), words);
        vec![
            OutputField::part("name", TypeRef::required(STRING), "The module's name."),
            flag("create", "Whether the caller may create records."),
            flag("read", "Whether the caller may read records."),
            flag("update", "Whether the caller may change records."),
            flag("delete", "Whether the caller may delete records."),
        ]
    }

    /// The module of those who act, known by the reference to it that every record has.
    pub fn user_module(&self) -> Option<ModuleId> {
        let first = self.catalog.modules.first()?;
        first.field(Module::CREATED_BY).reference()?.targets.first().copied()
    }

    pub(super) fn meta_field(&self, key: TypeKey, name: &str) -> Option<OutputField> {
        match name {
            "__typename" if self.is_composite(key) => {
                let words = Some("The name of the object's type.".to_owned());
                Some(OutputField::new("__typename", TypeRef::required(STRING), Meaning::Typename, words))
            }
            "__schema" if key == TypeKey::Query => {
                let ty = TypeRef::required(introspection_types::SCHEMA);
                Some(OutputField::new("__schema", ty, Meaning::IntrospectSchema, None))
            }
            "__type" if key == TypeKey::Query => {
                let ty = TypeRef::named(introspection_types::TYPE);
                let name = InputValue::argument("name", TypeRef::required(STRING), "The type's name.");
                Some(OutputField::new("__type", ty, Meaning::IntrospectType, None).with(vec![name]))
            }
            _ => None,
        }
    }
}

fn node_field() -> OutputField {
    let words = "The record of this id, of any module; null if there is none that the caller may see.".to_owned();
    OutputField::new("node", TypeRef::named(TypeKey::Node), Meaning::Node, Some(words)).with(vec![id_argument()])
}

fn nodes_field() -> OutputField {
    let ty = TypeRef::List(Box::new(TypeRef::named(TypeKey::Node))).non_null();
    let words = "The records of these ids, in the same order; null for each that the caller may not see.".to_owned();
    let ids = InputValue::argument("ids", TypeRef::required_list(ID), "The records' ids, at most 1,000.");
    OutputField::new("nodes", ty, Meaning::Nodes, Some(words)).with(vec![ids])
}

fn me_field() -> OutputField {
    OutputField::new("me", TypeRef::required(TypeKey::Viewer), Meaning::Me, Some("The caller.".to_owned()))
}

pub(super) fn id_argument() -> InputValue {
    InputValue::argument("id", TypeRef::required(ID), "The record's id.")
}

/// Whether `name` is `plural` with a small first letter.
fn same_but_first(plural: &str, name: &str) -> bool {
    let (Some(first), Some(small)) = (plural.as_bytes().first(), name.as_bytes().first()) else { return false };
    first.to_ascii_lowercase() == *small && plural.as_bytes()[1..] == name.as_bytes()[1..]
}
