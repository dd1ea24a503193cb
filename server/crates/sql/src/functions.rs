//! The functions of rules over texts, dates and instants, that are null where an operand is.
//!
//! SQLite's are Cardine's own (`cardine_store`), which call those of `cardine_model`. PostgreSQL has most of them itself; what it lacks, or
//! where an operand would be written twice, is a function that is made when its tables are brought up to date.

use std::fmt::Write as _;

use cardine_model::rule::Function;
use cardine_model::text::{lower_table, upper_table, white_space};

use crate::expr::TEXT_COLLATION;
use crate::statement::Dialect;

/// Pairs of one `translate`, which compares each character of the text with all of them.
const PAIRS_MAX: usize = 128;

/// A call over rendered operands.
pub(crate) fn call(dialect: Dialect, function: Function, operands: &[String]) -> String {
    let operand = |position: usize| operands.get(position).map_or("NULL", String::as_str);
    let (first, second, all) = (operand(0), operand(1), operands.join(", "));
    match dialect {
        Dialect::Sqlite => match function {
            // A date is its text, and an instant's text begins with that of its date.
            Function::TextOfDate => first.to_owned(),
            Function::DateOf => format!("substr({first}, 1, 10)"),
            Function::Replace => format!("replace({all})"),
            Function::IndexOf => format!("CAST(instr({all}) - 1 AS TEXT)"),
            _ => format!("cardine_{}({all})", own_name(function)),
        },
        Dialect::Postgres => match function {
            Function::Floor | Function::Ceil | Function::Replace => format!("{}({all})", own_name(function)),
            Function::TextOfNumber => format!("(trim_scale({first})::text {TEXT_COLLATION})"),
            Function::TextOfDate => format!("(to_char({first}, 'YYYY-MM-DD') {TEXT_COLLATION})"),
            Function::Trim => format!("btrim({first}, {})", white_space_literal()),
            Function::IndexOf => format!("(strpos({all}) - 1)::numeric"),
            Function::DateOf => format!("(({first}) AT TIME ZONE 'UTC')::date"),
            Function::Year => format!("extract(year FROM {first})::numeric"),
            Function::Month => format!("extract(month FROM {first})::numeric"),
            Function::Day => format!("extract(day FROM {first})::numeric"),
            Function::Weekday => format!("extract(isodow FROM {first})::numeric"),
            Function::StartOfWeek => truncated("week", first),
            Function::StartOfMonth => truncated("month", first),
            Function::StartOfQuarter => truncated("quarter", first),
            Function::StartOfYear => truncated("year", first),
            Function::EndOfMonth => {
                format!("(date_trunc('month', ({first})::timestamp) + interval '1 month' - interval '1 day')::date")
            }
            Function::DaysUntil => format!("(({second}) - ({first}))::numeric"),
            Function::SecondsUntil => format!("extract(epoch FROM ({second}) - ({first}))::numeric"),
            _ => format!("cardine_{}({all})", own_name(function)),
        },
    }
}

/// What a function is called in the databases, behind `cardine_` where it is of Cardine.
fn own_name(function: Function) -> &'static str {
    use Function as F;
    match function {
        F::Floor => "floor",
        F::Ceil => "ceil",
        F::TextOfNumber => "text",
        F::Lower => "lower",
        F::Upper => "upper",
        F::Trim => "trim",
        F::Replace => "replace",
        F::Substring => "substring",
        F::Year => "year",
        F::Month => "month",
        F::Day => "day",
        F::Weekday => "weekday",
        F::AddDays => "add_days",
        F::AddMonths => "add_months",
        F::StartOfWeek => "start_of_week",
        F::StartOfMonth => "start_of_month",
        F::StartOfQuarter => "start_of_quarter",
        F::StartOfYear => "start_of_year",
        F::EndOfMonth => "end_of_month",
        F::DaysUntil => "days_until",
        F::AddSeconds => "add_seconds",
        F::SecondsUntil => "seconds_until",
        // The others are rendered where they are called.
        _ => "unknown",
    }
}

