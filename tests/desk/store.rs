//! The store on both engines: every statement, the same schema, plans that read no table from end to end.

mod cluster;

use std::collections::BTreeMap;
use std::path::Path;

use cluster::Cluster;
use sqlx::Connection as _;
use zhishou::rules::ticket::Outcome;
use zhishou::store::{Engine, OutboxRow, OutboxState, Store};

use crate::peers::support::{self, Tape, XIAN, inbound};

/// How many statements there are at least: a list that lost its entries would prepare without a fault.
const STATEMENTS: usize = 49;

/// Tables whose rows grow with the years; and the short names statements give them.
const LARGE: [(&str, &[&str]); 5] = [
    ("inbox", &["inbox", "i"]),
    ("ticket", &["ticket", "t"]),
    ("outbox", &["outbox", "o", "e"]),
    ("event", &["event"]),
    ("shelf", &["shelf"]),
];

/// Indexes over the work at hand only: reading one of them whole is reading little.
const AT_HAND: [&str; 8] = [
    "inbox_pending",
    "ticket_alarm",
    "ticket_live",
    "outbox_due",
    "outbox_held",
    "outbox_lane",
    "outbox_merge",
    "outbox_failed",
];

async fn in_file(folder: &Path) -> Store {
    Store::open(&format!("sqlite://{}", folder.join("zhishou.db").display())).await.expect("a new database file")
}

#[tokio::test]
async fn every_statement_is_understood_by_sqlite() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = in_file(folder.path()).await;
    let count = store.prepare_all().await.expect("every statement prepares");
    assert!(count >= STATEMENTS, "only {count} statements are listed");
}

#[tokio::test]
async fn every_statement_is_understood_by_postgresql() {
    let cluster = Cluster::start();
    let store = Store::open(&cluster.url()).await.expect("an empty database takes the schema");
    assert_eq!(store.engine(), Engine::Postgres);
    let count = store.prepare_all().await.expect("every statement prepares");
    assert!(count >= STATEMENTS, "only {count} statements are listed");
    store.close().await;
}

#[tokio::test]
async fn what_another_instance_sends_is_neither_taken_nor_waited_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cluster = Cluster::start();
    let large = Store::open(&cluster.url()).await.expect("an empty database takes the schema");
    for store in [in_file(folder.path()).await, large] {
        let row = |id: &str, conversation: &str, at: i64| OutboxRow {
            id: id.to_owned(),
            key: id.to_owned(),
            conversation: conversation.to_owned(),
            ticket: String::new(),
            kind: "status".to_owned(),
            merge_key: String::new(),
            state: OutboxState::Ready,
            created_at_ms: at,
            send_at_ms: at,
            attempts: 0,
            free: 0,
            external_id: String::new(),
            body: "{}".to_owned(),
        };
        let mut write = store.write().await.expect("a transaction");
        let rows =
            [row("out_1", "wecom:group:a", 10), row("out_2", "wecom2:group:a", 20), row("out_3", "qq:group:a", 30)];
        write.outbox_add(&rows).await.expect("rows can be added");
        write.commit().await.expect("a commit");
        let away = ["wecom".to_owned()];
        assert_eq!(store.next_outgoing(&[]).await.expect("it can be asked"), Some(10));
        assert_eq!(
            store.next_outgoing(&away).await.expect("it can be asked"),
            Some(20),
            "of a name that only begins alike"
        );
        let mut write = store.write().await.expect("a transaction");
        let taken = write.outbox_claim("b", 500, 100, 10, &away).await.expect("rows can be claimed");
        assert_eq!(taken.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["out_2", "out_3"]);
        let taken = write.outbox_claim("a", 400, 100, 10, &[]).await.expect("rows can be claimed");
        assert_eq!(taken.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["out_1"]);
        write.commit().await.expect("a commit");
        // A claim that runs out over there is no reason to look here.
        assert_eq!(store.next_outgoing(&away).await.expect("it can be asked"), Some(500));
        assert_eq!(store.next_outgoing(&[]).await.expect("it can be asked"), Some(400));
        store.close().await;
    }
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |engine: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        let entries = std::fs::read_dir(&folder).expect("the folder is there");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("a readable entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

/// A column: its type in words both engines share, and whether it may be empty.
type Columns = BTreeMap<(String, String), (String, bool)>;

async fn columns_of_sqlite(path: &Path) -> Columns {
    let url = format!("sqlite://{}", path.display());
    let mut db = sqlx::SqliteConnection::connect(&url).await.expect("the file opens");
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
          WHERE m.type = 'table' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .fetch_all(&mut db)
    .await
    .expect("the schema can be asked for");
    let kind = |name: &str| match name {
        "INTEGER" => "bigint".to_owned(),
        "REAL" => "double precision".to_owned(),
        "BLOB" => "bytea".to_owned(),
        other => other.to_lowercase(),
    };
    rows.into_iter().map(|(table, name, typed, filled)| ((table, name), (kind(&typed), filled == 0))).collect()
}

async fn columns_of_postgres(url: &str) -> Columns {
    let mut db = sqlx::PgConnection::connect(url).await.expect("the server answers");
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT CAST(table_name AS text), CAST(column_name AS text), CAST(data_type AS text), CAST(is_nullable AS text)
           FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(&mut db)
    .await
    .expect("the schema can be asked for");
    rows.into_iter().map(|(table, name, typed, empty)| ((table, name), (typed, empty == "YES"))).collect()
}

#[tokio::test]
async fn both_engines_have_the_same_tables_and_columns() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    in_file(folder.path()).await.close().await;
    let cluster = Cluster::start();
    Store::open(&cluster.url()).await.expect("an empty database takes the schema").close().await;
    let small = columns_of_sqlite(&folder.path().join("zhishou.db")).await;
    let large = columns_of_postgres(&cluster.url()).await;
    assert_eq!(small, large);
    assert!(small.len() > 50, "the schema was read: {small:?}");
    let nullable: Vec<_> = small.iter().filter(|(_, (_, empty))| *empty).collect();
    assert!(nullable.is_empty(), "every column is NOT NULL: {nullable:?}");
}

