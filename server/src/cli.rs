//! The command line: sub-commands and options, as `cardine --help` shows them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Settings, limits_help};

const AFTER_HELP: &str = "Options come from flags, then from CARDINE_* variables (CARDINE_LISTEN, CARDINE_DATABASE, …), then from \
     cardine.toml (listen = \"…\", database = \"…\", …).\n\
     CARDINE_ADMIN_EMAIL and CARDINE_ADMIN_PASSWORD create the first administrator.";

/// A headless CRM platform: a GraphQL API made live from module definitions, on SQLite or PostgreSQL.
#[derive(Debug, Parser)]
#[command(
    name = "cardine",
    version,
    arg_required_else_help = false,
    after_help = AFTER_HELP,
    after_long_help = long_help()
)]
pub struct Cli {
    /// What to do; `serve` if left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options that every sub-command has.
    #[command(flatten)]
    pub settings: Settings,
    /// The configuration file [default: cardine.toml in the current directory, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "CARDINE_CONFIG")]
    pub config: Option<PathBuf>,
}

/// What stands at the end of `--help`.
fn long_help() -> String {
    format!("{AFTER_HELP}\n\n{}", limits_help())
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve the API (the default)
    Serve(Serve),
    /// Bring the database's tables up to this version, and end
    Migrate,
    /// Check the database, the data folder and the catalog, and print a report
    Doctor(Doctor),
    /// Write modules, roles, permission sets, sharing rules and workflows as files
    Export(Export),
    /// Compare the files of `export` with the database: ends with 1 if anything differs, 2 if it cannot be told
    Diff(FromFiles),
    /// Make the database as the files of `export` say, all of it or nothing
    Apply(Apply),
    /// Work with users
    #[command(subcommand)]
    User(User),
    /// Work with plugins
    #[command(subcommand)]
    Plugin(Plugin),
}

/// Options of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct Serve {
    /// Fill an empty database with a demo company's data
    #[arg(long)]
    pub demo: bool,
}

/// `cardine export …`
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// The folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Remove files of what is not in the database
    #[arg(long)]
    pub prune: bool,
}

/// Options of `diff` and `apply`.
#[derive(Debug, Clone, Args)]
pub struct FromFiles {
    /// The folder with the files
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Take away what has no file: modules and fields are retired, workflows switched off, the rest removed
    #[arg(long)]
    pub prune: bool,
    /// Who becomes the author of workflows that are new or differ; they run with the author's rights unless they say otherwise
    #[arg(long, value_name = "EMAIL")]
    pub author: Option<String>,
}

/// Options of `apply`.
#[derive(Debug, Clone, Args)]
pub struct Apply {
    /// What `diff` takes too.
    #[command(flatten)]
    pub files: FromFiles,
    /// Only tell what would happen
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `doctor`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Doctor {
    /// Compute stored rollups anew that are not what they should be
    #[arg(long)]
    pub recompute_rollups: bool,
}

/// `cardine user …`
#[derive(Debug, Clone, Subcommand)]
pub enum User {
    /// Add a user; the password is read from standard input
    Add {
        /// The e-mail address to sign in with
        email: String,
        /// The role's name, such as administrator
        #[arg(long)]
        role: String,
        /// The name to show; the address if left out
        #[arg(long)]
        name: Option<String>,
    },
}

/// `cardine plugin …`
#[derive(Debug, Clone, Subcommand)]
pub enum Plugin {
    /// Make a folder with a plugin to begin with
    New {
        /// Its name, such as deal-score
        name: String,
        /// The language that it is written in
        #[arg(long, value_enum, default_value_t = PluginLanguage::Rust)]
        lang: PluginLanguage,
    },
    /// Compile the plugin of a folder by its language's own tools, and make a package of it
    Build {
        /// The folder with its plugin.json
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
    /// Make a key to sign packages with, and print the public key for --plugin-key
    Key {
        /// The file that the key is written to
        file: PathBuf,
    },
    /// Sign a package
    Sign {
        /// The `.cardine` package
        file: PathBuf,
        /// The key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Run cases against a package, without a database, and tell what each of them used
    Test {
        /// The `.cardine` package
        file: PathBuf,
        /// Files with cases
        #[arg(required = true)]
        cases: Vec<PathBuf>,
    },
    /// Check a package: its manifest, its component, and that the two agree
    Check {
        /// The `.cardine` package
        file: PathBuf,
    },
    /// Install a package; a running server has it within a second
    Install {
        /// The `.cardine` package
        file: PathBuf,
        /// Grant all that its manifest asks for; without it a plugin keeps its grant, and a new one gets nothing
        #[arg(long)]
        grant_all: bool,
    },
}

/// A language with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PluginLanguage {
    /// Rust, with the SDK in the folder
    Rust,
    /// JavaScript, by componentize-qjs
    Javascript,
    /// Python, by componentize-py
    Python,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_behind_the_sub_command() {
        for words in [["cardine", "--listen", "[::1]:1", "serve"], ["cardine", "serve", "--listen", "[::1]:1"]] {
            let cli = Cli::try_parse_from(words).unwrap();
            assert_eq!(cli.settings.listen.as_deref(), Some("[::1]:1"));
        }
        assert!(Cli::try_parse_from(["cardine"]).unwrap().command.is_none(), "serve is the default");
    }

    #[test]
    fn unknown_and_repeated_options_are_refused() {
        for words in [
            &["cardine", "--lisen", "x"][..],
            &["cardine", "--listen", "a", "--listen", "b"],
            &["cardine", "backup2"],
            &["cardine", "migrate", "--demo"],
        ] {
            assert!(Cli::try_parse_from(words).is_err(), "{words:?}");
        }
    }
}
