//! `/setup`: the page that makes the first administrator, opened by the one-time link that the server prints at its start.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cardine_engine::EngineError;
use cardine_engine::identity::ChangedBy;
use chrono::Utc;
use poem::http::StatusCode;
use poem::{Request, Response};
use subtle::ConstantTimeEq as _;

use super::error::ApiError;
use super::form::{parameter, read_form};
use super::page::{escape, page};
use crate::app::App;
use cardine_auth::secret::{Secret, SecretHash, SecretKind};

/// How long the link is good. A restart prints another one.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The link's token, as long as it can be used. It is in this process's memory alone: who can read it there needs no link.
#[derive(Debug, Default)]
pub struct Setup {
    token: Mutex<Option<(SecretHash, Instant)>>,
}

impl Setup {
    /// Makes the token, for a server that has no administrator.
    pub fn open() -> (Self, Secret) {
        let secret = Secret::generate(SecretKind::Setup);
        let token = Mutex::new(Some((secret.hash(), Instant::now())));
        (Self { token }, secret)
    }

    fn admits(&self, token: &str, now: Instant) -> bool {
        let Some(secret) = Secret::parse(token, SecretKind::Setup) else { return false };
        let expected = *self.token.lock().expect("nobody panics while looking");
        expected.is_some_and(|(hash, made)| {
            now.saturating_duration_since(made) < LIFETIME && bool::from(hash.0.ct_eq(&secret.hash().0))
        })
    }

    fn close(&self) {
        *self.token.lock().expect("nobody panics while looking") = None;
    }
}

/// `GET /setup?token=…`: the form.
pub async fn form(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let token = parameter(request.uri().query().unwrap_or_default().as_bytes(), "token");
    if app.engine.snapshot().access.has_administrator() || !app.setup.admits(&token, Instant::now()) {
        return Ok(stale_link());
    }
    Ok(form_page(StatusCode::OK, &token, "", None))
}

/// `POST /setup`: makes the administrator. The token in the form is what no foreign page can know.
pub async fn create(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let body = read_form(&mut request, app.front.limits.body_bytes).await?;
    let token = parameter(&body, "token");
    if !app.setup.admits(&token, Instant::now()) {
        return Ok(stale_link());
    }
    let (email, password) = (parameter(&body, "email"), parameter(&body, "password"));
    let again = |fault: &str| Ok(form_page(StatusCode::UNPROCESSABLE_ENTITY, &token, &email, Some(fault)));
    if password != parameter(&body, "repeated") {
        return again("The two passwords differ.");
    }
    let hash = match app.auth.passwords.hash(&password).await {
        Ok(hash) => hash,
        Err(_) => return again("A password must have 8 to 256 bytes."),
    };
    let by = ChangedBy::system("setup", Utc::now());
    match app.engine.create_first_administrator(by, &email, hash).await {
        Ok(made) => {
            app.setup.close();
            Ok(if made.is_some() { done(&email) } else { stale_link() })
        }
        Err(error @ (EngineError::Validation(_) | EngineError::Conflict { .. })) => {
            again(&ApiError::from(error).message)
        }
        Err(error) => Err(error.into()),
    }
}

fn form_page(status: StatusCode, token: &str, email: &str, fault: Option<&str>) -> Response {
    let fault =
        fault.map(|fault| format!("<p class=\"error\" role=\"alert\">{}</p>\n", escape(fault))).unwrap_or_default();
    let body = format!(
        "<h1>The first administrator</h1>\n{fault}\
         <form method=\"post\" action=\"setup\" autocomplete=\"off\">\n\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
         <label for=\"email\">E-mail address</label>\n\
         <input id=\"email\" name=\"email\" type=\"email\" required autofocus value=\"{email}\">\n\
         <label for=\"password\">Password (8 to 256 bytes)</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" required minlength=\"8\" autocomplete=\"new-password\">\n\
         <label for=\"repeated\">The password again</label>\n\
         <input id=\"repeated\" name=\"repeated\" type=\"password\" required minlength=\"8\" autocomplete=\"new-password\">\n\
         <button>Create administrator</button>\n</form>",
        token = escape(token),
        email = escape(email),
    );
    page(status, "Cardine: the first administrator", "assets/page.css", &body)
}

fn done(email: &str) -> Response {
    let body = format!(
        "<h1>Done</h1>\n<p>{} is an administrator now. Sign in with <code>POST /auth/sign-in</code>, or go to the \
         <a href=\"./\">start page</a>.</p>",
        escape(email)
    );
    page(StatusCode::OK, "Cardine", "assets/page.css", &body)
}

fn stale_link() -> Response {
    let body = "<h1>This link cannot be used</h1>\n<p>It was used, it is older than an hour, or there is an administrator \
                already. While there is none, each start of the server prints a new link.</p>";
    page(StatusCode::NOT_FOUND, "Cardine", "assets/page.css", body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_printed_token_admits_and_not_for_ever() {
        let (setup, secret) = Setup::open();
        let now = Instant::now();
        assert!(setup.admits(secret.reveal(), now));
        assert!(!setup.admits(Secret::generate(SecretKind::Setup).reveal(), now));
        assert!(!setup.admits("", now));
        assert!(!setup.admits(secret.reveal(), now + LIFETIME));
        setup.close();
        assert!(!setup.admits(secret.reveal(), now), "used once");
        assert!(!Setup::default().admits(secret.reveal(), now), "with an administrator there is no token");
    }
}
