//! The words of the commands, read from `data/commands.toml` and made searchable once.

use crate::command::CommandName;
use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind, StartKind};
use regex::Regex;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What may follow a command's word where no number is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rest {
    None,
    Text,
    People,
    /// Somebody and a day, in either order, with or without `@`.
    PeopleAndDate,
    /// A day and nothing else.
    Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    desk_names: Vec<String>,
    ordinary: Vec<String>,
    command: Vec<CommandData>,
    plain: Vec<PlainData>,
    unsupported: Vec<UnsupportedData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandData {
    id: String,
    words: Vec<String>,
    rest: Rest,
    #[serde(default = "yes")]
    number: bool,
    #[serde(default)]
    ambiguous: Vec<String>,
    #[serde(default)]
    sole: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainData {
    id: String,
    role: String,
    pattern: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnsupportedData {
    pattern: String,
}

fn yes() -> bool {
    true
}

/// A word of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    pub name: CommandName,
    pub rest: Rest,
    /// Takes a ticket number.
    pub number: bool,
    /// Also a plain word of the language.
    pub ambiguous: bool,
    /// Bytes of the word.
    pub len: usize,
}

/// A command in plain words.
pub(crate) struct Plain {
    pub name: CommandName,
    pub engineers_only: bool,
    pub pattern: Regex,
}

/// All of it.
pub(crate) struct Grammar {
    heads: AhoCorasick,
    verbs: Vec<Verb>,
    /// Every word with its command, for suggestions.
    pub words: Vec<(Vec<char>, CommandName)>,
    pub sole: HashMap<String, CommandName>,
    pub plain: Vec<Plain>,
    pub unsupported: Vec<Regex>,
    pub desk_names: Vec<String>,
    pub ordinary: HashSet<String>,
}

/// The number of a ticket inside a plain pattern.
const TICKET: &str =
    r"(?P<t>(?:工单|单号|单子)?[ ]*(?:#[ ]*)?(?:[a-z]{1,8}-)?[0-9]{1,9}[ ]*(?:号工单|号单子|号单|号)?)";

static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::read(include_str!("../data/commands.toml")).expect("shipped data, loaded by a test"));

/// The grammar as shipped.
pub(crate) fn grammar() -> &'static Grammar {
    &GRAMMAR
}

impl Grammar {
    fn read(text: &str) -> Result<Grammar, String> {
        let data: Data = toml::from_str(text).map_err(|error| error.to_string())?;
        let name_of = |id: &str| CommandName::from_id(id).ok_or_else(|| format!("no command is called {id}"));
        let mut patterns = Vec::new();
        let mut verbs = Vec::new();
        let mut words = Vec::new();
        let mut sole = HashMap::new();
        for command in &data.command {
            let name = name_of(&command.id)?;
            for word in &command.words {
                patterns.push(word.as_str());
                words.push((word.chars().collect(), name));
                verbs.push(Verb {
                    name,
                    rest: command.rest,
                    number: command.number,
                    ambiguous: command.ambiguous.contains(word),
                    len: word.len(),
                });
            }
            for form in &command.sole {
                sole.insert(form.clone(), name);
            }
        }
        let heads = AhoCorasick::builder()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .map_err(|error| error.to_string())?;
        let regex =
            |pattern: &str| Regex::new(&pattern.replace("{t}", TICKET)).map_err(|error| format!("{pattern}: {error}"));
        let mut plain = Vec::new();
        for line in &data.plain {
            let engineers_only = line.role == "engineer";
            plain.push(Plain { name: name_of(&line.id)?, engineers_only, pattern: regex(&line.pattern)? });
        }
        let unsupported = data.unsupported.iter().map(|line| regex(&line.pattern)).collect::<Result<_, _>>()?;
        Ok(Grammar {
            heads,
            verbs,
            words,
            sole,
            plain,
            unsupported,
            desk_names: data.desk_names,
            ordinary: data.ordinary.into_iter().collect(),
        })
    }

    /// The longest command word at the head of a text.
    pub fn verb_at(&self, text: &str) -> Option<Verb> {
        let found = self.heads.find(Input::new(text).anchored(Anchored::Yes))?;
        let verb = *self.verbs.get(found.pattern().as_usize())?;
        // "closely" does not begin with the command close.
        let latin = text.starts_with(|c: char| c.is_ascii_alphabetic());
        let goes_on = text[found.end()..].starts_with(|c: char| c.is_ascii_alphabetic());
        (!(latin && goes_on)).then_some(verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_words_load_and_name_every_command() {
        let grammar = Grammar::read(include_str!("../data/commands.toml")).unwrap();
        for name in CommandName::ALL {
            assert!(grammar.words.iter().any(|(_, of)| of == name), "{} has no word", name.id());
            let verb = grammar.verb_at(name.zh());
            let known = verb.is_some_and(|verb| verb.name == *name) || grammar.sole.get(name.zh()) == Some(name);
            assert!(known, "{} is not understood", name.zh());
        }
    }

    #[test]
    fn no_word_belongs_to_two_commands() {
        let grammar = grammar();
        let mut seen: HashMap<&[char], CommandName> = HashMap::new();
        for (word, name) in &grammar.words {
            assert_eq!(*seen.entry(word).or_insert(*name), *name, "{}", word.iter().collect::<String>());
        }
    }
}
