//! A subscription to the caller's notifications: each one that is told is compiled for itself, as its form depends on the module of its record.

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{ExecutableDocument, OperationDefinition};
use cardine_engine::Notice;
use cardine_model::PathSegment;
use cardine_model::catalog::Module;
use uuid::Uuid;

use super::collect::Collected;
use super::context::ContextRecipe;
use super::notifications::place;
use super::record::unvalidated;
use super::subscribe::NO_COMPUTED;
use super::{Compiler, Located, Operation, Setting, key, quoted};
use crate::error::Error;
use crate::schema::TypeKey;
use crate::shape::{HitPlace, HitsOfModule, RootField, SearchField, SearchShape};
use crate::variables::Variables;

/// A subscription to notifications.
#[derive(Debug)]
pub struct NoticesFollowed {
    /// The position to begin behind.
    pub after: Option<String>,
    /// Rows that one of them may fetch, by the page sizes.
    pub rows: u64,
}

/// What is told to who follows their notifications.
#[derive(Debug)]
pub struct NoticeTold {
    /// `CREATED` or `GAP`.
    pub kind: &'static str,
    /// The notification; none for a gap.
    pub notice: Option<Notice>,
    /// Where to read on.
    pub position: String,
}

/// Compiles what one notification is told as.
pub fn compile_notice(
    setting: Setting<'_>,
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
    variables: &Variables,
    told: &NoticeTold,
) -> Result<Operation, Vec<Error>> {
    variables.begin();
    let located = Located::default();
    let mut compiler = Compiler::new(setting, document, variables, &located);
    let fields = compiler.collect(TypeKey::Subscription, &[&operation.node.selection_set.node]);
    let [field] = fields.as_slice() else { return Err(vec![unvalidated()]) };
    let shape = compiler.notice_change(field, told).map_err(|error| {
        let error = if error.locations.is_empty() { error.at(field.field.pos) } else { error };
        vec![error.under(vec![PathSegment::from(field.key)])]
    })?;
    if !compiler.computings.is_empty() {
        return Err(vec![Error::input(NO_COMPUTED).at(operation.pos)]);
    }
    if compiler.rows > setting.limits.rows {
        return Err(vec![Error::limit("estimated rows", setting.limits.rows, compiler.rows).at(operation.pos)]);
    }
    let Compiler { lists, values, rows, contexts, .. } = compiler;
    Ok(Operation {
        lists,
        values,
        mutations: Vec::new(),
        shape: vec![(key(field.key), shape)],
        rows,
        contexts: contexts.iter().map(ContextRecipe::now).collect(),
        computings: Vec::new(),
        reuse: None,
    })
}

/// Compiles a valid subscription to notifications, as far as that can be without one: what would be at fault with a record of any of the
/// modules is told at once.
pub(super) fn compile_notices(
    setting: Setting<'_>,
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
    variables: &Variables,
    after: Option<String>,
) -> Result<NoticesFollowed, Vec<Error>> {
    let mut rows = 1;
    for module in setting.schema.notifying_modules() {
        let (kind, at) = (String::new(), String::new());
        let notice = Notice { id: Uuid::nil(), kind, at, read_at: None, module, record: Uuid::nil() };
        let told = NoticeTold { kind: "CREATED", notice: Some(notice), position: String::new() };
        rows = compile_notice(setting, document, operation, variables, &told)?.rows.max(rows);
    }
    Ok(NoticesFollowed { after, rows })
}

impl<'a> Compiler<'a> {
    fn notice_change(&mut self, collected: &Collected<'a>, told: &NoticeTold) -> Result<RootField, Error> {
        const CHANGE: TypeKey = TypeKey::NotificationChange;
        let notice = told.notice.as_ref();
        let mut list = match notice {
            Some(notice) => Some(self.found_list(notice.module, vec![notice.record], collected)?),
            None => None,
        };
        let mut fields = Vec::new();
        for field in self.collect(CHANGE, &collected.sets) {
            let shape = match (field.name(), notice.zip(list.as_mut())) {
                ("__typename", _) => SearchField::Constant(quoted(&self.schema.name(CHANGE))),
                ("kind", _) => SearchField::Constant(quoted(told.kind)),
                ("position", _) => SearchField::Constant(quoted(&told.position)),
                ("notification", Some((notice, list))) => {
                    SearchField::Hit(self.found_fields(list, notice.module, TypeKey::Notification, &field.sets)?)
                }
                ("notification", None) => SearchField::Constant(b"null".to_vec()),
                _ => return Err(unvalidated()),
            };
            fields.push((key(field.key), shape));
        }
        let (mut places, mut modules) = (Vec::new(), Vec::new());
        if let Some((notice, mut list)) = notice.zip(list) {
            let id = list.output(&[], Module::ID)?;
            modules.push(HitsOfModule { list: self.add(list)?, id });
            places.push(HitPlace { module: 0, id: notice.record.to_string(), ..place(notice) });
        }
        Ok(RootField::Search(SearchShape { fields, places, modules, terms: Vec::new() }))
    }
}
