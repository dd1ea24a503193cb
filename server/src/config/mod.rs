//! The configuration: what the settings of all sources come to, checked once at the start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;

use cardine_egress::HostPattern;
use cardine_graphql::limits::Limits;
use cardine_plugin_host::is_public_key;
use cardine_store::{DatabaseUrl, FilesUrl};
use chrono::TimeDelta;
use url::Url;

mod cors_origin;
mod limits;
mod mail;
mod settings;
mod sources;
mod trusted_proxies;

pub use cors_origin::CorsOrigins;
pub use limits::help as limits_help;
pub use mail::{MailSecurity, MailServer, name_of as mail_server_name};
pub use settings::{AdminSettings, Settings};
pub use sources::{ConfigError, gather};
pub use trusted_proxies::TrustedProxies;

/// What this program says, and of its libraries only what matters.
const LOG_DEFAULT: &str = "warn,cardine=info";

/// How long what is retired may be restored.
const RETENTION_DAYS_DEFAULT: u32 = 30;
/// How long runs of workflows are kept after their end where nothing is set.
const RUN_RETENTION_DAYS_DEFAULT: u32 = 90;
const PLUGIN_COMPILE_MIB_DEFAULT: u64 = 2_048;

/// What the server runs with; read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// `--listen`, `CARDINE_LISTEN`: where to accept connections. Default `127.0.0.1:8000`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `--database`, `CARDINE_DATABASE`. Default: `cardine.db` in the data folder, by SQLite.
    pub database: DatabaseUrl,
    /// `--data`, `CARDINE_DATA`: the folder for the embedded database, files, keys and compiled plugins. Default `./data`.
    pub data: PathBuf,
    /// `--files`, `CARDINE_FILES`: where the contents of files are. Default: the folder `files` in the data folder.
    pub files: FilesUrl,
    /// `--public-url`, `CARDINE_PUBLIC_URL`: how people reach the server, in every link. Default: the address listened on.
    pub public_url: Option<Url>,
    /// `--cors-origin`, `CARDINE_CORS_ORIGIN` (several with commas): pages of other origins that may call the API. Default: none.
    pub cors_origins: CorsOrigins,
    /// `--log`, `CARDINE_LOG`: what to write to standard error, such as `info` or `warn,cardine=debug`. Default `warn,cardine=info`.
    pub log: String,
    /// `CARDINE_ADMIN_EMAIL` and `CARDINE_ADMIN_PASSWORD`: the first administrator, made if there is none.
    pub first_admin: Option<FirstAdmin>,
    /// `--trusted-proxy`, `CARDINE_TRUSTED_PROXY` (several with commas): proxies whose `X-Forwarded-For` is believed. Default: none.
    pub trusted_proxies: TrustedProxies,
    /// `--smtp-url`, `CARDINE_SMTP_URL` and `--mail-from`, `CARDINE_MAIL_FROM`: where mail goes out, and whom it is from. Default:
    /// no mail is sent.
    pub mail: Option<MailServer>,
    /// `--inner-host`, `CARDINE_INNER_HOST` (several with commas): hosts that plugins and webhooks may call although their addresses are
    /// not of the public internet, and without TLS. Default: none.
    pub inner_hosts: Vec<HostPattern>,
    /// `--plugin-key`, `CARDINE_PLUGIN_KEY` (several with commas): public keys, one of which must have signed a plugin's package. Default:
    /// none, and packages need no signature.
    pub plugin_keys: Vec<String>,
    /// `--plugin-compile-mib`, `CARDINE_PLUGIN_COMPILE_MIB`: memory that compiling a plugin may take, in bytes here. Default 2 GiB.
    pub plugin_compile_bytes: u64,
    /// `--job-rows`, `CARDINE_JOB_ROWS`: a change of modules that has to go through more records than this runs as a job. Default 10,000.
    pub job_rows: usize,
    /// `--retention-days`, `CARDINE_RETENTION_DAYS`: how long what is retired may be restored; none if for good. Default 30 days.
    pub retention: Option<TimeDelta>,
    /// `--run-retention-days`, `CARDINE_RUN_RETENTION_DAYS`: how long runs of workflows are kept after their end; none if for good. Default
    /// 90 days.
    pub run_retention: Option<TimeDelta>,
    /// `--limit NAME=NUMBER`, `CARDINE_LIMIT_NAME`, the file's `[limits]`: the bounds of requests.
    pub limits: Limits,
}

