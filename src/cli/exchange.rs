//! Data in and out: import, export, backup, restore, binding codes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use calamine::{Data, Reader, open_workbook_auto};
use clap::Args;
use serde_json::{Map, Value, json};
use zhishou_intents::FaqEntry;

use super::{Failure, print_json, settings};
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::desk::{Change, events_json, faq_rows, people_rows};
use crate::rules::directory::PeopleFile;
use crate::store::{DirectoryRow, Store, TicketKey, chain};

/// Rows of a table by column name.
type Rows = Vec<(usize, BTreeMap<String, String>)>;

// -------------------------------------------------------------------- reading

fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

fn read_text(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("无法读取 {}：{error}", path.display()))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

fn sheet(path: &Path) -> Result<Rows, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("无法读取表格 {}：{error}", path.display());
    let mut book = open_workbook_auto(path).map_err(|error| wrong(&error))?;
    let name = book.sheet_names().first().cloned().ok_or_else(|| wrong(&"没有工作表"))?;
    let range = book.worksheet_range(&name).map_err(|error| wrong(&error))?;
    let mut rows = range.rows();
    let heads: Vec<String> = rows.next().map(|row| row.iter().map(cell).collect()).unwrap_or_default();
    Ok(rows.enumerate().map(|(at, row)| (at + 2, pair(&heads, row.iter().map(cell)))).collect())
}

fn cell(data: &Data) -> String {
    match data {
        Data::Float(number) if number.fract() == 0.0 => format!("{number:.0}"),
        other => other.to_string().trim().to_owned(),
    }
}

fn pair(heads: &[String], cells: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    heads.iter().map(|head| head.trim().to_owned()).zip(cells).filter(|(_, value)| !value.is_empty()).collect()
}

fn csv_rows(text: &str, file: &str) -> Result<Rows, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let wrong = |error: csv::Error| format!("{file}：{error}");
    let heads: Vec<String> = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
    reader
        .records()
        .enumerate()
        .map(|(at, record)| Ok((at + 2, pair(&heads, record.map_err(wrong)?.iter().map(str::to_owned)))))
        .collect()
}

fn md_rows(text: &str) -> Rows {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().replace("<br>", "\n")).collect()
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with('|'));
    let heads = lines.next().map(|(_, line)| cells(line)).unwrap_or_default();
    lines
        .filter(|(_, line)| !line.chars().all(|c| "|-: \t".contains(c)))
        .map(|(at, line)| (at + 1, pair(&heads, cells(line).into_iter())))
        .collect()
}

fn split_list(text: &str) -> Vec<String> {
    text.split([',', '，', ';', '；', '、', '\n', '|'])
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A row of FAQ columns, in either language.
fn faq_row(row: &BTreeMap<String, String>) -> Result<FaqEntry, String> {
    let get = |names: &[&str]| names.iter().find_map(|name| row.get(*name)).cloned();
    let question = get(&["question", "问题"]).ok_or("缺少 question（问题）")?;
    let answer = get(&["answer", "答案"]).ok_or("缺少 answer（答案）")?;
    Ok(FaqEntry {
        id: get(&["id", "编号"]).ok_or("缺少 id（编号）")?,
        question,
        similar: get(&["similar", "相似问法"])
            .map(|text| {
                text.split(['\n', ';', '；', '|']).map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
            })
            .unwrap_or_default(),
        answer,
        contract: get(&["contract", "合同"]),
        system: get(&["system", "系统"]),
        role: get(&["role", "角色"]),
    })
}

/// One entry with the line it came from, or why that line was refused.
type Entries = Vec<(usize, Result<FaqEntry, String>)>;

fn faq_entries(text: &str, kind: &str, file: &str) -> Result<Entries, String> {
    let rows = match kind {
        "jsonl" | "json" => {
            return Ok(text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim().is_empty())
                .map(|(at, line)| (at + 1, faq_json(line)))
                .collect());
        }
        "csv" => csv_rows(text, file)?,
        "md" => md_rows(text),
        other => return Err(format!("{file}：问答文件可用 .xlsx、.csv、.jsonl、.md，而不是 .{other}")),
    };
    Ok(rows.into_iter().map(|(at, row)| (at, faq_row(&row))).collect())
}

