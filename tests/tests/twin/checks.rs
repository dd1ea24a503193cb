//! The checks of the server that a test can switch off, each with the caller for whom the worlds then differ.

use super::generate::Focus;

/// One check, with those that stand before or behind it and would do its work.
pub struct Check {
    pub name: &'static str,
    /// Switched off as well.
    pub with: &'static [&'static str],
    pub role: &'static str,
    pub focus: Focus,
}

const fn check(name: &'static str, with: &'static [&'static str], role: &'static str, focus: Focus) -> Check {
    Check { name, with, role, focus }
}

use Focus::{Changes, Mutations, Queries};

/// Every check that makes the worlds differ for somebody when it is left out.
pub const CHECKS: &[Check] = &[
    // What exists for a caller at all: the one place that decides it.
    check("module.read", &[], "portal", Queries("ault")),
    check("module.update", &["field.write"], "seller", Mutations("updatePlan")),
    check("module.delete", &[], "auditor", Queries("s")),
    check("module.platform", &[], "anonymous", Queries("sers")),
    check("module.target", &["field.reference"], "seller", Queries("irm")),
    check("field.read", &[], "seller", Queries("")),
    check("field.write", &[], "seller", Queries("")),
    check("field.reference", &["module.target"], "seller", Queries("irm")),
    check("field.relation", &[], "seller", Queries("erson")),
    check("field.link", &[], "seller", Queries("")),
    check("field.derived", &[], "seller", Queries("irm")),
    check("field.changed", &[], "seller", Changes),
    // The two fences around a question: the schema as the caller has it, and the gate behind it, place by place.
    check("schema.module", &["gate.module", "gate.order"], "portal", Queries("ault")),
    check("gate.module", &["schema.module", "gate.order"], "portal", Queries("ault")),
    check("schema.field", &["gate.output"], "seller", Queries("")),
    check("gate.output", &["schema.field"], "seller", Queries("")),
    check("gate.filter", &["schema.field"], "seller", Queries("s")),
    check("gate.order", &["schema.field"], "seller", Queries("s")),
    check("gate.measure", &["schema.field"], "seller", Queries("")),
    check("gate.group", &["schema.field"], "seller", Queries("Groups")),
    check("gate.search", &["schema.field"], "seller", Queries("search")),
    check("schema.relation", &["gate.relation"], "seller", Queries("erson")),
    check("gate.relation", &["schema.relation"], "seller", Queries("erson")),
    check("schema.deleted", &["gate.deleted"], "auditor", Queries("s")),
    check("gate.deleted", &["schema.deleted"], "auditor", Queries("s")),
    // The two fences around a write.
    check("schema.input", &["write.field"], "seller", Mutations("update")),
    check("write.field", &["schema.input"], "seller", Mutations("update")),
    check("schema.update", &["write.update", "schema.input", "write.field"], "seller", Mutations("updatePlan")),
    check("write.update", &["schema.update", "schema.input", "write.field"], "seller", Mutations("updatePlan")),
    check("schema.delete", &["write.delete"], "seller", Mutations("deletePlan")),
    check("write.delete", &["schema.delete"], "seller", Mutations("deletePlan")),
    check("write.seen", &["write.reach"], "seller", Mutations("update")),
    check("write.reach", &[], "partner", Mutations("updateDeal")),
    check("write.target", &[], "seller", Mutations("create")),
    check("write.linked", &[], "seller", Mutations("updateDeal")),
    // Which records are read, wherever they are.
    check("record.list", &[], "seller", Queries("")),
    check("record.totals", &[], "seller", Queries("s")),
    check("record.groups", &[], "seller", Queries("Groups")),
    check("record.nested", &[], "seller", Queries("")),
    check("record.nested_totals", &[], "seller", Queries("")),
    check("record.join", &[], "seller", Queries("")),
    check("record.related", &[], "seller", Queries("")),
    check("record.way", &[], "seller", Queries("erson")),
    check("record.rollup", &[], "seller", Queries("irm")),
    check("record.link", &[], "seller", Queries("")),
    check("record.alike", &[], "seller", Queries("duplicates")),
    check("record.search", &[], "seller", Queries("search")),
    check("record.change", &[], "seller", Changes),
    check("record.deleted", &[], "auditor", Queries("")),
    check("reach.owner", &[], "seller", Queries("")),
    check("reach.parent", &[], "seller", Queries("ote")),
    check("reach.narrowing", &[], "auditor", Queries("")),
    check("reach.shared_owner", &[], "partner", Queries("eal")),
    check("reach.opening_rule", &[], "partner", Queries("irm")),
    check("reach.share", &[], "partner", Queries("")),
    check("reach.share_opens", &[], "partner", Mutations("updateDeal")),
    check("record.node", &["record.list"], "seller", Queries("node")),
];

/// Checks whose absence no twin can show, as they are about what is changed and not about what is told; with what shows it.
pub const OTHERWISE: [(&str, &str); 4] = [
    ("module.create", "a new record tells nothing of others: tests/tests/writes_nested.rs"),
    ("schema.create", "as module.create"),
    ("write.create", "as module.create"),
    ("write.links", "who may read links but not write them is told alike in both worlds: tests/tests/many_to_many.rs"),
];
