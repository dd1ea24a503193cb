//! The caller's notifications, in two steps as a search: the page of them, and then a list for each module among their records.

use async_graphql_parser::types::SelectionSet;
use cardine_engine::{Notice, NoticesAsked};
use cardine_model::Value;
use cardine_model::catalog::{Module, ModuleId};
use cardine_query::Take;
use uuid::Uuid;

use super::arguments::Arguments;
use super::collect::Collected;
use super::list::ListBuilder;
use super::record::unvalidated;
use super::search::faulty;
use super::{Compiler, key, quoted};
use crate::cursor::{ContextBuilder, CursorContext};
use crate::error::Error;
use crate::schema::{OutputField, TypeKey};
use crate::shape::{
    Fields, HitField, HitPlace, HitsOfModule, NoticePart, NoticeShown, RootField, SearchField, SearchShape,
};

impl<'a> Compiler<'a> {
    /// Which page is asked for.
    pub(super) fn notifications_asked(
        &mut self,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<NoticesAsked, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let unread = arguments.boolean("unread").unwrap_or_default();
        let (take, _) = self.take(&arguments, self.setting.limits.page_default)?;
        let (Take::First(first) | Take::Last(first)) = take else { return Err(unvalidated()) };
        let first = match self.values.get(first.0 as usize) {
            Some(Value::Integer(first)) => usize::try_from(*first).unwrap_or_default(),
            _ => return Err(unvalidated()),
        };
        let after = match arguments.text("after") {
            None => None,
            Some(cursor) => {
                let place = self.setting.cursors.open(&self.notifications_context(unread), cursor);
                let id = place.as_deref().and_then(|place| match place {
                    [id] => Uuid::try_parse(id.as_str()?).ok(),
                    _ => None,
                });
                Some(id.ok_or_else(|| faulty("after", "`after` is no cursor of the caller's notifications."))?)
            }
        };
        Ok(NoticesAsked { first, after, unread })
    }

    /// What their cursors belong to: a caller.
    fn notifications_context(&self, unread: bool) -> CursorContext {
        let mut context = ContextBuilder::default();
        context.text("notifications");
        context.value(&self.setting.viewer.user.map_or(Value::Null, Value::Id));
        context.value(&Value::Boolean(unread));
        context.finish()
    }

    /// The answer's form, when it is known which they are.
    pub(super) fn notifications(
        &mut self,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<RootField, Error> {
        let notices = self.located.notices.get(collected.key).cloned().unwrap_or_default();
        let arguments: Arguments = self.arguments(collected.field, definition)?;
        let context = self.notifications_context(arguments.boolean("unread").unwrap_or_default());
        let fields = self.collect(TypeKey::NotificationConnection, &collected.sets);

        let mut found: Vec<ModuleId> = notices.page.iter().map(|notice| notice.module).collect();
        found.sort_unstable();
        found.dedup();
        // For each field that shows them, a form for each module.
        let mut shown: Vec<Vec<Fields<HitField>>> = vec![Vec::new(); fields.len()];
        let mut of_modules = Vec::with_capacity(found.len());
        for module in &found {
            let of_module = notices.page.iter().filter(|notice| notice.module == *module);
            let mut ids: Vec<Uuid> = of_module.map(|notice| notice.record).collect();
            ids.sort_unstable();
            ids.dedup();
            let mut list = self.hits_list(*module, ids, collected)?;
            for (position, field) in fields.iter().enumerate() {
                if field.name() == "nodes" {
                    let form = self.notification_fields(&mut list, *module, &field.sets)?;
                    shown[position].push(form);
                }
            }
            let id = list.output(&[], Module::ID)?;
            of_modules.push(HitsOfModule { list: self.add(list)?, id });
        }
        let place = |notice: &Notice| HitPlace {
            module: found.iter().position(|module| *module == notice.module).unwrap_or(usize::MAX),
            id: notice.record.to_string(),
            score: 0.0,
            cursor: self.setting.cursors.seal(&context, format!("[\"{}\"]", notice.id).as_bytes()),
            at: notice.at.clone(),
            way: notice.kind.clone(),
            notice: Some(NoticeShown { id: notice.id.to_string(), read_at: notice.read_at.clone() }),
            time: None,
        };
        let places: Vec<HitPlace> = notices.page.iter().map(place).collect();
        let mut shapes = Vec::with_capacity(fields.len());
        for (field, forms) in fields.iter().zip(shown) {
            let number = |number: usize| SearchField::Constant(number.to_string().into_bytes());
            let shape = match field.name() {
                "nodes" => SearchField::Hits(forms),
                "__typename" => SearchField::Constant(quoted("NotificationConnection")),
                "totalCount" => number(notices.total),
                "unreadCount" => number(notices.unread),
                "pageInfo" => {
                    SearchField::Constant(self.found_page_info(field, notices.has_more, &places, &arguments)?)
                }
                _ => return Err(unvalidated()),
            };
            shapes.push((key(field.key), shape));
        }
        Ok(RootField::Search(SearchShape { fields: shapes, places, modules: of_modules, terms: Vec::new() }))
    }

    fn notification_fields(
        &mut self,
        list: &mut ListBuilder<'a>,
        module: ModuleId,
        sets: &[&'a SelectionSet],
    ) -> Result<Fields<HitField>, Error> {
        let definition = self.schema.catalog.module(module);
        let title = definition.name_field.filter(|field| self.schema.rights.can_read(module, *field));
        let mut fields = Vec::new();
        for field in self.collect(TypeKey::Notification, sets) {
            let shape = match field.name() {
                "__typename" => HitField::Constant(quoted("Notification")),
                "id" => HitField::Notice(NoticePart::Id),
                "readAt" => HitField::Notice(NoticePart::ReadAt),
                "kind" => HitField::Way,
                "at" => HitField::At,
                "record" => HitField::Record(self.object(list, &[], module, &field.sets)?),
                "module" => HitField::Constant(quoted(&definition.name)),
                "title" => match title {
                    Some(title) => HitField::Title(list.output(&[], title)?),
                    None => HitField::Constant(b"null".to_vec()),
                },
                _ => return Err(unvalidated()),
            };
            fields.push((key(field.key), shape));
        }
        Ok(fields)
    }
}
