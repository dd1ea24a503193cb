//! The harness of the whole-system tests: the real binary, real HTTP, real databases.
//!
//! A case is one async function that gets a running server; [`on_both_databases!`] makes a test of it for SQLite and
//! one for PostgreSQL:
//!
//! ```no_run
//! use cardine_tests::{Server, on_both_databases};
//!
//! on_both_databases! {
//!     async fn nobody_reads_without_a_token(server: Server) {
//!         server.anonymous().query("{ deals { totalCount } }").await.refused("BAD_USER_INPUT");
//!     }
//! }
//! ```
//!
//! The cases stand in `tests/tests/`, a file per subject. What the API looks like from outside is known here only:
//! in [`client`] and [`administration`].

pub mod administration;
pub mod answer;
pub mod backend;
pub mod binary;
pub mod bombs;
pub mod certificate;
pub mod chance;
pub mod client;
pub mod document;
pub mod event_stream;
pub mod files;
pub mod mail_server;
pub mod node;
pub mod plugins;
pub mod process;
pub mod records;
pub mod repository;
pub mod rust_code;
pub mod server;
pub mod shifting;
pub mod waiting;
pub mod webhook_server;
pub mod websocket;

pub use answer::Answer;
pub use backend::Backend;
pub use certificate::Certificate;
pub use chance::Chance;
pub use client::Client;
pub use event_stream::EventStream;
pub use files::Download;
pub use mail_server::{MailServer, ReceivedMail};
pub use node::Node;
pub use server::{Launch, Server};
pub use waiting::eventually;
pub use webhook_server::{ReceivedRequest, WebhookServer};
pub use websocket::{Fate, WebSocket};
