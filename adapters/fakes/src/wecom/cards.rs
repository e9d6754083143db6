//! Template cards: what is refused (wecom.md 6). Pure. Lengths given in characters are hints to the client and refuse
//! nothing; counts, bytes and required fields do, with 40058 and the field's name.

use std::collections::BTreeSet;

use serde_json::Value;

/// Which surface sends the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// 智能机器人
    Bot,
    /// 自建应用
    App,
    /// 群机器人
    Robot,
}

/// Whether a card is sent or changes one that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The first time it is shown.
    New,
    /// In place of what is shown: may carry `disable`.
    Update,
}

/// Whether presses on this card come back: such cards need a `task_id` and a way to call back.
pub fn calls_back(card: &Value) -> bool {
    matches!(kind_of(card), "button_interaction" | "vote_interaction" | "multiple_interaction")
        || card.get("action_menu").is_some()
}

/// Why WeCom refuses this card, naming the field.
pub fn check(card: &Value, maker: Maker, occasion: Occasion) -> Result<(), String> {
    if !card.is_object() {
        return Err("template_card missing".to_owned());
    }
    let kind = kind_of(card);
    match kind {
        "text_notice" => {
            some(filled(&card["main_title"]["title"]) || filled(&card["sub_title_text"]), "main_title.title")?;
            card_action(card)?;
        }
        "news_notice" => {
            filled_in(&card["main_title"]["title"], "main_title.title")?;
            let picture = filled(&card["card_image"]["url"]);
            let area = maker != Maker::Robot && filled(&card["image_text_area"]["image_url"]);
            some(picture || area, "card_image")?;
            card_action(card)?;
        }
        "button_interaction" | "vote_interaction" | "multiple_interaction" if maker == Maker::Robot => {
            return Err(format!("card_type {kind} is not for a group robot"));
        }
        "button_interaction" => {
            filled_in(&card["main_title"]["title"], "main_title.title")?;
            buttons(&card["button_list"], maker)?;
        }
        "vote_interaction" => {
            filled_in(&card["main_title"]["title"], "main_title.title")?;
            question(&card["checkbox"], "checkbox", 20, occasion)?;
            submit(card)?;
        }
        "multiple_interaction" => {
            filled_in(&card["main_title"]["title"], "main_title.title")?;
            let lists = list(&card["select_list"], "select_list", 1..=3)?;
            lists.iter().try_for_each(|item| question(item, "select_list", 10, occasion))?;
            distinct(lists, "question_key", "select_list.question_key")?;
            submit(card)?;
        }
        _ => return Err("card_type invalid".to_owned()),
    }
    furniture(card, maker, occasion)?;
    task_id(card, maker)
}

fn kind_of(card: &Value) -> &str {
    card["card_type"].as_str().unwrap_or_default()
}

/// What may stand on every kind.
fn furniture(card: &Value, maker: Maker, occasion: Occasion) -> Result<(), String> {
    if let Some(rows) = card.get("horizontal_content_list") {
        for row in list(rows, "horizontal_content_list", 0..=6)? {
            filled_in(&row["keyname"], "horizontal_content_list.keyname")?;
            some(row["type"] != 1 || filled(&row["url"]), "horizontal_content_list.url")?;
            some(row["type"] != 3 || filled(&row["userid"]), "horizontal_content_list.userid")?;
        }
    }
    if let Some(jumps) = card.get("jump_list") {
        for jump in list(jumps, "jump_list", 0..=3)? {
            filled_in(&jump["title"], "jump_list.title")?;
            some(jump["type"] != 1 || filled(&jump["url"]), "jump_list.url")?;
            if jump["type"] == 3 {
                some(maker == Maker::Bot, "jump_list.type")?;
                at_most(&jump["question"], 200, "jump_list.question")?;
            }
        }
    }
    if let Some(rows) = card.get("vertical_content_list") {
        for row in list(rows, "vertical_content_list", 0..=4)? {
            filled_in(&row["title"], "vertical_content_list.title")?;
        }
    }
    if let Some(menu) = card.get("action_menu") {
        filled_in(&menu["desc"], "action_menu.desc")?;
        let actions = list(&menu["action_list"], "action_menu.action_list", 1..=3)?;
        for action in actions {
            filled_in(&action["text"], "action_menu.action_list.text")?;
            key(&action["key"], "action_menu.action_list.key")?;
        }
        distinct(actions, "key", "action_menu.action_list.key")?;
    }
    if let Some(item) = card.get("button_selection") {
        question(item, "button_selection", 10, occasion)?;
    }
    some(card.get("quote_area").is_none() || card.get("emphasis_content").is_none(), "quote_area")?;
    at_most(&card["feedback"]["id"], 256, "feedback.id")
}

fn card_action(card: &Value) -> Result<(), String> {
    match card["card_action"]["type"].as_i64() {
        Some(1) => filled_in(&card["card_action"]["url"], "card_action.url"),
        Some(2) => filled_in(&card["card_action"]["appid"], "card_action.appid"),
        _ => Err("card_action invalid".to_owned()),
    }
}

fn buttons(given: &Value, maker: Maker) -> Result<(), String> {
    let all = list(given, "button_list", 1..=6)?;
    for button in all {
        filled_in(&button["text"], "button_list.text")?;
        if maker == Maker::App && button["type"] == 1 {
            filled_in(&button["url"], "button_list.url")?;
        } else {
            key(&button["key"], "button_list.key")?;
        }
        let style = button.get("style").map_or(Some(1), Value::as_i64);
        some(style.is_some_and(|style| (1..=4).contains(&style)), "button_list.style")?;
    }
    distinct(all, "key", "button_list.key")
}

