//! Ways along a relation: from a record to those whose reference leads to it, or to all above or below it in a hierarchy.

use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, HIERARCHY_LEVELS_MAX, HierarchyWay, Relation};

use crate::ident::{column, quote};
use crate::writer::{Visibility, Writer, stored_column};

/// How the records of a list are tied to those that it is nested in.
#[derive(Clone, Copy)]
pub(crate) enum Tied<'a> {
    /// By a column that holds the other's id.
    By(&'a str),
    /// By a hierarchy, over any number of levels.
    Along(&'a Relation, HierarchyWay),
}

/// What ties a table's records to one record: something to stand before the table in `FROM`, and a condition.
pub(crate) struct Tie {
    pub before: String,
    pub condition: String,
}

impl<'a> Tied<'a> {
    /// How a relation's records are tied to the record that has it.
    pub fn of(catalog: &'a Catalog, relation: &'a Relation) -> Self {
        match relation.hierarchy {
            Some(way) => Self::Along(relation, way),
            None => Self::By(stored_column(catalog.field(relation.module, relation.field))),
        }
    }
}

impl Writer<'_> {
    /// The tie of the table `alias` to the record whose id is `record`.
    pub fn tie(&mut self, tied: Tied<'_>, alias: &str, record: &str, visibility: Visibility) -> Tie {
        match tied {
            Tied::By(name) => Tie { before: String::new(), condition: format!("{} = {record}", column(alias, name)) },
            Tied::Along(relation, way) => {
                self.along(relation, way, &|id| format!("{id} = {record}"), alias, visibility).0
            }
        }
    }

    /// The tie of the table `alias` to all records that `starts` is true of, and the id of the one that each row belongs to.
    pub fn along(
        &mut self,
        relation: &Relation,
        way: HierarchyWay,
        starts: &dyn Fn(&str) -> String,
        alias: &str,
        visibility: Visibility,
    ) -> (Tie, String) {
        let walked = self.alias();
        let walk = self.walk(relation, way, starts, visibility);
        let condition = format!("{} = {}", column(alias, "id"), column(&walked, "id"));
        // The way comes first, and its few records are looked up: no planner is to try every record against it.
        (Tie { before: format!("({walk}) {walked} CROSS JOIN "), condition }, column(&walked, "start"))
    }

    /// The ids that a way leads to. It goes on only from what is there and may be seen, so that nothing tells what stands between
    /// two records behind one that is out of sight. Where it ends is for the list around it to judge.
    ///
    /// ```sql
    /// WITH RECURSIVE way(start, id, level) AS (
    ///   SELECT t3."parent_id", t3."id", 1 FROM "unit" t3 WHERE t3."parent_id" = t1."id" UNION ALL
    ///   SELECT way.start, t3."id", way.level + 1 FROM way CROSS JOIN "unit" t4 CROSS JOIN "unit" t3
    ///   WHERE t4."id" = way.id AND t4."deleted_at" IS NULL AND t3."parent_id" = way.id AND way.level < 99)
    /// SELECT start, id FROM way
    /// ```
    fn walk(
        &mut self,
        relation: &Relation,
        way: HierarchyWay,
        starts: &dyn Fn(&str) -> String,
        visibility: Visibility,
    ) -> String {
        let table = quote(&self.catalog.module(relation.module).table);
        let (next, passed) = (self.alias(), self.alias());
        let visibility = visibility.unless(switched_off!("record.way"));
        let open = self.live_and_visible(relation.module, &passed, visibility);
        let reference = stored_column(self.catalog.field(relation.module, relation.field));
        let (above, id) = (|alias: &str| column(alias, reference), |alias: &str| column(alias, "id"));
        let (first, further) = match way {
            HierarchyWay::Descendants => (
                format!(
                    "SELECT {}, {}, 1 FROM {table} {next} WHERE {}",
                    above(&next),
                    id(&next),
                    starts(&above(&next))
                ),
                format!(
                    "SELECT way.start, {}, way.level + 1 FROM way CROSS JOIN {table} {passed} CROSS JOIN {table} {next} WHERE {} = way.id AND {open} AND {} = way.id",
                    id(&next),
                    id(&passed),
                    above(&next)
                ),
            ),
            HierarchyWay::Ancestors => (
                format!(
                    "SELECT {}, {}, 1 FROM {table} {next} WHERE {} AND {} IS NOT NULL",
                    id(&next),
                    above(&next),
                    starts(&id(&next)),
                    above(&next)
                ),
                format!(
                    "SELECT way.start, {}, way.level + 1 FROM way CROSS JOIN {table} {passed} WHERE {} = way.id AND {open} AND {} IS NOT NULL",
                    above(&passed),
                    id(&passed),
                    above(&passed)
                ),
            ),
        };
        let levels = HIERARCHY_LEVELS_MAX - 1;
        format!(
            "WITH RECURSIVE way(start, id, level) AS ({first} UNION ALL {further} AND way.level < {levels}) SELECT start, id FROM way"
        )
    }
}
