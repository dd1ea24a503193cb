//! What grants come to over a catalog: each rule of the crate's prose, with what it opens and what stays closed.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod company;

use cardine_access::FieldAccess::{None, Read, Write};
use cardine_access::{FieldAccess, Grants, ModuleGrant, RecordAction, RecordScope, Rights};
use cardine_model::catalog::{Catalog, Module};
use company::{administrator, catalog, field_of, full, module, on, reading, relation_of, sales};

/// The rights of `grants` together, of somebody who is signed in.
fn rights(catalog: &Catalog, grants: &[Grants]) -> Rights {
    Rights::resolve(catalog, &grants.iter().collect::<Vec<_>>(), true)
}

fn access(catalog: &Catalog, rights: &Rights, module_name: &str, field: &str) -> FieldAccess {
    let module = module(catalog, module_name);
    rights.module(module.id).access(field_of(module, field))
}

#[test]
fn nothing_is_granted_by_default() {
    let catalog = catalog();
    for rights in [rights(&catalog, &[]), rights(&catalog, &[Grants::default(), on("Deal", ModuleGrant::default())])] {
        for module in catalog.modules.iter().filter(|module| !module.platform) {
            let granted = rights.module(module.id);
            assert!(!granted.create && !granted.read && !granted.update && !granted.delete, "{}", module.name);
            for field in &module.fields {
                assert!(!rights.can_read(module.id, field.id), "{}.{}", module.name, field.name);
                assert!(!rights.can_write(module.id, field.id), "{}.{}", module.name, field.name);
            }
        }
    }
}

#[test]
fn a_grant_on_an_unknown_name_opens_nothing() {
    let catalog = catalog();
    let rights = rights(&catalog, &[on("Deals", full(&[("*", Write)])), on("Deal", reading(&[("titel", Write)]))]);
    assert_eq!(access(&catalog, &rights, "Deal", "title"), None);
    assert!(rights.can_read_module(module(&catalog, "Deal").id));
    assert!(!rights.can_read_module(module(&catalog, "Account").id));
}

#[test]
fn what_every_record_has_comes_with_module_read_and_the_rest_does_not() {
    let catalog = catalog();
    let rights = rights(&catalog, &[on("Deal", reading(&[]))]);
    for field in &module(&catalog, "Deal").fields {
        let free = ["id", "version", "createdAt", "updatedAt", "deletedAt"].contains(&field.name.as_str());
        // `score` is published, but publishing frees a field of its inputs, not of its own grant.
        assert_eq!(access(&catalog, &rights, "Deal", &field.name), if free { Read } else { None }, "{}", field.name);
    }
}

#[test]
fn a_named_field_beats_the_star() {
    let catalog = catalog();
    let rights = rights(&catalog, &[on("Deal", full(&[("*", Read), ("title", Write), ("margin", None)]))]);
    assert_eq!(access(&catalog, &rights, "Deal", "amount"), Read);
    assert_eq!(access(&catalog, &rights, "Deal", "title"), Write);
    assert_eq!(access(&catalog, &rights, "Deal", "margin"), None);
}

#[test]
fn grants_add_up_and_the_highest_wins_in_any_order() {
    let catalog = catalog();
    let (low, high) =
        (on("Deal", reading(&[("title", Read)])), on("Deal", full(&[("title", Write), ("amount", Read)])));
    for sources in [[low.clone(), high.clone()], [high.clone(), low.clone()]] {
        let rights = rights(&catalog, &sources);
        assert_eq!(access(&catalog, &rights, "Deal", "title"), Write);
        assert_eq!(access(&catalog, &rights, "Deal", "amount"), Read);
        assert!(rights.module(module(&catalog, "Deal").id).delete);
    }
    assert!(!rights(&catalog, &[low.clone(), low]).module(module(&catalog, "Deal").id).delete);
}

#[test]
fn none_takes_nothing_away_from_another_source() {
    let catalog = catalog();
    let (open, closed) = (on("Deal", reading(&[("*", Read)])), on("Deal", reading(&[("*", Read), ("margin", None)])));
    let both = rights(&catalog, &[closed.clone(), open.clone()]);
    assert_eq!(access(&catalog, &both, "Deal", "margin"), Read);
    assert_eq!(access(&catalog, &rights(&catalog, &[closed.clone(), closed]), "Deal", "margin"), None);
}

#[test]
fn write_includes_read_and_computed_fields_are_never_written() {
    let catalog = catalog();
    let rights = rights(&catalog, &[on("Deal", full(&[("*", Write)]))]);
    let deal = module(&catalog, "Deal");
    assert!(rights.can_read(deal.id, field_of(deal, "title")) && rights.can_write(deal.id, field_of(deal, "title")));
    assert!(rights.can_read(deal.id, field_of(deal, "gain")) && !rights.can_write(deal.id, field_of(deal, "gain")));
    assert!(!rights.can_write(deal.id, Module::ID) && !rights.can_write(deal.id, Module::DELETED_AT));
}