/// The administrator to make on the first start.
#[derive(Clone)]
pub struct FirstAdmin {
    /// To sign in with.
    pub email: String,
    /// Never logged; see this type's `Debug`.
    pub password: String,
}

impl std::fmt::Debug for FirstAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstAdmin").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Config {
    /// Checks the settings together; reports every fault at once.
    pub fn resolve(settings: Settings, admin: AdminSettings) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let listen = settings.listen.as_deref().unwrap_or("127.0.0.1:8000");
        let listen = SocketAddr::from_str(listen).map_err(|_| {
            faults.push(format!("listen: {listen:?} is not an address and port such as 127.0.0.1:8000"));
        });
        let data = settings.data.unwrap_or_else(|| PathBuf::from("data"));
        let database = match settings.database {
            None => Ok(DatabaseUrl::Sqlite(data.join("cardine.db"))),
            // Not the text itself: it may hold a password.
            Some(text) => DatabaseUrl::from_str(&text).map_err(|error| faults.push(format!("database: {error}"))),
        };
        let files = match settings.files {
            None => Ok(FilesUrl::Folder(data.join("files"))),
            Some(text) => FilesUrl::from_str(&text).map_err(|error| faults.push(format!("files: {error}"))),
        };
        let public_url = settings.public_url.map(|text| parse_public_url(&text).map_err(|fault| faults.push(fault)));
        let cors_origins = CorsOrigins::parse(&settings.cors_origin).map_err(|mut found| faults.append(&mut found));
        let log = settings.log.unwrap_or_else(|| LOG_DEFAULT.to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&log) {
            faults.push(format!("log: {log:?} is not a filter such as info or warn,cardine=debug ({error})"));
        }
        let first_admin = match (admin.email, admin.password) {
            (Some(email), Some(password)) => Some(FirstAdmin { email, password }),
            (None, None) => None,
            _ => {
                faults.push("CARDINE_ADMIN_EMAIL and CARDINE_ADMIN_PASSWORD go together: set both or none".to_owned());
                None
            }
        };
        let job_rows = settings.job_rows.unwrap_or(cardine_engine::change::JOB_ROWS);
        let days = |days: u32| (days > 0).then(|| TimeDelta::days(i64::from(days)));
        let retention = days(settings.retention_days.unwrap_or(RETENTION_DAYS_DEFAULT));
        let run_retention = days(settings.run_retention_days.unwrap_or(RUN_RETENTION_DAYS_DEFAULT));
        let limits = limits::resolve(&settings.limit).map_err(|mut found| faults.append(&mut found));
        let trusted_proxies = TrustedProxies::parse(&settings.trusted_proxy);
        let trusted_proxies = trusted_proxies.map_err(|mut found| faults.append(&mut found));
        let mut inner_hosts = Vec::new();
        for text in &settings.inner_host {
            match HostPattern::from_str(text) {
                Ok(host) => inner_hosts.push(host),
                Err(fault) => faults.push(format!("inner-host: {fault}")),
            }
        }
        for key in settings.plugin_key.iter().filter(|key| !is_public_key(key)) {
            faults.push(format!(
                "plugin-key: {key:?} is no public key: 64 hexadecimal digits, as `cardine plugin key` prints it"
            ));
        }
        let compile_mib = settings.plugin_compile_mib.unwrap_or(PLUGIN_COMPILE_MIB_DEFAULT);
        if !(64..=1 << 20).contains(&compile_mib) {
            faults.push(format!("plugin-compile-mib: {compile_mib} is not between 64 and 1048576"));
        }
        let mail = MailServer::parse(settings.smtp_url.as_deref(), settings.mail_from.as_deref());
        let mail = mail.map_err(|mut found| faults.append(&mut found));
        match (listen, database, files, public_url.transpose(), cors_origins, limits, trusted_proxies, mail) {
            (
                Ok(listen),
                Ok(database),
                Ok(files),
                Ok(public_url),
                Ok(cors_origins),
                Ok(limits),
                Ok(trusted_proxies),
                Ok(mail),
            ) if faults.is_empty() => Ok(Self {
                listen,
                database,
                data,
                files,
                public_url,
                cors_origins,
                log,
                first_admin,
                trusted_proxies,
                mail,
                inner_hosts,
                plugin_keys: settings.plugin_key,
                plugin_compile_bytes: compile_mib.saturating_mul(1 << 20),
                job_rows,
                retention,
                run_retention,
                limits,
            }),
            _ => Err(ConfigError { faults }),
        }
    }
}

