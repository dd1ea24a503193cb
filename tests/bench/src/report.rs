//! The tables that are printed: in Markdown, so that they can be put into a document as they stand.

use std::fmt::Write as _;
use std::time::Duration;

use cardine_tests::Backend;

use crate::access::Decided;
use crate::catalog::{Cost, Weighed};
use crate::changes::{Waited, Withstood};
use crate::hostile::Endured;
use crate::large::Stretched;
use crate::measure::Run;
use crate::questions::{Question, View};
use crate::workflows::Worked;
use crate::writes::Written;

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// This checkout's server.
    Cardine,
    /// Hand-written statements behind a bare HTTP server.
    Yardstick,
    /// The same behind the HTTP server that Cardine uses.
    ByPoem,
    /// PostGraphile.
    PostGraphile,
}

impl Served {
    /// For the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cardine => "Cardine",
            Self::Yardstick => "hand-written",
            Self::ByPoem => "hand-written, by poem",
            Self::PostGraphile => "PostGraphile",
        }
    }
}

/// What one question gave, of each database and of everybody who answered it.
#[derive(Debug)]
pub struct Line {
    /// What was asked.
    pub question: Question,
    /// By whom.
    pub view: View,
    /// Medians.
    pub runs: Vec<(Backend, Served, Run)>,
}

impl Line {
    fn run(&self, backend: Backend, served: Served) -> Option<&Run> {
        self.runs.iter().find(|(of, by, _)| (*of, *by) == (backend, served)).map(|(.., run)| run)
    }

    /// Requests per second of one against another; nothing where one of them was not measured.
    fn ratio(&self, one: (Backend, Served), other: (Backend, Served)) -> Option<f64> {
        Some(self.run(one.0, one.1)?.requests_per_second / self.run(other.0, other.1)?.requests_per_second)
    }
}

const FIGURES: &str = "\
| question | asked by | database | answered by | requests/s | CPU of a request | server + database |
| --- | --- | --- | --- | ---: | ---: | ---: |
";

const RATIOS: &str = "\
| question | asked by | Cardine to hand-written, PostgreSQL | Cardine to PostGraphile | Cardine to hand-written, SQLite | the same by poem | Cardine: SQLite to PostgreSQL |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
";

/// Aims for every question on SQLite: against the hand-written loop, and against PostgreSQL; and against hand-written SQL with the rule.
const SQLITE_AIMS: (f64, f64) = (0.7, 1.0);
const ROLE_AIM: f64 = 0.85;

/// What everything cost.
pub fn figures(lines: &[Line]) -> String {
    let mut table = FIGURES.to_owned();
    for line in lines {
        for (backend, served, run) in &line.runs {
            let _ = writeln!(
                table,
                "| {} | {} | {backend:?} | {} | {:.0} | {} | {} |",
                line.question.name(),
                view(line.view),
                served.name(),
                run.requests_per_second,
                microseconds(run.processor()),
                parts(run)
            );
        }
    }
    table
}

/// Requests per second against each other, with what is aimed at.
pub fn ratios(lines: &[Line]) -> String {
    let mut table = RATIOS.to_owned();
    let ours = |backend| (backend, Served::Cardine);
    let theirs = |backend| (backend, Served::Yardstick);
    let (sqlite, postgres) = (Backend::Sqlite, Backend::Postgres);
    for line in lines {
        let (of_yardstick, of_postgraphile) = match line.view {
            View::All => line.question.aims(),
            View::Team => (ROLE_AIM, f64::NAN),
        };
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} |",
            line.question.name(),
            view(line.view),
            cell(line.ratio(ours(postgres), theirs(postgres)), of_yardstick),
            cell(line.ratio(ours(postgres), (postgres, Served::PostGraphile)), of_postgraphile),
            cell(line.ratio(ours(sqlite), theirs(sqlite)), f64::NAN),
            cell(line.ratio(ours(sqlite), (sqlite, Served::ByPoem)), SQLITE_AIMS.0),
            cell(line.ratio(ours(sqlite), ours(postgres)), SQLITE_AIMS.1),
        );
    }
    table
}

const WRITES: &str = "\
| database | records/s in batches of 500 | raw inserts, records/s | raw to Cardine | single creates/s by clients: CPU of one, server + database |
| --- | ---: | ---: | ---: | --- |
";

