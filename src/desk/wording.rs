//! What the desk says stands in a file, not in code: `wording.toml`, which a supplier may replace entry by entry.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;

/// The wording as shipped.
pub const SHIPPED: &str = include_str!("wording.toml");

/// The templates, compiled.
#[derive(Debug)]
pub struct Wording {
    templates: Environment<'static>,
}

/// What is wrong with a wording file.
#[derive(Debug, thiserror::Error)]
pub enum WordingError {
    /// Not TOML, or not a table of texts.
    #[error("话术文件无法读取：{0}")]
    Form(String),
    /// An entry the desk does not know.
    #[error("话术文件里的「{0}」不是已知的条目，请对照随附的 wording.toml")]
    Unknown(String),
    /// A text that is no template.
    #[error("话术「{name}」写得不对：{why}")]
    Template {
        /// Entry.
        name: String,
        /// Why.
        why: String,
    },
}

impl Wording {
    /// The shipped wording with the entries of `own` (TOML) in their place.
    pub fn new(own: Option<&str>) -> Result<Self, WordingError> {
        let mut texts = read(SHIPPED)?;
        if let Some(own) = own {
            for (name, text) in read(own)? {
                match texts.get_mut(&name) {
                    Some(slot) => *slot = text,
                    None => return Err(WordingError::Unknown(name)),
                }
            }
        }
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        templates.set_trim_blocks(true);
        templates.set_lstrip_blocks(true);
        for (name, text) in texts {
            templates
                .add_template_owned(name.clone(), text.trim().to_owned())
                .map_err(|error| WordingError::Template { name, why: error.to_string() })?;
        }
        Ok(Self { templates })
    }

    /// The words of entry `name` for this occasion. An entry that fails says at least its name, so that nobody is left
    /// without a message; the log says why.
    pub fn say(&self, name: &str, occasion: impl Serialize) -> String {
        let rendered =
            self.templates.get_template(name).and_then(|template| template.render(Value::from_serialize(occasion)));
        match rendered {
            Ok(text) => text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"),
            Err(error) => {
                tracing::error!(wording = name, %error, "a wording could not be rendered");
                format!("（{name}）")
            }
        }
    }

    /// The names of all entries.
    pub fn names(&self) -> Vec<String> {
        // Collected: the environment is locked while one walks through it.
        self.templates.templates().map(|(name, _)| name.to_owned()).collect()
    }

    /// Whether there is an entry of that name.
    pub fn has(&self, name: &str) -> bool {
        self.templates.get_template(name).is_ok()
    }
}

fn read(text: &str) -> Result<BTreeMap<String, String>, WordingError> {
    toml::from_str(text).map_err(|error| WordingError::Form(error.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::notice::Kind;

    #[test]
    fn every_kind_has_words_or_is_spoken_only_with_its_own() {
        let wording = Wording::new(None).unwrap();
        for kind in Kind::ALL {
            assert!(wording.has(kind.id()), "no words for {}", kind.id());
        }
    }

    #[test]
    fn an_entry_nobody_knows_is_refused_with_its_name() {
        let error = Wording::new(Some("\"ticket.opned\" = \"x\"")).unwrap_err();
        assert_eq!(error.to_string(), "话术文件里的「ticket.opned」不是已知的条目，请对照随附的 wording.toml");
    }
}