/// A line of JSON, with the keys in either language; other keys are left alone.
fn faq_json(line: &str) -> Result<FaqEntry, String> {
    let value: Map<String, Value> = serde_json::from_str(line).map_err(|error| format!("不是 JSON：{error}"))?;
    let get = |names: &[&str]| names.iter().find_map(|name| value.get(*name)).filter(|v| !v.is_null());
    let text = |names: &[&str]| get(names).and_then(Value::as_str).map(str::to_owned);
    let similar = match get(&["similar", "相似问法"]) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => split_list(one),
        _ => Vec::new(),
    };
    let id = match get(&["id", "编号"]) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err("缺少 id（编号）".to_owned()),
    };
    Ok(FaqEntry {
        id,
        question: text(&["question", "问题"]).ok_or("缺少 question（问题）")?,
        similar,
        answer: text(&["answer", "答案"]).unwrap_or_default(),
        contract: text(&["contract", "合同"]),
        system: text(&["system", "系统"]),
        role: text(&["role", "角色"]),
    })
}

/// FAQ entries of a text; any line that is wrong is an error.
pub(super) fn faq_text(text: &str, kind: &str, file: &str) -> Result<Vec<FaqEntry>, String> {
    faq_entries(text, kind, file)?
        .into_iter()
        .map(|(line, entry)| entry.map_err(|why| format!("{file} 第 {line} 行：{why}")))
        .collect()
}

/// FAQ entries of a file; any line that is wrong is an error.
pub(super) fn faq_file(path: &Path) -> Result<Vec<FaqEntry>, String> {
    let file = path.display().to_string();
    if extension(path) == "xlsx" {
        return sheet(path)?
            .into_iter()
            .map(|(line, row)| faq_row(&row).map_err(|why| format!("{file} 第 {line} 行：{why}")))
            .collect();
    }
    faq_text(&read_text(path)?, &extension(path), &file)
}

/// People, conversations or rosters of a file.
pub(super) fn people_file(path: &Path) -> Result<PeopleFile, String> {
    if extension(path) != "xlsx" {
        return PeopleFile::parse(&read_text(path)?, &path.display().to_string());
    }
    let mut tables: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (line, row) in sheet(path)? {
        let kind = if row.contains_key("match") {
            "domain"
        } else if row.contains_key("people") {
            "shift"
        } else if row.contains_key("channel") {
            "conversation"
        } else if row.contains_key("name") {
            "person"
        } else {
            return Err(format!("{} 第 {line} 行：看不出是人员、会话、班次还是域名，请检查表头", path.display()));
        };
        tables.entry(kind).or_default().push(sheet_value(&row));
    }
    let file: PeopleFile =
        serde_json::from_value(json!(tables)).map_err(|error| format!("{}：{error}", path.display()))?;
    file.check(&path.display().to_string())?;
    Ok(file)
}

fn sheet_value(row: &BTreeMap<String, String>) -> Value {
    let mut out = Map::new();
    let mut accounts = Map::new();
    for (key, text) in row {
        if let Some(channel) = key.strip_prefix("accounts.") {
            accounts.insert(channel.to_owned(), json!(text));
        } else if key == "accounts" {
            for pair in split_list(text) {
                if let Some((channel, account)) = pair.split_once(['=', ':', '：']) {
                    accounts.insert(channel.trim().to_owned(), json!(account.trim()));
                }
            }
        } else if matches!(key.as_str(), "contracts" | "ways" | "aliases" | "people" | "systems")
            || (key == "days" && !matches!(text.as_str(), "workdays" | "restdays" | "everyday"))
        {
            out.insert(key.clone(), json!(split_list(text)));
        } else {
            out.insert(key.clone(), json!(text));
        }
    }
    if !accounts.is_empty() {
        out.insert("accounts".to_owned(), Value::Object(accounts));
    }
    Value::Object(out)
}

// -------------------------------------------------------------------- import

/// Whether a table is of FAQ entries, by its file's kind and head.
fn is_faq(path: &Path) -> Result<bool, String> {
    Ok(match extension(path).as_str() {
        "toml" => false,
        "xlsx" => sheet(path)?.first().is_some_and(|(_, row)| row.contains_key("question") || row.contains_key("问题")),
        _ => true,
    })
}

