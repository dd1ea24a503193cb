//! What all clauses of one statement share: parameters, aliases, tables with the to-one joins that their paths need.

use std::fmt::Write as _;

use cardine_access::{RecordAction, RecordRules, RecordScope, Rights};
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, Field, FieldId, Hop, Link, ModuleId};
use cardine_model::rule::Expr;

use crate::ident::{column, quote};
use crate::statement::{Dialect, Param};

/// How deep `CONTROLLED_BY_PARENT` is followed; a longer chain shows nothing.
const PARENT_DEPTH_MAX: usize = 8;

/// The state of one statement's making.
pub(crate) struct Writer<'a> {
    pub dialect: Dialect,
    pub catalog: &'a Catalog,
    pub rights: &'a Rights,
    params: Vec<Param>,
    aliases: u32,
    /// Parents that were deleted at this instant count as there.
    gone: Option<String>,
    /// Stored rollups are computed, and not read from their columns.
    pub computing: bool,
    /// What is written gives a page in an order, so that not all records have to be found.
    pub paged: bool,
}

/// Whose eyes a table is seen with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Only records that the caller may read.
    Caller,
    /// All records that are not deleted: rollups with scope `ALL`, and the records that they reach.
    All,
}

impl Visibility {
    /// What a test's server sees where it was told to leave out the check of a place.
    #[must_use]
    pub fn unless(self, switched_off: bool) -> Self {
        if switched_off { Self::All } else { self }
    }
}

/// A table in a `FROM`, with the joins that were asked for so far.
pub(crate) struct Source {
    pub module: ModuleId,
    pub alias: String,
    pub visibility: Visibility,
    joins: Vec<Join>,
}

impl Source {
    /// Whether any related record was asked for.
    pub fn has_joins(&self) -> bool {
        !self.joins.is_empty()
    }

    /// Whether the record that `hops` lead to was asked for already.
    pub fn joins(&self, hops: &[Hop]) -> bool {
        self.joins.iter().any(|join| join.hops == hops)
    }
}

struct Join {
    hops: Vec<Hop>,
    alias: String,
    condition: String,
}

impl<'a> Writer<'a> {
    pub fn new(dialect: Dialect, catalog: &'a Catalog, rights: &'a Rights) -> Self {
        Self { dialect, catalog, rights, params: Vec::new(), aliases: 0, gone: None, computing: false, paged: false }
    }

    /// The same, for a place where the columns of stored rollups are not there, or not right yet.
    pub fn computing(dialect: Dialect, catalog: &'a Catalog, rights: &'a Rights) -> Self {
        Self { computing: true, ..Self::new(dialect, catalog, rights) }
    }

    /// The same, for what gives a page in an order.
    pub fn paged(dialect: Dialect, catalog: &'a Catalog, rights: &'a Rights) -> Self {
        Self { paged: true, ..Self::new(dialect, catalog, rights) }
    }

    /// The placeholder of `param`; equal parameters share one.
    pub fn param(&mut self, param: Param) -> String {
        let position = self.params.iter().position(|known| *known == param).unwrap_or_else(|| {
            self.params.push(param);
            self.params.len() - 1
        });
        let sigil = match self.dialect {
            Dialect::Sqlite => '?',
            Dialect::Postgres => '$',
        };
        format!("{sigil}{}", position + 1)
    }

    /// The placeholder of `param`, told to be of PostgreSQL's type `ty`.
    pub fn typed_param(&mut self, param: Param, ty: &str) -> String {
        let placeholder = self.param(param);
        match self.dialect {
            Dialect::Sqlite => placeholder,
            Dialect::Postgres => format!("{placeholder}::{ty}"),
        }
    }

    pub fn into_params(self) -> Vec<Param> {
        self.params
    }

    pub fn source(&mut self, module: ModuleId, visibility: Visibility) -> Source {
        Source { module, alias: self.alias(), visibility, joins: Vec::new() }
    }

    pub(crate) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    /// The alias of the record that `hops` lead to, joined when it is first asked for.
    ///
    /// A target that is deleted or may not be seen is not joined, so everything read through it is null.
    pub fn join(&mut self, source: &mut Source, hops: &[Hop]) -> String {
        let Some((last, before)) = hops.split_last() else {
            return source.alias.clone();
        };
        if let Some(join) = source.joins.iter().find(|join| join.hops == hops) {
            return join.alias.clone();
        }
        let from = self.join(source, before);
        let from_module = before.last().map_or(source.module, |hop| hop.target);
        let reference = self.catalog.field(from_module, last.field);
        let alias = self.alias();
        let mut condition = format!("{} = {}", column(&alias, "id"), column(&from, stored_column(reference)));
        condition.push_str(" AND ");
        let visibility = source.visibility.unless(switched_off!("record.join"));
        condition.push_str(&self.live_and_visible(last.target, &alias, visibility));
        source.joins.push(Join { hops: hops.to_vec(), alias: alias.clone(), condition });
        alias
    }

