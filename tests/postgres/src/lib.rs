//! Gives a test its own empty PostgreSQL database, on a real server that lives as long as the test process.
//!
//! ```no_run
//! # async fn test() {
//! let Some(database) = cardine_test_postgres::database() else { return };
//! let url = database.url(); // postgres://…/cardine_test_…; dropped with `database`
//! # }
//! ```
//!
//! Where the server comes from: the URL in `CARDINE_TEST_POSTGRES` if that is set (a superuser, or one with
//! `CREATEDB`); else one server per test process, started on the first call from the installed binaries (PostgreSQL
//! 14 or newer). If there is neither, [`database`] panics when `CI` is set, and elsewhere says so on standard error
//! and returns `None`, so that the case can return early.

mod binaries;
mod cluster;
mod database;

pub use database::PostgresDatabase;

use std::io::Write as _;
use std::sync::{Once, OnceLock};

use cluster::Cluster;

/// A new database with a name of its own, UTF-8, without tables; dropped when the value is.
///
/// May be called from any thread and inside an async runtime: it blocks the calling thread for about 50 ms, and for
/// about two seconds the first time in a process.
///
/// # Panics
/// If there is no PostgreSQL and `CI` is set; if a server was found and does not start or refuses the database.
#[must_use]
pub fn database() -> Option<PostgresDatabase> {
    match cluster() {
        Some(cluster) => Some(PostgresDatabase::create(cluster.url())),
        None => {
            warn_once();
            None
        }
    }
}

/// Whether [`database`] will give one. Starts the server if it was not running yet, and panics as [`database`] does.
#[must_use]
pub fn is_available() -> bool {
    let available = cluster().is_some();
    if !available {
        warn_once();
    }
    available
}

/// A server that a test has to itself, and may crash; it ends with the value.
#[derive(Debug)]
pub struct OwnServer(Cluster);

impl OwnServer {
    /// Starts one from the installed binaries; none, and said so, where there are none, also if another server is given by its URL.
    ///
    /// # Panics
    /// If there are binaries, and the server does not start.
    #[must_use]
    pub fn start() -> Option<OwnServer> {
        let binaries = binaries::find();
        if binaries.is_none() {
            warn_once();
        }
        binaries.map(|binaries| OwnServer(Cluster::start(&binaries)))
    }

    /// A new database, as [`database`] gives one. It is dropped before the server ends.
    #[must_use]
    pub fn database(&self) -> PostgresDatabase {
        PostgresDatabase::create(self.0.url())
    }

    /// Ends it at once, as a crash would, and starts it again on its data; blocks the thread until it answers.
    ///
    /// # Panics
    /// If it does not start again.
    pub fn crash(&mut self) {
        self.0.crash();
    }
}

fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER
        .get_or_init(|| {
            if let Some(url) = std::env::var_os("CARDINE_TEST_POSTGRES").filter(|url| !url.is_empty()) {
                let url = url.to_str().expect("CARDINE_TEST_POSTGRES is UTF-8");
                return Some(Cluster::given(url));
            }
            if let Some(binaries) = binaries::find() {
                return Some(Cluster::start(&binaries));
            }
            assert!(!runs_in_ci(), "{MISSING}");
            None
        })
        .as_ref()
}

const MISSING: &str = "no PostgreSQL for the tests: neither CARDINE_TEST_POSTGRES is set (postgres://user:password@host/postgres) \
     nor were `initdb` and `postgres` 14 or newer found on PATH or in /usr/lib/postgresql/*/bin \
     (on Debian: apt-get install postgresql)";

fn runs_in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Written past the test runner's capture of `eprintln!`, which hides the output of tests that pass.
fn warn_once() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        let _ = writeln!(
            std::io::stderr(),
            "\n*** NOT TESTED ON POSTGRESQL: {MISSING}\n*** The cases for PostgreSQL return without testing anything.\n"
        );
    });
}