#[test]
fn without_module_read_nothing_of_the_module_is_left() {
    let catalog = catalog();
    let blind = ModuleGrant { read: false, ..full(&[("*", Write)]) };
    let rights = rights(&catalog, &[on("Deal", blind)]);
    let deal = module(&catalog, "Deal");
    let granted = rights.module(deal.id);
    assert!(!granted.create && !granted.update && !granted.delete);
    assert!(deal.fields.iter().all(|field| granted.access(field.id) == None));
}

#[test]
fn a_reference_exists_only_where_a_target_does() {
    let catalog = catalog();
    let rights = sales(&catalog);
    let (account, note) = (module(&catalog, "Account"), module(&catalog, "Note"));
    assert!(!rights.can_read(account.id, field_of(account, "vault")), "its only target is hidden");
    assert!(!rights.can_write(account.id, field_of(account, "vault")));
    assert!(rights.can_read(account.id, field_of(account, "parent")));
    let about = note.field_named("about").unwrap();
    assert!(rights.can_read(note.id, about.id), "two of its three targets are there");
    let targets: Vec<_> = rights.readable_targets(about).map(|target| catalog.module(target).name.as_str()).collect();
    assert_eq!(targets, ["Account", "Deal"]);
}

#[test]
fn a_relation_exists_only_where_the_other_side_and_its_reference_do() {
    let catalog = catalog();
    let account = module(&catalog, "Account");
    let deals = account.relation(relation_of(account, "deals"));
    assert!(sales(&catalog).can_read_relation(deals));
    let accounts = on("Account", reading(&[("*", Read)]));
    assert!(!rights(&catalog, std::slice::from_ref(&accounts)).can_read_relation(deals), "deals are hidden");
    let without = on("Deal", reading(&[("*", Read), ("account", None)]));
    assert!(!rights(&catalog, &[accounts, without]).can_read_relation(deals), "a deal's account is hidden");
}

#[test]
fn a_derived_field_closes_with_any_of_its_inputs() {
    let catalog = catalog();
    let rights = sales(&catalog);
    // `margin` is denied; `gain` reads it, `rank` reads `gain`, and two rollups read it over a relation.
    for (module, field, expected) in [
        ("Deal", "gain", None),
        ("Deal", "rank", None),
        ("Deal", "accountSize", Read),
        ("Account", "wonDeals", None),
        ("Account", "revenue", Read),
    ] {
        assert_eq!(access(&catalog, &rights, module, field), expected, "{module}.{field}");
    }
}

#[test]
fn a_derived_field_closes_with_the_module_that_it_reads() {
    let catalog = catalog();
    let deals = on("Deal", reading(&[("*", Read)]));
    let alone = rights(&catalog, std::slice::from_ref(&deals));
    assert_eq!(access(&catalog, &alone, "Deal", "accountSize"), None);
    assert_eq!(access(&catalog, &alone, "Deal", "gain"), Read);
    let both = rights(&catalog, &[deals, on("Account", reading(&[("employees", Read)]))]);
    assert_eq!(access(&catalog, &both, "Deal", "accountSize"), Read);
    let without = rights(&catalog, &[on("Account", reading(&[("*", Read)]))]);
    assert_eq!(access(&catalog, &without, "Account", "revenue"), None, "a rollup over hidden records");
}

#[test]
fn a_published_field_is_read_without_its_inputs_and_so_is_what_reads_it() {
    let catalog = catalog();
    let rights = sales(&catalog);
    for (module, field) in [("Deal", "score"), ("Deal", "level"), ("Account", "allMargin")] {
        assert_eq!(access(&catalog, &rights, module, field), Read, "{module}.{field}");
    }
    assert_eq!(access(&catalog, &rights, "Deal", "margin"), None);
}

#[test]
fn platform_modules_show_their_public_fields_to_whoever_is_signed_in() {
    let catalog = catalog();
    let platform = || catalog.modules.iter().filter(|module| module.platform && !module.held);
    let (somebody, nobody) = (Rights::resolve(&catalog, &[], true), Rights::resolve(&catalog, &[], false));
    assert!(platform().count() > 0);
    for module in platform() {
        assert!(somebody.can_read(module.id, Module::ID) && !nobody.can_read(module.id, Module::ID));
        assert!(!somebody.can_read(module.id, Module::OWNER), "{}", module.name);
        assert!(module.fields.iter().all(|field| !somebody.can_write(module.id, field.id)));
        assert!(!somebody.module(module.id).create && !somebody.module(module.id).delete);
    }
    // A grant on one changes nothing: the administration API alone writes them.
    let user = platform().next().unwrap();
    let granted = rights(&catalog, &[on(&user.name, full(&[("*", Write)]))]);
    assert!(user.fields.iter().all(|field| !granted.can_write(user.id, field.id)));
}