pub(super) async fn import(settings: &Settings, files: &[PathBuf]) -> Result<(), Failure> {
    let desk = super::serve::desk_without_channels(settings).await?;
    let mut failed = false;
    for path in files {
        let (rows, refused) = match rows_of(path) {
            Ok(found) => found,
            Err(problem) => {
                failed = true;
                say!("{problem}");
                continue;
            }
        };
        match desk.import(rows).await {
            Ok(changes) => {
                let count = |what| changes.iter().filter(|(_, change)| *change == what).count();
                say!(
                    "{}：新增 {}，更改 {}，不变 {}，拒绝 {}",
                    path.display(),
                    count(Change::Added),
                    count(Change::Changed),
                    count(Change::Unchanged),
                    refused.len()
                );
            }
            Err(problem) => {
                failed = true;
                say!("{}：{problem}", path.display());
            }
        }
        for (line, why) in &refused {
            say!("  第 {line} 行：{why}");
        }
        failed |= !refused.is_empty();
    }
    if failed { Err(Failure::work("有内容没有导入，见上面的说明")) } else { Ok(()) }
}

type Parsed = (Vec<DirectoryRow>, Vec<(usize, String)>);

fn rows_of(path: &Path) -> Result<Parsed, String> {
    if !is_faq(path)? {
        return Ok((people_rows(&people_file(path)?), Vec::new()));
    }
    let entries: Entries = if extension(path) == "xlsx" {
        sheet(path)?.into_iter().map(|(line, row)| (line, faq_row(&row))).collect()
    } else {
        faq_entries(&read_text(path)?, &extension(path), &path.display().to_string())?
    };
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for (line, entry) in entries {
        match entry {
            Ok(entry) => good.push(entry),
            Err(why) => refused.push((line, why)),
        }
    }
    Ok((faq_rows(&good), refused))
}

// -------------------------------------------------------------------- export

#[derive(Args)]
pub(super) struct Export {
    /// faq、tickets、messages 或 audit
    #[arg(value_parser = ["faq", "tickets", "messages", "audit"])]
    what: String,
    /// 合同；不给时全部
    #[arg(long)]
    contract: Option<String>,
    /// 写到文件（.jsonl、.csv、.xlsx）；不给时以 JSON 行输出
    #[arg(long)]
    out: Option<PathBuf>,
    /// 核对一份导出的审计记录
    #[arg(long, value_name = "FILE")]
    verify: Option<PathBuf>,
    /// 输出 JSON 行
    #[arg(long)]
    json: bool,
}

pub(super) async fn export(config: Option<&Path>, args: Export) -> Result<(), Failure> {
    if let Some(file) = &args.verify {
        return verify(file);
    }
    let settings = settings(config)?;
    let store = open_store(&settings).await?;
    let mut rows: Vec<Value> = Vec::new();
    let contracts: Vec<String> = match &args.contract {
        Some(one) => vec![one.clone()],
        None => store.contracts().await.map_err(Failure::work)?,
    };
    match args.what.as_str() {
        "faq" => {
            for row in store.directory().await.map_err(Failure::work)? {
                if row.kind == "faq" {
                    rows.push(serde_json::from_str(&row.body).map_err(Failure::work)?);
                }
            }
        }
        "messages" => messages(&store, &mut rows).await?,
        "tickets" => tickets(&store, &contracts, &mut rows).await?,
        _ => audit(&store, &contracts, &mut rows).await?,
    }
    match &args.out {
        None => {
            for row in &rows {
                print_json(row);
            }
            Ok(())
        }
        Some(path) => {
            write_rows(path, &rows)?;
            say!("已写出 {} 条到 {}", rows.len(), path.display());
            Ok(())
        }
    }
}

async fn open_store(settings: &Settings) -> Result<Store, Failure> {
    Store::open(&settings.database).await.map_err(Failure::work)
}

async fn messages(store: &Store, rows: &mut Vec<Value>) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let page = store.inbox_account(&after, 500).await.map_err(Failure::work)?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.row.id);
        for account in &page {
            let body: Value = serde_json::from_str(&account.row.body).unwrap_or_default();
            rows.push(json!({
                "id": account.row.id, "at": stamp_ms(account.row.received_at_ms), "conversation": account.row.conversation,
                "from": account.row.sender, "name": body["sender_name"], "text": body["text"],
                "disposition": account.disposition, "ticket": account.ticket, "why": account.why,
            }));
        }
    }
}

