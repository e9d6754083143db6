//! The sandbox page: three seats, where anybody can play a fault through and move the clock forward.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use zhishou_adapters::{Inbound, Press};

use super::guard::refuse;
use super::{CLOCK_MARK, Console};
use crate::desk::{Desk, Said, events_json, explain_due, summary};
use crate::rules::directory::PersonRole;
use crate::rules::notice::Kind;
use crate::rules::ticket::{Outcome, Ticket};
use crate::store::{OutboxRow, TicketKey};

/// Messages a page shows.
const MESSAGES: usize = 300;
/// Tickets a page shows.
const TICKETS: usize = 30;
/// Furthest one step of the clock, in milliseconds: a month.
const FURTHEST_MS: i64 = 31 * 24 * 3_600_000;
/// Most stops on the way of one step.
const STOPS: usize = 2_000;
/// Longest text a visitor may send, in characters.
const LONGEST: usize = 4_000;

/// The groups of the page, as their seats are called.
const AGENCY: (&str, &str) = ("sandbox:group:agency", "机关工作群");
const ENGINEERS: (&str, &str) = ("sandbox:group:engineers", "工程师群");

type Shared = State<Arc<Console>>;

pub(super) fn routes(console: Arc<Console>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/sandbox/page/{file}", get(file))
        .route("/sandbox/api/state", get(state))
        .route("/sandbox/api/events", get(events))
        .route("/sandbox/api/say", post(say))
        .route("/sandbox/api/press", post(press))
        .route("/sandbox/api/clock", post(clock))
        .route("/sandbox/api/ticket/{number}", get(ticket))
        .with_state(console)
}

async fn page(State(console): Shared) -> Response {
    if !console.sandbox {
        return refuse(StatusCode::NOT_FOUND, "没有配置沙盒渠道；控制台页面在后续版本提供");
    }
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("page/sandbox.html")).into_response()
}

