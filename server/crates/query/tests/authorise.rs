//! The gate: a question that names something hidden, in whatever place, does not pass; the same one with everything in sight does.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

#[path = "../../access/tests/company/mod.rs"]
mod company;

use cardine_access::Rights;
use cardine_model::catalog::{Catalog, FieldId, FieldPath, Hop, Module, RelationId};
use cardine_query::{
    Child, CompareOp, DatePart, Deleted, Denied, Filter, GroupCondition, GroupKey, GroupOrder, GroupTerm, GroupTest,
    Grouping, List, Measure, Nulls, OrderKey, Page, Quantifier, Slot, Take, authorise,
};
use company::{administrator, catalog, module, path, relation_of, sales, way};

/// A plain list of `module`'s ids, to which each case adds one thing.
fn list(module: &Module) -> List {
    List {
        module: module.id,
        filter: None,
        order: vec![key(FieldPath::own(Module::ID))],
        page: Page { take: Take::First(Slot(0)), after: None, before: None, offset: None },
        deleted: Deleted::Exclude,
        outputs: vec![FieldPath::own(Module::ID)],
        rows: true,
        totals: Vec::new(),
        groups: None,
        children: Vec::new(),
        histories: Vec::new(),
    }
}

fn key(path: FieldPath) -> OrderKey {
    OrderKey { path, descending: false, nulls: Nulls::Last }
}

fn compare(path: FieldPath) -> Filter {
    Filter::Compare { path, op: CompareOp::Eq, operand: Slot(1) }
}

fn child(list: List, relation: RelationId, at: Vec<Hop>, parent_output: usize) -> Child {
    Child { parent_output, at, relation, list }
}

/// Every way in which a list of `module` can name the field at `path`.
fn ways(module: &Module, path: &FieldPath) -> Vec<(&'static str, List)> {
    let with_filter = |filter| List { filter: Some(filter), ..list(module) };
    vec![
        ("output", List { outputs: vec![FieldPath::own(Module::ID), path.clone()], ..list(module) }),
        ("order", List { order: vec![key(path.clone()), key(FieldPath::own(Module::ID))], ..list(module) }),
        ("filter", with_filter(compare(path.clone()))),
        ("null filter", with_filter(Filter::IsNull { path: path.clone(), negated: true })),
        ("negated filter", with_filter(Filter::Not(Box::new(compare(path.clone()))))),
        (
            "filter within others",
            with_filter(Filter::All(vec![Filter::Any(vec![Filter::All(Vec::new()), compare(path.clone())])])),
        ),
        ("count", List { rows: false, totals: vec![Measure::Count], ..with_filter(compare(path.clone())) }),
        ("count of groups", grouped(module, Some(compare(path.clone())), vec![id_key()], vec![Measure::Count])),
        (
            "key of groups",
            grouped(module, None, vec![id_key(), GroupKey { path: path.clone(), part: None }], Vec::new()),
        ),
        (
            "period of groups",
            grouped(module, None, vec![GroupKey { path: path.clone(), part: Some(DatePart::Month) }], Vec::new()),
        ),
        ("sum", totals(module, Measure::Sum(path.clone()))),
        ("mean", totals(module, Measure::Avg(path.clone()))),
        ("least value", totals(module, Measure::Min(path.clone()))),
        ("greatest value", totals(module, Measure::Max(path.clone()))),
        ("number of values", totals(module, Measure::CountDistinct(path.clone()))),
        // Conditions and orders of groups name a measure by its position.
        (
            "condition and order of groups",
            grouped(module, None, vec![id_key()], vec![Measure::Count, Measure::Sum(path.clone())]),
        ),
    ]
}

fn id_key() -> GroupKey {
    GroupKey { path: FieldPath::own(Module::ID), part: None }
}

fn totals(module: &Module, measure: Measure) -> List {
    List { rows: false, totals: vec![Measure::Count, measure], ..list(module) }
}

/// Groups with a condition on, and an order by, the last measure.
fn grouped(module: &Module, filter: Option<Filter>, keys: Vec<GroupKey>, measures: Vec<Measure>) -> List {
    let last = measures.len().checked_sub(1);
    let condition = |measure| GroupCondition { measure, test: GroupTest::IsNull { negated: true } };
    let order = |measure| GroupOrder { by: GroupTerm::Measure(measure), descending: true, nulls: Nulls::First };
    let (having, order) = (last.map(condition).into_iter().collect(), last.map(order).into_iter().collect());
    let groups = Some(Grouping { keys, measures, having, order });
    List { filter, order: Vec::new(), outputs: Vec::new(), groups, ..list(module) }
}

