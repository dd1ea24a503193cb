//! A timeline → its statement: a part for each way, of which each gives no more than the page, merged in the order of time.
//!
//! Every record on a way must be there and be seen by the caller, the one whose timeline it is first of all.

use cardine_access::Rights;
use cardine_model::catalog::{Catalog, Module, ModuleId, RelationId};
use cardine_query::{Authorised, Timeline, TimelineWay};

use crate::ident::column;
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::writer::{Visibility, Writer, stored_column};

/// Makes the statement of `timeline`: the instant, the way's position, the id; one row more than asked for, if there are more.
pub fn render_timeline(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    timeline: &Authorised<Timeline>,
) -> Statement {
    let timeline = timeline.get();
    let mut writer = Writer::new(dialect, catalog, rights);
    let parts = timeline.ways.iter().enumerate();
    let parts: Vec<String> = parts.map(|(position, way)| of_way(&mut writer, timeline, position, way)).collect();
    let limit = writer.param(Param::SlotPlus(timeline.first, 1));
    // A record that several ways lead to has one instant, and is shown once.
    let text = format!(
        "SELECT max(r.moment), min(r.way), r.id FROM ({}) r GROUP BY r.id ORDER BY 1 DESC, 3 DESC LIMIT {limit}",
        parts.join(" UNION ALL ")
    );
    let columns = vec![ColumnType::DateTime, ColumnType::Integer, ColumnType::Id];
    Statement { text, params: writer.into_params(), columns }
}

fn of_way(writer: &mut Writer<'_>, timeline: &Timeline, position: usize, way: &TimelineWay) -> String {
    let (module, condition, alias, from) = belonging(writer, timeline, &way.relations);
    let module = writer.catalog.module(module);
    let created = column(&alias, stored_column(module.field(Module::CREATED_AT)));
    let moment = match way.at {
        Module::CREATED_AT => created,
        at => format!("coalesce({}, {created})", column(&alias, stored_column(module.field(at)))),
    };
    let id = column(&alias, "id");
    let after = timeline.after.map(|place| {
        let at = writer.typed_param(Param::Slot(place.at, Transform::None), "timestamptz");
        let last = writer.typed_param(Param::Slot(place.id, Transform::None), "uuid");
        format!(" AND ({moment} < {at} OR ({moment} = {at} AND {id} < {last}))")
    });
    let limit = writer.param(Param::SlotPlus(timeline.first, 1));
    format!(
        "SELECT * FROM (SELECT {moment} AS moment, {position} AS way, {id} AS id FROM {from} WHERE {condition}{} \
         ORDER BY 1 DESC, 3 DESC LIMIT {limit}) w{position}",
        after.unwrap_or_default()
    )
}

/// The records that a way leads to: their module, the condition, their alias, and what stands behind `FROM`.
fn belonging(
    writer: &mut Writer<'_>,
    timeline: &Timeline,
    relations: &[RelationId],
) -> (ModuleId, String, String, String) {
    let catalog = writer.catalog;
    let Some((last, before)) = relations.split_last() else {
        let source = writer.source(timeline.module, Visibility::Caller);
        let id = writer.typed_param(Param::Slot(timeline.record, Transform::None), "uuid");
        let live = writer.live_and_visible(timeline.module, &source.alias, Visibility::Caller);
        let condition = format!("{} = {id} AND {live}", column(&source.alias, "id"));
        return (timeline.module, condition, source.alias.clone(), writer.from(&source));
    };
    let (of, parents, parent, from) = belonging(writer, timeline, before);
    let relation = catalog.module(of).relation(*last);
    let source = writer.source(relation.module, Visibility::Caller);
    let reference = column(&source.alias, stored_column(catalog.field(relation.module, relation.field)));
    let live = writer.live_and_visible(relation.module, &source.alias, Visibility::Caller);
    let condition = format!("{reference} IN (SELECT {} FROM {from} WHERE {parents}) AND {live}", column(&parent, "id"));
    (relation.module, condition, source.alias.clone(), writer.from(&source))
}
