//! The short form of what is said about a ticket, for channels of 70 characters.
//!
//! A text passes through several companies in clear, so it names the ticket, the system and the time and nothing that
//! anybody wrote. The words are the entries `short.…` of the wording; what has none goes out as it is.

use serde_json::{Map, Value, json};

use super::occasion::shorten;
use super::wording::Wording;

/// Longest short form in UTF-16 units: a text of 70 with a signature of 10 in front (sms.md 2).
pub const MOST: usize = 60;
/// Room for a system's name.
const SYSTEM: usize = 7;

/// The short form of entry `name` for this occasion; `None` where the wording has none.
pub(super) fn brief(wording: &Wording, name: &str, occasion: &Map<String, Value>) -> Option<String> {
    let name = format!("short.{name}");
    if !wording.has(&name) {
        return None;
    }
    let system = occasion.get("system").and_then(Value::as_str).map(|name| shorten(name, SYSTEM));
    // The step that is told of speaks; where none is, the promise that is due first.
    let point = |list: &str| occasion.get(list).and_then(Value::as_array).and_then(|all| all.first()).cloned();
    let mut occasion = occasion.clone();
    occasion.insert("system".to_owned(), json!(system));
    occasion.insert("first".to_owned(), point("about").or_else(|| point("promises")).unwrap_or(Value::Null));
    let text = wording.say(&name, Value::Object(occasion));
    Some(cut(&text.replace('\n', "")))
}

/// What does not fit ends in an ellipsis, at a character's border.
fn cut(text: &str) -> String {
    if text.encode_utf16().count() <= MOST {
        return text.to_owned();
    }
    let mut room = MOST - 1;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            let fits = c.len_utf16() <= room;
            room = room.saturating_sub(c.len_utf16());
            fits
        })
        .collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occasion(system: &str) -> Map<String, Value> {
        let step = json!({ "name": "首次反馈", "due": "12月31日 23:59", "left": "23 小时 59 分钟", "percent": 50 });
        let promise = json!({ "name": "首次反馈", "due": "12月31日 23:59", "when": "12月31日 23:59 前" });
        let Value::Object(map) = json!({
            "no": "XG-12345", "n": "XG-12345", "summary": "王科长说身份证号 610100199001011234 查不到", "system": system,
            "severity": "重大紧急事件", "requester": "王科长", "unit": "市住建局", "major": true, "engineer": "张工",
            "text": "原文", "about": [step], "promises": [promise], "round": 1, "to_lead": true, "gap": null, "solved": false,
            "contract": "某市某某综合服务平台", "scale": 5,
        }) else {
            unreachable!("an object was written")
        };
        map
    }

    #[test]
    fn every_short_form_fits_in_one_text_and_says_nothing_anybody_wrote() {
        let wording = Wording::new(None).unwrap();
        let occasion = occasion("不动产登记信息协同共享系统");
        let mut seen = 0;
        for name in wording.names().iter().filter_map(|name| name.strip_prefix("short.")) {
            let text = brief(&wording, name, &occasion).unwrap();
            assert!(text.encode_utf16().count() <= MOST, "{name}: {text}");
            assert!(!text.ends_with('…'), "{name} does not fit by its own words: {text}");
            assert!(text.contains("XG-12345"), "{name} names its ticket: {text}");
            for private in ["王科长", "610100199001011234", "原文", "市住建局"] {
                assert!(!text.contains(private), "{name} gives away {private}: {text}");
            }
            assert!(!text.contains(['【', '】', '（']), "{name}: {text}");
            seen += 1;
        }
        assert!(seen >= 8, "only {seen} short forms");
    }

    #[test]
    fn what_a_supplier_made_too_long_is_cut_between_characters() {
        let long = format!("\"short.escalation\" = \"{}{{{{ no }}}}\"", "𠮷".repeat(40));
        let wording = Wording::new(Some(&long)).unwrap();
        let text = brief(&wording, "escalation", &occasion("系统")).unwrap();
        assert_eq!(text, format!("{}…", "𠮷".repeat(29)));
    }

    #[test]
    fn words_that_are_short_anyway_have_no_short_form() {
        assert_eq!(brief(&Wording::new(None).unwrap(), "ticket.claimed", &occasion("系统")), None);
    }
}