/// What is wrong with a plan: a large table read from end to end.
fn complaint(line: &str) -> Option<String> {
    let rest = line.strip_prefix("SCAN ")?;
    let name = rest.split_whitespace().next()?;
    let (table, _) = LARGE.iter().find(|(_, names)| names.contains(&name))?;
    let by = rest.split_once("INDEX ").and_then(|(_, index)| index.split_whitespace().next());
    match by {
        Some(index) if AT_HAND.contains(&index) => None,
        Some(_) | None => Some(format!("reads all of {table}: {line}")),
    }
}

#[tokio::test]
async fn no_statement_of_the_daily_work_reads_a_large_table_from_end_to_end() {
    let store = Store::in_memory().await.expect("a database in memory");
    for name in [
        "ADD",
        "PENDING",
        "DISPOSE",
        "TICKETS_OF",
        "NEWEST",
        "BACKLOG",
        "BY_NUMBER",
        "BY_CONVERSATION",
        "BY_ENGINEER",
        "LIVE",
        "LIKE",
        "DUE",
        "NEXT_ALARM",
        "SAVE",
        "ALL_OF",
        "RECORD",
        "EVENTS_OF",
        "EVENTS",
        "MERGEABLE",
        "REWRITE",
        "CLAIM",
        "SETTLE",
        "RELEASE",
        "NEXT",
        "QUOTED",
        "SAID_OF",
        "FAILED",
        "TAKEN",
        "KEPT",
        "TAKE",
        "SWEEP",
        "SENT_AS",
        "TAKE_BACK",
        "KEPT_OF",
        "KEPT_ALL",
    ] {
        let plan = store.plan_of(name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!plan.is_empty() || name == "RECORD", "{name} has no plan: is it still called so?");
        let complaints: Vec<String> = plan.iter().filter_map(|line| complaint(line)).collect();
        assert!(complaints.is_empty(), "{name} {complaints:?} in {plan:#?}");
    }
}

#[tokio::test]
async fn what_is_taken_in_order_is_read_in_order_and_not_sorted() {
    let store = Store::in_memory().await.expect("a database in memory");
    for name in
        ["PENDING", "DUE", "NEXT_ALARM", "NEXT", "LIKE", "EVENTS_OF", "EVENTS", "ALL_OF", "NEWEST", "FAILED", "TAKEN"]
    {
        let plan = store.plan_of(name).await.expect(name);
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{name} sorts: {plan:#?}");
    }
}

#[tokio::test]
async fn on_postgresql_a_message_becomes_a_ticket_and_its_alarm_rings() {
    let cluster = Cluster::start();
    let store = Store::open(&cluster.url()).await.expect("an empty database takes the schema");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open(&store, &clock, vec![tape.clone()], 1).await;
    support::furnish(&desk).await;
    desk.receive(inbound("group:20001", "40001", "m1", "登记系统打不开了")).await.expect("it is stored");
    desk.receive(inbound("group:20001", "40001", "m1", "登记系统打不开了")).await.expect("a repeat is fine");
    support::quiet(&desk).await;
    let tickets = store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read");
    assert_eq!(tickets.len(), 1);
    assert_eq!(tape.conversations(), ["qq:group:20001", "qq:group:20009"]);
    support::forward(&clock, 2 * 3600 + 1);
    support::quiet(&desk).await;
    let ticket = &store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read")[0];
    assert_eq!(ticket.commitments[0].outcome, Outcome::Broken);
    assert!(tape.texts().iter().any(|text| text.contains("已超时")), "{:?}", tape.texts());
    support::sound(&store, 1).await;
    store.close().await;
}