fn truncated(period: &str, date: &str) -> String {
    format!("date_trunc('{period}', ({date})::timestamp)::date")
}

fn white_space_literal() -> String {
    let mut literal = "E'".to_owned();
    for character in white_space().chars() {
        let _ = write!(literal, "\\u{:04x}", u32::from(character));
    }
    literal + "'"
}

/// Statements that create PostgreSQL's functions, one after the other. All are immutable and null over null.
pub fn postgres_functions() -> String {
    let function = |name: &str, takes: &str, gives: &str, body: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION {name}({takes}) RETURNS {gives}\n\
             IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $cardine$\n{body}\nEND $cardine$;\n"
        )
    };
    let case = |name: &str, ascii: &str, (from, to): (String, String)| {
        let body = format!(
            "DECLARE result text COLLATE \"C\" := {ascii}($1 COLLATE \"C\");\nBEGIN\n\
             IF octet_length(result) = length(result) THEN RETURN result; END IF;\n{}RETURN result;",
            mapping_steps(&from, &to)
        );
        function(name, "text", "text", &body)
    };
    let cut = |place: &str| format!("least(greatest(trunc({place}), 0), length($1))::int");
    let substring = format!(
        "DECLARE first int := {}; last int := {};\nBEGIN\nRETURN substr($1, first + 1, greatest(last - first, 0));",
        cut("$2"),
        cut("$3")
    );
    let days = "DECLARE day numeric := ($1 - DATE '0001-01-01') + trunc($2);\nBEGIN\n\
        IF day < 0 OR day > DATE '9999-12-31' - DATE '0001-01-01' THEN RETURN NULL; END IF;\n\
        RETURN DATE '0001-01-01' + day::int;";
    let months = "DECLARE month numeric := extract(year FROM $1) * 12 + extract(month FROM $1) - 1 + trunc($2);\nBEGIN\n\
        IF month < 12 OR month >= 120000 THEN RETURN NULL; END IF;\n\
        RETURN ($1 + make_interval(months => trunc($2)::int))::date;";
    // In whole days and what is left, as PostgreSQL multiplies intervals by binary floats; in UTC, whatever the session's zone.
    let seconds = "DECLARE start timestamp := TIMESTAMP '0001-01-01';\n\
        since numeric := trunc(extract(epoch FROM ($1 AT TIME ZONE 'UTC') - start) * 1000);\nBEGIN\n\
        since := since + trunc($2 * 1000);\n\
        IF since < 0 OR since >= (DATE '9999-12-31' - DATE '0001-01-01' + 1) * 86400000::numeric THEN RETURN NULL; END IF;\n\
        RETURN (start + make_interval(days => div(since, 86400000)::int) \
        + mod(since, 86400000)::int * interval '1 millisecond') AT TIME ZONE 'UTC';";
    [
        case("cardine_lower", "lower", lower_table()),
        case("cardine_upper", "upper", upper_table()),
        function("cardine_substring", "text, numeric, numeric", "text", &substring),
        function("cardine_add_days", "date, numeric", "date", days),
        function("cardine_add_months", "date, numeric", "date", months),
        function("cardine_add_seconds", "timestamptz, numeric", "timestamptz", seconds),
    ]
    .concat()
}

/// Statements that map the variable `result`; only the steps that a text needs are taken.
fn mapping_steps(from: &str, to: &str) -> String {
    let pairs: Vec<(char, char)> = from.chars().zip(to.chars()).collect();
    let step = |part: &[(char, char)]| {
        let (from, to): (String, String) = part.iter().copied().unzip();
        format!("IF result ~ '[{from}]' THEN result := translate(result, '{from}', '{to}'); END IF;\n")
    };
    pairs.chunks(PAIRS_MAX).map(step).collect()
}