    /// `FROM` with all joins asked for; to be written after the clauses that ask.
    pub fn from(&self, source: &Source) -> String {
        let mut text = format!("{} {}", quote(&self.catalog.module(source.module).table), source.alias);
        text.push_str(&self.joins(source));
        text
    }

    /// The joins alone.
    pub fn joins(&self, source: &Source) -> String {
        let mut text = String::new();
        for join in &source.joins {
            let target = join.hops.last().map_or(source.module, |hop| hop.target);
            let table = quote(&self.catalog.module(target).table);
            let _ = write!(text, " LEFT JOIN {table} {} ON {}", join.alias, join.condition);
        }
        text
    }

    /// The condition that a record is not deleted and may be seen.
    pub fn live_and_visible(&mut self, module: ModuleId, alias: &str, visibility: Visibility) -> String {
        let live = match switched_off!("record.deleted") {
            false => format!("{} IS NULL", column(alias, "deleted_at")),
            true => "1 = 1".to_owned(),
        };
        match self.visible(module, alias, visibility) {
            Some(visible) => format!("{live} AND {visible}"),
            None => live,
        }
    }

    /// The condition that a record may be seen; none if all may.
    pub fn visible(&mut self, module: ModuleId, alias: &str, visibility: Visibility) -> Option<String> {
        if let Some(link) = self.catalog.module(module).link {
            return Some(self.linked(module, link, alias, visibility));
        }
        if visibility == Visibility::All {
            return None;
        }
        self.in_reach(module, alias, RecordAction::Read)
    }

    /// The condition that a record could be seen until the instant `gone`, at which it was deleted, perhaps with its parent; null
    /// for one that is there.
    pub fn visible_until(&mut self, module: ModuleId, alias: &str, gone: String) -> Option<String> {
        self.gone = Some(gone);
        let visible = self.visible(module, alias, Visibility::Caller);
        self.gone = None;
        visible
    }

    /// The condition that both records of a link are there and may be seen: else the link is not there either.
    fn linked(&mut self, module: ModuleId, link: Link, alias: &str, visibility: Visibility) -> String {
        let catalog = self.catalog;
        let visibility = visibility.unless(switched_off!("record.link"));
        let ends = [link.source, link.target].map(|end| {
            let reference = catalog.field(module, end);
            let targets = reference.reference().map_or(&[][..], |reference| &reference.targets);
            let of_target = targets.iter().map(|target| {
                let record = self.alias();
                let table = quote(&catalog.module(*target).table);
                let is_end = format!("{} = {}", column(&record, "id"), column(alias, stored_column(reference)));
                let live = self.live_and_visible(*target, &record, visibility);
                format!("EXISTS (SELECT 1 FROM {table} {record} WHERE {is_end} AND {live})")
            });
            let ways: Vec<_> = of_target.collect();
            if ways.is_empty() { "1 = 0".to_owned() } else { format!("({})", ways.join(" OR ")) }
        });
        ends.join(" AND ")
    }

    /// The condition that a record is in the caller's reach for an action; none if all are.
    pub fn in_reach(&mut self, module: ModuleId, alias: &str, action: RecordAction) -> Option<String> {
        self.reached(module, alias, action, 0)
    }

    fn reached(&mut self, module: ModuleId, alias: &str, action: RecordAction, depth: usize) -> Option<String> {
        let (catalog, rights) = (self.catalog, self.rights);
        let own = match rights.scope(catalog.module(module), action) {
            RecordScope::All => None,
            RecordScope::Owned if switched_off!("reach.owner") => None,
            RecordScope::Parent(_) if switched_off!("reach.parent") => None,
            RecordScope::Owned => Some(self.owned(alias)),
            RecordScope::Parent(_) if depth >= PARENT_DEPTH_MAX => Some("1 = 0".to_owned()),
            RecordScope::Parent(field) => Some(self.parent_reached(module, alias, field, action, depth)),
        };
        let Some(rules) = rights.record_rules(module) else { return own };
        let mut conditions = Vec::new();
        if let Some(own) = own {
            let mut ways = vec![own];
            self.opened(module, alias, action, rules, &mut ways);
            conditions.push(if ways.len() == 1 { ways.remove(0) } else { format!("({})", ways.join(" OR ")) });
        }
        for rule in rules.narrowing.iter().filter(|_| !switched_off!("reach.narrowing")) {
            conditions.push(self.meets(module, alias, &rule.expr));
        }
        if conditions.is_empty() { None } else { Some(conditions.join(" AND ")) }
    }

