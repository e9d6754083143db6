//! The script of a rehearsal: JSON lines in time order (`interfaces.md`).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use zhishou_adapters::Attachment;

use crate::rules::reading;

/// One line of a script.
#[derive(Debug, Clone)]
pub struct Line {
    /// Line in the file, from 1.
    pub number: usize,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum What {
    /// Somebody writes.
    Says(Saying),
    /// Somebody presses a button.
    Presses(Pressing),
    /// A channel fails or recovers.
    Fault {
        /// Channel id.
        channel: String,
        /// Whether it fails.
        down: bool,
    },
    /// The process dies and starts again.
    Crash,
    /// A channel delivers a message again.
    Repeat(String),
}

/// A message.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saying {
    #[serde(rename = "at")]
    _at: Timestamp,
    /// Full name of the conversation.
    pub conversation: String,
    /// Account.
    pub from: String,
    /// Name as shown.
    #[serde(default)]
    pub name: String,
    /// Words.
    #[serde(default)]
    pub text: String,
    /// Id; `L` and the line number where left out.
    #[serde(default)]
    pub id: Option<String>,
    /// What it quotes.
    #[serde(default)]
    pub quote: Option<Quote>,
    /// Whether the desk is mentioned.
    #[serde(default)]
    pub mention: bool,
    /// Files.
    #[serde(default)]
    pub attachments: Vec<Attached>,
}

/// A file of a script.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// Name.
    pub name: String,
    /// Type.
    #[serde(rename = "type", default)]
    pub kind: String,
}

impl From<&Attached> for Attachment {
    fn from(file: &Attached) -> Self {
        Self {
            name: file.name.clone(),
            kind: file.kind.clone(),
            url: String::new(),
            size_bytes: None,
            stored: None,
            problem: None,
        }
    }
}

/// A button.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pressing {
    #[serde(rename = "at")]
    _at: Timestamp,
    /// Which button.
    pub press: Button,
    /// Full name of the conversation.
    pub conversation: String,
    /// Account.
    pub from: String,
    /// Name as shown.
    #[serde(default)]
    pub name: String,
    /// Id; `L` and the line number where left out.
    #[serde(default)]
    pub id: Option<String>,
}

/// Where a button is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// The message that carries it.
    pub said: SaidRef,
    /// Which action.
    pub action: String,
}

/// What a message quotes.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Quote {
    /// A message of the script.
    Id(String),
    /// Something the desk said.
    Said {
        /// Which.
        said: SaidRef,
    },
}

/// Something the desk said.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum SaidRef {
    /// The number of its line.
    Number(u64),
    /// The latest that matches.
    Latest {
        /// Kind.
        kind: String,
        /// Ticket.
        #[serde(default)]
        ticket: Option<u64>,
        /// Conversation.
        #[serde(default)]
        to: Option<String>,
    },
}

/// How a message of the desk is named, for errors: serde says nothing of use about a choice of forms.
const SAID: &str = "应为它在记录里的序号（例如 3），或 {\"kind\": \"ticket.opened\", \"ticket\": 1, \"to\": \"qq:group:20001\"}（ticket、to 可省略）";

fn is_said(value: &Value) -> bool {
    serde_json::from_value::<SaidRef>(value.clone()).is_ok()
}

fn is_quote(value: &Value) -> bool {
    value.is_null() || serde_json::from_value::<Quote>(value.clone()).is_ok()
}

/// Reads a script. Every error names the line.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        if raw.trim().is_empty() || raw.trim_start().starts_with("//") {
            continue;
        }
        let wrong = |why: String| format!("脚本第 {number} 行：{why}");
        let value: Value = serde_json::from_str(raw)
            .map_err(|error| wrong(format!("不是 JSON，请检查第 {} 个字节附近", error.column())))?;
        let at: Timestamp = value
            .get("at")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| wrong("缺少 at（例如 \"2026-10-08T09:00:00+08:00\"）".to_owned()))?
            .parse()
            .map_err(|_| wrong("at 应写成 2026-10-08T09:00:00+08:00 这样带时区的时间".to_owned()))?;
        if lines.last().is_some_and(|last| last.at > at) {
            return Err(wrong("时间早于上一行；脚本须按时间排列".to_owned()));
        }
        let text_of = |key: &str| value.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        let what = if let Some(fault) = text_of("fault") {
            let channel = text_of("channel").ok_or_else(|| wrong("fault 需要 channel".to_owned()))?;
            match fault.as_str() {
                "down" => What::Fault { channel, down: true },
                "up" => What::Fault { channel, down: false },
                other => return Err(wrong(format!("fault 应为 down 或 up，而不是「{other}」"))),
            }
        } else if value.get("crash").is_some() {
            What::Crash
        } else if let Some(id) = text_of("repeat") {
            What::Repeat(id)
        } else if value.get("press").is_some() {
            if !value.pointer("/press/said").is_some_and(is_said) {
                return Err(wrong(format!("press 应写成 {{\"said\": …, \"action\": \"claim\"}}，其中 said {SAID}")));
            }
            What::Presses(reading::entry(value).map_err(wrong)?)
        } else {
            if value.get("quote").is_some_and(|quote| !is_quote(quote)) {
                return Err(wrong(format!(
                    "quote 应为前面一条消息的 id（例如 \"m1\"），或 {{\"said\": …}}（引用值守说过的话），其中 said {SAID}"
                )));
            }
            What::Says(reading::entry(value).map_err(wrong)?)
        };
        lines.push(Line { number, at, what });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_is_told_in_chinese_with_the_forms_that_are_right() {
        let says = r#"{"at": "2026-10-08T09:00:00+08:00", "conversation": "qq:group:1", "from": "a", "#;
        for (line, told) in [
            (format!("{says}\"quote\": 3}}"), "脚本第 1 行：quote 应为前面一条消息的 id"),
            (format!("{says}\"quote\": {{\"said\": true}}}}"), "或 {\"said\": …}"),
            (format!("{says}\"txt\": \"x\"}}"), "没有「txt」这个键"),
            (format!("{says}\"press\": {{\"said\": \"x\", \"action\": \"claim\"}}}}"), "press 应写成"),
            ("{\"at\": \"gestern\"}".to_owned(), "at 应写成 2026-10-08T09:00:00+08:00"),
            ("{".to_owned(), "不是 JSON"),
        ] {
            let why = parse(&line).unwrap_err();
            assert!(why.contains(told), "{line}: {why}");
            assert!(!why.contains("untagged"), "{why}");
        }
        for quote in ["null", "\"m1\"", "{\"said\": 3}", "{\"said\": {\"kind\": \"answer\"}}"] {
            assert!(parse(&format!("{says}\"quote\": {quote}}}")).is_ok(), "{quote}");
        }
    }
}