async fn tickets(store: &Store, contracts: &[String], rows: &mut Vec<Value>) -> Result<(), Failure> {
    for contract in contracts {
        let mut after = 0;
        loop {
            let page = store.tickets_after(contract, after, 200).await.map_err(Failure::work)?;
            let Some(last) = page.last() else { break };
            after = last.number;
            for ticket in &page {
                let key = TicketKey { contract: contract.clone(), number: ticket.number };
                let events = store.events_of(&key).await.map_err(Failure::work)?;
                let mut value = crate::rehearse::ticket_json(ticket, &events_json(&events, &stamp), &stamp);
                value["text"] = json!(ticket.text.join("\n"));
                value["solution"] = json!(ticket.solution);
                rows.push(value);
            }
        }
    }
    Ok(())
}

async fn audit(store: &Store, contracts: &[String], rows: &mut Vec<Value>) -> Result<(), Failure> {
    for contract in contracts {
        let mut after = 0;
        loop {
            let page = store.events_after(contract, after, 1000).await.map_err(Failure::work)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            rows.extend(page.iter().map(|event| {
                json!({
                    "contract": contract, "seq": event.seq, "ticket": event.ticket, "body": event.body, "hash": event.hash,
                })
            }));
        }
    }
    Ok(())
}

/// Checks the hash chain of an exported audit, contract by contract.
fn verify(file: &Path) -> Result<(), Failure> {
    let text = read_text(file).map_err(Failure::usage)?;
    let mut last: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut count = 0;
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let broken = |why: &str| Failure::work(format!("第 {} 行：{why}，链在此断开", at + 1));
        let event: Value = serde_json::from_str(line).map_err(|_| broken("不是 JSON"))?;
        let (Some(contract), Some(seq), Some(body), Some(hash)) =
            (event["contract"].as_str(), event["seq"].as_u64(), event["body"].as_str(), event["hash"].as_str())
        else {
            return Err(broken("缺少 contract、seq、body 或 hash"));
        };
        let (before_seq, before_hash) = last.get(contract).cloned().unwrap_or((0, String::new()));
        if seq != before_seq + 1 {
            return Err(broken(&format!("合同 {contract} 的第 {} 条记录缺失或次序被改动", before_seq + 1)));
        }
        if chain(&before_hash, body) != hash {
            return Err(broken(&format!("合同 {contract} 的第 {seq} 条记录被改动")));
        }
        let inner: Value = serde_json::from_str(body).map_err(|_| broken("记录内容不是 JSON"))?;
        if inner["seq"].as_u64() != Some(seq) || inner["contract"].as_str() != Some(contract) {
            return Err(broken(&format!("合同 {contract} 的第 {seq} 条记录与其内容不符")));
        }
        last.insert(contract.to_owned(), (seq, hash.to_owned()));
        count += 1;
    }
    say!("已核对 {count} 条记录，哈希链完整。");
    for (contract, (seq, hash)) in last {
        say!("{contract}：至第 {seq} 条，{hash}");
    }
    Ok(())
}

