//! The usual lists are read by the indexes that tables are made with, on both databases.

use std::sync::Arc;

use cardine_access::{Grants, ModuleGrant, Rights};
use cardine_model::Value;
use cardine_model::catalog::{Catalog, FieldPath, Module, ModuleId};
use cardine_query::{
    Authorised, Child, CompareOp, Deleted, Filter, List, Measure, Nulls, OrderKey, Page, Slot, Take, authorise,
};
use cardine_sql::{Found, render_list};
use cardine_store::{Bindings, BoxFuture, ColumnType, Dialect, ReadTx, Statement, Store, StoreError};
use serde_json::json;
use uuid::Uuid;

use super::database::{Database, administrator, run};
use crate::Engine;

const MODULE: &str = "Sample";

/// A plan as the database tells it.
struct Plan(String);

impl Plan {
    fn uses(&self, index: &str) -> &Self {
        assert!(self.0.contains(index), "{index} is not in\n{}", self.0);
        self
    }

    fn reads_in_order(&self) {
        assert!(!self.sorts(), "sorted:\n{}", self.0);
    }

    fn sorts(&self) -> bool {
        self.0.contains("TEMP B-TREE") || self.0.contains("Sort")
    }
}

struct Case<'a> {
    store: &'a Store,
    catalog: &'a Catalog,
    rights: Rights,
}

impl Case<'_> {
    fn module(&self) -> &Module {
        self.catalog.module_by_name(MODULE).unwrap()
    }

    fn path(&self, field: &str) -> FieldPath {
        FieldPath::own(self.module().field_named(field).unwrap().id)
    }

    fn ascending(&self, field: &str) -> OrderKey {
        OrderKey { path: self.path(field), descending: false, nulls: Nulls::Last }
    }

    fn descending(&self, field: &str) -> OrderKey {
        OrderKey { path: self.path(field), descending: true, nulls: Nulls::First }
    }

    fn equal(&self, field: &str) -> Option<Filter> {
        self.compared(field, CompareOp::Eq)
    }

    fn compared(&self, field: &str, op: CompareOp) -> Option<Filter> {
        Some(Filter::Compare { path: self.path(field), op, operand: Slot(1) })
    }

    /// The plan of the first page of 20.
    async fn plan(&self, filter: Option<Filter>, order: Vec<OrderKey>, value: Value) -> Plan {
        let list = page(self.module().id, filter, order, vec![FieldPath::own(Module::ID), self.path("name")]);
        let statements =
            render_list(self.store.dialect(), self.catalog, &self.rights, &self.authorised(list), Found::Asked);
        explain(self.store, statements.rows.unwrap(), value).await
    }

    fn authorised(&self, list: List) -> Authorised<List> {
        authorise(list, self.catalog, &self.rights).unwrap()
    }
}

/// What may be looked up is, whatever the operator.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_use_indexes() {
    for database in Database::each().await {
        let (engine, catalog) = filled(&database).await;
        let all = Grants { administrator: true, ..Grants::default() };
        let case = Case { store: engine.store(), catalog: &catalog, rights: Rights::resolve(&catalog, &[&all], true) };
        let text = |text: &str| Value::Text(text.to_owned());
        let texts = |texts: &[&str]| Value::List(texts.iter().map(|text| Value::Text((*text).to_owned())).collect());
        let number = |digits: &str| Value::Decimal(cardine_model::Decimal::parse(digits).unwrap());
        for (field, op, value, index) in [
            ("name", CompareOp::Eq, text("NAME 7"), "_ix_sample__name"),
            ("name", CompareOp::In, texts(&["NAME 7", "name 8"]), "_ix_sample__name"),
            ("name", CompareOp::Lt, text("NAME 10"), "_ix_sample__name"),
            ("name", CompareOp::Gte, text("NAME 99"), "_ix_sample__name"),
            ("name", CompareOp::StartsWith, text("NAME 77"), "_ix_sample__name"),
            ("street", CompareOp::Eq, text("STREET 7"), "_ix_sample__street__day"),
            ("street", CompareOp::In, texts(&["STREET 7"]), "_ix_sample__street__day"),
            ("street", CompareOp::StartsWith, text("STREET 77"), "_ix_sample__street__day"),
            ("mail", CompareOp::Eq, text("M7@example.com"), "_ux_sample__mail"),
            ("mail", CompareOp::In, texts(&["M7@example.com"]), "_ux_sample__mail"),
            ("amount", CompareOp::Eq, number("7.5"), "_ix_sample__amount"),
            ("amount", CompareOp::In, Value::List(vec![number("7.5"), number("8.5")]), "_ix_sample__amount"),
            ("amount", CompareOp::Gt, number("998"), "_ix_sample__amount"),
            ("kind", CompareOp::Eq, text("ONE"), "_ix_sample__kind__day"),
            ("kind", CompareOp::In, texts(&["ONE"]), "_ix_sample__kind__day"),
        ] {
            let list = List {
                rows: false,
                totals: vec![Measure::Count],
                ..page(case.module().id, case.compared(field, op), vec![case.ascending("id")], Vec::new())
            };
            let dialect = case.store.dialect();
            let statements = render_list(dialect, &catalog, &case.rights, &case.authorised(list), Found::Asked);
            let plan = explain(case.store, statements.totals.unwrap(), value).await;
            assert!(plan.0.contains(index), "{field} {op:?} on {dialect:?}:\n{}", plan.0);
        }
    }
}