async fn file(Path(file): Path<String>) -> Response {
    let (kind, text) = match file.as_str() {
        "sandbox.css" => ("text/css; charset=utf-8", include_str!("page/sandbox.css")),
        "sandbox.js" => ("text/javascript; charset=utf-8", include_str!("page/sandbox.js")),
        "favicon.svg" => ("image/svg+xml", include_str!("page/favicon.svg")),
        _ => return refuse(StatusCode::NOT_FOUND, "没有这个文件"),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// A failure of the database as the page shows it.
fn failed(error: impl std::fmt::Display) -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

fn contract(desk: &Desk) -> Option<&crate::desk::Contract> {
    desk.default_contract().and_then(|id| desk.contract(id)).or_else(|| desk.contracts().next())
}

fn stamp(desk: &Desk, at: Timestamp) -> String {
    contract(desk).map_or_else(|| at.to_string(), |c| c.terms.calendar("7x24").rfc3339(at))
}

fn stamp_ms(desk: &Desk, ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|at| stamp(desk, at)).unwrap_or_default()
}

async fn state(State(console): Shared) -> Response {
    match state_json(&console).await {
        Ok(value) => Json(value).into_response(),
        Err(error) => failed(error),
    }
}

async fn next_due(desk: &Desk) -> Result<Option<i64>, crate::store::StoreError> {
    desk.next_alarm().await
}

async fn state_json(console: &Console) -> Result<Value, crate::store::StoreError> {
    let desk = &console.desk;
    let store = desk.store();
    let next = next_due(desk).await?.map(|ms| stamp_ms(desk, ms));
    let mut messages: Vec<(String, Value)> = Vec::new();
    for account in store.inbox_last(MESSAGES).await? {
        let Ok(inbound) = serde_json::from_str::<Inbound>(&account.row.body) else { continue };
        let ticket = TicketKey::parse(&account.ticket).map(|key| key.number);
        let text = match &inbound.press {
            Some(press) => format!("（按下「{}」）", action_label(&press.action)),
            None => inbound.text,
        };
        let disposition = (!account.disposition.is_empty())
            .then(|| json!({ "disposition": account.disposition, "why": account.why, "ticket": ticket }));
        messages.push((
            account.row.id.clone(),
            json!({
                "id": account.row.external_id, "at": stamp_ms(desk, account.row.received_at_ms),
                "conversation": account.row.conversation,
                "from": { "account": inbound.sender, "name": inbound.sender_name, "desk": false },
                "text": text, "ticket": ticket, "in": disposition,
                "quotes": inbound.quotes.map(|id| json!({ "id": id })),
                "press": inbound.press.map(|press| json!({ "on": press.on, "action": press.action })),
            }),
        ));
    }
    for row in store.said_last(MESSAGES).await? {
        if let Some(value) = said_json(desk, &row) {
            messages.push((row.id.clone(), value));
        }
    }
    messages.sort_by(|(a, av), (b, bv)| (av["at"].as_str(), cut(a)).cmp(&(bv["at"].as_str(), cut(b))));
    quote_words(&mut messages);
    let from = messages.len().saturating_sub(MESSAGES);
    let mut tickets = Vec::new();
    if let Some(contract) = contract(desk) {
        let newest = store.newest_tickets(&contract.terms.id, TICKETS).await?;
        tickets = newest.iter().map(|t| ticket_json(desk, contract, t)).collect();
    }
    let directory = desk.directory();
    let lead = directory.file().person.iter().find(|p| p.role == PersonRole::Lead);
    let staff: Vec<Value> = directory
        .file()
        .person
        .iter()
        .filter(|p| p.role == PersonRole::Engineer)
        .filter_map(|p| p.accounts.get("sandbox").map(|account| json!({ "account": account, "name": p.name })))
        .collect();
    let lead_account = lead.and_then(|p| p.accounts.get("sandbox").cloned()).unwrap_or_else(|| "lead".to_owned());
    let lead_name = lead.map_or_else(|| "负责人".to_owned(), |p| p.name.clone());
    Ok(json!({
        "clock": { "now": stamp(desk, desk.now()), "movable": console.clock.is_some(), "next": next },
        "contract": contract(desk).map(|c| json!({ "id": c.terms.id, "name": c.terms.profile.name })),
        "seats": [
            { "id": "agency", "title": AGENCY.1, "conversation": AGENCY.0,
              "people": [{ "account": "wang", "name": "王科长" }, { "account": "liu", "name": "刘老师" }] },
            { "id": "engineers", "title": ENGINEERS.1, "conversation": ENGINEERS.0, "people": staff },
            { "id": "lead", "title": "负责人", "conversation": format!("sandbox:user:{lead_account}"),
              "people": [{ "account": lead_account, "name": lead_name }] },
        ],
        "messages": messages.split_off(from).into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
        "tickets": tickets,
        "cursor": desk.watch().borrow().to_string(),
    }))
}

/// Gives each quotation the words of what it quotes; one whose message is no longer shown is left out.
fn quote_words(messages: &mut [(String, Value)]) {
    let words: HashMap<String, String> = messages
        .iter()
        .filter_map(|(_, m)| Some((m["id"].as_str()?.to_owned(), m["text"].as_str()?.lines().next()?.to_owned())))
        .collect();
    for (_, message) in messages {
        let quoted = message["quotes"]["id"].as_str().and_then(|id| words.get(id)).cloned();
        // The desk answers right below; only a quotation somebody chose says something.
        let chosen = message["from"]["desk"] == json!(false);
        match quoted.filter(|_| chosen) {
            Some(text) => message["quotes"]["text"] = json!(text),
            None => message["quotes"] = Value::Null,
        }
    }
}

/// The time part of an id, whatever it names: messages of both directions sort by it.
fn cut(id: &str) -> &str {
    id.split_once('_').map_or(id, |(_, rest)| rest)
}

fn action_label(id: &str) -> String {
    match id {
        "claim" => "认领".to_owned(),
        "ack" => "收到".to_owned(),
        "confirm" => "确认".to_owned(),
        "accept" => "可以了".to_owned(),
        "deny" => "还是不行".to_owned(),
        rate => rate.strip_prefix("rate-").map_or_else(|| rate.to_owned(), |score| format!("{score}分")),
    }
}

fn said_json(desk: &Desk, row: &OutboxRow) -> Option<Value> {
    let said: Said = serde_json::from_str(&row.body).ok()?;
    let directory = desk.directory();
    let person = said.person.as_deref().and_then(|id| directory.person(id)).map(|p| p.name.clone());
    Some(json!({
        "id": row.external_id, "at": stamp_ms(desk, row.send_at_ms), "conversation": row.conversation,
        "from": { "account": "desk", "name": "值守", "desk": true },
        "text": said.text(), "kind": said.kind, "ticket": said.ticket.as_ref().map(|key| key.number),
        "actions": said.actions.iter().map(|a| json!({ "id": a.id, "label": a.label })).collect::<Vec<_>>(),
        "quotes": said.reply_to.as_ref().map(|(id, _)| json!({ "id": id })),
        "person": person,
    }))
}

fn ticket_json(desk: &Desk, contract: &crate::desk::Contract, t: &Ticket) -> Value {
    let now = desk.now();
    let commitments: Vec<Value> = t
        .commitments
        .iter()
        .map(|c| {
            let used = contract.terms.calendar(&c.calendar).elapsed_with_pauses(c.started_at, now, &c.pauses);
            let percent = match c.outcome {
                Outcome::Running | Outcome::Paused => (used * 100 / c.length_ms.max(1)).clamp(0, 100),
                Outcome::Met | Outcome::MetLate | Outcome::Broken | Outcome::Cancelled => 100,
            };
            json!({
                "name": c.promise.id(), "name_zh": c.promise.zh(), "round": c.round,
                "started_at": stamp(desk, c.started_at),
                "due_at": if c.outcome == Outcome::Paused { None } else { c.due_at.map(|due| stamp(desk, due)) },
                "met_at": c.met_at.map(|at| stamp(desk, at)),
                "outcome": c.outcome.id(), "outcome_zh": c.outcome.zh(), "percent": percent,
            })
        })
        .collect();
    json!({
        "number": t.number, "state": t.state.id(), "state_zh": t.state_zh(),
        "severity": contract.terms.profile.severity(&t.severity).map(|s| s.name.clone()),
        "engineer": t.engineer.as_ref().map(|e| e.name.clone()), "requester": t.requester.name,
        "summary": summary(t), "opened_at": stamp(desk, t.opened_at), "commitments": commitments,
    })
}

async fn events(State(console): Shared) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = stream::unfold(console.desk.watch(), |mut watch| async move {
        watch.changed().await.ok()?;
        let version = *watch.borrow_and_update();
        Some((Ok(Event::default().event("change").data(version.to_string())), watch))
    });
    Sse::new(changes).keep_alive(KeepAlive::default())
}

