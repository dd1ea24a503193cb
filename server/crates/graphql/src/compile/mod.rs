//! Compilation: a valid operation and its variables become authorised lists, writes, and the form of the answer.
//!
//! Values stand apart from structure: lists name them by slots. So what is compiled depends on values only in their form
//! (which fields an input object has, what is null), and serves every request of that form.

mod aggregate;
mod arguments;
mod busy;
mod collect;
mod computed;
mod connection;
mod context;
mod data;
mod duplicates;
mod filter;
mod found;
mod history;
mod input;
mod introspect;
mod list;
mod notice_changes;
mod notifications;
mod occurrences;
mod opened;
mod order;
#[cfg(test)]
mod print;
mod record;
mod root;
mod search;
mod subscribe;
#[cfg(test)]
mod tests;
mod timeline;
mod write;

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use cardine_engine::{BusyTimes, Hits, Moments, Notices, Occurrings, Write};
use cardine_model::catalog::ModuleId;
use cardine_model::{PathSegment, Value};
use cardine_query::{Authorised, List, authorise};
use rustc_hash::FxHashMap;
use uuid::Uuid;

pub use computed::Computing;
pub use context::ContextRecipe;
pub use input::{Definition, coerce, definitions, variables};
pub use notice_changes::{NoticeTold, NoticesFollowed, compile_notice};
pub use opened::GivenCursor;
pub use search::Searches;
pub use subscribe::{Changes, Followed, RecordsOfChanges, compile_subscription};

use crate::cursor::{CursorContext, CursorKey};
use crate::error::{Code, Error};
use crate::limits::Limits;
use crate::schema::{Schema, TypeKey};
use crate::shape::{Fields, RootField};
use crate::variables::{Dependence, Place, Reading, Use, Variables};

/// What is asked of the database before compilation, because the form of the answer depends on it.
#[derive(Debug, Default)]
pub struct Located {
    /// The module of each id that `node` and `nodes` ask for and that exists for the caller.
    pub modules: FxHashMap<Uuid, ModuleId>,
    /// What the searches found, by their keys in the answer.
    pub found: FxHashMap<String, Hits>,
    /// What belongs to the records whose timelines are asked for, by their keys in the answer.
    pub moments: FxHashMap<String, Moments>,
    /// When the records occur that are asked for, by their keys in the answer.
    pub occurring: FxHashMap<String, Occurrings>,
    /// When users are busy, likewise.
    pub busy: FxHashMap<String, Vec<BusyTimes>>,
    /// The pages of the caller's notifications, by their keys in the answer.
    pub notices: FxHashMap<String, Notices>,
}

/// Who asks, as `me` shows it.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'a> {
    /// The user.
    pub user: Option<Uuid>,
    /// The role's name.
    pub role: &'a str,
    /// BCP 47 language.
    pub locale: &'a str,
    /// IANA time zone.
    pub time_zone: &'a str,
}

/// What an operation is compiled against.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// What exists for the caller.
    pub schema: Schema<'a>,
    /// Bounds.
    pub limits: &'a Limits,
    /// Opens cursors.
    pub cursors: &'a CursorKey,
    /// Who asks.
    pub viewer: Viewer<'a>,
}

/// A compiled operation.
#[derive(Debug)]
pub struct Operation {
    /// The lists to read; none for a mutation.
    pub lists: Vec<Authorised<List>>,
    /// What the lists' slots name.
    pub values: Vec<Value>,
    /// The writes, in order; none for a query.
    pub mutations: Vec<Mutation>,
    /// The form of the answer.
    pub shape: Fields<RootField>,
    /// Rows that may be fetched, by the page sizes.
    pub rows: u64,
    /// What the cursors of its lists belong to.
    pub contexts: Vec<CursorContext>,
    /// What plugins compute of what was read.
    pub computings: Vec<Computing>,
    /// How it serves later requests; none if it is for this one alone.
    pub reuse: Option<Reuse>,
}

/// What of an operation later requests with the same text and rights replace by their own.
#[derive(Debug)]
pub struct Reuse {
    /// Which requests compile to the same.
    pub dependence: Dependence,
    /// Positions of values that come from variables, and from where.
    pub given: Vec<(usize, Place)>,
    /// What the cursors of its lists belong to.
    pub contexts: Vec<ContextRecipe>,
    /// The cursors among the variables.
    pub cursors: Vec<GivenCursor>,
    /// The records of any module that it asks for.
    pub nodes: Vec<NodeAsked>,
    /// Where it asks for the caller's own user: the position of the id's value; `None` where it was compiled for nobody.
    pub persons: Vec<Option<usize>>,
}

/// A record of any module, as `node` asks for it.
#[derive(Debug)]
pub struct NodeAsked {
    /// The position of the id's value.
    pub slot: usize,
    /// The module that it was of; `None` if there was no such record.
    pub module: Option<ModuleId>,
}

/// One mutation.
#[derive(Debug)]
pub struct Mutation {
    /// What is written.
    pub write: Write,
    /// What is asked of the records afterwards, if they are shown: of one, the filter compares the id with slot 0; of several, it
    /// asks whether the id is among those in slot 0.
    pub then: Option<Authorised<List>>,
    /// The values of that list from slot 1 on.
    pub values: Vec<Value>,
    /// Where an error of this mutation belongs in the answer.
    pub path: Vec<PathSegment>,
    /// Where it stands in the text.
    pub position: async_graphql_parser::Pos,
}