/// A checkbox, a drop-down, or one of several drop-downs.
fn question(item: &Value, name: &str, most: usize, occasion: Occasion) -> Result<(), String> {
    key(&item["question_key"], &format!("{name}.question_key"))?;
    let options = list(&item["option_list"], &format!("{name}.option_list"), 1..=most)?;
    for option in options {
        filled_in(&option["id"], &format!("{name}.option_list.id"))?;
        at_most(&option["id"], 128, &format!("{name}.option_list.id"))?;
        filled_in(&option["text"], &format!("{name}.option_list.text"))?;
    }
    distinct(options, "id", &format!("{name}.option_list.id"))?;
    some(occasion == Occasion::Update || item.get("disable").is_none(), &format!("{name}.disable"))
}

fn submit(card: &Value) -> Result<(), String> {
    filled_in(&card["submit_button"]["text"], "submit_button.text")?;
    key(&card["submit_button"]["key"], "submit_button.key")
}

fn task_id(card: &Value, maker: Maker) -> Result<(), String> {
    match card.get("task_id") {
        None => some(maker == Maker::Robot || !calls_back(card), "task_id"),
        Some(id) => {
            let id = id.as_str().unwrap_or_default();
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-@".contains(&byte);
            some(!id.is_empty() && id.len() <= 128 && id.bytes().all(good), "task_id")
        }
    }
}

fn some(good: bool, field: &str) -> Result<(), String> {
    if good { Ok(()) } else { Err(format!("{field} invalid")) }
}

fn filled(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn filled_in(value: &Value, field: &str) -> Result<(), String> {
    if filled(value) { Ok(()) } else { Err(format!("{field} missing")) }
}

/// At most so many bytes, where it is given at all.
fn at_most(value: &Value, bytes: usize, field: &str) -> Result<(), String> {
    let length = value.as_str().unwrap_or_default().len();
    if length <= bytes { Ok(()) } else { Err(format!("{field} exceed max length {bytes}")) }
}

fn key(value: &Value, field: &str) -> Result<(), String> {
    filled_in(value, field)?;
    at_most(value, 1024, field)
}

fn list<'a>(value: &'a Value, field: &str, allowed: std::ops::RangeInclusive<usize>) -> Result<&'a [Value], String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if allowed.contains(&items.len()) { Ok(items) } else { Err(format!("{field} size invalid")) }
}

fn distinct(items: &[Value], field: &str, name: &str) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let given = items.iter().filter_map(|item| item[field].as_str());
    some(given.into_iter().all(|value| seen.insert(value)), name)
}

/// The keys that can be pressed on it: buttons, the submit button, the corner menu.
pub(super) fn keys(card: &Value) -> Vec<&str> {
    let buttons = card["button_list"].as_array().into_iter().flatten();
    let menu = card["action_menu"]["action_list"].as_array().into_iter().flatten();
    let submit = card.get("submit_button").into_iter();
    buttons.chain(menu).chain(submit).filter_map(|button| button["key"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sheets_cards_are_taken_and_refused_as_it_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/wecom.json");
        let vectors: Value =
            serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors lie beside the adapters"))
                .expect("JSON");
        let cases = vectors["template_card"]["cases"].as_array().expect("a list");
        assert!(cases.len() > 10);
        for case in cases {
            let maker = if case["channel"] == "wecom-robot" { Maker::Robot } else { Maker::Bot };
            let outcome = check(&case["card"], maker, Occasion::New);
            assert_eq!(outcome.is_ok(), case["valid"] == true, "{}: {outcome:?}", case["id"]);
        }
    }

    #[test]
    fn what_the_sheet_has_no_case_for() {
        let vote = json!({ "card_type": "vote_interaction", "main_title": { "title": "t" }, "task_id": "v-1",
            "checkbox": { "question_key": "q", "disable": true, "option_list": [{ "id": "a", "text": "a" }] },
            "submit_button": { "text": "s", "key": "k" } });
        assert!(check(&vote, Maker::Bot, Occasion::New).is_err(), "a new card cannot be disabled");
        assert!(check(&vote, Maker::Bot, Occasion::Update).is_ok());
        let notice = |more: Value| {
            let mut card = json!({ "card_type": "text_notice", "main_title": { "title": "t" },
                "card_action": { "type": 1, "url": "https://desk.example.gov.cn/" } });
            card.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            check(&card, Maker::App, Occasion::New)
        };
        let menu = json!({ "desc": "d", "action_list": [{ "text": "a", "key": "k" }] });
        for (why, more, good) in [
            ("a menu calls back", json!({ "action_menu": menu }), false),
            ("with a task id it may", json!({ "action_menu": menu, "task_id": "n-1" }), true),
            (
                "asking the bot is for bots",
                json!({ "jump_list": [{ "type": 3, "title": "t", "question": "q" }] }),
                false,
            ),
            ("a member row names one", json!({ "horizontal_content_list": [{ "keyname": "k", "type": 3 }] }), false),
            ("quote or emphasis", json!({ "quote_area": {}, "emphasis_content": {} }), false),
        ] {
            let outcome = notice(more);
            assert_eq!(outcome.is_ok(), good, "{why}: {outcome:?}");
        }
    }
}