/// What writing cost.
pub fn writes(written: &[Written]) -> String {
    let mut table = WRITES.to_owned();
    for Written { backend, batches, raw, singles } in written {
        let singles: Vec<String> = singles
            .iter()
            .map(|(clients, run)| format!("{clients}: {:.0} ({})", run.requests_per_second, parts(run)))
            .collect();
        let _ = writeln!(
            table,
            "| {backend:?} | {} | {raw:.0} | {} | {} |",
            batches.map(|batches| format!("{batches:.0}")).unwrap_or_default(),
            batches.map(|batches| format!("{:.1}", raw / batches)).unwrap_or_default(),
            singles.join("; ")
        );
    }
    table
}

const CATALOGS: &str = "\
| database | a change, of processor | of it a dry run | introspection | its size | start to first answer | memory, one role | memory, 50 roles |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// What a large catalog costs, with what is aimed at.
pub fn catalogs(weighed: &[Weighed]) -> String {
    let mut table = CATALOGS.to_owned();
    let milliseconds = |Cost { time, processor }: Cost| {
        let [time, processor] = [time, processor].map(|time| time.as_secs_f64() * 1_000.0);
        format!("{time:.0} ms, {processor:.0}")
    };
    let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    for Weighed { backend, change, dry_run, introspection: (introspection, length), start, memory } in weighed {
        let _ = writeln!(
            table,
            "| {backend:?} | {} (aim 50) | {} | {} (aim 300) | {} | {} (aim 1000) | {} (aim 40) | {} (aim 40) |",
            milliseconds(*change),
            milliseconds(*dry_run),
            milliseconds(*introspection),
            mebibytes(*length as u64),
            milliseconds(*start),
            mebibytes(memory.0),
            mebibytes(memory.1),
        );
    }
    table
}

