//! The options as their sources give them: each may be left out, none is checked yet.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::limits::{self, LimitSetting};

/// Options of one source: flags, variables or file. The keys of the file and the names of the variables follow the flags.
#[derive(Clone, PartialEq, Eq, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Address and port to listen on [default: 127.0.0.1:8000]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE [default: cardine.db in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    pub database: Option<String>,
    /// Folder for database, files, keys and compiled plugins [default: ./data]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Where the contents of files are: fs:///FOLDER, or s3://BUCKET/FOLDER where built with it [default: files in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    pub files: Option<String>,
    /// How people reach the server, in every link [default: the address listened on]
    #[arg(long, global = true, value_name = "URL")]
    pub public_url: Option<String>,
    /// An origin whose pages may call the API; may be repeated [default: none]
    #[arg(long, global = true, value_name = "ORIGIN")]
    pub cors_origin: Vec<String>,
    /// A proxy, or a network of proxies, whose X-Forwarded-For is believed; may be repeated [default: none]
    #[arg(long, global = true, value_name = "ADDRESS[/BITS]")]
    pub trusted_proxy: Vec<String>,
    /// Where mail goes out: smtp://USER:PASSWORD@HOST:PORT (STARTTLS) or smtps://… [default: no mail is sent]
    #[arg(long, global = true, value_name = "URL")]
    pub smtp_url: Option<String>,
    /// Whom mail is from
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// A host that is called although its address is not of the public internet, also without TLS; may be repeated [default: none]
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    pub inner_host: Vec<String>,
    /// A public key that may sign plugins; with one, unsigned packages are refused; may be repeated [default: none]
    #[arg(long, global = true, value_name = "KEY")]
    pub plugin_key: Vec<String>,
    /// Memory that compiling a plugin may take, in MiB [default: 2048]
    #[arg(long, global = true, value_name = "MIB")]
    pub plugin_compile_mib: Option<u64>,
    /// What to log, such as info or warn,cardine=debug [default: warn,cardine=info]
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// Days after which a retired module or field is purged by itself; 0 for never [default: 30]
    #[arg(long, global = true, value_name = "DAYS")]
    pub retention_days: Option<u32>,
    /// Days for which runs of workflows are kept after their end, failed ones until they are looked after; 0 for good [default: 90]
    #[arg(long, global = true, value_name = "DAYS")]
    pub run_retention_days: Option<u32>,
    /// Records up to which a change of modules goes through them in one transaction; beyond it runs as a job [default: 10000]
    #[arg(long, global = true, value_name = "RECORDS")]
    pub job_rows: Option<usize>,
    /// A limit of requests, such as selections=3000; may be repeated; --help lists them all
    #[arg(long, global = true, value_name = "NAME=NUMBER", value_parser = limits::parse_flag)]
    #[serde(rename = "limits", deserialize_with = "limits::deserialize")]
    pub limit: Vec<LimitSetting>,
}

impl Settings {
    /// These, and `weaker` where these are silent.
    pub fn or(self, weaker: Self) -> Self {
        Self {
            listen: self.listen.or(weaker.listen),
            database: self.database.or(weaker.database),
            data: self.data.or(weaker.data),
            files: self.files.or(weaker.files),
            public_url: self.public_url.or(weaker.public_url),
            cors_origin: if self.cors_origin.is_empty() { weaker.cors_origin } else { self.cors_origin },
            trusted_proxy: if self.trusted_proxy.is_empty() { weaker.trusted_proxy } else { self.trusted_proxy },
            smtp_url: self.smtp_url.or(weaker.smtp_url),
            mail_from: self.mail_from.or(weaker.mail_from),
            inner_host: if self.inner_host.is_empty() { weaker.inner_host } else { self.inner_host },
            plugin_key: if self.plugin_key.is_empty() { weaker.plugin_key } else { self.plugin_key },
            plugin_compile_mib: self.plugin_compile_mib.or(weaker.plugin_compile_mib),
            log: self.log.or(weaker.log),
            retention_days: self.retention_days.or(weaker.retention_days),
            run_retention_days: self.run_retention_days.or(weaker.run_retention_days),
            job_rows: self.job_rows.or(weaker.job_rows),
            limit: limits::or(self.limit, weaker.limit),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The addresses of database and mail server may hold passwords.
        f.debug_struct("Settings").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// The first administrator's variables.
#[derive(Clone, Default)]
pub struct AdminSettings {
    /// `CARDINE_ADMIN_EMAIL`
    pub email: Option<String>,
    /// `CARDINE_ADMIN_PASSWORD`
    pub password: Option<String>,
}

impl std::fmt::Debug for AdminSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminSettings").field("email", &self.email).finish_non_exhaustive()
    }
}
