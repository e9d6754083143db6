//! All SQL. SQLite and PostgreSQL behind one set of functions; nothing outside this room writes a statement.
//!
//! A batch of messages is one transaction and a handful of statements, whatever its size: rows travel as one JSON
//! array. That shape was chosen after measuring what one statement costs through sqlx's `Any` driver
//! (`docs/decisions/0003-store.md`).

mod bounces;
mod directory;
mod inbox;
mod notes;
mod outbox;
mod shelf;
mod statement;
mod tickets;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyPoolOptions, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, Executor, Row, SqlSafeStr, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use directory::DirectoryRow;
pub use inbox::{Account, InboxRow, NewInbound};
pub use notes::Lease;
pub use outbox::{OutboxRow, OutboxState, Settled};
pub use statement::{Engine, Statement};
pub use tickets::{Counter, EventRow, Recorded, TicketKey, chain};

static SQLITE: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is locked, full or read-only; trying again may help.
    #[error("数据库暂时不可用（{statement}）：{source}")]
    Unavailable {
        /// Statement or step.
        statement: &'static str,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// A row that was stored cannot be read back.
    #[error("数据库中 {table} 的记录 {id} 无法读取：{why}")]
    Corrupt {
        /// Table.
        table: &'static str,
        /// Row.
        id: String,
        /// Why.
        why: String,
    },
    /// Somebody else changed the row since it was read: load and decide again.
    #[error("{0} 已被另一实例修改，需要重新处理")]
    Conflict(String),
    /// The schema could not be brought up to date.
    #[error("数据库结构升级失败：{0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The address names no database this build knows.
    #[error("数据库地址「{0}」不可用：请写成 sqlite://路径 或 postgres://…")]
    Url(String),
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    engine: Engine,
    /// On SQLite one writer at a time: waiting here is fair and cheap, waiting for the file lock is neither.
    gate: Arc<Mutex<()>>,
}

/// A write transaction. Dropped without [`Write::commit`] it changes nothing.
pub struct Write {
    tx: Transaction<'static, Any>,
    engine: Engine,
    _gate: Option<OwnedMutexGuard<()>>,
}

