//! The origins that may call the API from a browser: exactly those listed, or all.

use url::{Origin, Url};

/// Which origins get CORS headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Exactly these; none by default.
    Listed(Vec<Origin>),
    /// `*`: every page.
    All,
}

impl CorsOrigins {
    /// Reads `--cors-origin`, given any number of times; every fault at once.
    pub fn parse(texts: &[String]) -> Result<Self, Vec<String>> {
        if texts.iter().any(|text| text == "*") {
            return if texts.len() == 1 {
                Ok(Self::All)
            } else {
                Err(vec!["cors-origin: * and other origins contradict each other; give either".to_owned()])
            };
        }
        let mut faults = Vec::new();
        let mut origins = Vec::new();
        for text in texts {
            match parse_origin(text) {
                Some(origin) => origins.push(origin),
                None => faults.push(format!(
                    "cors-origin: {text:?} is not an origin such as https://app.example.org (without a path)"
                )),
            }
        }
        if faults.is_empty() { Ok(Self::Listed(origins)) } else { Err(faults) }
    }

    /// Whether a page of this `Origin` header may call the API. `null` never is listed.
    pub fn allow(&self, header: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(origins) => parse_origin(header).is_some_and(|origin| origins.contains(&origin)),
        }
    }
}

fn parse_origin(text: &str) -> Option<Origin> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && !text.ends_with('/')
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    bare.then(|| url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<CorsOrigins, Vec<String>> {
        CorsOrigins::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn exactly_the_listed_origins_are_allowed() {
        let origins = parse(&["https://app.example.org", "http://localhost:3000"]).unwrap();
        for allowed in ["https://app.example.org", "https://app.example.org:443", "http://localhost:3000"] {
            assert!(origins.allow(allowed), "{allowed}");
        }
        for refused in [
            "http://app.example.org",
            "https://app.example.org.evil.example",
            "https://evil.example/https://app.example.org",
            "https://sub.app.example.org",
            "http://localhost:3001",
            "https://app.example.org@evil.example",
            "null",
            "",
        ] {
            assert!(!origins.allow(refused), "{refused}");
        }
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        assert!(!parse(&[]).unwrap().allow("http://localhost:8000"));
        assert!(parse(&["*"]).unwrap().allow("https://any.example"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in ["app.example.org", "https://a.example/", "https://a.example/x", "ftp://a.example", "null", ""] {
            assert!(parse(&[text]).is_err(), "{text}");
        }
        assert!(parse(&["*", "https://a.example"]).is_err(), "contradictory");
    }
}
