//! What the platform does with a message that is sent to it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::{How, Shown, World};

/// Status and body of an answer.
pub(super) type Answer = (u16, Value);

fn no(code: i64, words: &str) -> Answer {
    (400, json!({ "code": code, "err_code": code, "message": words, "trace_id": "fake-trace" }))
}

/// Takes or refuses a message for a place.
pub(super) fn message(world: &mut World, place: &str, body: &Value, now: Timestamp) -> Answer {
    let known = world.places.entry(place.to_owned()).or_default().clone();
    if known.gone {
        return no(1_100_104, "该群已失效或当前群已不存在");
    }
    if known.muted {
        return no(1_100_103, "消息发送失败, 机器人被禁言");
    }
    let markdown = body["msg_type"] == 2;
    let content = if markdown { &body["markdown"]["content"] } else { &body["content"] };
    let text = content.as_str().unwrap_or_default().to_owned();
    if text.trim().is_empty() {
        return no(50_006, "empty message");
    }
    if text.chars().count() > 5_000 {
        return no(1_000_001, "msg over length");
    }
    if text.contains("http://") || text.contains("https://") {
        return no(304_003, "url not allowed");
    }
    if world.forbidden.iter().any(|word| text.contains(word.as_str())) {
        return no(1_100_101, "内容涉及敏感");
    }
    if markdown && !world.markdown {
        return no(50_056, "不允许发送原生 markdown");
    }
    let mut buttons = Vec::new();
    if body["keyboard"].is_object() {
        if !world.buttons || !markdown {
            return no(304_037, "no permission to send keyboard");
        }
        let rows = body["keyboard"]["content"]["rows"].as_array().cloned().unwrap_or_default();
        let all: Vec<Vec<Value>> =
            rows.iter().map(|row| row["buttons"].as_array().cloned().unwrap_or_default()).collect();
        let whole = |button: &Value| {
            button["render_data"]["label"].is_string()
                && button["action"]["data"].is_string()
                && button["id"].is_string()
        };
        if all.len() > 5 || all.iter().any(|row| row.is_empty() || row.len() > 5 || !row.iter().all(whole)) {
            return no(304_038, "keyboard invalid");
        }
        buttons = all
            .concat()
            .iter()
            .map(|button| button["action"]["data"].as_str().unwrap_or_default().to_owned())
            .collect();
    }
    let how = match cited(world, place, body, known.active, now) {
        Ok(how) => how,
        Err(refused) => return refused,
    };
    if known.audit {
        let audit = world.serial("audit-");
        let body = json!({
            "code": 304_023, "message": "push message is waiting for audit now",
            "data": { "message_audit": { "audit_id": audit } },
        });
        return (202, body);
    }
    let (id, mark) = (world.serial("ROBOT1.0_out"), world.serial("REFIDX_"));
    world.shown.push(Shown {
        place: place.to_owned(),
        text,
        how,
        at: now,
        id: id.clone(),
        mark: mark.clone(),
        buttons,
    });
    // Numbers and texts alike are seen in the wild.
    let at = if world.serial.is_multiple_of(2) { json!(now.as_second()) } else { json!(now.to_string()) };
    (200, json!({ "id": id, "timestamp": at, "ext_info": { "ref_idx": mark } }))
}

/// By which right the message comes, used up at once.
fn cited(world: &mut World, place: &str, body: &Value, active: bool, now: Timestamp) -> Result<How, Answer> {
    let number = body["msg_seq"].as_u64().unwrap_or(1);
    let (id, event) = match (body["msg_id"].as_str(), body["event_id"].as_str()) {
        (Some(id), _) => (id, false),
        (None, Some(id)) => (id, true),
        (None, None) if active => return Ok(How::Active),
        (None, None) => return Err(no(40_034_105, "主动消息失败, 无权限")),
    };
    let unknown =
        || if event { no(40_034_025, "event_id invalid") } else { no(40_034_024, "请求参数msg_id无效或越权") };
    let anchor = world.anchors.get_mut(id).filter(|anchor| anchor.place == place && anchor.event == event);
    let anchor = anchor.ok_or_else(unknown)?;
    // Whether it was sent before is looked at first: so a repeat after the window is still known.
    if anchor.numbers.contains(&number) {
        return Err(no(40_054_005, "消息被去重，请检查请求msgseq"));
    }
    if now.duration_since(anchor.at).as_secs() >= anchor.seconds {
        return Err(no(40_034_005, "回复消息msg_id已过期"));
    }
    if anchor.numbers.len() >= anchor.most {
        return Err((400, json!({ "code": 40_034_999, "message": "被动回复次数超限" })));
    }
    anchor.numbers.insert(number);
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    Ok(if event { How::Event(id.to_owned(), number) } else { How::Message(id.to_owned(), number) })
}
