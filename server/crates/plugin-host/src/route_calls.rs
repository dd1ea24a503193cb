//! Calls for requests of HTTP: a plugin answers at an address of its own.

use crate::bindings::exports::cardine::plugin::routes;
use crate::call_context::CallContext;
use crate::ending::EndedCall;
use crate::entry::{Answer, Entry};
use crate::failure::PluginFailure;
use crate::session::Session;

/// Headers of an answer; more are not taken.
const HEADERS_MAX: usize = 50;

/// A request as the plugin sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Behind the plugin's own address.
    pub path: String,
    /// Behind the question mark, as it came.
    pub query: String,
    /// In lower case, without what tells who the caller is.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
    /// Whether the host has checked who sends it.
    pub verified: bool,
}

/// What the plugin answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteResponse {
    /// 200 to 599.
    pub status: u16,
    /// As the plugin gave them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Session {
    /// Lets the plugin answer a request at the route with this path.
    ///
    /// # Errors
    /// See [`PluginFailure`]; the session stays usable.
    pub async fn serve(
        &mut self,
        context: CallContext,
        route: &str,
        request: RouteRequest,
    ) -> Result<RouteResponse, PluginFailure> {
        let what = format!("route `{route}`");
        let limits = self.limits();
        let cpu = limits.cpu_budget(None, 1);
        let RouteRequest { method, path, query, headers, body, verified } = request;
        let bytes =
            body.len() + query.len() + headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let request = routes::Request { method, path, query, headers, body, verified };
        let entry = Entry::Serve { route: route.to_owned(), request };
        let (answer, _) = self.run_entry(context, &what, entry, bytes, cpu, limits.wall_budget(cpu)).await?;
        let Answer::Served(answer) = answer else { unreachable!("the entry decides the answer") };
        let call = EndedCall { plugin: self.plugin_name(), what: &what, limits: &limits };
        let routes::Response { status, headers, body } = answer.map_err(|error| call.plugins_own_words(error))?;
        if body.len() > limits.output_bytes {
            let failure = call.too_large(body.len() as u64);
            self.keep(&what, &failure);
            return Err(failure);
        }
        if !(200..=599).contains(&status) || headers.len() > HEADERS_MAX {
            let detail = format!("the answer has the status {status} and {} headers", headers.len());
            return Err(call.invalid_output().with_detail(detail));
        }
        Ok(RouteResponse { status, headers, body })
    }
}