/// What requests wait while modules change, with what is aimed at. There is no column of errors: the first ends the measurement.
pub fn changes(withstood: &[Withstood]) -> String {
    let mut table = String::from(
        "| database | processes | changes | took | requests, a second of those due: alone | meanwhile | waited alone: half, 99 of 100, longest | meanwhile | ratio of 99 of 100 |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let answered = |waited: &Waited, rate: u32| format!("{}, {:.0} of {rate}", waited.requests, waited.rate());
    let times = |waited: &Waited| [waited.middle, waited.most, waited.longest].map(milliseconds).join(", ");
    for Withstood { backend, processes, rate, quiet, changing, changes: (changes, took), rest } in withstood {
        let rest = if rest.is_zero() { String::new() } else { format!(", {} ms of rest after each", rest.as_millis()) };
        let _ = writeln!(
            table,
            "| {backend:?} | {processes} | {changes}{rest} | {:.1} s | {} | {} | {} | {} | {:.2} (aim 2) |",
            took.as_secs_f64(),
            answered(quiet, *rate),
            answered(changing, *rate),
            times(quiet),
            times(changing),
            changing.most.as_secs_f64() / quiet.most.as_secs_f64(),
        );
    }
    table
}

/// What adding fields to large modules takes, with what is aimed at.
pub fn large(stretched: &[Stretched]) -> String {
    let mut table = String::from(
        "| database | a field to many fields | a field to many records | with an index | with a default for all | a list before | after the fields | ratio | after all | ratio |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for Stretched { backend, many_fields, many_records, with_index, filled, list: [before, fields, all] } in stretched {
        let ratio = |after: &Run| after.processor().as_secs_f64() / before.processor().as_secs_f64();
        let _ = writeln!(
            table,
            "| {backend:?} | {} (aim 1000) | {} (aim 1000) | {} | {} | {} | {} | {:.2} (aim 1.1) | {} | {:.2} (aim 1.1) |",
            milliseconds(*many_fields),
            milliseconds(*many_records),
            milliseconds(*with_index),
            milliseconds(*filled),
            parts(before),
            parts(fields),
            ratio(fields),
            parts(all),
            ratio(all),
        );
    }
    table
}

/// What access costs, with what is aimed at.
pub fn access(decided: &[Decided]) -> String {
    let mut table = String::from(
        "| database | a role moves | the next request | | list of 50 by | processor time | beside everything | beside the same without the rule |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for Decided { backend, change, next, lists } in decided {
        let mut moved = format!("{} (aim 1000) | {}", milliseconds(*change), milliseconds(*next));
        let all = lists[0].1.processor();
        for (viewer, run) in lists {
            let beside = |other: Duration| run.processor().as_secs_f64() / other.as_secs_f64();
            let without = lists.iter().find(|(other, _)| viewer.without_rule() == Some(*other));
            let rule = without.map(|(_, run)| format!("{:.2} (aim 1.15)", beside(run.processor()))).unwrap_or_default();
            let (told, took) = (viewer.told(), parts(run));
            let _ = writeln!(table, "| {backend:?} | {moved} | | {told} | {took} | {:.2} | {rule} |", beside(all));
            moved = "| ".to_owned();
        }
    }
    table
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

/// A ratio, with what is aimed at; not a number where nothing is.
fn cell(ratio: Option<f64>, aim: f64) -> String {
    let told = |ratio| if aim.is_nan() { format!("{ratio:.2}") } else { format!("{ratio:.2} (aim {aim})") };
    ratio.map(told).unwrap_or_default()
}

fn view(view: View) -> &'static str {
    match view {
        View::All => "administrator",
        View::Team => "manager",
    }
}

fn parts(run: &Run) -> String {
    match run.database {
        None => microseconds(run.server),
        Some(database) => format!("{} + {}", run.server.as_micros(), microseconds(database)),
    }
}

fn microseconds(duration: Duration) -> String {
    format!("{} µs", duration.as_micros())
}

/// What hostile plugins take of the requests of people, and how their calls ended.
pub fn hostile(endured: &[Endured]) -> String {
    let mut table = String::from(
        "| database | requests/s alone | beside hostile plugins | taken (aim at most 10 %) |\n| --- | ---: | ---: | ---: |\n",
    );
    for one in endured {
        let (alone, beside) = (one.alone.requests_per_second, one.beside.requests_per_second);
        let taken = (1.0 - beside / alone.max(f64::EPSILON)) * 100.0;
        writeln!(table, "| {:?} | {alone:.0} | {beside:.0} | {taken:.0} % |", one.backend).expect("a String takes all");
    }
    table.push_str("\n| database | plugin | its calls ended as |\n| --- | --- | --- |\n");
    for one in endured {
        for (plugin, ends) in &one.ends {
            let ends: Vec<String> = ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
            writeln!(table, "| {:?} | {plugin} | {} |", one.backend, ends.join(", ")).expect("a String takes all");
        }
    }
    table
}

/// Runs in a second, and what a workflow adds to a write.
pub fn workflows(worked: &[Worked]) -> String {
    let mut table = String::from(
        "| database | runs/s of one step | half of the writes took at most, without | with a workflow | added | in the mean, without | with a workflow | added (aim below 15 %) |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for one in worked {
        let added = |without: Duration, with: Duration| {
            let added = (with.as_secs_f64() / without.as_secs_f64().max(f64::EPSILON) - 1.0) * 100.0;
            format!("{} µs | {} µs | {added:.0} %", without.as_micros(), with.as_micros())
        };
        let (median, mean) = (added(one.without.median, one.with.median), added(one.without.mean, one.with.mean));
        writeln!(table, "| {:?} | {:.0} | {median} | {mean} |", one.backend, one.runs_per_second)
            .expect("a String takes all");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflows::Taken;

    fn line() -> Line {
        let run = |requests_per_second, database: Option<u64>| Run {
            requests_per_second,
            server: Duration::from_micros(300),
            database: database.map(Duration::from_micros),
        };
        let runs = vec![
            (Backend::Postgres, Served::Cardine, run(1_000.0, Some(100))),
            (Backend::Postgres, Served::Yardstick, run(800.0, Some(50))),
            (Backend::Sqlite, Served::Cardine, run(1_500.0, None)),
            (Backend::Sqlite, Served::Yardstick, run(3_000.0, None)),
            (Backend::Sqlite, Served::ByPoem, run(2_000.0, None)),
        ];
        Line { question: Question::Groups, view: View::All, runs }
    }

    #[test]
    fn a_line_tells_what_each_cost() {
        let table = figures(&[line()]);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            lines[0],
            "| count and sum by stage | administrator | Postgres | Cardine | 1000 | 400 µs | 300 + 100 µs |"
        );
        assert_eq!(lines[2], "| count and sum by stage | administrator | Sqlite | Cardine | 1500 | 300 µs | 300 µs |");
    }

    #[test]
    fn a_catalog_is_told_beside_its_aims() {
        let cost =
            |time, processor| Cost { time: Duration::from_millis(time), processor: Duration::from_millis(processor) };
        let weighed = Weighed {
            backend: Backend::Sqlite,
            change: cost(45, 20),
            dry_run: cost(30, 15),
            introspection: (cost(280, 270), 17 << 20),
            start: cost(700, 400),
            memory: (30 << 20, 35 << 20),
        };
        let expected = "| Sqlite | 45 ms, 20 (aim 50) | 30 ms, 15 | 280 ms, 270 (aim 300) | 17.0 MiB | 700 ms, 400 (aim 1000) | 30.0 MiB (aim 40) | 35.0 MiB (aim 40) |";
        assert_eq!(catalogs(&[weighed]).lines().last(), Some(expected));
    }

    #[test]
    fn what_requests_waited_is_told_beside_the_rate_that_was_held() {
        let waited = |requests, seconds, most| Waited {
            requests,
            within: Duration::from_secs(seconds),
            middle: Duration::from_millis(2),
            most: Duration::from_millis(most),
            longest: Duration::from_millis(40),
        };
        let withstood = Withstood {
            backend: Backend::Postgres,
            processes: 3,
            rate: 500,
            quiet: waited(10_000, 20, 8),
            changing: waited(4_900, 10, 12),
            changes: (200, Duration::from_secs(10)),
            rest: Duration::from_secs(1),
        };
        let expected = "| Postgres | 3 | 200, 1000 ms of rest after each | 10.0 s | 10000, 500 of 500 | 4900, 490 of 500 | 2.0 ms, 8.0 ms, 40.0 ms | 2.0 ms, 12.0 ms, 40.0 ms | 1.50 (aim 2) |";
        assert_eq!(changes(&[withstood]).lines().last(), Some(expected));
    }

    #[test]
    fn lists_of_a_large_module_are_told_before_and_after() {
        let run = |server| Run { requests_per_second: 1.0, server: Duration::from_micros(server), database: None };
        let stretched = Stretched {
            backend: Backend::Sqlite,
            many_fields: Duration::from_millis(30),
            many_records: Duration::from_millis(40),
            with_index: Duration::from_millis(900),
            filled: Duration::from_millis(8_000),
            list: [run(400), run(420), run(500)],
        };
        let expected = "| Sqlite | 30.0 ms (aim 1000) | 40.0 ms (aim 1000) | 900.0 ms | 8000.0 ms | 400 µs | 420 µs | 1.05 (aim 1.1) | 500 µs | 1.25 (aim 1.1) |";
        assert_eq!(large(&[stretched]).lines().last(), Some(expected));
    }

    #[test]
    fn what_is_not_known_leaves_its_cells_empty() {
        let singles = vec![(16, line().runs[0].2)];
        let written =
            |batches| Written { backend: Backend::Postgres, batches, raw: 50_000.0, singles: singles.clone() };
        let table = writes(&[written(None), written(Some(20_000.0))]);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(lines[0], "| Postgres |  | 50000 |  | 16: 1000 (300 + 100 µs) |");
        assert_eq!(lines[1], "| Postgres | 20000 | 50000 | 2.5 | 16: 1000 (300 + 100 µs) |");
    }

    #[test]
    fn what_a_workflow_adds_is_a_part_of_the_write() {
        let (without, with) = (Duration::from_micros(1_000), Duration::from_micros(1_120));
        let [without, with] = [(without, 2), (with, 3)].map(|(median, times)| Taken { median, mean: median * times });
        let worked = Worked { backend: Backend::Sqlite, runs_per_second: 812.4, without, with };
        let row = "| Sqlite | 812 | 1000 µs | 1120 µs | 12 % | 2000 µs | 3360 µs | 68 % |";
        assert_eq!(workflows(&[worked]).lines().last(), Some(row));
    }

    #[test]
    fn ratios_are_told_where_both_were_measured() {
        let expected =
            "| count and sum by stage | administrator | 1.25 (aim 0.95) |  | 0.50 | 0.75 (aim 0.7) | 1.50 (aim 1) |";
        assert_eq!(ratios(&[line()]).lines().last(), Some(expected));
    }
}
