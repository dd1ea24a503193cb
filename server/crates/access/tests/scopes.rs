//! What scopes leave of rights: never more than there was, nothing that they do not name, and nothing that follows from what is gone.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod company;

use cardine_access::FieldAccess::{None, Read, Write};
use cardine_access::{FieldAccess, Grants, RecordAction, RecordScope, Rights, Scope, Scopes};
use cardine_model::catalog::{Catalog, FieldKind};
use company::{administrator, catalog, field_of, full, module, on, reading};

fn scopes(texts: &[&str]) -> Scopes {
    texts.iter().map(|text| Scope::parse(text).unwrap()).collect()
}

fn within(catalog: &Catalog, grants: &[Grants], texts: &[&str]) -> Rights {
    Rights::resolve_within(catalog, &grants.iter().collect::<Vec<_>>(), true, Some(&scopes(texts)))
}

fn access(catalog: &Catalog, rights: &Rights, module_name: &str, field: &str) -> FieldAccess {
    let module = module(catalog, module_name);
    rights.module(module.id).access(field_of(module, field))
}

const SETS: [&[&str]; 8] = [
    &[],
    &["admin"],
    &["records:read"],
    &["records:write"],
    &["Deal:read"],
    &["Deal:write", "Account:read"],
    &["records:read", "Deal:write", "admin"],
    &["Nothing:write"],
];

#[test]
fn scopes_never_add_to_rights() {
    let catalog = catalog();
    let owners = [
        vec![administrator()],
        vec![
            on("Deal", full(&[("*", Read), ("title", Write), ("margin", None)])),
            on("Account", reading(&[("*", Read)])),
        ],
        vec![],
    ];
    for owner in owners {
        let all = Rights::resolve(&catalog, &owner.iter().collect::<Vec<_>>(), true);
        for texts in SETS {
            let some = within(&catalog, &owner, texts);
            assert!(some.administrator <= all.administrator && some.administrator <= texts.contains(&"admin"));
            for module in &catalog.modules {
                let (left, had) = (some.module(module.id), all.module(module.id));
                let actions =
                    |rights: cardine_access::Permitted<'_>| [rights.create, rights.read, rights.update, rights.delete];
                assert!(
                    actions(left).iter().zip(actions(had)).all(|(left, had)| *left <= had),
                    "{texts:?} {}",
                    module.name
                );
                assert!(some.can_follow(module.id) <= all.can_follow(module.id));
                for field in &module.fields {
                    assert!(left.access(field.id) <= had.access(field.id), "{texts:?} {}.{}", module.name, field.name);
                }
            }
        }
    }
}

#[test]
fn what_no_scope_names_does_not_exist() {
    let catalog = catalog();
    let rights = within(&catalog, &[administrator()], &["Deal:read"]);
    for module in &catalog.modules {
        assert_eq!(rights.can_read_module(module.id), module.name == "Deal", "{}", module.name);
    }
}

#[test]
fn reading_leaves_nothing_to_write() {
    let catalog = catalog();
    let rights = within(&catalog, &[administrator()], &["records:read"]);
    for module in &catalog.modules {
        let left = rights.module(module.id);
        assert!(!left.create && !left.update && !left.delete, "{}", module.name);
        assert!(module.fields.iter().all(|field| !rights.can_write(module.id, field.id)), "{}", module.name);
    }
    assert_eq!(access(&catalog, &rights, "Deal", "title"), Read);
    assert_eq!(access(&catalog, &within(&catalog, &[administrator()], &["Deal:write"]), "Deal", "title"), Write);
}

#[test]
fn what_follows_from_a_module_that_is_gone_is_gone_too() {
    let catalog = catalog();
    let rights = within(&catalog, &[administrator()], &["Deal:write"]);
    let mut references = 0;
    for field in &module(&catalog, "Deal").fields {
        let Some(reference) = field.reference() else { continue };
        references += 1;
        let leads_to_deals = reference.targets.contains(&module(&catalog, "Deal").id);
        assert_eq!(rights.can_read(module(&catalog, "Deal").id, field.id), leads_to_deals, "{}", field.name);
    }
    assert!(references > 0, "there is something to close");
    for module in &catalog.modules {
        for field in
            module.fields.iter().filter(|field| matches!(field.kind, FieldKind::Formula(_) | FieldKind::Rollup(_)))
        {
            let readable = |(module, field): &(_, _)| rights.can_read(*module, *field);
            let published = match &field.kind {
                FieldKind::Formula(formula) => formula.published,
                FieldKind::Rollup(rollup) => rollup.published,
                _ => false,
            };
            if rights.can_read(module.id, field.id) && !published {
                assert!(catalog.inputs_of(module.id, field.id).iter().all(readable), "{}.{}", module.name, field.name);
            }
        }
    }
}

#[test]
fn an_administrators_key_still_reaches_all_records_of_its_modules_and_does_not_administer() {
    let catalog = catalog();
    let rights = within(&catalog, &[administrator()], &["records:read"]);
    let deal = module(&catalog, "Deal");
    assert_eq!(rights.scope(deal, RecordAction::Read), RecordScope::All);
    assert!(!rights.administrator && rights.record_rules(deal.id).is_none());
    let seller = [on("Deal", full(&[("*", Write)]))];
    let all = Rights::resolve(&catalog, &seller.iter().collect::<Vec<_>>(), true);
    let some = within(&catalog, &seller, &["records:write", "admin"]);
    assert!(!some.administrator, "a scope does not make an administrator");
    assert_eq!(some.scope(deal, RecordAction::Update), all.scope(deal, RecordAction::Update));
}
