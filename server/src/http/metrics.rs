//! Counters in the Prometheus text format: requests by route, method and status, and the time that they took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use cardine_plugin_host::CallCount;

/// What one kind of answer has come to.
#[derive(Debug, Default, Clone, Copy)]
struct Series {
    count: u64,
    duration: Duration,
}

/// A route's pattern, a method and a status: a bounded set, because patterns come from the list of routes.
type Key = (&'static str, &'static str, u16);

/// The counters of this process.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<Key, Series>>,
}

impl Metrics {
    /// Counts one answered request.
    pub fn record(&self, route: &'static str, method: &poem::http::Method, status: u16, duration: Duration) {
        let key = (route, method_label(method), status);
        let mut requests = self.requests.lock().expect("nobody panics while counting");
        let series = requests.entry(key).or_default();
        series.count += 1;
        series.duration += duration;
    }

    /// The text that Prometheus reads.
    pub fn render(&self, catalog_version: u64) -> String {
        let mut text = String::new();
        let version = env!("CARGO_PKG_VERSION");
        let mut line = |args: std::fmt::Arguments<'_>| writeln!(text, "{args}").expect("a String takes all");
        line(format_args!("# HELP cardine_build_info The running version."));
        line(format_args!("# TYPE cardine_build_info gauge"));
        line(format_args!("cardine_build_info{{version=\"{version}\"}} 1"));
        line(format_args!("# HELP cardine_catalog_version The version of the module definitions that is served."));
        line(format_args!("# TYPE cardine_catalog_version gauge"));
        line(format_args!("cardine_catalog_version {catalog_version}"));
        let requests = self.requests.lock().expect("nobody panics while counting").clone();
        line(format_args!("# HELP cardine_http_requests_total Answered requests."));
        line(format_args!("# TYPE cardine_http_requests_total counter"));
        for ((route, method, status), series) in &requests {
            line(format_args!(
                "cardine_http_requests_total{{path=\"{route}\",method=\"{method}\",status=\"{status}\"}} {}",
                series.count
            ));
        }
        line(format_args!("# HELP cardine_http_request_seconds_total Time spent on answered requests."));
        line(format_args!("# TYPE cardine_http_request_seconds_total counter"));
        for ((route, method, status), series) in &requests {
            line(format_args!(
                "cardine_http_request_seconds_total{{path=\"{route}\",method=\"{method}\",status=\"{status}\"}} {:.6}",
                series.duration.as_secs_f64()
            ));
        }
        text
    }
}

/// Calls of plugins, in the same format. The outcome is `OK` or the reason that the caller was told, the bound the one that was broken.
pub fn render_plugins(counts: &[CallCount], text: &mut String) {
    let mut series = |name: &str, help: &str, value: &dyn Fn(&CallCount) -> String| {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter").expect("a String takes all");
        for count in counts {
            let CallCount { plugin, outcome, bound, .. } = count;
            let labels = format!("plugin=\"{plugin}\",outcome=\"{outcome}\",bound=\"{}\"", bound.unwrap_or_default());
            writeln!(text, "{name}{{{labels}}} {}", value(count)).expect("a String takes all");
        }
    };
    series("cardine_plugin_calls_total", "Calls of plugins.", &|count| count.calls.to_string());
    series("cardine_plugin_cpu_seconds_total", "CPU time that calls of plugins used.", &|count| {
        format!("{:.6}", count.cpu_ms / 1e3)
    });
}

/// A client may invent methods; they share one label.
fn method_label(method: &poem::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use poem::http::Method;

    use super::*;

    #[test]
    fn requests_are_counted_by_route_method_and_status() {
        let metrics = Metrics::default();
        for status in [200, 200, 400] {
            metrics.record("/graphql", &Method::POST, status, Duration::from_millis(250));
        }
        metrics.record("/graphql", &Method::from_bytes(b"FOO\"").unwrap_or(Method::PATCH), 405, Duration::ZERO);
        let text = metrics.render(7);
        assert!(
            text.contains("cardine_http_requests_total{path=\"/graphql\",method=\"POST\",status=\"200\"} 2\n"),
            "{text}"
        );
        assert!(
            text.contains("status=\"400\"} 1\n") && text.contains("method=\"OTHER\",status=\"405\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("status=\"200\"} 0.500000\n") && text.contains("cardine_catalog_version 7\n"), "{text}");
    }
}