fn parse_public_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let mut url = url.ok_or(
        "public-url: give an http or https address without user, query and fragment, such as https://crm.example.org",
    )?;
    // Links are made by joining; without the slash the last part of the path would be replaced.
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(settings: Settings) -> Result<Config, ConfigError> {
        Config::resolve(settings, AdminSettings::default())
    }

    #[test]
    fn without_settings_it_is_local_and_embedded() {
        let config = resolve(Settings::default()).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.database, DatabaseUrl::Sqlite("data/cardine.db".into()));
        assert!(config.first_admin.is_none() && config.public_url.is_none());
    }

    #[test]
    fn the_embedded_database_stands_in_the_data_folder() {
        let config = resolve(Settings { data: Some("/srv/crm".into()), ..Settings::default() }).unwrap();
        assert_eq!(config.database, DatabaseUrl::Sqlite("/srv/crm/cardine.db".into()));
        assert_eq!(config.files, FilesUrl::Folder("/srv/crm/files".into()));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let settings = Settings {
            listen: Some("8000".to_owned()),
            database: Some("mysql://root:hunter2@db/crm".to_owned()),
            files: Some("ftp://files.example.org".to_owned()),
            public_url: Some("ftp://example.org".to_owned()),
            cors_origin: vec!["*".to_owned(), "https://a.example".to_owned()],
            log: Some("cardine=loud=very".to_owned()),
            limit: vec![limits::parse_flag("rows=none").unwrap()],
            trusted_proxy: vec!["proxy".to_owned()],
            smtp_url: Some("smtp://u:hunter2@mail.example.org/x".to_owned()),
            mail_from: Some("nobody".to_owned()),
            inner_host: vec!["http://erp".to_owned()],
            plugin_key: vec!["abc".to_owned()],
            ..Settings::default()
        };
        let faults = resolve(settings).unwrap_err().faults;
        assert_eq!(faults.len(), 12, "{faults:?}");
        assert!(!faults.join(" ").contains("hunter2"), "a password is not repeated: {faults:?}");
    }

    #[test]
    fn half_an_administrator_is_refused() {
        let half = AdminSettings { email: Some("a@example.org".to_owned()), password: None };
        assert_eq!(Config::resolve(Settings::default(), half).unwrap_err().faults.len(), 1);
        let whole =
            AdminSettings { email: Some("a@example.org".to_owned()), password: Some("secret enough".to_owned()) };
        let config = Config::resolve(Settings::default(), whole).unwrap();
        assert!(!format!("{config:?}").contains("secret enough"), "a password is not printed");
    }

    #[test]
    fn a_public_url_with_a_path_keeps_it_in_links() {
        let settings = Settings { public_url: Some("https://example.org/crm".to_owned()), ..Settings::default() };
        let url = resolve(settings).unwrap().public_url.unwrap();
        assert_eq!(url.join("setup").unwrap().as_str(), "https://example.org/crm/setup");
    }
}
