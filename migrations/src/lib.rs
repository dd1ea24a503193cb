//! The platform's own tables, for SQLite and PostgreSQL; not the tables of modules, which definitions make.
//!
//! A migration that was released is never changed; what is to be different is a new one.

mod m0001_platform;
mod m0002_access;
mod m0003_history;
mod m0004_sign_in;
mod m0005_files;
mod m0006_workflows;
mod m0007_approvals;
mod m0008_plugin_state;
mod m0009_jobs;
mod m0010_requests;
mod m0011_notifications;
mod m0012_turns;
mod m0013_queue;
mod m0014_failures;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

/// All migrations, oldest first. What was applied is recorded in the table `seaql_migrations`.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_platform::Migration),
            Box::new(m0002_access::Migration),
            Box::new(m0003_history::Migration),
            Box::new(m0004_sign_in::Migration),
            Box::new(m0005_files::Migration),
            Box::new(m0006_workflows::Migration),
            Box::new(m0007_approvals::Migration),
            Box::new(m0008_plugin_state::Migration),
            Box::new(m0009_jobs::Migration),
            Box::new(m0010_requests::Migration),
            Box::new(m0011_notifications::Migration),
            Box::new(m0012_turns::Migration),
            Box::new(m0013_queue::Migration),
            Box::new(m0014_failures::Migration),
        ]
    }
}