fn page(module: ModuleId, filter: Option<Filter>, order: Vec<OrderKey>, outputs: Vec<FieldPath>) -> List {
    let page = Page { take: Take::First(Slot(0)), after: None, before: None, offset: None };
    List {
        module,
        filter,
        order,
        page,
        deleted: Deleted::Exclude,
        outputs,
        rows: true,
        totals: Vec::new(),
        groups: None,
        children: Vec::new(),
        histories: Vec::new(),
    }
}

async fn explain(store: &Store, statement: Statement, value: Value) -> Plan {
    let (explain, columns, detail) = match store.dialect() {
        Dialect::Sqlite => (
            "EXPLAIN QUERY PLAN",
            vec![ColumnType::Integer, ColumnType::Integer, ColumnType::Integer, ColumnType::Text],
            3,
        ),
        Dialect::Postgres => ("EXPLAIN", vec![ColumnType::Text], 0),
    };
    let statement = Statement { text: format!("{explain} {}", statement.text), params: statement.params, columns };
    store
        .read(move |tx: &mut ReadTx| -> BoxFuture<'_, Result<Plan, StoreError>> {
            Box::pin(async move {
                let values = [Value::Integer(20), value];
                let owners = [id(3), id(4)];
                let bindings =
                    Bindings { values: &values, visible_owners: &owners, parents: &owners, ..Bindings::default() };
                let rows = tx.query(&statement, &bindings).await?;
                let lines = (0..rows.len()).map(|row| rows.cell(row, detail).text().unwrap_or_default());
                Ok(Plan(lines.collect::<Vec<_>>().join("\n")))
            })
        })
        .await
        .unwrap()
}

fn id(number: u32) -> Uuid {
    format!("01900000-0000-7000-8000-{number:012}").parse().unwrap()
}

/// 5,000 records; few of them share a value.
fn fill(dialect: Dialect) -> String {
    let columns =
        "id, version, created_at, updated_at, owner_id, maker_id, name, note, mail, amount, kind, day, plain, street";
    match dialect {
        Dialect::Sqlite => format!(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5000)
             INSERT INTO sample ({columns}) SELECT printf('01900000-0000-7000-9000-%012d', n), 1, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z',
               printf('01900000-0000-7000-8000-%012d', n % 500), printf('01900000-0000-7000-8000-%012d', n % 700), 'Name ' || (n % 900), 'Note ' || n,
               'm' || n || '@example.com', CAST(n % 1000 AS TEXT) || '.50', CASE n % 50 WHEN 0 THEN 'ONE' ELSE 'TWO' END, date('2024-01-01', (n % 300) || ' days'), 'p' || n, 'Street ' || (n % 700) FROM s"
        ),
        Dialect::Postgres => format!(
            "INSERT INTO sample ({columns}) SELECT ('01900000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, 1, now() - n * interval '1 minute', now(),
               ('01900000-0000-7000-8000-' || lpad((n % 500)::text, 12, '0'))::uuid, ('01900000-0000-7000-8000-' || lpad((n % 700)::text, 12, '0'))::uuid,
               'Name ' || (n % 900), 'Note ' || n, 'm' || n || '@example.com', n % 1000 + 0.5, CASE n % 50 WHEN 0 THEN 'ONE' ELSE 'TWO' END,
               date '2024-01-01' + n % 300, 'p' || n, 'Street ' || (n % 700) FROM generate_series(1, 5000) n; ANALYZE sample"
        ),
    }
}

/// An engine with the module and its records.
async fn filled(database: &Database) -> (Engine, Arc<Catalog>) {
    let engine = database.engine().await;
    let definition = json!({
        "name": MODULE, "plural": "Samples",
        "fields": [
            {"name": "name", "type": "text", "indexed": true, "maxLength": 100},
            {"name": "note", "type": "text", "indexed": true, "maxLength": 400},
            {"name": "mail", "type": "email", "unique": true},
            {"name": "amount", "type": "money", "indexed": true},
            {"name": "kind", "type": "choice", "options": [{"value": "ONE"}, {"value": "TWO"}]},
            {"name": "day", "type": "date"},
            {"name": "plain", "type": "text"},
            {"name": "street", "type": "text", "maxLength": 100},
            {"name": "maker", "type": "reference", "to": "Organization", "inverse": "samples"}
        ],
        "indexes": [{"fields": ["kind", "day"]}, {"fields": ["street", "day"]}]
    });
    engine.create_module(&administrator(&engine), definition, false).await.unwrap();
    run(engine.store(), &fill(engine.store().dialect())).await;
    let catalog = engine.snapshot().catalog.clone();
    (engine, catalog)
}