#[derive(Deserialize)]
struct Saying {
    conversation: String,
    account: String,
    #[serde(default)]
    name: String,
    text: String,
    #[serde(default)]
    quotes: Option<String>,
}

#[derive(Deserialize)]
struct Pressing {
    conversation: String,
    account: String,
    #[serde(default)]
    name: String,
    message: String,
    action: String,
}

/// A conversation of the sandbox, without the channel.
fn place(conversation: &str) -> Option<String> {
    let rest = conversation.strip_prefix("sandbox:")?;
    let fine = rest.split_once(':').is_some_and(|(kind, id)| {
        matches!(kind, "group" | "user") && !id.is_empty() && id.len() <= 64 && !id.contains(':')
    });
    fine.then(|| rest.to_owned())
}

fn fresh_id() -> Result<String, getrandom::Error> {
    let mut random = [0u8; 12];
    getrandom::fill(&mut random)?;
    Ok(format!("v-{}", hex::encode(random)))
}

async fn hand_in(console: &Console, inbound: Inbound) -> Response {
    match console.desk.receive(inbound).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(error),
    }
}

async fn say(State(console): Shared, Json(saying): Json<Saying>) -> Response {
    let Some(conversation) = place(&saying.conversation) else {
        return refuse(StatusCode::BAD_REQUEST, "没有这个会话");
    };
    if saying.text.trim().is_empty() || saying.text.chars().count() > LONGEST {
        return refuse(StatusCode::BAD_REQUEST, "请输入 1 到 4000 个字");
    }
    if saying.account.is_empty() || saying.account.len() > 64 {
        return refuse(StatusCode::BAD_REQUEST, "没有这个人");
    }
    let Ok(id) = fresh_id() else { return failed("没有随机数") };
    let mention = saying.text.contains("@值守");
    hand_in(
        &console,
        Inbound {
            channel: "sandbox".to_owned(),
            conversation,
            sender: saying.account,
            sender_name: saying.name,
            external_id: id,
            sent_at: console.desk.now(),
            text: saying.text.replace("@值守", "").trim().to_owned(),
            attachments: Vec::new(),
            quotes: saying.quotes,
            quoted_text: None,
            addressed: mention,
            mentions: Vec::new(),
            recovered: false,
            ..Inbound::default()
        },
    )
    .await
}

async fn press(State(console): Shared, Json(pressing): Json<Pressing>) -> Response {
    let Some(conversation) = place(&pressing.conversation) else {
        return refuse(StatusCode::BAD_REQUEST, "没有这个会话");
    };
    let Ok(id) = fresh_id() else { return failed("没有随机数") };
    hand_in(
        &console,
        Inbound {
            channel: "sandbox".to_owned(),
            conversation,
            sender: pressing.account,
            sender_name: pressing.name,
            external_id: id,
            sent_at: console.desk.now(),
            text: String::new(),
            attachments: Vec::new(),
            quotes: None,
            quoted_text: None,
            addressed: true,
            mentions: Vec::new(),
            recovered: false,
            press: Some(Press { on: pressing.message, action: pressing.action }),
            ..Inbound::default()
        },
    )
    .await
}

