//! A subscription: which records' changes are told, what of each change, and what is read of the record.

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{ExecutableDocument, OperationDefinition};
use cardine_model::catalog::{FieldPath, Module, ModuleId};
use cardine_model::{PathSegment, Value};
use cardine_query::{Authorised, CompareOp, Filter, List, Page, Take};
use uuid::Uuid;

use super::arguments::Arguments;
use super::collect::Collected;
use super::context::ContextRecipe;
use super::list::ListBuilder;
use super::notice_changes::{NoticesFollowed, compile_notices};
use super::record::unvalidated;
use super::root::by_id;
use super::{Compiler, Located, Setting, key, quoted};
use crate::coerce::Input;
use crate::cursor::CursorContext;
use crate::error::Error;
use crate::schema::{Meaning, TypeKey};
use crate::shape::{ChangeField, Fields, Key};
use crate::variables::Variables;

/// Told where a subscription asks for what plugins compute.
pub(super) const NO_COMPUTED: &str =
    "A subscription tells no field that plugins compute: read it by a query when a change is told.";

/// A compiled subscription.
#[derive(Debug)]
pub enum Followed {
    /// To the changes of a module's records.
    Records(Box<Changes>),
    /// To the caller's notifications.
    Notices(NoticesFollowed),
}

impl Followed {
    /// The position to begin behind.
    pub fn after(&self) -> Option<&str> {
        match self {
            Self::Records(changes) => changes.after.as_deref(),
            Self::Notices(notices) => notices.after.as_deref(),
        }
    }

    /// Rows that one change may fetch, by the page sizes.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Records(changes) => changes.rows,
            Self::Notices(notices) => notices.rows,
        }
    }
}

/// A compiled subscription to the changes of a module's records.
#[derive(Debug)]
pub struct Changes {
    /// The module whose changes are told.
    pub module: ModuleId,
    /// Its filter says which records' changes are.
    pub matches: Authorised<List>,
    /// What is read of the records, if anything.
    pub records: Option<RecordsOfChanges>,
    /// What the lists' slots name; those of [`RecordsOfChanges`] are to be filled in.
    pub values: Vec<Value>,
    /// The kinds that are told, by name; `None`: all.
    pub kinds: Option<Vec<String>>,
    /// The position to begin behind.
    pub after: Option<String>,
    /// The key of the root field.
    pub key: Key,
    /// What a change consists of.
    pub fields: Fields<ChangeField>,
    /// Rows that one change may fetch, by the page sizes.
    pub rows: u64,
    /// What the cursors of the lists in it belong to.
    pub contexts: Vec<CursorContext>,
}

/// The list of the changed records.
#[derive(Debug)]
pub struct RecordsOfChanges {
    /// Asks for records by their ids.
    pub list: Authorised<List>,
    /// The slot of the ids.
    pub ids: usize,
    /// The slot of their number.
    pub count: usize,
    /// The output with the record's id.
    pub id_output: usize,
}

impl RecordsOfChanges {
    /// The values of the list for these records, each named once.
    pub fn values(&self, values: &[Value], ids: &[Uuid]) -> Vec<Value> {
        let mut values = values.to_vec();
        values[self.count] = Value::Integer(ids.len() as i64);
        values[self.ids] = Value::List(ids.iter().copied().map(Value::Id).collect());
        values
    }
}