/// Passes for administrators, and for nobody from whom a part of it is hidden.
fn is_for_administrators_only(catalog: &Catalog, what: &str, list: &List) {
    let (all, some) = (Rights::resolve(catalog, &[&administrator()], true), sales(catalog));
    assert!(authorise(list.clone(), catalog, &all).is_ok(), "{what}: nothing is hidden from administrators");
    assert_eq!(authorise(list.clone(), catalog, &some).err(), Some(Denied), "{what}");
}

#[test]
fn files_are_asked_for_through_records_alone() {
    let catalog = catalog();
    let rights = Rights::resolve(&catalog, &[&administrator()], true);
    let (note, file) = (module(&catalog, "Note"), module(&catalog, "File"));
    assert!(authorise(list(note), &catalog, &rights).is_ok());
    for (way, list) in ways(note, &path(&catalog, note, "scan.name")) {
        assert!(authorise(list, &catalog, &rights).is_ok(), "{way}");
    }
    assert_eq!(authorise(list(file), &catalog, &rights).unwrap_err(), Denied);
}

#[test]
fn a_hidden_field_is_refused_in_every_place() {
    let catalog = catalog();
    for (name, field) in [
        ("Deal", "margin"),
        ("Deal", "gain"),
        ("Deal", "rank"),
        ("Account", "vault"),
        ("Account", "wonDeals"),
        ("Line", "deal.margin"),
        ("Line", "deal.gain"),
        ("Line", "deal.account.vault"),
        ("Note", "about:Deal.margin"),
        ("Note", "about:Vault.code"),
        ("Account", "parent.vault.code"),
        ("Vault", "code"),
        ("Vault", "id"),
    ] {
        let module = module(&catalog, name);
        for (way, list) in ways(module, &path(&catalog, module, field)) {
            is_for_administrators_only(&catalog, &format!("{name}.{field} as {way}"), &list);
        }
    }
}

#[test]
fn a_visible_field_passes_in_every_place_and_is_handed_on_as_it_was() {
    let catalog = catalog();
    let rights = sales(&catalog);
    for (name, field) in [
        ("Deal", "title"),
        ("Deal", "score"),
        ("Deal", "level"),
        ("Deal", "account"),
        ("Deal", "account.parent.name"),
        ("Deal", "account.allMargin"),
        ("Line", "deal.account.revenue"),
        ("Note", "about:Deal.title"),
        ("Note", "about:Account.name"),
        ("User", "name"),
    ] {
        let module = module(&catalog, name);
        for (way, list) in ways(module, &path(&catalog, module, field)) {
            let passed =
                authorise(list.clone(), &catalog, &rights).unwrap_or_else(|_| panic!("{name}.{field} as {way}"));
            assert_eq!(passed.get(), &list);
        }
    }
}

#[test]
fn a_hidden_field_is_refused_inside_a_nested_list() {
    let catalog = catalog();
    let (account, deal, line) = (module(&catalog, "Account"), module(&catalog, "Deal"), module(&catalog, "Line"));
    let nest = |inner: List| List {
        children: vec![child(inner, relation_of(account, "deals"), Vec::new(), 0)],
        ..list(account)
    };
    for (way, inner) in ways(deal, &path(&catalog, deal, "margin")) {
        is_for_administrators_only(&catalog, way, &nest(inner));
    }
    for (way, inner) in ways(line, &path(&catalog, line, "deal.gain")) {
        let lines = child(inner, relation_of(deal, "lines"), Vec::new(), 0);
        is_for_administrators_only(&catalog, way, &nest(List { children: vec![lines], ..list(deal) }));
    }
    assert!(authorise(nest(list(deal)), &catalog, &sales(&catalog)).is_ok());
}

#[test]
fn a_hidden_relation_is_refused_in_nested_lists_and_filters() {
    let catalog = catalog();
    let (account, vault, note) = (module(&catalog, "Account"), module(&catalog, "Vault"), module(&catalog, "Note"));
    // The other side is visible, the module that has the relation is not.
    let of_vault =
        List { children: vec![child(list(note), relation_of(vault, "notes"), Vec::new(), 0)], ..list(vault) };
    is_for_administrators_only(&catalog, "relation of a hidden module", &of_vault);
    // The relation is Account's reference `vault` from behind: that reference is hidden.
    let behind = Filter::Related {
        at: way(&catalog, account, "vault"),
        relation: relation_of(vault, "accounts"),
        quantifier: Quantifier::None,
        filter: Box::new(Filter::All(Vec::new())),
    };
    is_for_administrators_only(
        &catalog,
        "relation behind a hidden one",
        &List { filter: Some(behind), ..list(account) },
    );
    for quantifier in [Quantifier::Some, Quantifier::None, Quantifier::Every] {
        let related = |inner: &str| Filter::Related {
            at: Vec::new(),
            relation: relation_of(account, "deals"),
            quantifier,
            filter: Box::new(compare(path(&catalog, module(&catalog, "Deal"), inner))),
        };
        is_for_administrators_only(
            &catalog,
            "a hidden field of related records",
            &List { filter: Some(related("margin")), ..list(account) },
        );
        let open = List { filter: Some(related("title")), ..list(account) };
        assert!(authorise(open, &catalog, &sales(&catalog)).is_ok());
    }
}

