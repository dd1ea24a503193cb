//! The two databases that every case runs on, and the macro that makes a test for each.

/// Which database a server under test works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded default, in the server's data directory.
    Sqlite,
    /// A database of its own on the test process's PostgreSQL.
    Postgres,
}

impl Backend {
    /// False only for PostgreSQL on a machine without one that is not CI; standard error then tells so.
    ///
    /// # Panics
    /// If there is no PostgreSQL and `CI` is set.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Backend::Sqlite => true,
            Backend::Postgres => cardine_test_postgres::is_available(),
        }
    }
}

/// Makes of each `async fn name(server: Server) { … }` the tests `name::sqlite` and `name::postgres`, each with a
/// server of its own on an empty database.
///
/// `async fn name(backend: Backend) { … }` gets the database alone, for cases that start their servers themselves.
#[macro_export]
macro_rules! on_both_databases {
    () => {};
    ($(#[$meta:meta])* async fn $name:ident($server:ident: Server) $body:block $($rest:tt)*) => {
        $crate::on_both_databases! {
            $(#[$meta])* async fn $name(backend: Backend) {
                let $server = $crate::Server::start(backend).await;
                $body
            }
        }
        $crate::on_both_databases! { $($rest)* }
    };
    ($(#[$meta:meta])* async fn $name:ident(mut $server:ident: Server) $body:block $($rest:tt)*) => {
        $crate::on_both_databases! {
            $(#[$meta])* async fn $name(backend: Backend) {
                let mut $server = $crate::Server::start(backend).await;
                $body
            }
        }
        $crate::on_both_databases! { $($rest)* }
    };
    ($(#[$meta:meta])* async fn $name:ident($backend:ident: Backend) $body:block $($rest:tt)*) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a case may need nothing of its file")]
            use super::*;

            async fn case($backend: $crate::Backend) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                case($crate::Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if $crate::Backend::Postgres.is_available() {
                    case($crate::Backend::Postgres).await;
                }
            }
        }
        $crate::on_both_databases! { $($rest)* }
    };
}
