//! The signature 【…】 that every message of a company carries (sms.md 1.12).

use super::segments::units;

/// Most characters between the brackets.
pub const MOST: usize = 20;

/// Who is speaking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    name: String,
    by_gateway: bool,
}

impl Signature {
    /// `name` without brackets. `by_gateway`: the gateway writes it; its length counts all the same.
    ///
    /// # Errors
    /// Where it cannot be one, in a sentence for the administrator.
    pub fn new(name: &str, by_gateway: bool) -> Result<Self, String> {
        let name = name.trim().trim_start_matches('【').trim_end_matches('】').trim();
        let count = name.chars().count();
        if !(2..=MOST).contains(&count) {
            return Err(format!("签名 signature 应为 2 到 {MOST} 个字，现在是 {count} 个"));
        }
        if name.contains(['【', '】']) || name.chars().any(char::is_control) {
            return Err("签名 signature 里不能有 【】 或控制字符".to_owned());
        }
        Ok(Self { name: name.to_owned(), by_gateway })
    }

    /// None at all: whoever carries the message sees to it.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether the gateway writes it.
    pub fn by_gateway(&self) -> bool {
        self.by_gateway
    }

    /// With its brackets; empty where there is none.
    pub fn text(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!("【{}】", self.name) }
    }

    /// Length in UTF-16 units, brackets included.
    pub fn units(&self) -> usize {
        units(&self.text())
    }
}

/// A body that can be told from its signature: brackets elsewhere confuse whoever looks for it. Control characters go.
pub fn body(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '【' => out.push('「'),
            '】' => out.push('」'),
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            // A mark of byte order in front would be shown or eaten.
            '\u{feff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}
