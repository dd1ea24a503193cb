//! `/reset`: the page that sets another password, opened by the link that is mailed to who forgot it.

use std::sync::Arc;

use chrono::Utc;
use poem::http::StatusCode;
use poem::{Request, Response};

use super::error::ApiError;
use super::form::{parameter, read_form};
use super::page::{escape, page};
use crate::app::App;
use cardine_auth::ResetError;

/// `GET /reset?token=…`: the form. To look at it uses nothing up: mail servers open links too.
pub async fn form(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let token = parameter(request.uri().query().unwrap_or_default().as_bytes(), "token");
    if !app.auth.reset_is_open(&app.engine, &token, Utc::now()).await? {
        return Ok(stale_link());
    }
    Ok(form_page(StatusCode::OK, &token, None))
}

/// `POST /reset`: sets the password. The token in the form is what no foreign page can know.
pub async fn reset(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let body = read_form(&mut request, app.front.limits.body_bytes).await?;
    let (token, password) = (parameter(&body, "token"), parameter(&body, "password"));
    let again = |fault: &str| Ok(form_page(StatusCode::UNPROCESSABLE_ENTITY, &token, Some(fault)));
    if password != parameter(&body, "repeated") {
        return again("The two passwords differ.");
    }
    match app.auth.reset_password(&app.engine, &token, &password, Utc::now()).await {
        Ok(()) => Ok(done()),
        Err(ResetError::Stale) => Ok(stale_link()),
        Err(ResetError::Unfit(_)) => again("A password must have 8 to 256 bytes."),
        Err(ResetError::Engine(error)) => Err(error.into()),
    }
}

fn form_page(status: StatusCode, token: &str, fault: Option<&str>) -> Response {
    let fault =
        fault.map(|fault| format!("<p class=\"error\" role=\"alert\">{}</p>\n", escape(fault))).unwrap_or_default();
    let body = format!(
        "<h1>A new password</h1>\n{fault}\
         <form method=\"post\" action=\"reset\" autocomplete=\"off\">\n\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
         <label for=\"password\">Password (8 to 256 bytes)</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" required minlength=\"8\" autofocus autocomplete=\"new-password\">\n\
         <label for=\"repeated\">The password again</label>\n\
         <input id=\"repeated\" name=\"repeated\" type=\"password\" required minlength=\"8\" autocomplete=\"new-password\">\n\
         <button>Set the password</button>\n</form>",
        token = escape(token),
    );
    page(status, "Cardine: a new password", "assets/page.css", &body)
}

fn done() -> Response {
    let body = "<h1>Done</h1>\n<p>The new password is set, and you are signed out everywhere. Sign in with it.</p>";
    page(StatusCode::OK, "Cardine", "assets/page.css", body)
}

fn stale_link() -> Response {
    let body = "<h1>This link cannot be used</h1>\n<p>It was used, or it is older than half an hour, or the password was \
                changed since. Ask for a new one where you sign in.</p>";
    page(StatusCode::NOT_FOUND, "Cardine", "assets/page.css", body)
}
