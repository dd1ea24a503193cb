//! The one place where a name becomes an SQL identifier.

/// `name` as a quoted identifier; a quote in it is doubled. Names are checked long before; this holds even if one was not.
pub fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for character in name.chars() {
        match character {
            '"' => quoted.push_str("\"\""),
            '\0' => {}
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Column `name` of the table with this alias.
pub fn column(alias: &str, name: &str) -> String {
    format!("{alias}.{}", quote(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside_their_quotes() {
        assert_eq!(quote("a\"; drop table x --"), "\"a\"\"; drop table x --\"");
        assert_eq!(column("t1", "order"), "t1.\"order\"");
    }
}
