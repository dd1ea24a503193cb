//! One PostgreSQL server for the whole test process: started from binaries, or given by its URL.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use url::Url;
use uuid::Uuid;

use crate::binaries::Binaries;

/// Ports are chosen before the server binds them, so another process can be faster.
const START_ATTEMPTS: u32 = 4;

/// ICU's rules for English: as far from plain code points as a production database, so that a query which forgets
/// to say how it orders text is found out. Known to initdb since version 15.
const LINGUISTIC_COLLATION: [&str; 2] = ["--locale-provider=icu", "--icu-locale=en-US"];

#[derive(Debug)]
pub(crate) struct Cluster {
    url: Url,
    keeper: Option<Keeper>,
}

/// The process that runs the server.
#[derive(Debug)]
struct Keeper {
    /// Holds its standard input open: it stops the server when that closes.
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Cluster {
    pub(crate) fn given(url: &str) -> Cluster {
        let url = Url::parse(url).unwrap_or_else(|error| {
            panic!("CARDINE_TEST_POSTGRES is not a URL such as postgres://user:password@host/postgres: {error}")
        });
        Cluster { url, keeper: None }
    }

    pub(crate) fn start(binaries: &Binaries) -> Cluster {
        let mut failures = String::new();
        for attempt in 0..START_ATTEMPTS {
            // A build without ICU refuses the first choice; then any collation will do.
            let collation: &[&str] = if binaries.major >= 15 && attempt < 2 { &LINGUISTIC_COLLATION } else { &[] };
            match start_keeper(binaries, collation) {
                Ok(cluster) => return cluster,
                Err(failure) => failures.push_str(&failure),
            }
        }
        panic!("could not start PostgreSQL from {}:\n{failures}", binaries.directory.display());
    }

    /// Ends the server at once, as a crash would, and starts it again; returns when it answers.
    pub(crate) fn crash(&mut self) {
        let keeper = self.keeper.as_mut().expect("it was started here");
        let input = keeper.process.stdin.as_mut().expect("the keeper's input was piped");
        input.write_all(b"crash\n").expect("the keeper lives as long as this value");
        let mut line = String::new();
        keeper.output.read_line(&mut line).expect("the keeper tells when the server answers");
        assert_eq!(line.trim(), "ready", "PostgreSQL did not start again");
    }

    /// Of the database to connect to for creating others.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }
}

fn start_keeper(binaries: &Binaries, initdb_options: &[&str]) -> Result<Cluster, String> {
    let directory = tempfile::Builder::new()
        .prefix("cardine-postgres-")
        .tempdir_in(searchable_temp_dir())
        .map_err(|error| format!("no temporary directory: {error}\n"))?
        .keep();
    let password = Uuid::new_v4().simple().to_string();
    std::fs::write(directory.join("password"), &password).map_err(|error| error.to_string())?;
    std::fs::set_permissions(directory.join("password"), Permissions::from_mode(0o600))
        .map_err(|error| error.to_string())?;
    let port = free_port().map_err(|error| format!("no free port: {error}\n"))?;

    let mut keeper = Command::new("sh")
        .args(["-c", include_str!("keeper.sh"), "keeper.sh"])
        .args([&directory, &binaries.directory])
        .arg(port.to_string())
        .args(initdb_options)
        // A group of its own: a signal to the test's group must not end the keeper before it has cleaned up.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run sh: {error}\n"))?;

    let mut output = BufReader::new(keeper.stdout.take().expect("the keeper's output was piped"));
    let mut first_line = String::new();
    output.read_line(&mut first_line).map_err(|error| error.to_string())?;
    if first_line.trim() != "ready" {
        let mut log = String::new();
        let _ = output.read_to_string(&mut log);
        let _ = keeper.wait();
        return Err(format!("{first_line}{log}\n"));
    }
    let url = format!("postgres://cardine:{password}@127.0.0.1:{port}/postgres");
    let keeper = Keeper { process: keeper, output };
    Ok(Cluster { url: Url::parse(&url).expect("made of a password and a port"), keeper: Some(keeper) })
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The first usual place for temporary files that every user may enter: a caller who is root hands the directory to
/// another user.
fn searchable_temp_dir() -> PathBuf {
    let places = [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    let searchable = |place: &&PathBuf| place.ancestors().all(|part| others_may_enter(part) || !part.has_root());
    places.iter().find(searchable).unwrap_or(&places[0]).clone()
}

fn others_may_enter(directory: &Path) -> bool {
    std::fs::metadata(directory).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
}
