//! Mails that steps send, checked as far as their addresses are known.

use cardine_model::PathSegment;
use serde_json::Value as Json;

use super::{Checking, below};
use crate::definition::{SendEmail, Texts};
use crate::program::MailOut;
use crate::template::Template;

impl Checking<'_> {
    pub(super) fn send_email(&mut self, mail: &SendEmail, place: &[PathSegment]) -> MailOut {
        let to = self.recipients(Some(&mail.to), below(place, "to"));
        let cc = self.recipients(mail.cc.as_ref(), below(place, "cc"));
        let bcc = self.recipients(mail.bcc.as_ref(), below(place, "bcc"));
        let reply_to = mail.reply_to.as_ref().map(|text| self.address(text, below(place, "replyTo")));
        let mut text = |text: &String, name: &str| self.template(&Json::String(text.clone()), &below(place, name));
        let subject = text(&mail.subject, "subject");
        let (plain, html) =
            (mail.text.as_ref().map(|one| text(one, "text")), mail.html.as_ref().map(|one| text(one, "html")));
        let attachments = self.attachments(mail.attachments.as_ref(), below(place, "attachments"));
        MailOut { to, cc, bcc, reply_to, subject, text: plain, html, attachments }
    }

    fn attachments(&mut self, given: Option<&Texts>, place: Vec<PathSegment>) -> Vec<Template> {
        let what = "a file's id such as `{{ record.contractId }}`, or a list of them";
        let all = given.map(Texts::all).unwrap_or_default();
        let is_list = matches!(given, Some(Texts::Several(_)));
        let place_of = |position: usize| if is_list { below(&place, position) } else { place.clone() };
        all.iter().enumerate().map(|(position, text)| self.ids_template(text, place_of(position), what)).collect()
    }

    fn recipients(&mut self, given: Option<&Texts>, place: Vec<PathSegment>) -> Vec<Template> {
        let all = given.map(Texts::all).unwrap_or_default();
        let is_list = matches!(given, Some(Texts::Several(_)));
        let place_of = |position: usize| if is_list { below(&place, position) } else { place.clone() };
        all.iter().enumerate().map(|(position, text)| self.address(text, place_of(position))).collect()
    }

    fn address(&mut self, text: &str, place: Vec<PathSegment>) -> Template {
        let template = self.template(&Json::String(text.to_owned()), &place);
        if let Template::Constant(Json::String(text)) = &template
            && !cardine_engine::mail::is_address(text)
        {
            self.tell(place, "email", "this is no address such as ann@example.org, or `{{ email }}`");
        }
        template
    }
}
