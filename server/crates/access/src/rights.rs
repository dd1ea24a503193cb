//! Rights: grants resolved against a catalog into a mask that answers by id; what it does not answer does not exist.

use std::sync::atomic::{AtomicU64, Ordering};

use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, Field, FieldId, FieldKind, Module, ModuleId, Relation};
use cardine_model::definition::Sharing;

use crate::grant::{FieldAccess, Grants, ModuleGrant};
use crate::mask::{Actions, Mask, Permitted};
use crate::reach::{RecordAction, RecordRules};
use crate::scopes::{ScopeLevel, Scopes};

/// The rights of one set of grants over one catalog version.
#[derive(Debug)]
pub struct Rights {
    /// Differs for every set of rights ever made in this process: a key for caches of what was compiled under it.
    pub serial: u64,
    /// The catalog's version.
    pub catalog_version: u64,
    /// May administer; bound by nothing, unless scopes say otherwise.
    pub administrator: bool,
    /// No scopes of an API key take anything away.
    pub whole: bool,
    /// All records are in reach, as far as their module is.
    all_records: bool,
    mask: Mask,
    record_rules: Vec<(ModuleId, RecordRules)>,
    broad: bool,
}

/// What may be done with one module while rights are resolved.
#[derive(Debug, Clone, Default)]
struct ModuleRights {
    create: bool,
    read: bool,
    update: bool,
    delete: bool,
    follow: bool,
    fields: Vec<FieldAccess>,
}

/// Which records of a module an action may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordScope {
    /// All.
    All,
    /// Those whose owner is among [`crate::Actor::visible_owners`].
    Owned,
    /// Those whose parent, by this reference, may be touched so.
    Parent(FieldId),
}

static SERIAL: AtomicU64 = AtomicU64::new(1);

impl Rights {
    /// The sum of `sources` over `catalog`. `signed_in` opens the public fields of the platform's own modules for reading.
    pub fn resolve(catalog: &Catalog, sources: &[&Grants], signed_in: bool) -> Self {
        Self::resolve_within(catalog, sources, signed_in, None)
    }

    /// As [`Self::resolve`], with what `scopes` leave of it.
    pub fn resolve_within(catalog: &Catalog, sources: &[&Grants], signed_in: bool, scopes: Option<&Scopes>) -> Self {
        Self::resolve_by(catalog, sources, signed_in, scopes, false)
    }

    /// All there is, unserved modules too: of what is computed and kept for everybody alike.
    pub fn to_all(catalog: &Catalog) -> Self {
        Self::resolve_by(catalog, &[&Grants { administrator: true, ..Grants::default() }], true, None, true)
    }

