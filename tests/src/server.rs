//! A server under test with its data: started on a free port, stopped, killed and started again.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use cardine_test_postgres::PostgresDatabase;
use tempfile::TempDir;

use crate::process::{NotStarted, Process};
use crate::{Backend, Client, binary, eventually};

/// The administrator that every server under test starts with.
pub const ADMIN_EMAIL: &str = "admin@example.org";
/// That administrator's password.
pub const ADMIN_PASSWORD: &str = "correct horse battery staple";

/// How a server is to be started; [`Server::start`] takes the defaults.
#[derive(Debug, Clone)]
pub struct Launch {
    backend: Backend,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
}

impl Launch {
    /// On an empty database, with an administrator, listening on a free port.
    #[must_use]
    pub fn new(backend: Backend) -> Launch {
        let environment = [("CARDINE_ADMIN_EMAIL", ADMIN_EMAIL), ("CARDINE_ADMIN_PASSWORD", ADMIN_PASSWORD)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Launch { backend, arguments: Vec::new(), environment }
    }

    /// With the demo company's data.
    #[must_use]
    pub fn demo(self) -> Launch {
        self.arguments(["--demo"])
    }

    /// More arguments for `cardine serve`.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Launch {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// One more environment variable; also in place of the administrator's.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Launch {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready, with the server's log on standard error.
    pub async fn start(self) -> Server {
        let postgres = match self.backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(cardine_test_postgres::database().expect("the caller asked is_available")),
        };
        self.start_with(postgres).await
    }

    /// As [`Launch::start`], on PostgreSQL with this database.
    ///
    /// # Panics
    /// As [`Launch::start`].
    pub async fn start_on(self, database: PostgresDatabase) -> Server {
        self.start_with(Some(database)).await
    }

    async fn start_with(self, postgres: Option<PostgresDatabase>) -> Server {
        let data = temporary_directory();
        let mut server = Server { process: None, address: Arc::default(), launch: self, data, postgres };
        server.launch_process().await;
        server
    }
}

/// A running (or, after [`Server::kill_hard`] and [`Server::stop`], ended) server and the data that it works on.
///
/// Dropped, it is killed, and its data are removed.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    /// Shared with the clients, because a restarted server listens on another port.
    address: Arc<Mutex<String>>,
    launch: Launch,
    data: TempDir,
    postgres: Option<PostgresDatabase>,
}

impl Server {
    /// On an empty database, with an administrator.
    ///
    /// # Panics
    /// If it does not get ready, with the server's log on standard error; if the database is not there (see [`Backend::is_available`]).
    pub async fn start(backend: Backend) -> Server {
        Launch::new(backend).start().await
    }

