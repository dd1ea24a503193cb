//! What the server decides by its real statements, beside what the model decides.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cardine_access::Rights;
use cardine_engine::{EngineError, ListResult, RequestContext, Write};
use cardine_model::Value;
use cardine_model::catalog::{Catalog, FieldPath, Module, ModuleId};
use cardine_query::{Authorised, Child, Deleted, List, Measure, Nulls, OrderKey, Page, Slot, Take, authorise};
use uuid::Uuid;

use super::chance::Chance;
use super::model::Caller;
use super::site::{Site, field_access};
use super::world::{ADMINISTRATORS, Access, Action, Field, MODULES, OPEN, World, fields};

/// Decisions that were compared.
#[derive(Debug, Default, Clone, Copy)]
pub struct Compared {
    /// Of a caller, a record and an action.
    pub records: usize,
    /// Of a caller and a field.
    pub fields: usize,
}

/// One world, and what is asked of it.
pub struct Comparison<'a> {
    pub site: &'a Site,
    pub world: &'a World,
    pub compared: Compared,
}

type Disagreement = String;

impl Comparison<'_> {
    /// Compares everything that is read by everybody, and what some write and are told.
    pub async fn run(&mut self, chance: &mut Chance) -> Result<(), Disagreement> {
        let users = (0..self.world.users.len()).map(Caller::User);
        let roles = (2..self.world.roles.len().min(4)).map(Caller::Role);
        let keys = (0..self.world.keys.len()).map(Caller::Key);
        let callers: Vec<Caller> = users.chain(keys).chain(roles).chain([Caller::Anonymous]).collect();
        for caller in &callers {
            let asking = self.site.asking(self.world, *caller);
            let is_active = self.world.user_of(*caller).is_none_or(|user| self.world.users[user].active);
            if asking.is_some() != is_active {
                return Err(format!("{caller:?} may sign in: {}", asking.is_some()));
            }
            if let Some(asking) = asking {
                self.rights(*caller, &asking.actor.rights)?;
                self.reads(*caller, &asking).await?;
            }
        }
        for _ in 0..2 {
            let caller = callers[chance.below(callers.len())];
            if let Some(asking) = self.site.asking(self.world, caller) {
                self.updates(caller, &asking).await?;
                self.deletes(caller, &asking).await?;
            }
        }
        for _ in 0..6 {
            self.explanation(chance).await?;
        }
        for _ in 0..2 {
            self.seers(chance).await?;
        }
        Ok(())
    }

    fn rights(&mut self, caller: Caller, rights: &Rights) -> Result<(), Disagreement> {
        let catalog = &self.site.engine.snapshot().catalog;
        for (position, id) in self.site.modules.iter().enumerate() {
            let (module, own) = (catalog.module(*id), rights.module(*id));
            let may = [Action::Create, Action::Read, Action::Update, Action::Delete];
            let said = [own.create, own.read, own.update, own.delete];
            for (action, said) in may.into_iter().zip(said) {
                let expected = self.world.may(caller, position, action);
                agree(&format!("{caller:?} may {action:?} {}", module.name), &said, &expected)?;
            }
            for (name, field) in fields(position) {
                let expected = self.world.access(caller, position, name);
                let what = format!("{caller:?} on {}.{name}", module.name);
                match field {
                    Field::Inverse(_) => {
                        let relation = module.relation_named(name).unwrap();
                        let readable = own.read && rights.can_read_relation(relation);
                        agree(&what, &readable, &(expected >= Access::Read))?;
                    }
                    _ => {
                        let said = own.access(module.field_named(name).unwrap().id);
                        agree(&what, &said, &field_access(expected))?;
                    }
                }
                self.compared.fields += 1;
            }
        }
        Ok(())
    }

    /// Live records of a module that the model lets the caller reach.
    fn expected(&self, caller: Caller, module: usize, action: Action, deleted: bool) -> BTreeSet<usize> {
        let of_module = |record: &usize| {
            let known = &self.world.records[*record];
            known.module == module && known.deleted == deleted
        };
        let records = (0..self.world.records.len()).filter(of_module);
        records.filter(|record| self.world.reaches(caller, *record, action)).collect()
    }

    async fn reads(&mut self, caller: Caller, asking: &RequestContext) -> Result<(), Disagreement> {
        let positions = self.positions();
        for (module, kind) in MODULES.iter().enumerate() {
            let shown = Shown::of(self, caller, module, Deleted::Exclude);
            let list = authorise(shown.list(self, asking.catalog()), asking.catalog(), &asking.actor.rights);
            let may = self.world.may(caller, module, Action::Read);
            agree(&format!("{caller:?} may list {}", kind.name), &list.is_ok(), &may)?;
            self.compared.records += self.world.records.iter().filter(|record| record.module == module).count();
            if let Ok(list) = list {
                let result = self.read(asking, list).await;
                let expected = self.expected(caller, module, Action::Read, false);
                let found = ids(&result, result.root().rows, &positions);
                agree(&format!("{caller:?} reads {}", kind.name), &found, &expected)?;
                let total = result.total(&result.root(), 0).integer();
                agree(&format!("{caller:?} counts {}", kind.name), &total, &Some(expected.len() as i64))?;
                shown.check(self, caller, &result, &positions)?;
            }
            let shown = Shown::of(self, caller, module, Deleted::Only);
            let list = authorise(shown.list(self, asking.catalog()), asking.catalog(), &asking.actor.rights);
            let may = may && self.world.may(caller, module, Action::Delete);
            agree(&format!("{caller:?} may list deleted {}", kind.name), &list.is_ok(), &may)?;
            if let Ok(list) = list {
                let result = self.read(asking, list).await;
                let expected = self.expected(caller, module, Action::Read, true);
                let found = ids(&result, result.root().rows, &positions);
                agree(&format!("{caller:?} reads deleted {}", kind.name), &found, &expected)?;
            }
        }
        Ok(())
    }

    async fn read(&self, asking: &RequestContext, list: Authorised<List>) -> ListResult {
        let read = self.site.engine.read(asking, vec![list], values()).await;
        read.unwrap().pop().unwrap()
    }

    fn positions(&self) -> HashMap<Uuid, usize> {
        self.site.records.iter().enumerate().map(|(position, id)| (*id, position)).collect()
    }

    /// All records of a module that the caller may read, as a filter of a mutation.
    fn all_of(&self, asking: &RequestContext, module: usize) -> Option<Authorised<List>> {
        let list = plain(self.site.modules[module], Deleted::Exclude);
        authorise(list, asking.catalog(), &asking.actor.rights).ok()
    }

    async fn updates(&mut self, caller: Caller, asking: &RequestContext) -> Result<(), Disagreement> {
        for module in 0..MODULES.len() {
            let Some(list) = self.all_of(asking, module) else { continue };
            let title = asking.catalog().module(self.site.modules[module]).field_named("title").unwrap().id;
            let writable = self.world.access(caller, module, "title") == Access::Write;
            let data: Vec<_> = writable.then(|| (title, Value::Text("t".to_owned()))).into_iter().collect();
            let write = Write::UpdateMany { list, values: values().to_vec(), limit: 1_000, data: data.into() };
            self.writes(caller, asking, module, Action::Update, write).await?;
        }
        Ok(())
    }

    async fn deletes(&mut self, caller: Caller, asking: &RequestContext) -> Result<(), Disagreement> {
        for module in 0..MODULES.len() {
            let Some(list) = self.all_of(asking, module) else { continue };
            let write = Write::DeleteMany { list, values: values().to_vec(), limit: 1_000 };
            let gone = self.writes(caller, asking, module, Action::Delete, write).await?;
            let id = self.site.modules[module];
            let restore = |record| Write::Restore { module: id, id: self.site.records[record] };
            self.site.write(gone.into_iter().map(restore).collect()).await;
        }
        Ok(())
    }

    async fn writes(
        &mut self,
        caller: Caller,
        asking: &RequestContext,
        module: usize,
        action: Action,
        write: Write,
    ) -> Result<BTreeSet<usize>, Disagreement> {
        let what = format!("{caller:?} writes {} to {action:?}", MODULES[module].name);
        self.compared.records += self.world.records.iter().filter(|record| record.module == module).count();
        match (self.site.try_write(asking, vec![write]).await, self.world.may(caller, module, action)) {
            (Ok(ids), true) => {
                let positions = self.positions();
                let found: BTreeSet<usize> = ids.iter().map(|id| positions[id]).collect();
                agree(&what, &found, &self.expected(caller, module, action, false))?;
                Ok(found)
            }
            (Err(EngineError::NotFound), false) => Ok(BTreeSet::new()),
            (other, may) => Err(format!("{what}: {other:?}, though it may: {may}")),
        }
    }

    async fn explanation(&mut self, chance: &mut Chance) -> Result<(), Disagreement> {
        if self.world.records.is_empty() {
            return Ok(());
        }
        let (user, record) = (chance.below(self.world.users.len()), chance.below(self.world.records.len()));
        let known = &self.world.records[record];
        let all = fields(known.module);
        let (name, field) = &all[chance.below(all.len())];
        let asked = asked_as(name, field, chance);
        let (id, module) = (self.site.users[user], MODULES[known.module].name);
        let system = self.site.system();
        let record_id = Some(self.site.records[record]);
        let told = self.site.engine.explain_access(&system, id, module, record_id, Some(&asked)).await;
        let caller = Caller::User(user);
        let what = format!("what is told of {caller:?}, {module}.{asked} and record {record}");
        let is_active = self.world.users[user].active;
        if known.deleted && is_active {
            let is_absent = matches!(told, Err(EngineError::NotFound));
            return agree(&what, &is_absent, &true);
        }
        let told = told.map_err(|error| format!("{what}: {error}"))?;
        let may = |action| is_active && self.world.may(caller, known.module, action);
        let said = [told.create, told.read, told.update, told.delete];
        let expected = [Action::Create, Action::Read, Action::Update, Action::Delete].map(may);
        agree(&what, &said, &expected)?;
        if !is_active {
            return agree(&what, &(told.record.is_none() && told.field.is_none()), &true);
        }
        let access = told.field.map(|field| field.access);
        agree(&what, &access, &Some(field_access(self.world.access(caller, known.module, name))))?;
        let reach = told.record.map(|record| {
            assert!(!record.because.is_empty(), "a decision has a reason");
            [record.read, record.update, record.delete]
        });
        let expected =
            [Action::Read, Action::Update, Action::Delete].map(|action| self.world.reaches(caller, record, action));
        self.compared.records += 3;
        agree(&what, &reach, &Some(expected))
    }

    async fn seers(&mut self, chance: &mut Chance) -> Result<(), Disagreement> {
        if self.world.records.is_empty() {
            return Ok(());
        }
        let record = chance.below(self.world.records.len());
        let known = &self.world.records[record];
        let all = fields(known.module);
        let (name, field) = &all[chance.below(all.len())];
        let asked = asked_as(name, field, chance);
        let (module, system) = (MODULES[known.module].name, self.site.system());
        let seers = self.site.engine.who_can_see(&system, module, &asked, self.site.records[record]).await.unwrap();
        let said: BTreeSet<(Uuid, bool)> = seers.iter().map(|seer| (seer.user, seer.may_change)).collect();
        let expected = (0..self.world.users.len()).filter_map(|user| {
            let caller = Caller::User(user);
            let access = self.world.access(caller, known.module, name);
            let sees = self.world.users[user].active
                && access >= Access::Read
                && !known.deleted
                && self.world.reaches(caller, record, Action::Read);
            // What stands on the other side of a reference is changed there.
            let is_own = !matches!(field, Field::Inverse(_));
            let may_change = access == Access::Write
                && (!is_own
                    || (self.world.may(caller, known.module, Action::Update)
                        && self.world.reaches(caller, record, Action::Update)));
            sees.then_some((self.site.users[user], may_change))
        });
        self.compared.records += self.world.users.len();
        agree(&format!("who sees {module}.{asked} of record {record}"), &said, &expected.collect())
    }
}

