//! What was done to a record, as output: the field of every record, its page, entries and changes.

use cardine_model::catalog::{Module, ModuleId};

use super::{EnumValue, InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef};

/// The field of every record.
pub(super) const HISTORY: &str = "history";

const ID: TypeKey = TypeKey::Scalar(Scalar::Id);
const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);
const JSON: TypeKey = TypeKey::Scalar(Scalar::Json);
const DATE_TIME: TypeKey = TypeKey::Scalar(Scalar::DateTime);

const ACTIONS: [(&str, &str); 8] = [
    ("CREATED", "It was made."),
    ("UPDATED", "Values of it were changed."),
    ("LINKED", "It was linked with another record, or the link was changed."),
    ("UNLINKED", "A link with another record was taken away."),
    ("DELETED", "It was deleted."),
    ("RESTORED", "Its deletion was taken back."),
    ("MERGED", "Several records became one: this one, or it went into another."),
    ("DESTROYED", "It was removed for good."),
];

const VIAS: [(&str, &str); 5] = [
    ("API", "By a request."),
    ("WORKFLOW", "By a run of a workflow."),
    ("PLUGIN", "By a plugin."),
    ("IMPORT", "By an import."),
    ("SYSTEM", "By the server itself."),
];

impl Schema<'_> {
    /// Whether the module's records have a history. What is done to users, groups and roles is for administrators.
    pub fn has_history(&self, module: ModuleId) -> bool {
        let definition = self.catalog.module(module);
        self.rights.can_read_module(module) && !definition.platform && definition.link.is_none()
    }

    pub(super) fn history_field(&self, module: ModuleId) -> Option<OutputField> {
        let words = "What was done to the record, the newest first: changes of the fields that the caller may read.";
        let field = OutputField::new(
            HISTORY,
            TypeRef::required(TypeKey::HistoryConnection),
            Meaning::History,
            Some(words.to_owned()),
        );
        let field = field.with(vec![
            InputValue::argument(
                "first",
                TypeRef::named(INT),
                "How many from the newest on; 10 by default, at most 1,000.",
            ),
            InputValue::argument("after", TypeRef::named(STRING), "Only what comes after this cursor."),
            InputValue::argument("last", TypeRef::named(INT), "How many from the oldest on, at most 1,000."),
            InputValue::argument("before", TypeRef::named(STRING), "Only what comes before this cursor."),
        ]);
        self.has_history(module).then_some(field)
    }

    pub(super) fn history_connection_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("nodes", TypeRef::required_list(TypeKey::HistoryEntry), "The entries of the page."),
            OutputField::part(
                "edges",
                TypeRef::required_list(TypeKey::HistoryEdge),
                "The entries with their places in the history.",
            ),
            OutputField::part(
                "pageInfo",
                TypeRef::required(TypeKey::PageInfo),
                "Where the page stands in the history.",
            ),
            OutputField::part(
                "totalCount",
                TypeRef::required(INT),
                "The number of all entries that the caller may see.",
            ),
        ]
    }

    pub(super) fn history_edge_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part(
                "cursor",
                TypeRef::required(STRING),
                "The place in the history, for `after` and `before`.",
            ),
            OutputField::part("node", TypeRef::required(TypeKey::HistoryEntry), "The entry."),
        ]
    }

    pub(super) fn history_entry_fields(&self) -> Vec<OutputField> {
        let mut fields = vec![
            OutputField::part("id", TypeRef::required(ID), "The entry's id."),
            OutputField::part("at", TypeRef::required(DATE_TIME), "When."),
            OutputField::part("action", TypeRef::required(TypeKey::HistoryAction), "What was done."),
        ];
        if let Some(user) = self.history_user() {
            let user = TypeRef::named(TypeKey::Record(user));
            let words = "Who did it; null for the system, and where the caller may not read `updatedBy`.";
            fields.push(OutputField::part("actor", user.clone(), words));
            let words = "For whom the actor did it, such as the user whose change started a workflow.";
            fields.push(OutputField::part("onBehalfOf", user, words));
        }
        fields.extend([
            OutputField::part("via", TypeRef::required(TypeKey::HistoryVia), "Through what."),
            OutputField::part("requestId", TypeRef::named(ID), "The request: its answer had it as `X-Request-Id`."),
            OutputField::part(
                "changes",
                TypeRef::required_list(TypeKey::FieldChange),
                "The changes of the fields that the caller may read.",
            ),
        ]);
        fields
    }

    pub(super) fn field_change_fields(&self) -> Vec<OutputField> {
        let value = "as the API writes it; a reference is the id of the record, and null if the caller may not see it.";
        vec![
            OutputField::part("field", TypeRef::required(STRING), "The field's name today, with `Id` for a reference."),
            OutputField::part("old", TypeRef::named(JSON), &format!("The value before, {value}")),
            OutputField::part("new", TypeRef::named(JSON), &format!("The value after, {value}")),
        ]
    }

    pub(super) fn history_actions(&self) -> Vec<EnumValue> {
        ACTIONS.map(value).into()
    }

    pub(super) fn history_vias(&self) -> Vec<EnumValue> {
        VIAS.map(value).into()
    }

    /// The module of the users that entries name, if it exists for the caller.
    pub(crate) fn history_user(&self) -> Option<ModuleId> {
        let module = self.catalog.modules.first()?;
        let users = module.field(Module::UPDATED_BY).reference()?;
        users.targets.first().copied().filter(|user| self.rights.can_read_module(*user))
    }
}

fn value((name, words): (&str, &str)) -> EnumValue {
    EnumValue { name: name.to_owned(), description: Some(words.into()), deprecated: None }
}
