//! What the platform refuses about a card (wecom.md 6.2, code 40058): looked at before sending, so that a message falls back
//! to text at once and not after a refusal. How long a text may be is only a hint and no fault.

use std::collections::HashSet;

use serde_json::Value;

/// Where a card is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardSurface {
    /// 智能机器人 and 自建应用: all kinds.
    Interactive,
    /// 群机器人: notices only, nothing that calls back.
    Robot,
}

/// Why the platform would refuse a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the card would be refused: {0}")]
pub struct CardFault(pub &'static str);

/// Bytes of keys and question keys.
const KEY_BYTES: usize = 1024;
/// Bytes of task ids and option ids.
const ID_BYTES: usize = 128;

/// Checks a card.
///
/// # Errors
/// The first fault.
pub fn check_card(card: &Value, surface: CardSurface) -> Result<(), CardFault> {
    let kind = card.get("card_type").and_then(Value::as_str).unwrap_or_default();
    if surface == CardSurface::Robot && !matches!(kind, "text_notice" | "news_notice") {
        return Err(CardFault("a robot sends notices only"));
    }
    let menu = match card.get("action_menu") {
        Some(menu) => {
            list(menu, "action_list", 1, 3, "an action menu has 1 to 3 actions").and_then(keys).map(|()| true)?
        }
        None => false,
    };
    match kind {
        "text_notice" => {
            if !has_text(card, "/main_title/title") && !has_text(card, "/sub_title_text") {
                return Err(CardFault("a text notice needs a title or a text"));
            }
            leads_somewhere(card)?;
        }
        "news_notice" => {
            titled(card)?;
            if card.get("card_image").is_none() && card.get("image_text_area").is_none() {
                return Err(CardFault("a news notice needs a picture"));
            }
            leads_somewhere(card)?;
        }
        "button_interaction" => {
            titled(card)?;
            keys(list(card, "button_list", 1, 6, "a card has 1 to 6 buttons")?)?;
        }
        "vote_interaction" => {
            titled(card)?;
            let checkbox = card.get("checkbox").ok_or(CardFault("a vote needs its options"))?;
            question(checkbox, 20, "a vote has 1 to 20 options")?;
            submits(card)?;
        }
        "multiple_interaction" => {
            titled(card)?;
            let lists = list(card, "select_list", 1, 3, "a card has 1 to 3 lists")?;
            let mut seen = HashSet::new();
            for of in lists {
                question(of, 10, "a list has 1 to 10 options")?;
                if !seen.insert(of.get("question_key").and_then(Value::as_str)) {
                    return Err(CardFault("question keys of one card differ"));
                }
            }
            submits(card)?;
        }
        _ => return Err(CardFault("unknown kind of card")),
    }
    if menu || kind.ends_with("_interaction") {
        task(card)?;
    }
    most(card, "horizontal_content_list", 6, "at most 6 rows")?;
    most(card, "vertical_content_list", 4, "at most 4 paragraphs")?;
    most(card, "jump_list", 3, "at most 3 links")?;
    let jumps = card.get("jump_list").and_then(Value::as_array).into_iter().flatten();
    if jumps.filter_map(|jump| jump.get("question")?.as_str()).any(|question| question.len() > 200) {
        return Err(CardFault("a question to ask has at most 200 bytes"));
    }
    Ok(())
}

fn has_text(card: &Value, path: &str) -> bool {
    card.pointer(path).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
}

fn titled(card: &Value) -> Result<(), CardFault> {
    let titled = has_text(card, "/main_title/title") || has_text(card, "/main_title/desc");
    if titled { Ok(()) } else { Err(CardFault("the main title is missing")) }
}

fn leads_somewhere(card: &Value) -> Result<(), CardFault> {
    match card.pointer("/card_action/type").and_then(Value::as_i64) {
        Some(1 | 2) => Ok(()),
        Some(_) | None => Err(CardFault("a notice has to lead somewhere: card_action of type 1 or 2")),
    }
}

fn submits(card: &Value) -> Result<(), CardFault> {
    let button = card.get("submit_button").ok_or(CardFault("the button to submit is missing"))?;
    keys(std::slice::from_ref(button))
}

fn list<'a>(
    holder: &'a Value,
    name: &str,
    least: usize,
    most: usize,
    why: &'static str,
) -> Result<&'a [Value], CardFault> {
    let items = holder.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if (least..=most).contains(&items.len()) { Ok(items) } else { Err(CardFault(why)) }
}

fn most(card: &Value, name: &str, most: usize, why: &'static str) -> Result<(), CardFault> {
    list(card, name, 0, most, why).map(drop)
}

/// Keys are there, short enough and all different.
fn keys(buttons: &[Value]) -> Result<(), CardFault> {
    let mut seen = HashSet::new();
    for button in buttons {
        let key = button.get("key").and_then(Value::as_str).unwrap_or_default();
        if key.is_empty() || key.len() > KEY_BYTES || !has_text(button, "/text") {
            return Err(CardFault("a button has a text and a key of at most 1024 bytes"));
        }
        if !seen.insert(key) {
            return Err(CardFault("keys of one card differ"));
        }
    }
    Ok(())
}

fn question(of: &Value, options: usize, why: &'static str) -> Result<(), CardFault> {
    let key = of.get("question_key").and_then(Value::as_str).unwrap_or_default();
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(CardFault("a question has a key of at most 1024 bytes"));
    }
    let mut seen = HashSet::new();
    for option in list(of, "option_list", 1, options, why)? {
        let id = option.get("id").and_then(Value::as_str).unwrap_or_default();
        if id.is_empty() || id.len() > ID_BYTES || !seen.insert(id) {
            return Err(CardFault("an option has an id of its own of at most 128 bytes"));
        }
    }
    Ok(())
}

fn task(card: &Value) -> Result<(), CardFault> {
    let task = card.get("task_id").and_then(Value::as_str).unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@');
    if task.is_empty() || task.len() > ID_BYTES || !task.chars().all(allowed) {
        return Err(CardFault("the task id is missing, or has more than digits, letters and _ - @ in 128 bytes"));
    }
    Ok(())
}
