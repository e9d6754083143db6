//! What speaks for which route: groups of words and patterns with weights, from `data/cues.toml`.

use aho_corasick::{AhoCorasick, MatchKind};
use regex::RegexSet;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The four routes that are told apart by weight (commands are told by grammar).
pub(crate) const ROUTES: [&str; 4] = ["ticket", "faq", "followup", "chitchat"];

/// A logit for each of [`ROUTES`].
pub(crate) type Weights = [f32; 4];

/// Only this much of a text is looked at by the patterns: a pasted log says no more further down.
const WINDOW: usize = 600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    bias: Bias,
    context: HashMap<String, Weights>,
    cue: Vec<CueData>,
    objects: Objects,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bias {
    ticket: f32,
    faq: f32,
    followup: f32,
    chitchat: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Objects {
    words: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Heard {
    Requester,
    Engineer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CueData {
    name: String,
    weight: Weights,
    #[serde(default)]
    more: f32,
    #[serde(default)]
    who: Option<Heard>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    patterns: Vec<String>,
}

/// A group.
pub(crate) struct Cue {
    pub name: String,
    pub weight: Weights,
    pub more: f32,
    pub who: Option<Heard>,
}

/// All groups.
pub(crate) struct Cues {
    pub bias: Weights,
    context: HashMap<String, Weights>,
    pub groups: Vec<Cue>,
    words: AhoCorasick,
    /// The group of each word.
    of_word: Vec<usize>,
    patterns: RegexSet,
    of_pattern: Vec<usize>,
    objects: AhoCorasick,
}

/// What was found of a group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub count: u8,
    pub example: String,
}

static CUES: LazyLock<Cues> =
    LazyLock::new(|| Cues::read(include_str!("../data/cues.toml")).expect("shipped data, loaded by a test"));

/// The groups as shipped.
pub(crate) fn cues() -> &'static Cues {
    &CUES
}

impl Cues {
    fn read(text: &str) -> Result<Cues, String> {
        let data: Data = toml::from_str(text).map_err(|error| error.to_string())?;
        let automaton = |words: &[&str]| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(words)
                .map_err(|error| error.to_string())
        };
        let mut words = Vec::new();
        let mut of_word = Vec::new();
        let mut patterns = Vec::new();
        let mut of_pattern = Vec::new();
        let mut groups = Vec::new();
        for (i, cue) in data.cue.iter().enumerate() {
            words.extend(cue.words.iter().map(String::as_str));
            of_word.extend(cue.words.iter().map(|_| i));
            patterns.extend(cue.patterns.iter().map(String::as_str));
            of_pattern.extend(cue.patterns.iter().map(|_| i));
            groups.push(Cue { name: cue.name.clone(), weight: cue.weight, more: cue.more, who: cue.who });
        }
        let objects: Vec<&str> = data.objects.words.iter().map(String::as_str).collect();
        Ok(Cues {
            bias: [data.bias.ticket, data.bias.faq, data.bias.followup, data.bias.chitchat],
            context: data.context,
            groups,
            words: AhoCorasick::new(&words).map_err(|error| error.to_string())?,
            of_word,
            patterns: RegexSet::new(&patterns).map_err(|error| error.to_string())?,
            of_pattern,
            objects: automaton(&objects)?,
        })
    }

    /// The weights of a fact of the context.
    pub fn context(&self, name: &str) -> Weights {
        self.context.get(name).copied().unwrap_or_default()
    }

    /// The place of the group with this name; behind the last where there is none.
    pub fn number(&self, name: &str) -> usize {
        self.groups.iter().position(|cue| cue.name == name).unwrap_or(self.groups.len())
    }

    /// What each group finds in a text whose spaces have become commas.
    pub fn find(&self, text: &str) -> Vec<Found> {
        let mut found = vec![Found::default(); self.groups.len()];
        let window = head(text, WINDOW);
        for hit in self.words.find_overlapping_iter(window) {
            let one = &mut found[self.of_word[hit.pattern().as_usize()]];
            one.count = one.count.saturating_add(1);
            if window[hit.start()..hit.end()].len() > one.example.len() {
                window[hit.start()..hit.end()].clone_into(&mut one.example);
            }
        }
        for pattern in &self.patterns.matches(window) {
            let one = &mut found[self.of_pattern[pattern]];
            one.count = one.count.saturating_add(1);
        }
        found
    }

    /// The first thing of an office that is named.
    pub fn object<'t>(&self, text: &'t str) -> Option<&'t str> {
        let window = head(text, WINDOW);
        self.objects.find(window).map(|hit| &window[hit.start()..hit.end()])
    }
}

/// The head of a text, cut between characters.
pub(crate) fn head(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_cues_load() {
        let cues = Cues::read(include_str!("../data/cues.toml")).unwrap();
        assert!(cues.groups.len() > 10);
    }
}
