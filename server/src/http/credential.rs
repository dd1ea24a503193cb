//! What a request proves its sender by: a bearer token, or the cookie of a browser with the token of its page.

use poem::Request;
use poem::http::{HeaderMap, HeaderValue, Method, header};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::error::ApiError;
use cardine_auth::secret::{Secret, SecretKind};

/// The header by which a page shows that it is one of this server's.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// What stands for the caller.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Of the header `Authorization`.
    Bearer(String),
    /// Of the cookie.
    Cookie(Secret),
}

impl Credential {
    /// The request's. A bearer token counts before a cookie, because only a program sends one. With a cookie, whatever is not a
    /// safe read needs the page's token too: a foreign page can make a browser send cookies, and cannot know the token.
    pub fn of(request: &Request, public_url: &Url) -> Result<Option<Self>, ApiError> {
        if let Some(token) = bearer_token(request)? {
            return Ok(Some(Self::Bearer(token.to_owned())));
        }
        let Some(cookie) = console_cookie(request.headers(), public_url)? else { return Ok(None) };
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if !reads && !shows_csrf_token(&cookie, request.header(CSRF_HEADER)) {
            let message = "With a cookie, send the header X-CSRF-Token with the csrfToken of the sign-in or of GET /auth/session.";
            return Err(ApiError::forbidden(message));
        }
        Ok(Some(Self::Cookie(cookie)))
    }
}

/// The browser's cookie of this server. One that is not of the right form is like one that is not good any more.
pub fn console_cookie(headers: &HeaderMap, public_url: &Url) -> Result<Option<Secret>, ApiError> {
    let name = cookie_name(public_url);
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = pairs.flat_map(|pairs| pairs.split(';')).filter_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    });
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::unauthenticated("There are several cookies of this server; sign in again."));
    }
    let cookie = Secret::parse(value, SecretKind::Console);
    cookie.map(Some).ok_or_else(|| ApiError::unauthenticated("The cookie is not valid. Sign in again."))
}

/// Whether `shown` is the token of the cookie's pages.
pub fn shows_csrf_token(cookie: &Secret, shown: Option<&str>) -> bool {
    shown.is_some_and(|shown| bool::from(cookie.csrf_token().as_bytes().ct_eq(shown.as_bytes())))
}

/// `Set-Cookie` of a session that lasts so many seconds; none is left with 0. Scripts cannot read it, and other sites' pages
/// send it along with nothing but a link to this server.
pub fn set_cookie(public_url: &Url, value: &str, seconds: i64) -> HeaderValue {
    let secure = if public_url.scheme() == "https" { "; Secure" } else { "" };
    let name = cookie_name(public_url);
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).expect("a token is ASCII")
}

/// With the prefix, a browser takes the cookie over HTTPS from this host alone: no neighbour can put its own in place.
fn cookie_name(public_url: &Url) -> &'static str {
    if public_url.scheme() == "https" { "__Host-cardine-session" } else { "cardine-session" }
}

/// The token of the header `Authorization`.
fn bearer_token(request: &Request) -> Result<Option<&str>, ApiError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::unauthenticated("There are several Authorization headers; send one."));
    }
    value
        .to_str()
        .ok()
        .and_then(token_of)
        .map(Some)
        .ok_or_else(|| ApiError::unauthenticated("Send the header Authorization: Bearer <token>."))
}

/// The token of `Bearer <token>`.
pub fn token_of(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::builder().finish();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        request
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_token_is_read_and_anything_else_in_its_place_is_refused() {
        assert_eq!(bearer_token(&request(&[])).unwrap(), None);
        assert_eq!(bearer_token(&request(&[("authorization", "bearer cat_x")])).unwrap(), Some("cat_x"));
        for headers in [
            &[("authorization", "")][..],
            &[("authorization", "Bearer")],
            &[("authorization", "Basic YTpi")],
            &[("authorization", "cat_x")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
        ] {
            assert_eq!(bearer_token(&request(headers)).unwrap_err().status.as_u16(), 401, "{headers:?}");
        }
    }

    #[test]
    fn a_cookie_changes_nothing_without_the_token_of_its_page() {
        let here = url("http://127.0.0.1:8000/");
        let (secret, other) = (Secret::generate(SecretKind::Console), Secret::generate(SecretKind::Console));
        let cookie = format!("theme=dark; cardine-session={}", secret.reveal());
        let sent = |method: Method, csrf: Option<&str>| {
            let mut request = request(&[("cookie", &cookie)]);
            request.set_method(method);
            if let Some(csrf) = csrf {
                request.headers_mut().insert(CSRF_HEADER, HeaderValue::from_str(csrf).unwrap());
            }
            Credential::of(&request, &here)
        };
        assert!(matches!(sent(Method::GET, None), Ok(Some(Credential::Cookie(_)))));
        assert!(matches!(sent(Method::POST, Some(&secret.csrf_token())), Ok(Some(Credential::Cookie(_)))));
        for csrf in [None, Some(""), Some("x"), Some(other.csrf_token().as_str()), Some(secret.reveal())] {
            assert_eq!(sent(Method::POST, csrf).unwrap_err().status.as_u16(), 403, "{csrf:?}");
            assert_eq!(sent(Method::DELETE, csrf).unwrap_err().status.as_u16(), 403, "{csrf:?}");
        }
    }

    #[test]
    fn a_cookie_is_this_servers_or_none() {
        let (http, https) = (url("http://127.0.0.1:8000/"), url("https://crm.example.org/"));
        let secret = Secret::generate(SecretKind::Console);
        let found = |url: &Url, cookie: &str| console_cookie(request(&[("cookie", cookie)]).headers(), url);
        let value = secret.reveal();
        assert_eq!(found(&http, &format!("cardine-session={value}")).unwrap(), Some(secret.clone()));
        assert_eq!(found(&https, &format!("__Host-cardine-session={value}")).unwrap(), Some(secret.clone()));
        assert_eq!(
            found(&https, &format!("cardine-session={value}")).unwrap(),
            None,
            "one that a neighbour may have set"
        );
        let access = Secret::generate(SecretKind::Access);
        for cookie in [
            format!("cardine-session={}", access.reveal()),
            "cardine-session=".to_owned(),
            format!("cardine-session={value}; cardine-session={value}"),
        ] {
            assert_eq!(found(&http, &cookie).unwrap_err().status.as_u16(), 401, "{cookie}");
        }
    }

    #[test]
    fn scripts_do_not_read_the_cookie_and_it_goes_over_https_alone_where_there_is() {
        let text = |url: &Url| set_cookie(url, "ccs_x", 60).to_str().unwrap().to_owned();
        let secure = text(&url("https://crm.example.org/base/"));
        assert_eq!(secure, "__Host-cardine-session=ccs_x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(
            text(&url("http://127.0.0.1/")),
            "cardine-session=ccs_x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        );
    }
}