fn write_rows(path: &Path, rows: &[Value]) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::work(format!("无法写入 {}：{error}", path.display()));
    let mut heads: Vec<String> = Vec::new();
    for row in rows {
        for key in row.as_object().into_iter().flatten().map(|(key, _)| key) {
            if !heads.contains(key) {
                heads.push(key.clone());
            }
        }
    }
    match extension(path).as_str() {
        "jsonl" | "json" => {
            let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
            std::fs::write(path, lines.join("\n") + "\n").map_err(|error| wrong(&error))
        }
        "csv" => {
            let mut writer = csv::Writer::from_path(path).map_err(|error| wrong(&error))?;
            writer.write_record(&heads).map_err(|error| wrong(&error))?;
            for row in rows {
                writer
                    .write_record(heads.iter().map(|head| harmless(&plain(&row[head]))))
                    .map_err(|error| wrong(&error))?;
            }
            writer.flush().map_err(|error| wrong(&error))
        }
        "xlsx" => {
            let mut book = rust_xlsxwriter::Workbook::new();
            let page = book.add_worksheet();
            for (column, head) in (0u16..).zip(&heads) {
                page.write_string(0, column, head).map_err(|error| wrong(&error))?;
            }
            for (line, row) in (1u32..).zip(rows) {
                for (column, head) in (0u16..).zip(&heads) {
                    // Written as text, so that no cell is ever taken for a formula; longer than a cell may be, it is cut.
                    let text: String = plain(&row[head]).chars().take(32_000).collect();
                    page.write_string(line, column, text).map_err(|error| wrong(&error))?;
                }
            }
            book.save(path).map_err(|error| wrong(&error))
        }
        other => Err(Failure::usage(format!("不认识 .{other}，可用 .jsonl、.csv、.xlsx"))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

/// A cell that begins like a formula is shown as text by every spreadsheet.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn stamp(at: jiff::Timestamp) -> String {
    at.in_tz("Asia/Shanghai").map_or_else(|_| at.to_string(), |z| z.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
}

fn stamp_ms(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(stamp).unwrap_or_default()
}

// -------------------------------------------------------------------- backup

fn sqlite_path(settings: &Settings) -> Result<PathBuf, Failure> {
    settings
        .database
        .strip_prefix("sqlite://")
        .map(PathBuf::from)
        .ok_or_else(|| Failure::usage("PostgreSQL 请用 pg_dump 备份、pg_restore 恢复"))
}

pub(super) async fn backup(settings: &Settings, file: &Path) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure::usage(format!("{} 已存在，请换一个文件名", file.display())));
    }
    sqlite_path(settings)?;
    let store = open_store(settings).await?;
    store.backup_to(file).await.map_err(Failure::work)?;
    store.close().await;
    // A backup is one only when it can be opened again.
    let copy = Store::open(&format!("sqlite://{}", file.display())).await.map_err(Failure::work)?;
    let contracts = copy.contracts().await.map_err(Failure::work)?;
    copy.close().await;
    say!("已备份到 {}，并验证可以打开（{} 份合同的记录）。", file.display(), contracts.len());
    Ok(())
}

pub(super) async fn restore(settings: &Settings, file: &Path, force: bool) -> Result<(), Failure> {
    let target = sqlite_path(settings)?;
    if !file.exists() {
        return Err(Failure::usage(format!("没有备份文件 {}", file.display())));
    }
    if target.exists() && !force {
        return Err(Failure::usage(format!("{} 已有数据；确认要覆盖请加 --force（请先停止值守）", target.display())));
    }
    let head = std::fs::read(file).map_err(Failure::work)?;
    if !head.starts_with(b"SQLite format 3\0") {
        return Err(Failure::usage(format!("{} 不是值守的备份文件", file.display())));
    }
    drop(head);
    // Opened before anything is touched: a damaged backup overwrites nothing.
    let check = Store::open(&format!("sqlite://{}", file.display())).await.map_err(Failure::work)?;
    check.close().await;
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(Failure::work)?;
    }
    for suffix in ["-wal", "-shm"] {
        let side = PathBuf::from(format!("{}{suffix}", target.display()));
        if side.exists() {
            std::fs::remove_file(&side).map_err(Failure::work)?;
        }
    }
    std::fs::copy(file, &target).map_err(|error| Failure::work(format!("无法写入 {}：{error}", target.display())))?;
    say!("已从 {} 恢复到 {}。", file.display(), target.display());
    Ok(())
}

// -------------------------------------------------------------------- binding

/// How long a binding code holds.
const CODE_HOURS: i64 = 24;

pub(super) async fn bind_code(settings: &Settings, person: &str) -> Result<(), Failure> {
    let desk = super::serve::desk_without_channels(settings).await?;
    let directory = desk.directory();
    let Some(found) = directory.person(person) else {
        return Err(Failure::usage(format!("没有 id 为「{person}」的人员，请先导入")));
    };
    let mut random = [0u8; 5];
    getrandom::fill(&mut random).map_err(Failure::work)?;
    let code = hex::encode(random);
    let until = SystemClock::default().now() + jiff::SignedDuration::from_hours(CODE_HOURS);
    let mut write = desk.store().write().await.map_err(Failure::work)?;
    write
        .marks_save(&[(format!("bind|{code}"), until.as_millisecond(), person.to_owned())])
        .await
        .map_err(Failure::work)?;
    write.commit().await.map_err(Failure::work)?;
    say!("请{}在要绑定的账号里发送：绑定 {code}（24 小时内有效，只能用一次）", found.name);
    Ok(())
}