#[tokio::test(flavor = "multi_thread")]
async fn usual_lists_use_indexes() {
    for database in Database::each().await {
        let (engine, catalog) = filled(&database).await;
        let store = engine.store();
        let all = Grants { administrator: true, ..Grants::default() };
        let case = Case { store, catalog: &catalog, rights: Rights::resolve(&catalog, &[&all], true) };
        let text = |text: &str| Value::Text(text.to_owned());
        let id_up = || case.ascending("id");

        let none = || Value::Null;
        case.plan(None, vec![id_up()], none()).await.reads_in_order();
        case.plan(None, vec![case.ascending("name"), id_up()], none()).await.uses("_ix_sample__name").reads_in_order();
        case.plan(None, vec![case.descending("name"), case.descending("id")], none())
            .await
            .uses("_ix_sample__name")
            .reads_in_order();
        case.plan(None, vec![case.ascending("amount"), id_up()], none())
            .await
            .uses("_ix_sample__amount")
            .reads_in_order();
        case.plan(None, vec![case.descending("createdAt"), case.descending("id")], none())
            .await
            .uses("_ix_sample__created_at")
            .reads_in_order();
        case.plan(case.equal("kind"), vec![case.ascending("day"), id_up()], text("ONE"))
            .await
            .uses("_ix_sample__kind__day")
            .reads_in_order();
        // Ties of a long text's sort key are sorted.
        case.plan(None, vec![case.ascending("note"), id_up()], none()).await.uses("_ix_sample__note");

        case.plan(case.equal("name"), vec![id_up()], text("NAME 7")).await.uses("_ix_sample__name");
        case.plan(case.equal("mail"), vec![id_up()], text("M7@example.com")).await.uses("_ux_sample__mail");
        let great = || Value::Decimal(cardine_model::Decimal::parse("998").unwrap());
        let above = || case.compared("amount", CompareOp::Gt);
        let in_its_order = case.plan(above(), vec![case.ascending("amount"), id_up()], great()).await;
        let by_id = case.plan(above(), vec![id_up()], great()).await;
        in_its_order.uses("_ix_sample__amount");
        match store.dialect() {
            // It sees that few records lie in the range, and sorts them.
            Dialect::Postgres => _ = by_id.uses("_ix_sample__amount"),
            // It plans once, whatever the range: in the order that is asked for, until the page is full.
            Dialect::Sqlite => {
                in_its_order.reads_in_order();
                by_id.reads_in_order();
            }
        }

        // A field without an index has none to be read by.
        assert!(case.plan(None, vec![case.ascending("plain"), id_up()], none()).await.sorts());

        let readable = ModuleGrant {
            read: true,
            fields: [("*".to_owned(), cardine_access::FieldAccess::Read)].into(),
            ..ModuleGrant::default()
        };
        let reader = Grants::of([(MODULE, readable)]);
        let owned = Case { store, catalog: &catalog, rights: Rights::resolve(&catalog, &[&reader], true) };
        owned.plan(None, vec![id_up()], none()).await.uses("_ix_sample__owner_id");
        // Who sees a good part of all records reads them in the order that is asked for, and looks at the owner of each.
        let broad = Rights::resolve(&catalog, &[&reader], true).with_broad_reach(true);
        let broad = Case { store, catalog: &catalog, rights: broad };
        broad.plan(None, vec![id_up()], none()).await.reads_in_order();
        broad.plan(None, vec![case.ascending("name"), id_up()], none()).await.uses("_ix_sample__name").reads_in_order();

        let organization = catalog.module_by_name("Organization").unwrap();
        let mut list = page(
            organization.id,
            None,
            vec![OrderKey { path: FieldPath::own(Module::ID), descending: false, nulls: Nulls::Last }],
            vec![FieldPath::own(Module::ID)],
        );
        let nested = page(case.module().id, None, vec![id_up()], vec![FieldPath::own(Module::ID)]);
        let relation = organization.relation_named("samples").unwrap().id;
        list.children.push(Child { parent_output: 0, at: Vec::new(), relation, list: nested });
        let mut statements = render_list(store.dialect(), &catalog, &case.rights, &case.authorised(list), Found::Asked);
        let nested = statements.children.remove(0).rows.unwrap();
        explain(store, nested, none()).await.uses("_ix_sample__maker_id");
    }
}