/// What a list shows beside ids: where a reference leads, a rollup, and the records on the other side of references.
struct Shown {
    module: usize,
    deleted: Deleted,
    up: bool,
    deal_size: bool,
    /// By the module on the other side.
    inverses: Vec<(usize, &'static str)>,
}

impl Shown {
    fn of(comparison: &Comparison<'_>, caller: Caller, module: usize, deleted: Deleted) -> Self {
        let reads = |name: &str| comparison.world.access(caller, module, name) >= Access::Read;
        let live = deleted == Deleted::Exclude;
        let inverses = fields(module).into_iter().filter_map(|(name, field)| match field {
            Field::Inverse(other) if live && reads(name) => Some((other, name)),
            _ => None,
        });
        Self {
            module,
            deleted,
            up: live && !MODULES[module].up.is_empty() && reads("up"),
            deal_size: live && module == OPEN && reads("dealSize"),
            inverses: inverses.collect(),
        }
    }

    fn list(&self, comparison: &Comparison<'_>, catalog: &Catalog) -> List {
        let modules = &comparison.site.modules;
        let module = catalog.module(modules[self.module]);
        let path = |name: &str| FieldPath::own(module.field_named(name).unwrap().id);
        let mut list = plain(modules[self.module], self.deleted);
        list.totals = vec![Measure::Count];
        list.outputs.extend(self.up.then(|| path("up")));
        list.outputs.extend(self.deal_size.then(|| path("dealSize")));
        list.children = self
            .inverses
            .iter()
            .map(|(other, name)| Child {
                parent_output: 0,
                at: Vec::new(),
                relation: module.relation_named(name).unwrap().id,
                list: plain(modules[*other], Deleted::Exclude),
            })
            .collect();
        list
    }

