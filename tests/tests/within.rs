//! Conditions on time around now: so long back, so long ahead, and the period of the calendar that is now.

use cardine_tests::{Answer, Client, on_both_databases};
use chrono::{DateTime, Datelike as _, Days, NaiveDate, TimeDelta, Timelike as _, Utc};
use reqwest::Method;
use serde_json::json;

/// A zone in which it is about noon now, so that no midnight passes while a test runs.
struct Noon {
    zone: String,
    now: DateTime<Utc>,
    today: NaiveDate,
}

impl Noon {
    fn new() -> Self {
        let now = Utc::now();
        let ahead = 12 - i64::from(now.hour());
        // The names of these zones count westward.
        let zone = if ahead >= 0 { format!("Etc/GMT-{ahead}") } else { format!("Etc/GMT+{}", -ahead) };
        Self { zone, now, today: (now + TimeDelta::hours(ahead)).date_naive() }
    }

    async fn codes(&self, client: &Client, filter: &str) -> String {
        let query =
            format!("{{ happenings(filter: {filter}, orderBy: [{{code: ASC}}], first: 100) {{ nodes {{ code }} }} }}");
        let answer = self.ask(client, &query).await;
        let nodes = answer.ok()["happenings"]["nodes"].as_array().expect("a list").clone();
        nodes.iter().map(|node| node["code"].as_str().expect("a code")).collect::<Vec<_>>().join(" ")
    }

    async fn ask(&self, client: &Client, query: &str) -> Answer {
        Answer::of(
            client.request(Method::POST, "/graphql").header("time-zone", &self.zone).json(&json!({"query": query})),
        )
        .await
    }

    fn instant(&self, hours: i64) -> String {
        (self.now + TimeDelta::hours(hours)).to_rfc3339()
    }

    fn day(&self, days: i64) -> String {
        (self.today + TimeDelta::days(days)).to_string()
    }
}

async fn define(admin: &Client) {
    let definition = json!({"name": "Happening", "plural": "Happenings", "nameField": "code", "fields": [
        {"name": "code", "type": "text", "required": true}, {"name": "day", "type": "date"}, {"name": "at", "type": "dateTime"},
        {"name": "above", "type": "reference", "to": "Happening", "inverse": "below"},
        {"name": "lastDay", "type": "rollup", "relation": "below", "function": "MAX", "field": "day"},
    ]});
    admin.create_module(definition).await.ok();
}

