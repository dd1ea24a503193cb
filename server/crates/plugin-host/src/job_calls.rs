//! Calls at given times: a part of a job's work, and where the next part begins.

use serde_json::Value;

use crate::call_context::CallContext;
use crate::ending::EndedCall;
use crate::entry::{Answer, Entry};
use crate::failure::{PluginFailure, Reason};
use crate::session::Session;

/// Bytes of the JSON that tells where a job goes on.
const CURSOR_BYTES_MAX: usize = 64 << 10;

impl Session {
    /// Lets the plugin do a part of a job that was due at that moment, in milliseconds since the Unix epoch. It answers with where the next
    /// part begins; none: it is done.
    ///
    /// # Errors
    /// See [`PluginFailure`]; the session stays usable.
    pub async fn run_job(
        &mut self,
        context: CallContext,
        job: &str,
        due_at_ms: f64,
        cursor: Option<&Value>,
    ) -> Result<Option<Value>, PluginFailure> {
        let plugin = self.plugin_name().to_owned();
        if !self.manifest().jobs().iter().any(|known| known.name == job) {
            let message = format!("plugin `{plugin}` has no job `{job}`");
            return Err(PluginFailure::new(Reason::UnknownFunction, message));
        }
        let what = format!("job `{job}`");
        let limits = self.limits();
        let (cpu, wall) = limits.after_budgets();
        let cursor = cursor.map(Value::to_string);
        let bytes = cursor.as_ref().map_or(0, String::len);
        let entry = Entry::Run { job: job.to_owned(), due_at_ms, cursor };
        let (answer, _) = self.run_entry(context, &what, entry, bytes, cpu, wall).await?;
        let Answer::Ran(answer) = answer else { unreachable!("the entry decides the answer") };
        let call = EndedCall { plugin: &plugin, what: &what, limits: &limits };
        let Some(text) = answer.map_err(|error| call.plugins_own_words(error))? else { return Ok(None) };
        if text.len() > CURSOR_BYTES_MAX {
            let detail = format!("the cursor has {} bytes; at most {CURSOR_BYTES_MAX} are kept", text.len());
            return Err(call.invalid_output().with_detail(detail));
        }
        let cursor = serde_json::from_str(&text);
        cursor.map(Some).map_err(|error| call.invalid_output().with_detail(format!("the cursor is not JSON: {error}")))
    }
}
