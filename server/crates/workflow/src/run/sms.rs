//! Text messages: each recipient's is sent by a function of a plugin, with a key that is the same at every attempt.

use cardine_engine::{RequestContext, normalise_phone};
use cardine_store::platform::workflows::LeasedRun;
use serde_json::{Value as Json, json};

use super::acts::Done;
use super::state::Known;
use super::steps::Here;
use super::{RunState, Runner, StepError};
use crate::definition::ErrorClass;
use crate::program::SmsOut;
use crate::template::Template;

/// The function of a plugin that offers to send text messages.
pub(crate) const SMS_FUNCTION: &str = "sendSms";
/// Most recipients of a message.
const RECIPIENTS_MAX: usize = 100;
/// Longest message, in characters: some ten times what one holds that is sent in parts.
const TEXT_MAX: usize = 1_600;

impl Runner {
    /// The plugin is called once for each recipient, one after the other. What fails at one of them is tried again for all, so the
    /// plugin gets keys to tell those that it has sent.
    pub(super) async fn send_sms(
        &self,
        ctx: &RequestContext,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
        sms: &SmsOut,
    ) -> Result<Done, StepError> {
        let known = Known::of(state, at.module);
        let (numbers, text) = outgoing(sms, &known)?;
        let (plugin, function) = self.provider(sms)?;
        let step = self.effect_key(run.id, state, at);
        let mut messages = Vec::with_capacity(numbers.len());
        for (position, number) in numbers.iter().enumerate() {
            let input = json!({"to": number, "text": text, "idempotencyKey": format!("{step}-{position}")});
            messages.push(self.call(ctx, run, &plugin, &function, input).await?);
        }
        let output = json!({"recipients": numbers.len(), "messages": messages});
        let input = json!({"to": numbers, "text": text, "provider": {"plugin": plugin, "function": function}});
        Ok(Done { input: Some(input), output, ..Done::default() })
    }

    fn provider(&self, sms: &SmsOut) -> Result<(String, String), StepError> {
        if let Some(provider) = &sms.provider {
            return Ok((provider.plugin.clone(), provider.function.clone()));
        }
        match self.outside.plugins.with_function(SMS_FUNCTION).as_slice() {
            [plugin] => Ok((plugin.clone(), SMS_FUNCTION.to_owned())),
            [] => {
                let message = format!("no plugin with the function `{SMS_FUNCTION}` is installed");
                Err(StepError::of_class(ErrorClass::Unavailable, message, None))
            }
            _ => Err(StepError::lasting(format!(
                "several plugins have the function `{SMS_FUNCTION}`: say which by `provider`"
            ))),
        }
    }
}

/// The numbers that get a message, and what it says.
pub(super) fn outgoing(sms: &SmsOut, known: &Known<'_>) -> Result<(Vec<String>, String), StepError> {
    let numbers = numbers(&sms.to, known)?;
    let text = match sms.text.fill(known) {
        Json::Null => String::new(),
        Json::String(text) => text,
        other => other.to_string(),
    };
    let length = text.chars().count();
    if length == 0 || length > TEXT_MAX {
        let message = format!("LIMIT_EXCEEDED: a message has 1 to {TEXT_MAX} characters, and this one {length}");
        return Err(StepError::lasting(message));
    }
    Ok((numbers, text))
}

/// What the templates give: a number each, a list of them, or nothing; each number once.
fn numbers(templates: &[Template], known: &Known<'_>) -> Result<Vec<String>, StepError> {
    let mut found: Vec<String> = Vec::new();
    for template in templates {
        let given = match template.fill(known) {
            Json::Array(items) => items,
            one => vec![one],
        };
        for one in given.iter().filter(|one| !one.is_null()) {
            let number = one.as_str().and_then(normalise_phone);
            let number = number.ok_or_else(|| StepError::lasting("`to` gave what is no phone number"))?;
            if !found.contains(&number) {
                found.push(number);
            }
        }
    }
    match found.len() {
        0 => Err(StepError::lasting("`to` gave no phone number")),
        count if count > RECIPIENTS_MAX => {
            let message =
                format!("LIMIT_EXCEEDED: the message has {count} recipients; at most {RECIPIENTS_MAX} are allowed");
            Err(StepError::lasting(message))
        }
        _ => Ok(found),
    }
}
