//! Folds colloquial wording to the plain one, so that a question meets the entry that answers it.

use crate::normalise::{normalise, slips};
use aho_corasick::{AhoCorasick, MatchKind};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    drop: Vec<String>,
    keep: Vec<String>,
    common: Vec<String>,
    fold: BTreeMap<String, Vec<String>>,
}

struct Folding {
    slips: AhoCorasick,
    meant: Vec<String>,
    words: AhoCorasick,
    plain: Vec<String>,
    common: HashSet<(char, char)>,
}

static FOLDING: LazyLock<Folding> =
    LazyLock::new(|| Folding::read(include_str!("../data/fold.toml")).expect("shipped data, loaded by a test"));

/// Stands where a frame was dropped: pairs do not reach across it.
const GAP: &str = " ";

impl Folding {
    fn read(text: &str) -> Result<Folding, String> {
        let data: Data = toml::from_str(text).map_err(|error| error.to_string())?;
        let automaton = |words: &[&str]| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(words)
                .map_err(|error| error.to_string())
        };
        let mut words: Vec<&str> = Vec::new();
        let mut plain = Vec::new();
        for (to, from) in &data.fold {
            // The plain form itself is a word too, so that a shorter rule does not break it up.
            words.push(to);
            plain.push(to.clone());
            for word in from {
                words.push(word);
                plain.push(to.clone());
            }
        }
        for word in &data.keep {
            words.push(word);
            plain.push(word.clone());
        }
        for word in &data.drop {
            words.push(word);
            plain.push(GAP.to_owned());
        }
        let typed: Vec<&str> = slips().iter().map(|(typed, _)| typed.as_str()).collect();
        let common = data
            .common
            .iter()
            .filter_map(|word| {
                let mut characters = word.chars();
                Some((characters.next()?, characters.next()?))
            })
            .collect();
        Ok(Folding {
            slips: automaton(&typed)?,
            meant: slips().iter().map(|(_, meant)| meant.clone()).collect(),
            words: automaton(&words)?,
            plain,
            common,
        })
    }
}

/// Puts right the usual slips of the hand in a plain text.
pub(crate) fn put_right(plain: &str) -> String {
    FOLDING.slips.replace_all(plain, &FOLDING.meant)
}

/// The folded form of a text as typed.
pub(crate) fn fold(text: &str) -> String {
    let plain = put_right(&normalise(text).text);
    let mut folded = String::with_capacity(plain.len() + 16);
    FOLDING.words.replace_all_with(&plain, &mut folded, |found, word, folded| {
        folded.push_str(if inside_latin(&plain, found.start(), found.end()) {
            word
        } else {
            &FOLDING.plain[found.pattern().as_usize()]
        });
        true
    });
    folded
}

/// "ie" inside "client" is not the browser.
fn inside_latin(plain: &str, start: usize, end: usize) -> bool {
    let latin = |at: usize| plain.as_bytes().get(at).is_some_and(u8::is_ascii_alphanumeric);
    (latin(start) && start > 0 && latin(start - 1)) || (latin(end - 1) && latin(end))
}

/// Whether two neighbouring characters are a word that proves nothing.
pub(crate) fn common(a: char, b: char) -> bool {
    FOLDING.common.contains(&(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_folded_twice() {
        let data: Data = toml::from_str(include_str!("../data/fold.toml")).unwrap();
        let mut seen = HashSet::new();
        for (to, from) in &data.fold {
            assert!(seen.insert(to), "{to}");
            for word in from {
                assert!(seen.insert(word), "{word} is folded twice, or on to something else");
            }
        }
    }

    #[test]
    fn what_people_say_becomes_what_manuals_write() {
        Folding::read(include_str!("../data/fold.toml")).unwrap();
        for (typed, plain) in [
            ("U盾插了没反应", "ukey插 没有反应"),
            ("登陆不上", "无法登录"),
            ("帐号", "账号"),
            ("不动产", "不动产"),
            ("client", "client"),
        ] {
            assert_eq!(fold(typed).trim(), plain);
        }
    }
}
