//! The caller's notifications: their root fields, and the types of what they answer.

use cardine_model::catalog::ModuleId;

use super::subscription::AFTER;
use super::{InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef};

const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);
const BOOLEAN: TypeKey = TypeKey::Scalar(Scalar::Boolean);
const ID: TypeKey = TypeKey::Scalar(Scalar::Id);
const DATE_TIME: TypeKey = TypeKey::Scalar(Scalar::DateTime);

/// The subscription to them.
pub(super) const CHANGES: &str = "notificationChanges";
/// The mutation that marks them.
pub(super) const MARK_READ: &str = "markNotificationsRead";

impl Schema<'_> {
    /// Whether the caller may be mentioned anywhere: in a text that exists for them.
    pub fn has_notifications(&self) -> bool {
        self.notifying_modules().next().is_some()
    }

    /// The modules with a text that exists for the caller and mentions users.
    pub fn notifying_modules(&self) -> impl Iterator<Item = ModuleId> {
        let modules = self.catalog.modules.iter().filter(|module| self.is_listed(module.id));
        let notifying = modules.filter(|module| {
            let mentions = module.mentions.as_deref();
            mentions.is_some_and(|mentions| mentions.texts(module).any(|field| self.reads(module.id, field.id)))
        });
        notifying.map(|module| module.id)
    }

    pub(super) fn notifications_field(&self) -> Option<OutputField> {
        let words = "What the caller was told of, the latest first; of records that the caller sees now.".to_owned();
        let ty = TypeRef::required(TypeKey::NotificationConnection);
        let field = OutputField::new("notifications", ty, Meaning::Notifications, Some(words)).with(vec![
            InputValue::argument("unread", TypeRef::named(BOOLEAN), "Only those that are unread.").defaulting("false"),
            InputValue::argument("first", TypeRef::named(INT), "How many; 50 by default, at most 1,000."),
            InputValue::argument("after", TypeRef::named(STRING), "Only what comes after this cursor."),
        ]);
        self.has_notifications().then_some(field)
    }

    /// Whether the caller may mark them. A key with scopes does not: no scope names it, and one for reading changes nothing.
    pub fn may_mark_notifications(&self) -> bool {
        self.rights.whole && self.has_notifications()
    }

    pub(super) fn mark_read_field(&self) -> Option<OutputField> {
        let words = "Marks the caller's notifications as read, and answers which were unread.".to_owned();
        let ids = InputValue::argument("ids", TypeRef::list(ID), "Which, at most 500. Left out: all.");
        let ty = TypeRef::required(TypeKey::BulkResult);
        let field = OutputField::new(MARK_READ, ty, Meaning::MarkNotificationsRead, Some(words)).with(vec![ids]);
        self.may_mark_notifications().then_some(field)
    }

    pub(super) fn notification_changes_field(&self) -> Option<OutputField> {
        let words =
            "What the caller is told of, from now on: of each record that the caller sees when it is told.".to_owned();
        let after = InputValue::argument("after", TypeRef::named(STRING), AFTER);
        let ty = TypeRef::required(TypeKey::NotificationChange);
        let field = OutputField::new(CHANGES, ty, Meaning::NotificationChanges, Some(words)).with(vec![after]);
        self.has_notifications().then_some(field)
    }

    pub(super) fn notification_change_fields(&self) -> Vec<OutputField> {
        let kind = "`CREATED`: there is a new one. `GAP`: those before this position are not told, read the list anew.";
        let notification = "The notification; null for `GAP`, and where its record is out of the caller's sight since.";
        vec![
            OutputField::part("kind", TypeRef::required(TypeKey::ChangeKind), kind),
            OutputField::part("notification", TypeRef::named(TypeKey::Notification), notification),
            OutputField::part("position", TypeRef::required(STRING), "The place of this one, for `after`."),
        ]
    }

    pub(super) fn notification_connection_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("nodes", TypeRef::required_list(TypeKey::Notification), "The notifications."),
            OutputField::part(
                "edges",
                TypeRef::required_list(TypeKey::NotificationEdge),
                "The notifications with their places in the order.",
            ),
            OutputField::part("pageInfo", TypeRef::required(TypeKey::PageInfo), "Where the page stands in the list."),
            OutputField::part("totalCount", TypeRef::required(INT), "How many there are, among the latest 1,000."),
            OutputField::part("unreadCount", TypeRef::required(INT), "How many of them are unread."),
        ]
    }

    pub(super) fn notification_edge_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("cursor", TypeRef::required(STRING), "The place in the order, for `after`."),
            OutputField::part("node", TypeRef::required(TypeKey::Notification), "The notification."),
        ]
    }

    pub(super) fn notification_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("id", TypeRef::required(ID), "Its id."),
            OutputField::part("kind", TypeRef::required(STRING), "Why: `MENTION`."),
            OutputField::part("at", TypeRef::required(DATE_TIME), "When."),
            OutputField::part("readAt", TypeRef::named(DATE_TIME), "When it was marked as read."),
            OutputField::part("module", TypeRef::required(STRING), "The name of the record's module."),
            OutputField::part("title", TypeRef::named(STRING), "The field that names the record."),
            OutputField::part("record", TypeRef::required(TypeKey::Node), "What it is about."),
        ]
    }
}