    fn resolve_by(
        catalog: &Catalog,
        sources: &[&Grants],
        signed_in: bool,
        scopes: Option<&Scopes>,
        unserved: bool,
    ) -> Self {
        let administrator = sources.iter().any(|grants| grants.administrator);
        let mut modules: Vec<ModuleRights> = catalog
            .modules
            .iter()
            .map(|module| {
                if module.link.is_some() || module.held || (module.unserved.is_some() && !unserved) {
                    nothing(module)
                } else if administrator {
                    everything(module)
                } else if module.platform {
                    public_fields(module, signed_in)
                } else {
                    granted(module, sources)
                }
            })
            .collect();
        if let Some(scopes) = scopes {
            // Before what follows from rights is closed, so that it closes by what is left.
            for (module, rights) in catalog.modules.iter().zip(&mut modules) {
                narrow(module, rights, scopes.level(&module.name));
            }
        }
        open_held(catalog, &mut modules);
        close_references(catalog, &mut modules);
        open_links(catalog, &mut modules);
        close_derived(catalog, &mut modules);
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            catalog_version: catalog.version,
            administrator: administrator && (scopes.is_none_or(Scopes::admin) || switched_off!("scope.admin")),
            whole: scopes.is_none(),
            all_records: administrator,
            mask: modules.iter().map(ModuleRights::permitted).collect(),
            record_rules: Vec::new(),
            broad: false,
        }
    }

    /// The same over all records of the modules, whoever owns them: of what stands in no tree of roles, and is granted modules by name.
    #[must_use]
    pub fn over_all_records(self) -> Self {
        Self { all_records: true, ..self }
    }

    /// What may be done with `module`.
    pub fn module(&self, module: ModuleId) -> Permitted<'_> {
        self.mask.module(module.0 as usize)
    }

    /// Whether `module` exists for the caller.
    pub fn can_read_module(&self, module: ModuleId) -> bool {
        self.module(module).read
    }

    /// Whether the links of `module` exist for the caller, as ways from one record to another.
    pub fn can_follow(&self, module: ModuleId) -> bool {
        self.module(module).follow
    }

    /// Whether the field exists for the caller.
    pub fn can_read(&self, module: ModuleId, field: FieldId) -> bool {
        let rights = self.module(module);
        (rights.read || rights.follow) && rights.access(field) >= FieldAccess::Read
    }

    /// Whether the field may be set by a create or update.
    pub fn can_write(&self, module: ModuleId, field: FieldId) -> bool {
        self.module(module).access(field) == FieldAccess::Write
    }

    /// Whether a to-many relation exists for the caller.
    pub fn can_read_relation(&self, relation: &Relation) -> bool {
        self.can_read(relation.module, relation.field)
            || (switched_off!("field.relation") && self.can_read_module(relation.module))
    }

    /// The targets of a reference that exist for the caller.
    pub fn readable_targets<'a>(&'a self, field: &'a Field) -> impl Iterator<Item = ModuleId> + 'a {
        field
            .reference()
            .map_or(&[][..], |reference| &reference.targets)
            .iter()
            .copied()
            .filter(|target| self.can_read_module(*target))
    }

    /// The same rights with what opens and narrows records of these modules; each module stands once.
    #[must_use]
    pub fn with_record_rules(mut self, mut rules: Vec<(ModuleId, RecordRules)>) -> Self {
        rules.sort_by_key(|(module, _)| module.0);
        self.record_rules = rules;
        self
    }

    /// The same rights of somebody who sees a good part of all owners ([`Self::is_broad`]).
    #[must_use]
    pub fn with_broad_reach(mut self, broad: bool) -> Self {
        self.broad = broad;
        self
    }

    /// Whether a good part of all owners is visible, so that most records that one comes across are in reach, and few are
    /// looked at in vain. It decides how records are looked for, and never which are seen.
    pub fn is_broad(&self) -> bool {
        self.broad
    }

    /// What opens and narrows the module's records; nothing for administrators.
    pub fn record_rules(&self, module: ModuleId) -> Option<&RecordRules> {
        if self.all_records {
            return None;
        }
        let position = self.record_rules.binary_search_by_key(&module.0, |(module, _)| module.0).ok()?;
        Some(&self.record_rules[position].1)
    }

    /// Which records the module's sharing opens to an action, before [`Self::record_rules`].
    pub fn scope(&self, module: &Module, action: RecordAction) -> RecordScope {
        let open = match module.sharing {
            Sharing::PublicRead => action == RecordAction::Read,
            Sharing::PublicReadWrite => action != RecordAction::Delete,
            Sharing::Private | Sharing::ControlledByParent => false,
        };
        if self.all_records || module.platform || open {
            return RecordScope::All;
        }
        match (module.sharing, module.parent) {
            (Sharing::ControlledByParent, Some(parent)) => RecordScope::Parent(parent),
            _ => RecordScope::Owned,
        }
    }
}

impl ModuleRights {
    fn access(&self, field: FieldId) -> FieldAccess {
        self.fields[field.0 as usize]
    }

    fn permitted(&self) -> (Actions, &[FieldAccess]) {
        let Self { create, read, update, delete, follow, ref fields } = *self;
        (Actions { create, read, update, delete, follow }, fields)
    }
}

fn everything(module: &Module) -> ModuleRights {
    let write = !module.platform;
    let fields = module
        .fields
        .iter()
        .map(|field| if write && !field.read_only { FieldAccess::Write } else { FieldAccess::Read });
    ModuleRights { create: write, read: true, update: write, delete: write, follow: false, fields: fields.collect() }
}

/// Users, groups and roles show their own fields and the id to everyone who is signed in, and are written by the admin API only.
fn public_fields(module: &Module, signed_in: bool) -> ModuleRights {
    let signed_in = signed_in || switched_off!("module.platform");
    let visible = |field: &Field| signed_in && (!field.system || field.id == Module::ID);
    let fields = module.fields.iter().map(|field| if visible(field) { FieldAccess::Read } else { FieldAccess::None });
    ModuleRights { read: signed_in, fields: fields.collect(), ..ModuleRights::default() }
}

fn granted(module: &Module, sources: &[&Grants]) -> ModuleRights {
    let mut rights = ModuleRights { fields: vec![FieldAccess::None; module.fields.len()], ..ModuleRights::default() };
    let unchecked = unchecked();
    let granted = sources.iter().filter_map(|grants| grants.modules.get(module.name.as_str())).map(|grant| &**grant);
    for grant in granted.chain(&unchecked) {
        rights.create |= grant.create;
        rights.read |= grant.read;
        rights.update |= grant.update;
        rights.delete |= grant.delete;
        for field in &module.fields {
            let access =
                if comes_with_read(field.id) { FieldAccess::Read } else { grant.field(&module.whole_of(field).name) };
            let may_be_written = access == FieldAccess::Read && !comes_with_read(field.id);
            let access = if may_be_written && switched_off!("field.write") { FieldAccess::Write } else { access };
            let access = if field.read_only { access.min(FieldAccess::Read) } else { access };
            let slot = &mut rights.fields[field.id.0 as usize];
            *slot = (*slot).max(access);
        }
    }
    // Without read the module does not exist, so nothing else about it may.
    if rights.read { rights } else { nothing(module) }
}

