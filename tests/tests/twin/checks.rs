//! The checks of the server that a test can switch off, each with the caller for whom the worlds then differ.

use super::generate::{Focus, LOPSIDED};

/// One check, with those that stand before or behind it and would do its work.
pub struct Check {
    pub name: &'static str,
    /// Switched off as well; on their own they are not missed by what is asked for this check.
    pub with: &'static [&'static str],
    pub role: &'static str,
    pub focus: Focus<'static>,
    /// What operations name more often than others, so that few of them are enough.
    pub lean: &'static [&'static str],
}

const fn check(
    name: &'static str,
    with: &'static [&'static str],
    role: &'static str,
    focus: Focus<'static>,
    lean: &'static [&'static str],
) -> Check {
    Check { name, with, role, focus, lean }
}

use Focus::{Changes, Mutations, Queries};

const HIDDEN: &[&str] = &["secret", "margin", "tier"];
const HISTORY: &[&str] = &["history", "nodes", "changes", "old", "new", "field", "firm", "parent"];

/// Every check that makes the worlds differ for somebody when it is left out.
pub const CHECKS: &[Check] = &[
    // What exists for a caller at all: the one place that decides it.
    check("module.read", &[], "portal", Queries("ault"), &[]),
    check("module.update", &[], "auditor", Mutations("updatePlan"), &["price"]),
    check("module.delete", &[], "auditor", Queries("s"), &["deleted", "ONLY"]),
    check("module.platform", &[], "anonymous", Queries("users"), &[]),
    check("module.target", &["field.reference"], "seller", Queries("irm"), &["vault", "vaultId"]),
    check("field.read", &[], "seller", Queries("irm"), HIDDEN),
    check("field.write", &[], "seller", Mutations("updatePlan"), &["price"]),
    check("field.reference", &["module.target"], "seller", Queries("irm"), &["vault", "vaultId"]),
    check("field.relation", &[], "seller", Queries("erson"), &["represented", "nodes"]),
    check("field.link", &[], "seller", Queries("eal"), &["advisers", "nodes", "adviserCount"]),
    check("field.derived", &[], "seller", Queries("irm"), &["costSum", "marginShown", "aboveSecret"]),
    check("field.changed", &[], "seller", Changes, &[]),
    // The two fences around a question: the schema as the caller has it, and the gate behind it, place by place.
    check("schema.module", &["gate.module", "gate.order"], "portal", Queries("ault"), &["totalCount"]),
    check("gate.module", &["schema.module", "gate.order"], "portal", Queries("ault"), &["totalCount"]),
    check("schema.field", &["gate.output"], "seller", Queries("irm"), HIDDEN),
    check("gate.output", &["schema.field"], "seller", Queries("irm"), HIDDEN),
    check("gate.filter", &["schema.field"], "seller", Queries("irms"), &["filter", "secret", "margin", "tier"]),
    check("gate.order", &["schema.field"], "seller", Queries("irms"), &["orderBy", "nodes", "id", "secret", "tier"]),
    check("gate.measure", &["schema.field"], "seller", Queries("irms"), &["aggregate", "min", "max", "sum", "margin"]),
    check("gate.group", &["schema.field"], "seller", Queries("firmGroups"), &["tier", "secret", "count"]),
    check("gate.search", &["schema.field"], "seller", Queries("search"), &["nodes"]),
    check("schema.relation", &["gate.relation"], "seller", Queries("erson"), &["represented", "nodes"]),
    check("gate.relation", &["schema.relation"], "seller", Queries("erson"), &["represented", "nodes"]),
    check("schema.deleted", &["gate.deleted"], "auditor", Queries("s"), &["deleted", "ONLY"]),
    check("gate.deleted", &["schema.deleted"], "auditor", Queries("s"), &["deleted", "ONLY"]),
    // The two fences around a write.
    check("schema.input", &["write.field"], "seller", Mutations("updatePlan"), &["price"]),
    check("write.field", &["schema.input"], "seller", Mutations("updatePlan"), &["price"]),
    check("schema.update", &["write.update"], "auditor", Mutations("updatePlan"), &["price"]),
    check("write.update", &["schema.update"], "auditor", Mutations("updatePlan"), &["price"]),
    check("schema.delete", &["write.delete"], "seller", Mutations("deletePlan"), &[]),
    check("write.delete", &["schema.delete"], "seller", Mutations("deletePlan"), &[]),
    check("write.seen", &["write.reach"], "seller", Mutations("updateFirms"), &["size"]),
    check("write.reach", &[], "partner", Mutations("updateDeal"), &["amount"]),
    check("write.target", &[], "seller", Mutations("create"), &["firmId", "parentId", LOPSIDED]),
    check("write.linked", &[], "seller", Mutations("updateDeal"), &["persons", "disconnect", "connect", LOPSIDED]),
    // Which records are read, wherever they are.
    check("record.list", &[], "seller", Queries("irms"), &[]),
    check("record.totals", &[], "seller", Queries("irms"), &["totalCount", "aggregate", "count"]),
    check("record.groups", &[], "seller", Queries("Groups"), &["count"]),
    check("record.nested", &[], "seller", Queries("irm"), &["deals", "persons", "branches", "nodes"]),
    check("record.nested_totals", &[], "seller", Queries("irm"), &["deals", "persons", "branches", "totalCount"]),
    check("record.join", &[], "seller", Queries("s"), &["firm", "parent", "about", "name", "firmId", "parentId"]),
    check(
        "record.related",
        &[],
        "seller",
        Queries("irms"),
        &["filter", "some", "none", "deals", "persons", "branches"],
    ),
    check("record.way", &[], "seller", Queries("erson"), &["ancestors", "descendants", "nodes", "totalCount"]),
    check("record.rollup", &[], "seller", Queries("irm"), &["dealCount", "dealSum", "lastBirth"]),
    check("record.link", &[], "seller", Queries("eal"), &["persons", "nodes", "personCount", "shares"]),
    check("record.alike", &[], "seller", Queries("duplicates"), &[]),
    check("record.search", &[], "seller", Queries("search"), &[]),
    check("record.node", &["record.list"], "seller", Queries("node"), &[]),
    check("record.change", &[], "seller", Changes, &[]),
    check("record.deleted", &[], "auditor", Queries("s"), &[]),
    check("reach.owner", &[], "seller", Queries("irms"), &[]),
    check("reach.parent", &[], "seller", Queries("otes"), &[]),
    check("reach.narrowing", &[], "auditor", Queries("irms"), &[]),
    check("reach.shared_owner", &[], "partner", Queries("eals"), &[]),
    check("reach.opening_rule", &[], "partner", Queries("irms"), &[]),
    check("reach.share", &[], "partner", Queries("s"), &[]),
    check("reach.share_opens", &[], "partner", Mutations("updateDeal"), &["amount"]),
    // What was done to a record.
    check("history.field", &[], "seller", Queries("irm"), HISTORY),
    check("history.record", &[], "seller", Queries("eal"), HISTORY),
    check("history.link", &[], "seller", Queries("eal"), HISTORY),
];
