//! Why a step failed, for administrators: a plugin's broken bound and backtrace beside the sentence that says it.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0014_failures"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        manager.get_connection().execute_unprepared(&with_types(STATEMENT, backend)).await.map(|_| ())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("what runs of workflows have noted is not taken away: restore a backup".to_owned()))
    }

    /// All or nothing, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

// JSON, as administrators are told it; null where the error says all.
const STATEMENT: &str = r#"ALTER TABLE "workflow_step_log" ADD COLUMN "failure" {text}"#;

#[cfg(test)]
mod tests {
    use sea_orm_migration::sea_orm::DbBackend;

    use super::*;

    #[test]
    fn every_type_is_known_on_both_databases() {
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            let sql = with_types(STATEMENT, backend);
            assert!(!sql.contains(['{', '}']), "{sql}");
        }
    }
}