fn narrow(module: &Module, rights: &mut ModuleRights, level: ScopeLevel) {
    match level {
        ScopeLevel::Write => {}
        ScopeLevel::Read if switched_off!("scope.write") => {}
        ScopeLevel::None if switched_off!("scope.module") => {}
        ScopeLevel::Read => {
            (rights.create, rights.update, rights.delete) = (false, false, false);
            rights.fields.iter_mut().for_each(|access| *access = (*access).min(FieldAccess::Read));
        }
        ScopeLevel::None => *rights = nothing(module),
    }
}

/// What nobody granted and is given all the same, where a test has switched off the check that asks for it: nothing else.
fn unchecked() -> Option<ModuleGrant> {
    if !cardine_failpoints::is_tested() {
        return None;
    }
    let field = if switched_off!("field.read") { FieldAccess::Read } else { FieldAccess::None };
    Some(ModuleGrant {
        create: switched_off!("module.create"),
        read: switched_off!("module.read"),
        update: switched_off!("module.update"),
        delete: switched_off!("module.delete"),
        fields: [("*".to_owned(), field)].into(),
    })
}

fn nothing(module: &Module) -> ModuleRights {
    ModuleRights { fields: vec![FieldAccess::None; module.fields.len()], ..ModuleRights::default() }
}

fn comes_with_read(field: FieldId) -> bool {
    [Module::ID, Module::VERSION, Module::CREATED_AT, Module::UPDATED_AT, Module::DELETED_AT].contains(&field)
}

/// What records hold, such as files, shows its own fields to whom one field exists that holds it, administrators or not. Which of
/// them are seen is decided by those records, as there is no other way to them.
fn open_held(catalog: &Catalog, modules: &mut [ModuleRights]) {
    for held in catalog.modules.iter().filter(|module| module.held) {
        let holds = |module: &Module, rights: &ModuleRights| {
            let is_way =
                |field: &&Field| field.reference().is_some_and(|reference| reference.targets.contains(&held.id));
            rights.read && module.fields.iter().filter(is_way).any(|field| rights.access(field.id) >= FieldAccess::Read)
        };
        if catalog.modules.iter().any(|module| holds(module, &modules[module.id.0 as usize])) {
            modules[held.id.0 as usize] = public_fields(held, true);
        }
    }
}

/// A reference that leads nowhere the caller may see does not exist.
fn close_references(catalog: &Catalog, modules: &mut [ModuleRights]) {
    let readable: Vec<bool> = modules.iter().map(|rights| rights.read).collect();
    for module in &catalog.modules {
        for field in &module.fields {
            let Some(reference) = field.reference() else { continue };
            let leads_somewhere = reference.targets.iter().any(|target| readable[target.0 as usize]);
            if !leads_somewhere && !switched_off!("field.reference") {
                modules[module.id.0 as usize].fields[field.id.0 as usize] = FieldAccess::None;
            }
        }
    }
}

/// Links are for whom both of their modules and the many-to-many reference exist; their fields have the reference's access.
fn open_links(catalog: &Catalog, modules: &mut [ModuleRights]) {
    for module in &catalog.modules {
        let Some(link) = module.link else { continue };
        let owner = &modules[link.owner.0 as usize];
        let access = if owner.read { owner.access(link.field) } else { FieldAccess::None };
        let access = if switched_off!("field.link") { access.max(FieldAccess::Read) } else { access };
        let targets = module.field(link.target).reference().map_or(&[][..], |reference| &reference.targets);
        if access == FieldAccess::None || !targets.iter().all(|target| modules[target.0 as usize].read) {
            modules[link.owner.0 as usize].fields[link.field.0 as usize] = FieldAccess::None;
            continue;
        }
        let rights = &mut modules[module.id.0 as usize];
        rights.follow = true;
        for field in &module.fields {
            rights.fields[field.id.0 as usize] = match field.id {
                Module::ID => FieldAccess::Read,
                _ if field.system => FieldAccess::None,
                _ => access,
            };
        }
    }
}

/// A derived field needs all that it reads. `inputs_of` is transitive, so one pass is enough.
fn close_derived(catalog: &Catalog, modules: &mut [ModuleRights]) {
    let mut closed = Vec::new();
    for module in &catalog.modules {
        for field in module.fields.iter().filter(|field| field.is_derived() && !is_published(field)) {
            let readable = |(module, field): &(ModuleId, FieldId)| {
                let rights = &modules[module.0 as usize];
                (rights.read || rights.follow) && rights.access(*field) >= FieldAccess::Read
            };
            if !catalog.inputs_of(module.id, field.id).iter().all(readable) && !switched_off!("field.derived") {
                closed.push((module.id, field.id));
            }
        }
    }
    for (module, field) in closed {
        modules[module.0 as usize].fields[field.0 as usize] = FieldAccess::None;
    }
}

fn is_published(field: &Field) -> bool {
    match &field.kind {
        FieldKind::Formula(formula) => formula.published,
        FieldKind::Rollup(rollup) => rollup.published,
        _ => false,
    }
}