    fn check(
        &self,
        comparison: &Comparison<'_>,
        caller: Caller,
        result: &ListResult,
        positions: &HashMap<Uuid, usize>,
    ) -> Result<(), Disagreement> {
        let world = comparison.world;
        let sees = |record: usize| {
            let known = &world.records[record];
            !known.deleted
                && world.may(caller, known.module, Action::Read)
                && world.reaches(caller, record, Action::Read)
        };
        let led_here = |module: usize, to: usize| {
            let records = (0..world.records.len())
                .filter(move |record| world.records[*record].module == module && world.records[*record].up == Some(to));
            records.filter(|record| sees(*record)).collect::<BTreeSet<usize>>()
        };
        for row in result.root().rows {
            let id: Uuid = result.cell(row, 0).text().unwrap().parse().unwrap();
            let record = positions[&id];
            if self.up {
                let said = result.cell(row, 1).text().map(|id| positions[&id.parse::<Uuid>().unwrap()]);
                let expected = world.records[record].up.filter(|up| sees(*up));
                agree(&format!("{caller:?} reads up of record {record}"), &said, &expected)?;
            }
            if self.deal_size {
                let cell = result.cell(row, 1);
                let said = cell.integer().or(cell.text().map(|text| text.parse().unwrap())).unwrap_or_default();
                let sizes = led_here(super::world::DEAL, record);
                let expected = sizes.iter().filter_map(|deal| world.records[*deal].size).sum::<i64>();
                agree(&format!("{caller:?} sums up the deals of record {record}"), &said, &expected)?;
            }
            for ((other, name), child) in self.inverses.iter().zip(&result.children) {
                let found = ids(child, child.of_parent(&id.to_string()).rows, positions);
                let what = format!("{caller:?} reads {name} of record {record}");
                agree(&what, &found, &led_here(*other, record))?;
            }
        }
        Ok(())
    }
}

fn plain(module: ModuleId, deleted: Deleted) -> List {
    let id = FieldPath::own(Module::ID);
    List {
        module,
        filter: None,
        order: vec![OrderKey { path: id.clone(), descending: false, nulls: Nulls::Last }],
        page: Page { take: Take::First(Slot(0)), after: None, before: None, offset: None },
        deleted,
        outputs: vec![id],
        rows: true,
        totals: Vec::new(),
        groups: None,
        children: Vec::new(),
        histories: Vec::new(),
    }
}

fn values() -> Arc<[Value]> {
    Arc::new([Value::Integer(1_000)])
}

fn ids(result: &ListResult, rows: std::ops::Range<usize>, positions: &HashMap<Uuid, usize>) -> BTreeSet<usize> {
    let id = |row: usize| result.cell(row, 0).text().unwrap().parse::<Uuid>().unwrap();
    rows.map(|row| positions[&id(row)]).collect()
}

/// The name that people see: a reference also by its id.
fn asked_as(name: &str, field: &Field, chance: &mut Chance) -> String {
    let is_reference = matches!(field, Field::Up(_)) || ["owner", "createdBy", "updatedBy"].contains(&name);
    if is_reference && chance.one_in(2) { format!("{name}Id") } else { name.to_owned() }
}

fn agree<T: PartialEq + std::fmt::Debug>(what: &str, said: &T, expected: &T) -> Result<(), Disagreement> {
    if said == expected { Ok(()) } else { Err(format!("{what}: the server says {said:?}, the model {expected:?}")) }
}

/// Whether the comparison can fail: a world in which nobody is an administrator and nobody reaches anything says nothing.
pub fn says_something(world: &World) -> bool {
    let someone = |user: usize| world.users[user].role != ADMINISTRATORS && world.users[user].active;
    let users: Vec<usize> = (0..world.users.len()).filter(|user| someone(*user)).collect();
    let decides = |wanted: bool| {
        users.iter().any(|user| {
            (0..world.records.len()).any(|record| world.reaches(Caller::User(*user), record, Action::Read) == wanted)
        })
    };
    decides(true) && decides(false)
}
