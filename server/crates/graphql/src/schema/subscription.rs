//! The fields of `Subscription`, and the changes that they tell.

use cardine_model::catalog::{Module, ModuleId};
use cardine_model::name::{lower_first, upper_first};

use super::{EnumValue, InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef, enums, notifications};

const ID: TypeKey = TypeKey::Scalar(Scalar::Id);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);

/// What the argument `after` of every subscription is for.
pub(super) const AFTER: &str =
    "Begin behind this position of an earlier change; `GAP` comes first if what followed it is not kept any more.";

/// What follows a module's name in the name of its subscription.
const CHANGES_SUFFIX: &str = "Changes";

impl Schema<'_> {
    /// Whether `dealChanges` exists. Changes of the platform's own modules are not told as events.
    pub fn may_follow(&self, module: ModuleId) -> bool {
        self.knows(module) && !self.catalog.module(module).platform
    }

    pub(super) fn subscription_fields(&self) -> Vec<OutputField> {
        let modules = self.catalog.modules.iter().filter(|module| self.may_follow(module.id));
        self.notification_changes_field().into_iter().chain(modules.map(|module| self.changes_field(module))).collect()
    }

    pub(super) fn subscription_field(&self, name: &str) -> Option<OutputField> {
        if name == notifications::CHANGES {
            return self.notification_changes_field();
        }
        let module = name.strip_suffix(CHANGES_SUFFIX)?;
        if !module.starts_with(|first: char| first.is_ascii_lowercase()) {
            return None;
        }
        let module = self.catalog.served_by_name(&upper_first(module))?;
        self.may_follow(module.id).then(|| self.changes_field(module))
    }

    fn changes_field(&self, module: &Module) -> OutputField {
        let name = format!("{}{CHANGES_SUFFIX}", lower_first(&module.name));
        let words =
            "Each change of a record that meets the filter and that the caller may see, from now on.".to_owned();
        let arguments = vec![
            InputValue::argument("filter", TypeRef::named(TypeKey::Filter(module.id)), "Which records."),
            InputValue::argument(
                "on",
                TypeRef::list(TypeKey::ChangeKind),
                "Which kinds; all by default, `GAP` always.",
            ),
            InputValue::argument("after", TypeRef::named(STRING), AFTER),
        ];
        let ty = TypeRef::required(TypeKey::Change(module.id));
        OutputField::new(&name, ty, Meaning::Changes(module.id), Some(words)).with(arguments)
    }

    pub(super) fn change_fields(&self, module: ModuleId) -> Vec<OutputField> {
        let record = "The record as it is now; null where the caller may not see it or it is deleted.";
        let changed = "The fields with new values, as far as the caller may read them; references by `…Id`.";
        vec![
            OutputField::part("kind", TypeRef::required(TypeKey::ChangeKind), "What happened, as the caller sees it."),
            OutputField::part("id", TypeRef::named(ID), "The record's id; null for `GAP`."),
            OutputField::part("record", TypeRef::named(TypeKey::Record(module)), record),
            OutputField::part("changedFields", TypeRef::required_list(STRING), changed),
            OutputField::part("position", TypeRef::required(STRING), "The place of this change, for `after`."),
        ]
    }

    pub(super) fn change_kinds(&self) -> Vec<EnumValue> {
        enums::fixed(&[
            ("CREATED", "A record was created."),
            ("UPDATED", "A record was changed."),
            ("DELETED", "A record was deleted."),
            ("ENTERED", "A change made a record meet the filter, or the caller see it."),
            ("LEFT", "A change made a record no longer meet the filter, or the caller no longer see it."),
            ("GAP", "Changes before this position are not told: read the list anew."),
        ])
    }
}