#[test]
fn deleted_records_are_for_those_who_may_delete() {
    let catalog = catalog();
    let deal = module(&catalog, "Deal");
    let reader = company::on("Deal", company::reading(&[("*", cardine_access::FieldAccess::Read)]));
    let reader = Rights::resolve(&catalog, &[&reader], true);
    for deleted in [Deleted::Include, Deleted::Only] {
        let asked = List { deleted, ..list(deal) };
        assert!(authorise(asked.clone(), &catalog, &sales(&catalog)).is_ok());
        assert_eq!(authorise(asked, &catalog, &reader).err(), Some(Denied));
    }
    assert!(authorise(list(deal), &catalog, &reader).is_ok());
}

#[test]
fn groups_name_only_keys_and_measures_of_their_own() {
    let catalog = catalog();
    let rights = Rights::resolve(&catalog, &[&administrator()], true);
    let deal = module(&catalog, "Deal");
    let open = grouped(deal, None, vec![id_key()], vec![Measure::Count]);
    assert!(authorise(open.clone(), &catalog, &rights).is_ok());
    let changed = |change: &dyn Fn(&mut List, &mut Grouping)| {
        let mut list = open.clone();
        let mut groups = list.groups.take().unwrap();
        change(&mut list, &mut groups);
        authorise(List { groups: Some(groups), ..list }, &catalog, &rights).is_ok()
    };
    assert!(changed(&|_, groups| groups.order[0].by = GroupTerm::Key(0)));
    assert!(!changed(&|_, groups| groups.order[0].by = GroupTerm::Key(1)));
    assert!(!changed(&|_, groups| groups.order[0].by = GroupTerm::Measure(1)));
    assert!(!changed(&|_, groups| groups.having[0].measure = 1));
    assert!(!changed(&|list, _| list.outputs = vec![FieldPath::own(Module::ID)]), "a group is no record");
    assert!(!changed(&|list, _| list.order = vec![key(FieldPath::own(Module::ID))]));
}

#[test]
fn a_nested_list_belongs_to_an_id_among_its_parents_outputs() {
    let catalog = catalog();
    let rights = sales(&catalog);
    let (account, deal) = (module(&catalog, "Account"), module(&catalog, "Deal"));
    let name = path(&catalog, account, "name");
    let nested = |parent_output, inner| List {
        outputs: vec![name.clone(), FieldPath::own(Module::ID)],
        children: vec![child(inner, relation_of(account, "deals"), Vec::new(), parent_output)],
        ..list(account)
    };
    assert!(authorise(nested(1, list(deal)), &catalog, &rights).is_ok());
    assert!(authorise(nested(0, list(deal)), &catalog, &rights).is_err(), "a name is no id");
    assert!(authorise(nested(2, list(deal)), &catalog, &rights).is_err(), "there is no such output");
    assert!(authorise(nested(1, list(account)), &catalog, &rights).is_err(), "the relation leads to deals");
}

#[test]
fn ids_from_elsewhere_are_refused_and_do_not_panic() {
    let catalog = catalog();
    let rights = Rights::resolve(&catalog, &[&administrator()], true);
    let (account, deal) = (module(&catalog, "Account"), module(&catalog, "Deal"));
    let outputs = |path: FieldPath| List { outputs: vec![path], ..list(deal) };
    assert!(authorise(outputs(FieldPath::own(FieldId(9_999))), &catalog, &rights).is_err());
    let hop = |field, target| FieldPath { hops: vec![Hop { field, target }], field: Module::ID };
    let reference = way(&catalog, deal, "account")[0].field;
    assert!(authorise(outputs(hop(reference, account.id)), &catalog, &rights).is_ok());
    assert!(authorise(outputs(hop(reference, deal.id)), &catalog, &rights).is_err(), "no target of the reference");
    assert!(authorise(outputs(hop(Module::ID, account.id)), &catalog, &rights).is_err(), "no reference at all");
    let nested = List { children: vec![child(list(deal), RelationId(9_999), Vec::new(), 0)], ..list(account) };
    assert!(authorise(nested, &catalog, &rights).is_err());
}
