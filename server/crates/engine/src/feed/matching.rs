//! Whether a record met a list's conditions before and after a change, and what of the change a caller may be told.

use async_recursion::async_recursion as boxed;
use cardine_model::Value;
use cardine_model::catalog::ModuleId;
use cardine_query::{Authorised, List, Slot};
use cardine_sql::{IMAGE_GONE, IMAGE_NUMBER, render_matches};
use cardine_store::ReadTx;

use super::change::{RecordChange, told_names};
use crate::{Engine, EngineError, RequestContext};

/// Whether a record was among those of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides {
    /// Before the change.
    pub before: bool,
    /// After it.
    pub after: bool,
}

impl Engine {
    /// For each of the changes of one module whether the record met the filter of `list` and could be seen by the caller, by what
    /// its fields were before and after. What lies behind relations, and the rights, are as they are now; but a parent that controls
    /// who sees the record, and was deleted with it, was there before. One statement for all.
    ///
    /// `values` are those of the list's slots; one more is put behind them.
    #[boxed]
    pub async fn match_changes(
        &self,
        ctx: &RequestContext,
        list: &Authorised<List>,
        mut values: Vec<Value>,
        changes: &[std::sync::Arc<RecordChange>],
    ) -> Result<Vec<Sides>, EngineError> {
        let module = ctx.catalog().module(list.get().module);
        let mut images = String::from("[");
        for (position, change) in changes.iter().enumerate() {
            let both = change.images(ctx.catalog(), module);
            for (side, image) in [&both.before, &both.after].into_iter().enumerate() {
                let Some(image) = image else { continue };
                if images.len() > 1 {
                    images.push(',');
                }
                // A record has at least an id, so a comma is right.
                let gone = both.gone.as_ref().filter(|_| side == 0);
                let gone = gone.map(|gone| format!("\"{IMAGE_GONE}\":{gone},")).unwrap_or_default();
                images.push_str(&format!("{{\"{IMAGE_NUMBER}\":{},{gone}{image}}}", position * 2 + side));
            }
        }
        images.push(']');
        let mut sides = vec![Sides::default(); changes.len()];
        if images.len() == 2 {
            return Ok(sides);
        }
        let slot = Slot(u32::try_from(values.len()).map_err(|_| EngineError::Internal)?);
        values.push(Value::Text(images));
        let rights = &ctx.actor.rights;
        let statement = render_matches(self.store().dialect(), ctx.catalog(), rights, list, slot);
        let ctx = ctx.clone();
        let read = self.store().read(move |tx: &mut ReadTx| {
            Box::pin(async move { Ok::<_, EngineError>(tx.query(&statement, &ctx.bindings(&values)).await?) })
        });
        let rows = read.await?;
        for row in 0..rows.len() {
            let number = rows.cell(row, 0).integer().and_then(|number| usize::try_from(number).ok());
            let Some(number) = number.filter(|number| number / 2 < sides.len()) else { continue };
            let side = &mut sides[number / 2];
            if number % 2 == 0 { side.before = true } else { side.after = true }
        }
        Ok(sides)
    }

    /// The names of the changed fields that the caller may read, without those that every change touches (version and the like).
    pub fn changed_fields(&self, ctx: &RequestContext, module: ModuleId, change: &RecordChange) -> Vec<String> {
        told_names(ctx.catalog().module(module), &change.changed, &ctx.actor.rights)
    }
}