#[derive(Deserialize)]
struct Moving {
    #[serde(default)]
    forward_ms: i64,
    #[serde(default)]
    to_next: bool,
}

/// Moves the clock forward, stopping at everything that falls due on the way, so that nothing is told late.
async fn clock(State(console): Shared, Json(moving): Json<Moving>) -> Response {
    let Some(clock) = console.clock.clone() else {
        return refuse(StatusCode::CONFLICT, "还接着别的渠道，时钟是真实时间，不能拨动");
    };
    let desk = &console.desk;
    let now = desk.now().as_millisecond();
    let target = if moving.to_next {
        match next_due(desk).await {
            Ok(Some(next)) => next.max(now),
            Ok(None) => return refuse(StatusCode::CONFLICT, "没有待触发的提醒"),
            Err(error) => return failed(error),
        }
    } else {
        now.saturating_add(moving.forward_ms)
    };
    if target < now || target - now > FURTHEST_MS {
        return refuse(StatusCode::BAD_REQUEST, "一次最多拨快 31 天，不能往回拨");
    }
    match step_to(desk, &clock, target).await {
        Ok(()) => Json(json!({ "now": stamp(desk, desk.now()) })).into_response(),
        Err(error) => failed(error),
    }
}

async fn step_to(
    desk: &Arc<Desk>,
    clock: &crate::clock::SystemClock,
    target: i64,
) -> Result<(), crate::desk::DeskError> {
    for _ in 0..STOPS {
        let tick = desk.tick().await?;
        let sent = desk.dispatch().await?;
        let now = desk.now().as_millisecond();
        let due = [tick.next, sent.next].into_iter().flatten().map(Timestamp::as_millisecond).min();
        match due.filter(|due| *due <= target) {
            Some(due) if due > now => clock.forward(due - now),
            Some(_) if tick.done + sent.done > 0 => continue,
            Some(_) | None => break,
        };
    }
    let now = desk.now().as_millisecond();
    let offset = clock.forward((target - now).max(0));
    let mut write = desk.store().write().await?;
    write.marks_save(&[(CLOCK_MARK.to_owned(), offset, String::new())]).await?;
    write.commit().await?;
    desk.tick().await?;
    desk.dispatch().await?;
    desk.nudge();
    Ok(())
}

async fn ticket(State(console): Shared, Path(number): Path<u64>) -> Response {
    match story(&console.desk, number).await {
        Ok(Some(value)) => Json(value).into_response(),
        Ok(None) => refuse(StatusCode::NOT_FOUND, "没有这个工单"),
        Err(error) => failed(error),
    }
}

async fn story(desk: &Desk, number: u64) -> Result<Option<Value>, crate::store::StoreError> {
    let Some(contract) = contract(desk) else { return Ok(None) };
    let key = TicketKey { contract: contract.terms.id.clone(), number };
    let page = desk.store().tickets_after(&key.contract, number.saturating_sub(1), 1).await?;
    let Some(t) = page.into_iter().find(|t| t.number == number) else { return Ok(None) };
    let recorded = desk.store().events_of(&key).await?;
    // Who is not in the directory is known by the name he bore when it was recorded.
    let names: HashMap<u64, String> = recorded
        .iter()
        .filter_map(|event| {
            let body: Value = serde_json::from_str(&event.body).ok()?;
            Some((event.seq, body["name"].as_str().filter(|name| !name.is_empty())?.to_owned()))
        })
        .collect();
    let events: Vec<Value> = events_json(&recorded, &|at| stamp(desk, at))
        .into_iter()
        .map(|mut event| {
            let kind = event["kind"].as_str().unwrap_or_default().to_owned();
            let promise = event["data"]["commitment"].as_str().and_then(crate::rules::profile::Promise::from_id);
            let words = fact_zh(&kind);
            event["kind_zh"] = json!(promise.map_or_else(|| words.to_owned(), |p| format!("{}{words}", p.zh())));
            if let Some(name) = event["seq"].as_u64().and_then(|seq| names.get(&seq)) {
                event["by"] = json!(name);
            }
            event
        })
        .collect();
    let explain: Vec<Value> = t
        .commitments
        .iter()
        .map(|c| json!({ "name_zh": c.promise.zh(), "lines": explain_due(&contract.terms, c) }))
        .collect();
    let said: Vec<Value> = desk
        .store()
        .said_of(&key.text())
        .await?
        .iter()
        .filter_map(|row| {
            let said: Said = serde_json::from_str(&row.body).ok()?;
            Some(json!({
                "at": stamp_ms(desk, row.created_at_ms), "to": place_zh(desk, &row.conversation), "kind": said.kind,
                "kind_zh": kind_zh(said.kind), "state_zh": state_zh(row.state.id()), "text": said.text(),
            }))
        })
        .collect();
    Ok(Some(json!({ "ticket": ticket_json(desk, contract, &t), "events": events, "explain": explain, "said": said })))
}

