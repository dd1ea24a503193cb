//! Calls while records are read: fields whose values a plugin computes.

use serde_json::{Map, Value};

use crate::call_context::CallContext;
use crate::ending::EndedCall;
use crate::entry::{Answer, Entry};
use crate::failure::PluginFailure;
use crate::record_calls::chunks;
use crate::session::Session;

impl Session {
    /// Lets the plugin compute fields of records of one module. `records` are JSON objects with the fields' inputs; the answer has
    /// one object for each, in their order.
    ///
    /// # Errors
    /// See [`PluginFailure`]; the session stays usable.
    pub async fn compute(
        &mut self,
        context: &CallContext,
        module: &str,
        fields: &[String],
        records: Vec<String>,
    ) -> Result<Vec<Map<String, Value>>, PluginFailure> {
        let what = format!("computing {} of {module}", fields.join(", "));
        let limits = self.limits();
        let mut answers = Vec::with_capacity(records.len());
        for records in chunks(records.into_iter(), String::len) {
            let count = records.len();
            let bytes = records.iter().map(String::len).sum();
            let (cpu, wall) = (limits.validator_budget(count), limits.write_wall());
            let entry = Entry::Compute { module: module.to_owned(), fields: fields.to_vec(), records };
            let (answer, _) = self.run_entry(context.clone(), &what, entry, bytes, cpu, wall).await?;
            let Answer::Computed(answer) = answer else { unreachable!("the entry decides the answer") };
            let call = EndedCall { plugin: self.plugin_name(), what: &what, limits: &limits };
            let texts = answer.map_err(|error| call.plugins_own_words(error))?;
            if texts.len() != count {
                return Err(call.wrong_number_of_answers(count, texts.len()));
            }
            for text in texts {
                match serde_json::from_str(&text) {
                    Ok(Value::Object(values)) => answers.push(values),
                    _ => return Err(call.invalid_output().with_detail("the values of a record are no JSON object")),
                }
            }
        }
        Ok(answers)
    }
}