#[test]
fn files_exist_for_whom_a_field_that_holds_them_does() {
    let catalog = catalog();
    let (note, file) = (module(&catalog, "Note"), module(&catalog, "File"));
    let scan = field_of(note, "scan");
    let with = |fields: &[(&str, FieldAccess)], signed_in| {
        Rights::resolve(&catalog, &[&on("Note", reading(fields))], signed_in)
    };
    for rights in [with(&[("text", Read)], true), with(&[], true), Rights::resolve(&catalog, &[], true)] {
        assert!(!rights.can_read_module(file.id) && !rights.can_read(note.id, scan));
    }
    // For who is not signed in too, where they may read the field; and for administrators no more of it than for others.
    for rights in [with(&[("scan", Read)], true), with(&[("scan", Read)], false), rights(&catalog, &[administrator()])]
    {
        assert!(rights.can_read(note.id, scan));
        for field in &file.fields {
            let public = field.id == Module::ID || !field.system;
            assert_eq!(rights.can_read(file.id, field.id), public, "{}", field.name);
            assert!(!rights.can_write(file.id, field.id));
        }
    }
}

#[test]
fn administrators_are_bound_by_none_of_it() {
    let catalog = catalog();
    let rights = rights(&catalog, &[on("Deal", reading(&[("*", None)])), administrator()]);
    for module in catalog.modules.iter().filter(|module| module.link.is_none() && !module.held) {
        assert!(module.fields.iter().all(|field| rights.can_read(module.id, field.id)), "{}", module.name);
        assert_eq!(rights.scope(module, RecordAction::Delete), RecordScope::All);
    }
    let deal = module(&catalog, "Deal");
    assert!(rights.can_write(deal.id, field_of(deal, "margin")));
    assert!(!rights.can_write(deal.id, field_of(deal, "gain")), "not even they write what is computed");
}

#[test]
fn links_are_ways_for_whom_both_ends_and_the_reference_exist() {
    let catalog = catalog();
    let deal = module(&catalog, "Deal");
    let links = module(&catalog, "DealPartners");
    let (share, source) = (field_of(links, "share"), field_of(links, "deal"));
    let of = |deal: ModuleGrant, account: bool| {
        let account = account.then(|| on("Account", reading(&[])));
        rights(&catalog, &[Some(on("Deal", deal)), account].into_iter().flatten().collect::<Vec<_>>())
    };
    for (access, reads, writes) in [(None, false, false), (Read, true, false), (Write, true, true)] {
        let rights = of(full(&[("partners", access)]), true);
        assert_eq!(rights.can_follow(links.id), reads);
        assert_eq!((rights.can_read(links.id, share), rights.can_write(links.id, source)), (reads, writes));
        // Nobody sees them as a module, or what the system keeps of them.
        assert!(!rights.can_read_module(links.id) && !rights.can_read(links.id, Module::CREATED_BY));
    }
    let without_target = of(full(&[("*", Write)]), false);
    assert!(!without_target.can_follow(links.id) && !without_target.can_read(deal.id, field_of(deal, "partners")));
    let administrator = rights(&catalog, &[administrator()]);
    assert!(administrator.can_write(links.id, share) && !administrator.can_read_module(links.id));
}

#[test]
fn sharing_decides_which_records_may_be_touched() {
    let catalog = catalog();
    let rights = sales(&catalog);
    let line = module(&catalog, "Line");
    let parent = RecordScope::Parent(field_of(line, "deal"));
    for (name, read, update, delete) in [
        ("Deal", RecordScope::Owned, RecordScope::Owned, RecordScope::Owned),
        ("Account", RecordScope::All, RecordScope::Owned, RecordScope::Owned),
        ("Note", RecordScope::All, RecordScope::All, RecordScope::Owned),
        ("Line", parent, parent, parent),
        ("User", RecordScope::All, RecordScope::All, RecordScope::All),
    ] {
        let module = module(&catalog, name);
        assert_eq!(rights.scope(module, RecordAction::Read), read, "read {name}");
        assert_eq!(rights.scope(module, RecordAction::Update), update, "update {name}");
        assert_eq!(rights.scope(module, RecordAction::Delete), delete, "delete {name}");
    }
}

#[test]
fn each_set_of_rights_has_a_serial_of_its_own() {
    let catalog = catalog();
    let (one, two) = (sales(&catalog), sales(&catalog));
    assert_ne!(one.serial, two.serial, "what was compiled under one is never found under the other");
    assert_eq!(one.catalog_version, catalog.version);
}
