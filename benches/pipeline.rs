//! What a message costs through the whole pipeline, with a real SQLite file and `synchronous=FULL`.
//!
//! `cargo bench --bench pipeline` prints one line a measurement: messages a second and processor time a message, with one
//! message at a time and with 64 in flight, from storing (the wire is answered) to the last outgoing message settled.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use zhishou::clock::{Clock, SystemClock};
use zhishou::config::{holidays, load_contract};
use zhishou::desk::{Desk, Parts, Wording, faq_rows, people_rows};
use zhishou::rules::directory::PeopleFile;
use zhishou::rules::profile::Profile;
use zhishou::store::Store;
use zhishou_adapters::{Capabilities, Channel, Inbound, Outgoing, Receipt, SendError};

/// A channel that takes everything at once.
struct Sink;

#[async_trait]
impl Channel for Sink {
    fn id(&self) -> &'static str {
        "qq"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: false,
            mentions: true,
            edits: false,
            speaks_first: true,
            max_chars: 4000,
            pause: Duration::ZERO,
            can_look_back: false,
            acknowledges_only: false,
        }
    }
    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        Ok(Receipt { external_id: Some(message.key.clone()) })
    }
    async fn find(&self, message: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        Ok(Some(Receipt { external_id: Some(message.key.clone()) }))
    }
    fn health(&self) -> Result<String, String> {
        Ok(String::new())
    }
}

/// Processor seconds this process has used (user and system), by `/proc/self/stat`.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: f64 = after.split(' ').skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    // Linux counts in hundredths of a second on every platform it runs on today (USER_HZ).
    ticks / 100.0
}

fn message(n: usize, now: Timestamp) -> Inbound {
    // Four in five are talk that ends noted, one opens a ticket: what a group looks like.
    let text = match n % 5 {
        0 => "登记系统打不开了，提示连接超时",
        1 => "好的收到",
        2 => "大家下午三点开会",
        3 => "谢谢",
        _ => "今天食堂吃什么",
    };
    Inbound {
        channel: "qq".to_owned(),
        conversation: format!("group:{}", 30_000 + n % 97),
        sender: format!("{}", 50_000 + n),
        sender_name: "刘老师".to_owned(),
        external_id: format!("m{n}"),
        sent_at: now,
        text: text.to_owned(),
        attachments: Vec::new(),
        quotes: None,
        quoted_text: None,
        addressed: false,
        mentions: Vec::new(),
        recovered: false,
        ..Inbound::default()
    }
}

async fn drain(desk: &Arc<Desk>) {
    while desk.tick().await.expect("tick").done + desk.dispatch().await.expect("dispatch").done > 0 {}
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn measure(desk: &Arc<Desk>, clock: &SystemClock, first: usize, count: usize, in_flight: usize) {
    let (begun, used) = (Instant::now(), processor_seconds());
    let mut n = first;
    while n < first + count {
        let batch = in_flight.min(first + count - n);
        let mut tasks = tokio::task::JoinSet::new();
        for k in n..n + batch {
            let (desk, inbound) = (desk.clone(), message(k, clock.now()));
            tasks.spawn(async move { desk.receive(inbound).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("task").expect("stored");
        }
        drain(desk).await;
        n += batch;
    }
    let (seconds, processor) = (begun.elapsed().as_secs_f64(), processor_seconds() - used);
    println!(
        "{in_flight:>3} in flight: {:>7.0} messages/s, {:.3} ms of processor a message ({count} messages)",
        count as f64 / seconds,
        processor * 1000.0 / count as f64
    );
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn one_statement(store: &Store) {
    let count = 5_000;
    let (begun, used) = (Instant::now(), processor_seconds());
    for _ in 0..count {
        store.mark("nothing").await.expect("read");
    }
    let (seconds, processor) = (begun.elapsed().as_secs_f64(), processor_seconds() - used);
    println!(
        "one read through sqlx Any: {:.1} µs, {:.1} µs of processor",
        seconds * 1e6 / f64::from(count),
        processor * 1e6 / f64::from(count)
    );
    let mut write = store.write().await.expect("write");
    let rows: Vec<(String, i64, String)> = (0..64).map(|n| (format!("k{n}"), n, String::new())).collect();
    let (begun, used) = (Instant::now(), processor_seconds());
    for _ in 0..1_000 {
        write.marks_save(&rows).await.expect("rows");
    }
    let (seconds, processor) = (begun.elapsed().as_secs_f64(), processor_seconds() - used);
    println!(
        "one row of 64 in one statement: {:.2} µs, {:.2} µs of processor",
        seconds * 1e6 / 64_000.0,
        processor * 1e6 / 64_000.0
    );
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite://{}", folder.path().join("bench.db").display())).await.expect("store");
    one_statement(&store).await;
    let clock = Arc::new(SystemClock::default());
    let terms =
        load_contract("xian-realestate", folder.path(), &holidays(None).expect("holidays")).expect("a shipped profile");
    let desk = Desk::open(Parts {
        store,
        clock: clock.clone(),
        seed: 1,
        contracts: vec![terms],
        default_contract: Some("xian-realestate".to_owned()),
        wording: Wording::new(None).expect("wording"),
        channels: vec![Arc::new(Sink)],
        attachments: None,
    })
    .await
    .expect("desk");
    let people = PeopleFile::parse(Profile::sample_people(), "people").expect("people");
    let faq: Vec<zhishou_intents::FaqEntry> =
        Profile::sample_faq().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut rows = people_rows(&people);
    rows.extend(faq_rows(&faq));
    desk.import(rows).await.expect("import");
    let mut first = 0;
    for (count, in_flight) in [(200, 1), (1_000, 1), (20_000, 64), (20_000, 256)] {
        measure(&desk, &clock, first, count, in_flight).await;
        first += count;
    }
}