/// A conversation as a visitor knows it: its seat, or whose private talk it is.
fn place_zh(desk: &Desk, conversation: &str) -> String {
    if let Some((_, title)) = [AGENCY, ENGINEERS].into_iter().find(|(id, _)| *id == conversation) {
        return title.to_owned();
    }
    let person = match conversation.splitn(3, ':').collect::<Vec<_>>()[..] {
        [channel, "user", account] => desk.directory().by_account(channel, account).map(|p| p.name.clone()),
        _ => None,
    };
    person.map_or_else(|| conversation.to_owned(), |name| format!("{name}（私信）"))
}

fn state_zh(state: &str) -> &'static str {
    match state {
        "sent" => "已送达",
        "failed" => "未送达",
        "perhaps" | "looking" => "待核实",
        _ => "发送中",
    }
}

fn kind_zh(kind: Kind) -> &'static str {
    match kind {
        Kind::Answer => "答复",
        Kind::Ask => "询问",
        Kind::Help => "帮助",
        Kind::Refusal => "说明",
        Kind::Status => "状态",
        Kind::Opened => "受理",
        Kind::Claimed => "认领",
        Kind::Assigned => "转派",
        Kind::Progress => "进展",
        Kind::Paused => "挂起",
        Kind::Resumed => "恢复",
        Kind::SeverityChanged => "改级",
        Kind::Resolved => "解决",
        Kind::Closed => "关闭",
        Kind::Reopened => "重开",
        Kind::Linked => "关联",
        Kind::Warning => "提醒",
        Kind::Broken => "超时",
        Kind::Escalation => "升级",
        Kind::CustomerNotice => "告知采购人",
        Kind::Survey => "评价",
        Kind::DutyDue | Kind::DutyLate => "任务",
        Kind::ReportReady => "文档",
    }
}

/// What a fact of the record is called.
fn fact_zh(kind: &str) -> &str {
    match kind {
        "opened" => "建单",
        "claimed" => "认领",
        "assigned" => "转派",
        "assisted" => "协办",
        "progress" => "进展",
        "suspended" => "挂起",
        "resumed" => "恢复",
        "severity" => "调整级别",
        "category" => "调整类别",
        "visit" => "需要上门",
        "arrived" => "到场",
        "left_site" => "离场",
        "support" => "请求支援",
        "third_party" => "协调第三方",
        "upgrade_begun" => "升级开始",
        "upgrade_done" => "升级完成",
        "need_confirmed" => "需求确认",
        "change" => "变更登记",
        "resolved" => "解决",
        "confirmed" => "提出人确认",
        "reopened" => "重新打开",
        "closed" => "关闭",
        "withdrawn" => "撤回",
        "merged" | "absorbed" => "合并",
        "linked" => "关联",
        "evaluated" => "评价",
        "acknowledged" => "收到",
        "report_acknowledged" => "负责人确认",
        "report_acknowledged_early" => "负责人确认（此前尚未送达）",
        "muted" => "暂停提醒",
        "urged" => "催办",
        "appended" => "补充",
        "recalled" => "撤回消息",
        "remark" => "备注",
        "cut_off" => "来信中的引文和签名",
        "escalated" => "提醒",
        "reached" => "送达提出人",
        "lead_reached" => "送达负责人",
        "bounced" => "退回",
        "undelivered" => "未送达",
        "came_back" => "被退回，改走另一方式",
        "commitment.started" => "开始计时",
        "commitment.met" => "兑现",
        "commitment.met_late" => "超时后完成",
        "commitment.broken" => "超时",
        "commitment.cancelled" => "取消",
        "commitment.paused" => "暂停计时",
        "commitment.resumed" => "继续计时",
        "commitment.voided" => "改判：重新计时",
        "commitment.inherited" => "承接",
        "commitment.recomputed" => "重新计算",
        other => other,
    }
}