/// Compiles a valid operation.
pub fn compile(
    setting: Setting<'_>,
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
    variables: &Variables,
    located: &Located,
) -> Result<Operation, Vec<Error>> {
    let root = match operation.node.ty {
        OperationType::Mutation => TypeKey::Mutation,
        OperationType::Query => TypeKey::Query,
        OperationType::Subscription => return Err(vec![record::unvalidated()]),
    };
    variables.begin();
    let mut compiler = Compiler::new(setting, document, variables, located);
    let shape = compiler.root(root, &operation.node.selection_set.node);
    if !compiler.errors.is_empty() {
        compiler.errors.truncate(setting.limits.errors);
        return Err(compiler.errors);
    }
    if compiler.rows > setting.limits.rows {
        return Err(vec![Error::limit("estimated rows", setting.limits.rows, compiler.rows).at(operation.pos)]);
    }
    if let Err(error) = write::check_dry_run(&compiler.mutations) {
        return Err(vec![error]);
    }
    let Compiler {
        lists, values, mutations, rows, given, contexts, computings, cursors, nodes, persons, reusable, ..
    } = compiler;
    let contexts_now = contexts.iter().map(ContextRecipe::now).collect();
    let reuse =
        reusable.then(|| Reuse { dependence: variables.dependence(), given, contexts, cursors, nodes, persons });
    Ok(Operation { lists, values, mutations, shape, rows, contexts: contexts_now, computings, reuse })
}

/// The ids that the operation's `node` and `nodes` ask for, each once.
pub fn node_ids(
    setting: Setting<'_>,
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
    variables: &Variables,
) -> Result<Vec<Uuid>, Vec<Error>> {
    let located = Located::default();
    let mut compiler = Compiler::new(setting, document, variables, &located);
    let ids = compiler.node_ids(&operation.node.selection_set.node);
    if compiler.errors.is_empty() { Ok(ids) } else { Err(compiler.errors) }
}

/// The operation's searches.
pub fn searches(
    setting: Setting<'_>,
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
    variables: &Variables,
) -> Result<Searches, Vec<Error>> {
    let located = Located::default();
    let mut compiler = Compiler::new(setting, document, variables, &located);
    let searches = compiler.searches(&operation.node.selection_set.node);
    let Compiler { values, mut errors, .. } = compiler;
    errors.truncate(setting.limits.errors);
    if errors.is_empty() { Ok(Searches { values, ..searches }) } else { Err(errors) }
}

struct Compiler<'a> {
    setting: Setting<'a>,
    schema: Schema<'a>,
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    located: &'a Located,
    lists: Vec<Authorised<List>>,
    mutations: Vec<Mutation>,
    values: Vec<Value>,
    given: Vec<(usize, Place)>,
    contexts: Vec<ContextRecipe>,
    computings: Vec<Computing>,
    cursors: Vec<GivenCursor>,
    nodes: Vec<NodeAsked>,
    persons: Vec<Option<usize>>,
    /// Whether nothing was compiled in that is of this request alone.
    reusable: bool,
    rows: u64,
    /// Bytes that introspection has written.
    introspected: usize,
    errors: Vec<Error>,
}

impl<'a> Compiler<'a> {
    fn new(
        setting: Setting<'a>,
        document: &'a ExecutableDocument,
        variables: &'a Variables,
        located: &'a Located,
    ) -> Self {
        Self {
            setting,
            schema: setting.schema,
            document,
            variables,
            located,
            lists: Vec::new(),
            mutations: Vec::new(),
            values: Vec::new(),
            given: Vec::new(),
            contexts: Vec::new(),
            computings: Vec::new(),
            cursors: Vec::new(),
            nodes: Vec::new(),
            persons: Vec::new(),
            reusable: true,
            rows: 0,
            introspected: 0,
            errors: Vec::new(),
        }
    }

    /// A slot whose value comes from a variable, if it does: later requests put theirs in it. Nothing but `reading` may be asked of
    /// the value elsewhere.
    fn slot_given(&mut self, value: Value, given: Option<Use>, reading: Reading) -> cardine_query::Slot {
        let slot = self.slot(value);
        if let Some(given) = given {
            self.given.push((slot.0 as usize, self.variables.take(given, reading)));
        }
        slot
    }

    /// A slot whose value is the same in all requests that the operation serves.
    fn slot(&mut self, value: Value) -> cardine_query::Slot {
        let slot =
            cardine_query::Slot(u32::try_from(self.values.len()).expect("a request's values are bounded by its size"));
        self.values.push(value);
        slot
    }

    /// Passes the list through the gate. What it names was looked up under the same rights, so a refusal is our fault.
    fn authorise(&self, list: List) -> Result<Authorised<List>, Error> {
        authorise(list, self.schema.catalog, self.schema.rights)
            .map_err(|_| Error::new(Code::Internal, "The operation was compiled wrongly."))
    }
}

/// A key of the answer as bytes.
fn key(name: &str) -> crate::shape::Key {
    format!("\"{name}\":").into_bytes().into_boxed_slice()
}

/// A name as JSON.
fn quoted(name: &str) -> Vec<u8> {
    let mut json = Vec::new();
    crate::answer::write_text(name, &mut json);
    json
}
