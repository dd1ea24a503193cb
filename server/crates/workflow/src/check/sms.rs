//! Text messages that steps send, checked as far as numbers and provider are known.

use cardine_engine::normalise_phone;
use cardine_model::PathSegment;
use serde_json::Value as Json;

use super::{Checking, below};
use crate::definition::{SendSms, Texts};
use crate::program::{Action, SmsOut};
use crate::run::SMS_FUNCTION;
use crate::template::Template;

impl Checking<'_> {
    pub(super) fn send_sms(&mut self, sms: &SendSms, place: &[PathSegment]) -> Action {
        match &sms.provider {
            Some(provider) => self.check_function(&provider.plugin, &provider.function, &below(place, "provider")),
            None => self.check_only_provider(place),
        }
        let is_list = matches!(sms.to, Texts::Several(_));
        let mut to = Vec::new();
        for (position, text) in sms.to.all().iter().enumerate() {
            let place = below(place, "to");
            let place = if is_list { below(&place, position) } else { place };
            let template = self.template(&Json::String(text.clone()), &place);
            if let Template::Constant(Json::String(text)) = &template
                && normalise_phone(text).is_none()
            {
                self.tell(place, "phone", "this is no phone number such as +39 051 123456, or `{{ phone }}`");
            }
            to.push(template);
        }
        let text = self.template(&Json::String(sms.text.clone()), &below(place, "text"));
        Action::SendSms(Box::new(SmsOut { to, text, provider: sms.provider.clone() }))
    }

    /// Where none is named, there must be one to take.
    fn check_only_provider(&mut self, place: &[PathSegment]) {
        let Some(plugins) = self.plugins else { return };
        let offering = plugins.with_function(SMS_FUNCTION);
        if offering.len() != 1 {
            let found = match offering.as_slice() {
                [] => "none is installed".to_owned(),
                several => format!("several do: {}", several.join(", ")),
            };
            let message =
                format!("a plugin with the function `{SMS_FUNCTION}` sends it, and {found}: say which by `provider`");
            self.tell(below(place, "provider"), "required", message);
        }
    }
}