on_both_databases! {
    async fn so_long_back_and_ahead_counts_now_and_today_in(server: Server) {
        let admin = server.admin().await;
        define(&admin).await;
        let noon = Noon::new();
        let above = admin.create("Happening", json!({"code": "n"})).await;
        let records = [("a", -8, -80), ("b", -7, -50), ("c", -6, -30), ("d", -1, -1), ("e", 0, 1), ("f", 1, 30), ("g", 6, 50), ("h", 7, 80)];
        admin.create_many("Happening", records.map(|(code, days, hours)| json!({"code": code, "day": noon.day(days), "at": noon.instant(hours), "aboveId": above}))).await;
        for (filter, expected) in [
            ("{day: {within: {last: \"P7D\"}}}", "c d e"),
            ("{day: {within: {last: \"P1D\"}}}", "e"),
            ("{day: {within: {last: \"PT36H\"}}}", "d e"),
            ("{day: {within: {next: \"P1W\"}}}", "e f g"),
            ("{day: {within: {next: \"PT1S\"}}}", "e"),
            ("{day: {within: {last: \"P3000W\"}}}", "a b c d e"),
            ("{at: {within: {last: \"PT2H\"}}}", "d"),
            ("{at: {within: {last: \"P2D\"}}}", "c d"),
            ("{at: {within: {next: \"P2D\"}}}", "e f"),
            ("{at: {within: {next: \"P500000W\"}}}", "e f g h"),
            ("{at: {within: {last: \"P500000W\"}}}", "a b c d"),
            // Of what is absent nothing is known, and neither of the opposite.
            ("{not: {day: {within: {last: \"P7D\"}}}}", "a b f g h"),
            ("{day: {within: {last: \"P7D\"}, ne: \"2000-01-01\"}, at: {within: {next: \"P2D\"}}}", "e"),
            ("{above: {lastDay: {within: {next: \"P8D\"}}}}", "a b c d e f g h"),
            ("{lastDay: {within: {next: \"P7D\"}}}", ""),
            ("{day: {within: null}}", ""),
        ] {
            assert_eq!(noon.codes(&admin, filter).await, expected, "{filter}");
        }
        let groups = "{ happeningGroups(groupBy: [{aboveId: true}], having: {max: {day: {within: {next: \"P8D\"}}}, min: {at: {within: {last: \"P4D\"}}}}) { count } }";
        assert_eq!(noon.ask(&admin, groups).await.ok()["happeningGroups"], json!([{"count": 8}]));
        let none = groups.replace("P8D", "P7D");
        assert_eq!(noon.ask(&admin, &none).await.ok()["happeningGroups"], json!([]));
    }

    async fn the_period_that_is_now_is_that_of_the_callers_time_zone(server: Server) {
        let admin = server.admin().await;
        define(&admin).await;
        let noon = Noon::new();
        let monday = noon.today - Days::new(u64::from(noon.today.weekday().num_days_from_monday()));
        let first = |month: u32| NaiveDate::from_ymd_opt(noon.today.year(), month, 1).expect("a month's first day");
        let quarter = first(noon.today.month0() / 3 * 3 + 1);
        for (part, start, end) in [
            ("DAY", noon.today, noon.today + Days::new(1)),
            ("WEEK", monday, monday + Days::new(7)),
            ("MONTH", first(noon.today.month()), first(noon.today.month()) + chrono::Months::new(1)),
            ("QUARTER", quarter, quarter + chrono::Months::new(3)),
            ("YEAR", first(1), first(1) + chrono::Months::new(12)),
        ] {
            let before = start - Days::new(1);
            let last = end - Days::new(1);
            let days = [("before", before), ("first", start), ("last", last), ("next", end)];
            // The offset is that of now all the year round.
            let at = |day: NaiveDate, time: &str| {
                let sign = if noon.zone.contains('-') { '+' } else { '-' };
                let hours = noon.zone.trim_start_matches("Etc/GMT").trim_start_matches(['-', '+']);
                format!("{day}T{time}{sign}{hours:0>2}:00")
            };
            let of_days = days.map(|(name, day)| json!({"code": format!("{part} {name}"), "day": day.to_string()}));
            admin.create_many("Happening", of_days).await;
            let instants = [("x before", at(before, "23:59:59.999")), ("x first", at(start, "00:00:00")), ("x last", at(last, "23:59:59.999")), ("x next", at(end, "00:00:00"))];
            admin.create_many("Happening", instants.map(|(name, at)| json!({"code": format!("{part} {name}"), "at": at}))).await;
            let only = format!("code: {{startsWith: \"{part}\"}}");
            assert_eq!(noon.codes(&admin, &format!("{{{only}, day: {{within: {{this: {part}}}}}}}")).await, format!("{part} first {part} last"));
            assert_eq!(noon.codes(&admin, &format!("{{{only}, at: {{within: {{this: {part}}}}}}}")).await, format!("{part} x first {part} x last"));
        }
    }

    async fn what_is_no_span_is_refused(server: Server) {
        let admin = server.admin().await;
        define(&admin).await;
        for (within, message) in [
            ("{last: \"PT0S\"}", "`last` must be longer than nothing, such as \"P7D\"."),
            ("{next: \"-P1D\"}", "`next` must be longer than nothing, such as \"P7D\"."),
        ] {
            for field in ["day", "at"] {
                let answer = admin.query(&format!("{{ happenings(filter: {{{field}: {{within: {within}}}}}) {{ totalCount }} }}")).await;
                assert_eq!(answer.refused("BAD_USER_INPUT").errors()[0]["message"], message);
            }
        }
        for within in ["{}", "{last: \"P1D\", next: \"P1D\"}", "{last: \"P1M\"}", "{this: DECADE}", "{this: \"DAY\"}", "{last: null}", "{last: 7}", "[]"] {
            admin.query(&format!("{{ happenings(filter: {{day: {{within: {within}}}}}) {{ totalCount }} }}")).await.refused("BAD_USER_INPUT");
        }
        admin.query("{ happenings(filter: {code: {within: {this: DAY}}}) { totalCount } }").await.refused("BAD_USER_INPUT");
        // What was compiled for one length serves others, but none that is refused.
        let query = "query($d: Duration!) { happenings(filter: {at: {within: {last: $d}}}) { totalCount } }";
        for length in ["P1D", "P2D"] {
            admin.query_with(query, json!({"d": length})).await.ok();
        }
        admin.query_with(query, json!({"d": "-P2D"})).await.refused("BAD_USER_INPUT");
    }
}
