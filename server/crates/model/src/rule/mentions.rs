//! Which fields a rule names and where in its text, so that the text can follow when a name changes.

use super::check::check_with_mentions;
use super::{Context, RuleIssue, Schema};
use crate::catalog::{FieldId, ModuleId};

/// A field's name in a rule's text: `account` or `accountId` of a reference, the whole's name before the point for a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// Where the name begins: bytes from the start of the text.
    pub position: usize,
    /// How many bytes it has.
    pub length: usize,
    /// The module that the path has reached.
    pub module: ModuleId,
    /// The field; a part, where a part is named.
    pub field: FieldId,
}

/// The fields that a sound rule names, in the order of its text.
pub fn mentions(source: &str, context: &Context, schema: &dyn Schema) -> Result<Vec<Mention>, Vec<RuleIssue>> {
    let (_, mut mentions) = check_with_mentions(source, context, schema)?;
    mentions.sort_by_key(|mention| mention.position);
    mentions.dedup();
    Ok(mentions)
}
