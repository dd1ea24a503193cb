//! The text search: its root field, and the types of what it answers.

use cardine_model::catalog::{FieldId, ModuleId};

use super::{InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef};

const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const FLOAT: TypeKey = TypeKey::Scalar(Scalar::Float);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);

impl Schema<'_> {
    /// The search fields of a module that exist for the caller, in the module's order. The platform's own modules have no index.
    pub fn searched_fields(&self, module: ModuleId) -> impl Iterator<Item = FieldId> {
        let definition = self.catalog.module(module);
        let fields = definition.search.iter().copied().filter(|_| !definition.platform);
        fields.filter(move |field| self.reads(module, *field))
    }

    /// The modules in which something can be found by the caller.
    pub fn searched_modules(&self) -> impl Iterator<Item = ModuleId> {
        let modules = self.catalog.modules.iter().map(|module| module.id);
        modules.filter(|module| self.knows(*module) && self.searched_fields(*module).next().is_some())
    }

    /// Whether there is a search for the caller.
    pub fn has_search(&self) -> bool {
        self.searched_modules().next().is_some()
    }

    pub(super) fn search_field(&self) -> Option<OutputField> {
        let words =
            "The records in which every word of the text begins a word of one of their search fields, the best first.";
        let ty = TypeRef::required(TypeKey::SearchConnection);
        let field = OutputField::new("search", ty, Meaning::Search, Some(words.to_owned())).with(vec![
            InputValue::argument("text", TypeRef::required(STRING), "The words; case and marks do not matter."),
            InputValue::argument("modules", TypeRef::list(STRING), "Only in modules of these names."),
            InputValue::argument("first", TypeRef::named(INT), "How many; 50 by default, at most 1,000."),
            InputValue::argument("after", TypeRef::named(STRING), "Only what comes after this cursor."),
        ]);
        self.has_search().then_some(field)
    }

    pub(super) fn search_connection_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("nodes", TypeRef::required_list(TypeKey::SearchHit), "What was found."),
            OutputField::part(
                "edges",
                TypeRef::required_list(TypeKey::SearchEdge),
                "What was found, with the places in the order.",
            ),
            OutputField::part("pageInfo", TypeRef::required(TypeKey::PageInfo), "Where the page stands in the list."),
            OutputField::part("totalCount", TypeRef::required(INT), "The number of all records that were found."),
        ]
    }

    pub(super) fn search_edge_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("cursor", TypeRef::required(STRING), "The place in the order, for `after`."),
            OutputField::part("node", TypeRef::required(TypeKey::SearchHit), "What was found."),
        ]
    }

    pub(super) fn search_hit_fields(&self) -> Vec<OutputField> {
        let score = "How well it fits: 1 if the text's words are words of the title, 0.75 if they begin such words, 0.5 and 0.25 if \
                     they stand anywhere in the searched fields.";
        vec![
            OutputField::part("record", TypeRef::required(TypeKey::Node), "The record."),
            OutputField::part("module", TypeRef::required(STRING), "The name of its module."),
            OutputField::part("title", TypeRef::named(STRING), "The field that names the record."),
            OutputField::part(
                "snippet",
                TypeRef::named(STRING),
                "A part of the record's text with a word that was found.",
            ),
            OutputField::part("score", TypeRef::required(FLOAT), score),
        ]
    }
}