impl Store {
    /// Opens `sqlite://PATH` (created if missing) or `postgres://…`, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let engine = match url.split_once(':') {
            Some(("sqlite", _)) => Engine::Sqlite,
            Some(("postgres" | "postgresql", _)) => Engine::Postgres,
            _ => return Err(StoreError::Url(url.split('@').next_back().unwrap_or(url).to_owned())),
        };
        let memory = url.contains(":memory:");
        let url = if engine == Engine::Sqlite && !memory && !url.contains("mode=") {
            if let Some(folder) = url.strip_prefix("sqlite://").and_then(|path| Path::new(path).parent()) {
                // Left to the driver to report: it names the file.
                let _ = std::fs::create_dir_all(folder);
            }
            format!("{url}?mode=rwc")
        } else {
            url.to_owned()
        };
        let connections = match engine {
            Engine::Sqlite if memory => 1,
            Engine::Sqlite => 4,
            Engine::Postgres => 8,
        };
        let mut options = AnyPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(10));
        if memory {
            // A database in memory is gone with its connection.
            options = options.idle_timeout(None).max_lifetime(None);
        }
        if engine == Engine::Sqlite {
            options = options.after_connect(|connection, _| {
                Box::pin(async move {
                    for pragma in [
                        "PRAGMA journal_mode = WAL",
                        "PRAGMA synchronous = FULL",
                        "PRAGMA busy_timeout = 5000",
                        "PRAGMA temp_store = MEMORY",
                        "PRAGMA cache_size = -8000",
                    ] {
                        connection.execute(pragma).await?;
                    }
                    Ok(())
                })
            });
        }
        let pool = options.connect(&url).await.map_err(unavailable("open"))?;
        let store = Self { pool, engine, gate: Arc::new(Mutex::new(())) };
        match engine {
            Engine::Sqlite => SQLITE.run(&store.pool).await?,
            Engine::Postgres => POSTGRES.run(&store.pool).await?,
        }
        Ok(store)
    }

    /// A database in memory, for rehearsals.
    pub async fn in_memory() -> Result<Self, StoreError> {
        Self::open("sqlite::memory:").await
    }

    /// Which engine this is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Begins a write transaction: alone on SQLite, beside others on PostgreSQL.
    pub async fn write(&self) -> Result<Write, StoreError> {
        let (begin, gate) = match self.engine {
            Engine::Sqlite => ("BEGIN IMMEDIATE", Some(self.gate.clone().lock_owned().await)),
            Engine::Postgres => ("BEGIN", None),
        };
        let tx = self.pool.begin_with(begin).await.map_err(unavailable("begin"))?;
        Ok(Write { tx, engine: self.engine, _gate: gate })
    }

    /// Closes all connections; what was committed is on disk.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A consistent copy of a SQLite database, taken while the desk runs.
    pub async fn backup_to(&self, path: &Path) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(unavailable("backup"))?;
        sqlx::query("VACUUM INTO $1")
            .bind(path.to_string_lossy().into_owned())
            .execute(&mut *connection)
            .await
            .map_err(unavailable("backup"))?;
        Ok(())
    }

    /// Prepares every statement of this room on this engine: the test that stands in for compile-time checks.
    pub async fn prepare_all(&self) -> Result<usize, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(unavailable("prepare"))?;
        let lists = [inbox::ALL, tickets::ALL, outbox::ALL, notes::ALL, directory::ALL, shelf::ALL, bounces::ALL];
        let mut count = 0;
        for statement in lists.into_iter().flatten() {
            (&mut *connection)
                .prepare(sqlx::SqlStr::from_static(statement.on(self.engine)))
                .await
                .map_err(unavailable(statement.name))?;
            count += 1;
        }
        Ok(count)
    }

    /// How SQLite would find the rows of a statement: what the query-plan test reads. Empty on PostgreSQL.
    pub async fn plan_of(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let lists = [inbox::ALL, tickets::ALL, outbox::ALL, notes::ALL, directory::ALL, shelf::ALL, bounces::ALL];
        let Some(statement) = lists.into_iter().flatten().find(|s| s.name == name) else { return Ok(Vec::new()) };
        if self.engine == Engine::Postgres {
            return Ok(Vec::new());
        }
        let mut connection = self.pool.acquire().await.map_err(unavailable("plan"))?;
        // The text is one of our own constants with a fixed prefix; no value of anybody's stands in it.
        let text = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.sqlite));
        let mut query = sqlx::query(text.into_sql_str());
        for _ in 0..8 {
            query = query.bind("[]");
        }
        let rows = query.fetch_all(&mut *connection).await.map_err(unavailable("plan"))?;
        Ok(rows.iter().map(|row| text_at(row, 3)).collect())
    }

    async fn rows(
        &self,
        statement: &'static Statement,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, StoreError> {
        query.fetch_all(&self.pool).await.map_err(unavailable(statement.name))
    }
}

impl Write {
    /// Makes it last: after `Ok` it survives a power cut.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await.map_err(unavailable("commit"))
    }

    fn query(&self, statement: &Statement) -> Query<'static, Any, AnyArguments> {
        sqlx::query(statement.on(self.engine))
    }

    async fn rows(
        &mut self,
        statement: &'static Statement,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, StoreError> {
        query.fetch_all(self.connection()).await.map_err(unavailable(statement.name))
    }

    async fn run(
        &mut self,
        statement: &'static Statement,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<u64, StoreError> {
        let done = query.execute(self.connection()).await.map_err(unavailable(statement.name))?;
        Ok(done.rows_affected())
    }

    fn connection(&mut self) -> &mut AnyConnection {
        &mut self.tx
    }
}

fn unavailable(statement: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Unavailable { statement, source }
}

fn text_at(row: &AnyRow, at: usize) -> String {
    row.try_get(at).unwrap_or_default()
}

fn number_at(row: &AnyRow, at: usize) -> i64 {
    row.try_get(at).unwrap_or_default()
}

/// Rows as the one JSON array a batch statement takes.
fn json_rows<T: serde::Serialize>(rows: &[T]) -> String {
    // Rows are tuples of strings and numbers; writing those to a string cannot fail.
    serde_json::to_string(rows).unwrap_or_else(|_| "[]".to_owned())
}
