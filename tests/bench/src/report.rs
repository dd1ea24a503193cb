//! The table that is printed: in Markdown, so that it can be put into a document as it stands.

use std::time::Duration;

use crate::measure::{Comparison, Run};

const HEAD: &str = "\
| database | question | requests/s | CPU of a request (server + database) | raw: requests/s | raw: CPU (client + database) | requests/s, raw to API | CPU, API to raw |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// A line for each comparison.
pub fn table(comparisons: &[Comparison]) -> String {
    let lines = comparisons.iter().map(|comparison| {
        let Comparison { backend, question, api, raw } = comparison;
        format!(
            "| {backend:?} | {question} | {:.0} | {} | {:.0} | {} | {:.1} | {:.1} |\n",
            api.requests_per_second,
            processor(api),
            raw.requests_per_second,
            processor(raw),
            raw.requests_per_second / api.requests_per_second,
            api.whole().as_secs_f64() / raw.whole().as_secs_f64()
        )
    });
    HEAD.to_owned() + &lines.collect::<String>()
}

fn processor(run: &Run) -> String {
    match run.database {
        None => microseconds(run.processor),
        Some(database) => {
            let (server, database) = (run.processor.as_micros(), database.as_micros());
            format!("{} ({server} + {database})", microseconds(run.whole()))
        }
    }
}

fn microseconds(duration: Duration) -> String {
    format!("{} µs", duration.as_micros())
}

#[cfg(test)]
mod tests {
    use cardine_tests::Backend;

    use super::*;

    #[test]
    fn a_line_tells_figures_and_ratios() {
        let run = |requests_per_second, processor, database: Option<u64>| Run {
            requests_per_second,
            processor: Duration::from_micros(processor),
            database: database.map(Duration::from_micros),
        };
        let (api, raw) = (run(1_000.0, 300, Some(100)), run(2_500.0, 50, Some(50)));
        let table = table(&[Comparison { backend: Backend::Postgres, question: "q", api, raw }]);
        let line = "| Postgres | q | 1000 | 400 µs (300 + 100) | 2500 | 100 µs (50 + 50) | 2.5 | 4.0 |";
        assert_eq!(table.lines().last(), Some(line));
    }
}