    /// Somebody without a token.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        Client::anonymous(Arc::clone(&self.address))
    }

    /// The administrator, signed in.
    ///
    /// # Panics
    /// If the sign-in is refused.
    pub async fn admin(&self) -> Client {
        self.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD).await
    }

    /// A user, signed in.
    ///
    /// # Panics
    /// If the sign-in is refused.
    pub async fn sign_in(&self, email: &str, password: &str) -> Client {
        self.anonymous().sign_in(email, password).await.unwrap_or_else(|answer| {
            panic!("{email} could not sign in: {answer}");
        })
    }

    /// A new user with that role, signed in.
    ///
    /// # Panics
    /// If the administrator may not create one, or the sign-in is refused.
    pub async fn create_user_with_role(&self, role: &str) -> Client {
        let email = format!("{role}-{}@example.org", uuid::Uuid::new_v4().simple());
        let password = format!("{role} likes long passwords");
        self.admin().await.create_user(&email, &password, role).await;
        self.sign_in(&email, &password).await
    }

    /// A second server process on the same PostgreSQL database, with a data directory of its own.
    ///
    /// # Panics
    /// If it does not get ready, or this one works on SQLite, which one process has to itself.
    pub async fn another(&self) -> Server {
        let database = self.postgres.as_ref().expect("SQLite serves one process");
        let mut launch = self.launch.clone().arguments(["--database", database.url()]);
        launch.backend = Backend::Sqlite; // So that no database of its own is made and named.
        launch.start().await
    }

    /// Runs `cardine` with these words beside it, on its data, whether it runs or not.
    ///
    /// # Panics
    /// If there is no binary.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> std::process::Output {
        self.run_with(&[], words)
    }

    /// As [`Server::run`], with these environment variables.
    ///
    /// # Panics
    /// If there is no binary.
    #[must_use]
    pub fn run_with(&self, variables: &[(&str, &str)], words: &[&str]) -> std::process::Output {
        let mut command = binary::command(self.data.path());
        command.args(words).arg("--data").arg(self.data_directory());
        if let Some(database) = &self.postgres {
            command.args(["--database", database.url()]);
        }
        command.envs(variables.iter().copied()).stdin(std::process::Stdio::null()).output().expect("the binary runs")
    }

    /// As [`Server::another`], with an environment variable of its own.
    ///
    /// # Panics
    /// As [`Server::another`].
    pub async fn another_with(&self, name: &str, value: &str) -> Server {
        let database = self.postgres.as_ref().expect("SQLite serves one process");
        let launch = self.launch.clone().variable(name, value);
        let mut launch = launch.arguments(["--database", database.url()]);
        launch.backend = Backend::Sqlite; // As in [`Server::another`].
        launch.start().await
    }

    /// Which database it works on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.launch.backend
    }

    /// Such as `http://127.0.0.1:40123`; another one after a restart.
    ///
    /// # Panics
    /// Never, unless a client panicked while reading it.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.lock().expect("nobody panics while holding it").clone()
    }

    /// The operating system's number of its process.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the server runs").id()
    }

    /// Whether it was started and not ended since.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The directory given as `--data`.
    #[must_use]
    pub fn data_directory(&self) -> std::path::PathBuf {
        self.data.path().join("data")
    }

    /// Its database, on PostgreSQL; the file in [`Server::data_directory`] otherwise.
    #[must_use]
    pub fn postgres(&self) -> Option<&PostgresDatabase> {
        self.postgres.as_ref()
    }

    /// What PostgreSQL does by itself within a minute: without knowing its values, it joins a new table row by row.
    ///
    /// # Panics
    /// If the database cannot be reached.
    pub async fn gather_statistics(&self) {
        if let Some(database) = self.postgres() {
            let connected = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await;
            let (client, connection) = connected.expect("the database can be reached");
            let connection = tokio::spawn(connection);
            let analysed = client.batch_execute("ANALYZE").await;
            analysed.expect("the owner may analyse");
            drop(client);
            let _ = connection.await;
        }
    }

    /// What it wrote to standard error since the first start.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.log_path()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Ends it as a crash would (`SIGKILL`).
    pub fn kill_hard(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill_hard();
        }
    }

    /// Another one, not started yet, with a copy of this one's data: the same records, ids and secrets.
    ///
    /// # Panics
    /// If this one still runs.
    #[must_use]
    pub fn copy(&self) -> Server {
        assert!(self.process.is_none(), "its data may change while they are copied");
        let data = temporary_directory();
        copy_directory(&self.data_directory(), &data.path().join("data")).expect("the data can be copied");
        let postgres = self.postgres.as_ref().map(PostgresDatabase::copy);
        Server { process: None, address: Arc::default(), launch: self.launch.clone(), data, postgres }
    }

    /// From its next start on, its environment has this variable, in place of one of the same name.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.launch.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Asks it to finish (`SIGTERM`), and tells how it ended.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.take().expect("the server runs").stop()
    }

    /// Starts it again on the same data, after stopping it where it still runs; waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready, with the server's log on standard error.
    pub async fn restart(&mut self) {
        if self.process.is_some() {
            let status = self.stop();
            assert!(status.success(), "the server ended with {status} on SIGTERM\n{}", self.log());
        }
        self.launch_process().await;
    }

    /// From its next start on, it gets these arguments in place of those of its [`Launch`].
    pub fn set_arguments<A: Into<OsString>>(&mut self, arguments: impl IntoIterator<Item = A>) {
        self.launch.arguments = arguments.into_iter().map(Into::into).collect();
    }

    /// Starts the process again; false if it aborted before it was ready, as one may that meets a failpoint in its own first work.
    ///
    /// # Panics
    /// If it ended in another way.
    pub async fn restart_unless_it_aborts(&mut self) -> bool {
        const SIGABRT: i32 = 6;
        self.kill_hard();
        match self.launch_until_ready_or_ended().await {
            Ok(()) => true,
            Err(status) => {
                assert_eq!(status.signal(), Some(SIGABRT), "the server ended with {status}\n{}", self.log());
                false
            }
        }
    }

    async fn launch_process(&mut self) {
        if let Err(status) = self.launch_until_ready_or_ended().await {
            panic!("the server ended with {status} before it was ready\n{}", self.log());
        }
    }

    async fn launch_until_ready_or_ended(&mut self) -> Result<(), ExitStatus> {
        let process = match Process::start(&mut self.command(), &self.log_path()) {
            Ok(process) => process,
            Err(NotStarted::Ended(status)) => return Err(status),
            Err(other) => panic!("{other}"),
        };
        process.address().clone_into(&mut self.address.lock().expect("nobody panics while holding it"));
        let client = self.anonymous();
        let process = Mutex::new(self.process.insert(process));
        let has_ended = || process.lock().expect("nobody panics while holding it").has_ended();
        eventually("/health/ready answers 200", || async {
            match client.is_ready().await {
                true => Some(Ok(())),
                false => has_ended().map(Err),
            }
        })
        .await
    }

    fn command(&self) -> std::process::Command {
        let mut command = binary::command(self.data.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.data_directory());
        if let Some(database) = &self.postgres {
            command.args(["--database", database.url()]);
        }
        command.args(&self.launch.arguments).envs(self.launch.environment.iter().cloned());
        command
    }

    fn log_path(&self) -> std::path::PathBuf {
        Path::new(self.data.path()).join("server.log")
    }
}

fn temporary_directory() -> TempDir {
    tempfile::Builder::new().prefix("cardine-test-").tempdir().expect("a temporary directory")
}

fn copy_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let stale = binary::staleness().map(|sentence| format!("\nNote: {sentence}")).unwrap_or_default();
            eprintln!("The server's log:\n{}{stale}", self.log());
        }
        // Before its database is dropped and its files are removed.
        self.kill_hard();
    }
}
