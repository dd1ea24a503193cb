//! One test's database on the server: created with a name of its own, dropped with the value.

use std::future::Future;

use tokio_postgres::{Client, NoTls};
use url::Url;
use uuid::Uuid;

/// An empty database; dropped, with whoever is still connected to it, when the value is.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    url: Url,
    server: Url,
}

impl PostgresDatabase {
    pub(crate) fn create(server: &Url) -> PostgresDatabase {
        Self::of_template(server, "template0")
    }

    /// Another one with all that this one has. Nobody may be connected to this one meanwhile.
    ///
    /// # Panics
    /// If somebody is.
    #[must_use]
    pub fn copy(&self) -> PostgresDatabase {
        Self::of_template(&self.server, &self.name)
    }

    fn of_template(server: &Url, template: &str) -> PostgresDatabase {
        let name = format!("cardine_test_{}", Uuid::new_v4().simple());
        let mut url = server.clone();
        url.set_path(&name);
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'");
        execute(server, &statement).unwrap_or_else(|error| panic!("could not create a database for a test: {error}"));
        PostgresDatabase { name, url, server: server.clone() }
    }

    /// What `--database` takes: `postgres://user:password@host:port/name`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The database's name alone.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection for looking at the database past the code under test. Needs a tokio runtime.
    ///
    /// # Panics
    /// If the server does not let it connect.
    pub async fn connect(&self) -> Client {
        connect(&self.url).await.unwrap_or_else(|error| panic!("could not connect to {}: {error}", self.name))
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = execute(&self.server, &statement) {
            eprintln!("the test's database {} was not dropped: {error}", self.name);
        }
    }
}

/// On a thread of its own, because the caller may stand inside a runtime, where blocking on another is refused.
fn execute(server: &Url, statement: &str) -> Result<(), String> {
    let run = async {
        let client = connect(server).await?;
        client.batch_execute(statement).await
    };
    std::thread::scope(|scope| scope.spawn(|| block_on(run)).join())
        .map_err(|_| "the thread that talks to PostgreSQL panicked".to_owned())?
        .map_err(|error| error.to_string())
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs only file descriptors")
        .block_on(future)
}

async fn connect(url: &Url) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url.as_str(), NoTls).await?;
    // Ends with the client; a failure of the connection is seen by the client's next call.
    tokio::spawn(connection);
    Ok(client)
}
