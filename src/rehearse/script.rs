//! The script of a rehearsal: JSON lines in time order (`interfaces.md`).

use jiff::Timestamp;
use serde::Deserialize;
use zhishou_adapters::Attachment;

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

/// Reads a script. Every error names the line.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        if raw.trim().is_empty() || raw.trim_start().starts_with("//") {
            continue;
        }
        let wrong = |why: String| format!("脚本第 {number} 行：{why}");
        let value: serde_json::Value =
            serde_json::from_str(raw).map_err(|error| wrong(format!("不是 JSON：{error}")))?;
        let at: Timestamp = value
            .get("at")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| wrong("缺少 at（例如 \"2026-10-08T09:00:00+08:00\"）".to_owned()))?
            .parse()
            .map_err(|error| wrong(format!("at 不是 RFC 3339 时间：{error}")))?;
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
            What::Presses(serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?)
        } else {
            What::Says(serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?)
        };
        lines.push(Line { number, at, what });
    }
    Ok(lines)
}
