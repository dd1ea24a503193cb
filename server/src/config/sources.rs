//! Gathers the settings of all sources: flags before `CARDINE_*` variables before `cardine.toml`; what nobody knows is refused.

use std::path::{Path, PathBuf};

use super::{AdminSettings, Settings, limits};

/// Read if it is in the current directory and `--config` names no other.
const DEFAULT_FILE: &str = "cardine.toml";

/// What a limit's variable begins with, after `CARDINE_`.
const LIMIT_PREFIX: &str = "LIMIT_";

/// Variables of the project's own tests, which may stand in the environment of a developer's server.
const TEST_PREFIX: &str = "CARDINE_TEST_";

/// The settings cannot be used. The text lists every fault.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is wrong:\n  - {}", faults.join("\n  - "))]
pub struct ConfigError {
    /// Each names the setting and what would be right.
    pub faults: Vec<String>,
}

/// What the sources come to. `variables` is the environment; `file` is `--config`.
pub fn gather(
    flags: Settings,
    variables: impl IntoIterator<Item = (String, String)>,
    file: Option<&Path>,
) -> Result<(Settings, AdminSettings), ConfigError> {
    let mut faults = Vec::new();
    let (from_variables, admin) = read_variables(variables, &mut faults);
    let from_file = read_file(file).unwrap_or_else(|fault| {
        faults.push(fault);
        Settings::default()
    });
    if faults.is_empty() { Ok((flags.or(from_variables).or(from_file), admin)) } else { Err(ConfigError { faults }) }
}

fn read_variables(
    variables: impl IntoIterator<Item = (String, String)>,
    faults: &mut Vec<String>,
) -> (Settings, AdminSettings) {
    let mut settings = Settings::default();
    let mut admin = AdminSettings::default();
    for (name, value) in variables {
        let Some(option) = name.strip_prefix("CARDINE_") else {
            continue;
        };
        match option {
            "LISTEN" => settings.listen = Some(value),
            "DATABASE" => settings.database = Some(value),
            "DATA" => settings.data = Some(PathBuf::from(value)),
            "FILES" => settings.files = Some(value),
            "PUBLIC_URL" => settings.public_url = Some(value),
            "CORS_ORIGIN" => {
                settings.cors_origin = value.split(',').map(|origin| origin.trim().to_owned()).collect();
            }
            "TRUSTED_PROXY" => {
                settings.trusted_proxy = value.split(',').map(|proxy| proxy.trim().to_owned()).collect();
            }
            "INNER_HOST" => {
                settings.inner_host = value.split(',').map(|host| host.trim().to_owned()).collect();
            }
            "PLUGIN_KEY" => {
                settings.plugin_key = value.split(',').map(|key| key.trim().to_owned()).collect();
            }
            "PLUGIN_COMPILE_MIB" => match value.parse() {
                Ok(mib) => settings.plugin_compile_mib = Some(mib),
                Err(_) => faults.push(format!("{name}: {value:?} is not a number of MiB")),
            },
            "SMTP_URL" => settings.smtp_url = Some(value),
            "MAIL_FROM" => settings.mail_from = Some(value),
            "LOG" => settings.log = Some(value),
            "RETENTION_DAYS" => match value.parse() {
                Ok(days) => settings.retention_days = Some(days),
                Err(_) => faults.push(format!("{name}: {value:?} is not a number of days")),
            },
            "RUN_RETENTION_DAYS" => match value.parse() {
                Ok(days) => settings.run_retention_days = Some(days),
                Err(_) => faults.push(format!("{name}: {value:?} is not a number of days")),
            },
            "JOB_ROWS" => match value.parse() {
                Ok(rows) => settings.job_rows = Some(rows),
                Err(_) => faults.push(format!("{name}: {value:?} is not a number of records")),
            },
            "ADMIN_EMAIL" => admin.email = Some(value),
            "ADMIN_PASSWORD" => admin.password = Some(value),
            // Read by the command line, because it says where the file is.
            "CONFIG" => {}
            _ if name.starts_with(TEST_PREFIX) => {}
            _ if option.starts_with(LIMIT_PREFIX) => {
                settings.limit.push(limits::of_variable(&option[LIMIT_PREFIX.len()..], value));
            }
            _ => faults.push(format!("{name}: there is no such variable; see cardine --help for the options")),
        }
    }
    (settings, admin)
}

fn read_file(named: Option<&Path>) -> Result<Settings, String> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Settings::default());
        }
        Err(error) => {
            return Err(format!("{}: the file cannot be read: {error}", path.display()));
        }
    };
    parse_file(&text).map_err(|fault| format!("{}: {fault}", path.display()))
}

fn parse_file(text: &str) -> Result<Settings, String> {
    // The short message alone: the long one quotes the line, which may hold the database's password.
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        format!("line {line}: {}", error.message())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn temporary_file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn flags_beat_variables_and_variables_beat_the_file() {
        let file = temporary_file("listen = \"c:3\"\nlog = \"file\"\ndata = \"file\"\n");
        let flags = Settings { listen: Some("a:1".to_owned()), ..Settings::default() };
        let variables = variables(&[("CARDINE_LISTEN", "b:2"), ("CARDINE_LOG", "variable"), ("PATH", "/bin")]);
        let (settings, _) = gather(flags, variables, Some(file.path())).unwrap();
        assert_eq!(settings.listen.as_deref(), Some("a:1"));
        assert_eq!(settings.log.as_deref(), Some("variable"));
        assert_eq!(settings.data, Some(PathBuf::from("file")));
    }

    #[test]
    fn limits_come_from_all_sources() {
        let file = temporary_file("[limits]\nrows = 1\npage = 2\nerrors = 3\n");
        let flags = Settings { limit: vec![limits::parse_flag("rows=4").unwrap()], ..Settings::default() };
        let variables = variables(&[("CARDINE_LIMIT_ROWS", "5"), ("CARDINE_LIMIT_PAGE", "6")]);
        let (settings, _) = gather(flags, variables, Some(file.path())).unwrap();
        let limits = limits::resolve(&settings.limit).unwrap();
        assert_eq!((limits.rows, limits.page, limits.errors), (4, 6, 3));
    }

    #[test]
    fn unknown_variables_and_keys_are_refused_together() {
        let file = temporary_file("lisen = \"a:1\"\n");
        let error = gather(Settings::default(), variables(&[("CARDINE_LISEN", "x")]), Some(file.path())).unwrap_err();
        assert_eq!(error.faults.len(), 2, "{error}");
        assert!(error.faults[0].starts_with("CARDINE_LISEN"));
        assert!(error.faults[1].contains("line 1") && error.faults[1].contains("lisen"));
    }

    #[test]
    fn a_faulty_line_is_named_and_not_quoted() {
        let fault = parse_file("listen = \"a:1\"\ndatabase = \"postgres://u:hunter2@h/d\" oops\n").unwrap_err();
        assert!(fault.starts_with("line 2") && !fault.contains("hunter2"), "{fault}");
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        assert!(gather(Settings::default(), [], Some(Path::new("/nowhere/x.toml"))).is_err());
        assert!(gather(Settings::default(), [], None).is_ok());
    }

    #[test]
    fn variables_of_the_tests_are_left_alone() {
        let variables = variables(&[("CARDINE_TEST_POSTGRES", "postgres://x")]);
        assert!(gather(Settings::default(), variables, None).is_ok());
    }
}