    fn parent_reached(
        &mut self,
        module: ModuleId,
        alias: &str,
        field: FieldId,
        action: RecordAction,
        depth: usize,
    ) -> String {
        let catalog = self.catalog;
        let reference = catalog.field(module, field);
        let targets = reference.reference().map_or(&[][..], |reference| &reference.targets);
        let parents: Vec<String> = targets
            .iter()
            .map(|target| {
                let parent = self.alias();
                let table = quote(&catalog.module(*target).table);
                let deleted_at = column(&parent, "deleted_at");
                let live = match &self.gone {
                    Some(gone) => format!("({deleted_at} IS NULL OR {deleted_at} = {gone})"),
                    None => format!("{deleted_at} IS NULL"),
                };
                let (id, reference) = (column(&parent, "id"), column(alias, stored_column(reference)));
                let mut condition = format!("{id} = {reference} AND {live}");
                if let Some(reached) = self.reached(*target, &parent, action, depth + 1) {
                    let _ = write!(condition, " AND {reached}");
                }
                format!("EXISTS (SELECT 1 FROM {table} {parent} WHERE {condition})")
            })
            .collect();
        if parents.is_empty() { "1 = 0".to_owned() } else { format!("({})", parents.join(" OR ")) }
    }

    /// Adds the ways in which sharing opens a record: by its owner, by a rule, by a share of the single record.
    fn opened(
        &mut self,
        module: ModuleId,
        alias: &str,
        action: RecordAction,
        rules: &RecordRules,
        ways: &mut Vec<String>,
    ) {
        if rules.shared_owners {
            match switched_off!("reach.shared_owner") {
                false => {
                    let owners = self.typed_param(Param::SharedOwners(module, action), "uuid[]");
                    ways.push(self.among(&column(alias, "owner_id"), &owners));
                }
                true => ways.push("1 = 1".to_owned()),
            }
        }
        for (_, rule) in rules.opening.iter().filter(|(opens, _)| opens.covers(action)) {
            match switched_off!("reach.opening_rule") {
                false => ways.push(self.meets(module, alias, &rule.expr)),
                true => ways.push("1 = 1".to_owned()),
            }
        }
        if rules.shares {
            let share = self.alias();
            let shared_with_caller = match switched_off!("reach.share") {
                false => {
                    let principals = self.typed_param(Param::Principals, "uuid[]");
                    self.among(&column(&share, "principal_id"), &principals)
                }
                true => "1 = 1".to_owned(),
            };
            let further = match action {
                _ if switched_off!("reach.share_opens") => String::new(),
                RecordAction::Read => String::new(),
                RecordAction::Update => format!(" AND {}", column(&share, "opens_update")),
                RecordAction::Delete => format!(" AND {}", column(&share, "opens_delete")),
            };
            ways.push(format!(
                "EXISTS (SELECT 1 FROM {} {share} WHERE {} = {} AND {shared_with_caller}{further})",
                quote("record_share"),
                column(&share, "record_id"),
                column(alias, "id")
            ));
        }
    }

    /// The condition that an administrator's rule is true of a record. It reads what the rule names, whoever asks: the rule is
    /// the administrator's word on whom the record is for.
    pub fn meets(&mut self, module: ModuleId, alias: &str, rule: &Expr) -> String {
        let mut record = Source { module, alias: alias.to_owned(), visibility: Visibility::All, joins: Vec::new() };
        let condition = self.rule(rule, &mut record, &[]);
        if record.joins.is_empty() {
            return format!("({condition})");
        }
        // Whoever asks has no place for joins: they are made here, from one row without columns.
        format!("EXISTS (SELECT 1 FROM (SELECT 1) AS one{} WHERE {condition})", self.joins(&record))
    }

    fn owned(&mut self, alias: &str) -> String {
        let owner = column(alias, "owner_id");
        if !self.paged || !self.rights.is_broad() {
            let owners = self.typed_param(Param::VisibleOwners, "uuid[]");
            return self.among(&owner, &owners);
        }
        // Where a good part of all records is seen, a page is soon full in the order that is asked for. Finding all records by the
        // index over their owners, to sort them then, takes longer the more there are: neither database may think of it. PostgreSQL would
        // also ask its statistics about each of the owners, which takes longer than the page.
        let owners = self.typed_param(Param::VisibleOwnersInOrder, "uuid[]");
        match self.dialect {
            Dialect::Sqlite => format!("cardine_is_among({owner}, {owners})"),
            Dialect::Postgres => format!("CASE WHEN {owner} = ANY({owners}) THEN true ELSE false END"),
        }
    }

    /// The condition that `value` is among the elements of the list parameter `list`.
    pub fn among(&self, value: &str, list: &str) -> String {
        among(self.dialect, value, list)
    }
}

/// The condition that `value` is among the elements of the list parameter `list`.
pub(crate) fn among(dialect: Dialect, value: &str, list: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("{value} IN (SELECT value FROM json_each({list}))"),
        Dialect::Postgres => format!("{value} = ANY({list})"),
    }
}

/// The column of a stored field.
pub(crate) fn stored_column(field: &Field) -> &str {
    field.column.as_deref().expect("a reference is always stored")
}