/// Compiles a valid subscription.
pub fn compile_subscription(
    setting: Setting<'_>,
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
    variables: &Variables,
) -> Result<Followed, Vec<Error>> {
    variables.begin();
    let located = Located::default();
    let mut compiler = Compiler::new(setting, document, variables, &located);
    let set = &operation.node.selection_set.node;
    let fields = compiler.collect(TypeKey::Subscription, &[set]);
    let [field] = fields.as_slice() else { return Err(vec![unvalidated()]) };
    let placed = |error: Error| {
        let error = if error.locations.is_empty() { error.at(field.field.pos) } else { error };
        vec![error.under(vec![PathSegment::from(field.key)])]
    };
    let definition = setting.schema.field(TypeKey::Subscription, field.name()).ok_or_else(|| vec![unvalidated()])?;
    let arguments = compiler.arguments(field.field, &definition).map_err(placed)?;
    let module = match definition.meaning {
        Meaning::Changes(module) => module,
        Meaning::NotificationChanges => {
            let after = arguments.text("after").map(str::to_owned);
            return compile_notices(setting, document, operation, variables, after).map(Followed::Notices);
        }
        _ => return Err(vec![unvalidated()]),
    };
    let changes = compiler.changes(module, field, &arguments).map_err(placed)?;
    if !compiler.computings.is_empty() {
        return Err(vec![Error::input(NO_COMPUTED).at(operation.pos)]);
    }
    if changes.rows > setting.limits.rows {
        return Err(vec![Error::limit("estimated rows", setting.limits.rows, changes.rows).at(operation.pos)]);
    }
    Ok(Followed::Records(Box::new(changes)))
}

impl<'a> Compiler<'a> {
    fn changes(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        arguments: &Arguments,
    ) -> Result<Changes, Error> {
        let position = collected.field.pos;

        let page = Page { take: Take::One, after: None, before: None, offset: None };
        let mut matches = ListBuilder::new(module, page, self.setting.limits, 0, position);
        if let Some(filter) = arguments.get("filter") {
            let filter = self.filter(&mut matches, &[], module, filter, 0, &mut vec!["filter".into()])?;
            matches.filter(filter);
        }
        let matches = self.authorise(matches.list)?;

        let (count, ids) = (self.slot(Value::Integer(0)), self.slot(Value::List(Vec::new())));
        let page = Page { take: Take::First(count), after: None, before: None, offset: None };
        let mut list = ListBuilder::new(module, page, self.setting.limits, 0, position);
        list.filter(Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::In, operand: ids });
        list.order(by_id())?;
        self.rows = self.rows.saturating_add(1);
        let id_output = list.output(&[], Module::ID)?;
        let fields = self.change_fields(&mut list, module, collected)?;
        let wants_record = fields.iter().any(|(_, field)| matches!(field, ChangeField::Record(_)));
        let list = self.authorise(list.list)?;
        let (count, ids) = (count.0 as usize, ids.0 as usize);
        let records = wants_record.then_some(RecordsOfChanges { list, ids, count, id_output });

        let kinds = arguments.get("on").map(|kinds| {
            let name = |kind: &Input| match kind {
                Input::Value(Value::Text(name)) => Some(name.clone()),
                _ => None,
            };
            kinds.items().iter().filter_map(name).collect()
        });
        Ok(Changes {
            module,
            matches,
            records,
            values: std::mem::take(&mut self.values),
            kinds,
            after: arguments.text("after").map(str::to_owned),
            key: key(collected.key),
            fields,
            rows: self.rows,
            contexts: self.contexts.iter().map(ContextRecipe::now).collect(),
        })
    }

    fn change_fields(
        &mut self,
        list: &mut ListBuilder<'a>,
        module: ModuleId,
        collected: &Collected<'a>,
    ) -> Result<Fields<ChangeField>, Error> {
        let ty = TypeKey::Change(module);
        let mut fields = Vec::new();
        for field in self.collect(ty, &collected.sets) {
            let shape = match field.name() {
                "__typename" => ChangeField::Constant(quoted(&self.schema.name(ty))),
                "kind" => ChangeField::Kind,
                "id" => ChangeField::Id,
                "record" => ChangeField::Record(self.object(list, &[], module, &field.sets)?),
                "changedFields" => ChangeField::ChangedFields,
                "position" => ChangeField::Position,
                _ => return Err(unvalidated()),
            };
            fields.push((key(field.key), shape));
        }
        Ok(fields)
    }
}
