//! Templates of the clouds (sms.md 5.1): free text is refused there, so a message is put into the variables of a template
//! that fits it. Which template fits and what goes into it is data. Pure.

use serde::{Deserialize, Serialize};

use crate::Outgoing;

/// Where a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// The line above the text.
    Title,
    /// The form for 70 characters, or the text where there is none.
    Short,
    /// The whole text.
    Text,
    /// The value with this label.
    Field(String),
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(typed: String) -> Result<Self, String> {
        match typed.as_str() {
            "title" => Ok(Self::Title),
            "short" => Ok(Self::Short),
            "text" => Ok(Self::Text),
            other => match other.strip_prefix("field:").map(str::trim).filter(|label| !label.is_empty()) {
                Some(label) => Ok(Self::Field(label.to_owned())),
                None => Err(format!("模板变量的来源“{other}”不可用；可用的有 title、short、text、field:标签")),
            },
        }
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        match source {
            Source::Title => "title".to_owned(),
            Source::Short => "short".to_owned(),
            Source::Text => "text".to_owned(),
            Source::Field(label) => format!("field:{label}"),
        }
    }
}

/// A template that was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The cloud's code for it.
    pub id: String,
    /// Words of which one stands in the title or text of the messages it is for; none: for every message.
    pub when: Vec<String>,
    /// Variables in their order, each with its name.
    pub variables: Vec<(String, Source)>,
}

/// A template with its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Of the template.
    pub id: String,
    /// In their order.
    pub variables: Vec<(String, String)>,
    /// Whether something was left out.
    pub cut: bool,
}

/// The first template that is for this message and whose variables all have a value; `most` characters each.
pub fn fill(templates: &[Template], message: &Outgoing, most: usize) -> Option<Filled> {
    templates.iter().find_map(|template| {
        let fits = template.when.is_empty()
            || template.when.iter().any(|word| message.title.contains(word) || message.text.contains(word));
        if !fits {
            return None;
        }
        let mut cut = false;
        let mut variables = Vec::with_capacity(template.variables.len());
        for (name, source) in &template.variables {
            let raw = value(source, message)?;
            let cleaned = clean(raw, most);
            cut |= cleaned.ends_with('…') && !raw.ends_with('…');
            if cleaned.is_empty() {
                return None;
            }
            variables.push((name.clone(), cleaned));
        }
        Some(Filled { id: template.id.clone(), variables, cut })
    })
}

fn value<'a>(source: &Source, message: &'a Outgoing) -> Option<&'a str> {
    match source {
        Source::Title => Some(message.title.as_str()),
        Source::Text => Some(message.text.as_str()),
        Source::Short => Some(message.short.as_deref().unwrap_or(&message.text)),
        Source::Field(label) => {
            message.fields.iter().find(|(known, _)| known == label).map(|(_, value)| value.as_str())
        }
    }
}

/// A variable as every cloud takes it: one line, no address, no second signature, none of the signs that are refused, cut
/// with `…` at `most` characters.
pub fn clean(raw: &str, most: usize) -> String {
    let words = raw.split_whitespace().filter(|word| !is_address(word));
    let line = words.collect::<Vec<_>>().join(" ");
    let kept: String = line
        .chars()
        .filter_map(|c| match c {
            '【' => Some('「'),
            '】' => Some('」'),
            '※' | '★' | '→' | '{' | '}' | '<' | '>' | '$' | '\'' | '"' | '\\' => None,
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect();
    let kept = kept.trim();
    if kept.chars().count() <= most {
        return kept.to_owned();
    }
    let head: String = kept.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", head.trim_end())
}

fn is_address(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.contains("://") || word.contains("www.")
}

/// What is wrong with the templates as configured.
///
/// # Errors
/// A sentence for the administrator.
pub fn check(templates: &[Template]) -> Result<(), String> {
    if templates.is_empty() {
        return Err("缺少 templates：云短信只能按已审核的模板发送，请至少填写一个模板".to_owned());
    }
    for template in templates {
        if template.id.trim().is_empty() {
            return Err("templates 里有一个模板没有编号 id".to_owned());
        }
        let mut names: Vec<&str> = template.variables.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("模板 {} 的变量名重复", template.id));
        }
    }
    Ok(())
}

/// What is told where no template fits.
pub const NO_TEMPLATE: &str = "没有适合这条消息的短信模板，请在 templates 中增加一个不带 when 的通用模板";
