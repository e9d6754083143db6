//! A contract's words, made searchable: systems by alias, severities by criteria, categories, people.

use crate::intent::SeverityGuess;
use crate::normalise::normalise;
use crate::severity;
use aho_corasick::AhoCorasick;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A system in scope and what people call it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SystemTerms {
    /// Id of the profile.
    pub id: String,
    /// Official name.
    pub name: String,
    /// Names by habit.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// A severity and the words that speak for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SeverityTerms {
    /// Id of the profile.
    pub id: String,
    /// 1 is the worst.
    pub rank: u32,
    /// Each alone decides.
    #[serde(default)]
    pub words: Vec<String>,
    /// Every part, separated by spaces, must occur: `全市 打不开`. A part may name alternatives with `|`.
    #[serde(default)]
    pub phrases: Vec<String>,
}

/// A work category and its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct CategoryTerms {
    /// Id of the profile.
    pub id: String,
    /// Name as shown.
    pub name: String,
    /// Words that speak for it; a longer word speaks louder.
    #[serde(default)]
    pub words: Vec<String>,
}

/// What a contract tells the router.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LexiconSource {
    /// Systems in scope.
    pub systems: Vec<SystemTerms>,
    /// Severities.
    pub severities: Vec<SeverityTerms>,
    /// Work categories.
    pub categories: Vec<CategoryTerms>,
    /// Names and aliases of the people who may be mentioned.
    pub people: Vec<String>,
    /// Words that make a message a request here.
    pub extra_request_words: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    System(usize),
    Category(usize),
    /// A word of a severity.
    Word(usize),
    /// A part of a phrase: severity, phrase, part.
    Part(usize, usize, usize),
    Request,
}

/// A term of the lexicon that occurs in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occurrence {
    pub meaning: Meaning,
    pub start: usize,
    pub end: usize,
}

/// [`LexiconSource`], compiled once; routing then only reads.
#[derive(Debug, Clone)]
pub struct Lexicon {
    pub(crate) source: LexiconSource,
    terms: Option<AhoCorasick>,
    meanings: Vec<Vec<Meaning>>,
    people: Vec<String>,
    /// How many parts each phrase has, by severity.
    pub(crate) parts: Vec<Vec<usize>>,
}

static GENERAL: LazyLock<Lexicon> = LazyLock::new(|| {
    let source: LexiconSource =
        toml::from_str(include_str!("../data/general.toml")).expect("shipped data, loaded by a test");
    Lexicon::new(&source)
});

/// A term as it is searched: plain, without spaces.
pub(crate) fn flat(text: &str) -> String {
    let mut plain = normalise(text).text;
    plain.retain(|c| c != ' ');
    plain
}

impl Lexicon {
    /// Compiles the words. Cost: once a contract, not once a message.
    pub fn new(source: &LexiconSource) -> Lexicon {
        let mut index: HashMap<String, usize> = HashMap::new();
        let mut meanings: Vec<Vec<Meaning>> = Vec::new();
        let mut patterns: Vec<String> = Vec::new();
        let mut add = |term: &str, meaning: Meaning| {
            let term = flat(term);
            if term.is_empty() {
                return;
            }
            let at = *index.entry(term.clone()).or_insert_with(|| {
                patterns.push(term);
                meanings.push(Vec::new());
                patterns.len() - 1
            });
            if !meanings[at].contains(&meaning) {
                meanings[at].push(meaning);
            }
        };
        for (i, system) in source.systems.iter().enumerate() {
            add(&system.name, Meaning::System(i));
            for alias in &system.aliases {
                add(alias, Meaning::System(i));
            }
        }
        for (i, category) in source.categories.iter().enumerate() {
            for word in &category.words {
                add(word, Meaning::Category(i));
            }
        }
        let mut parts = Vec::new();
        for (i, severity) in source.severities.iter().enumerate() {
            for word in &severity.words {
                add(word, Meaning::Word(i));
            }
            let mut counts = Vec::new();
            for (j, phrase) in severity.phrases.iter().enumerate() {
                let mut count = 0;
                for (k, part) in phrase.split_whitespace().enumerate() {
                    for alternative in part.split('|') {
                        add(alternative, Meaning::Part(i, j, k));
                    }
                    count = k + 1;
                }
                counts.push(count);
            }
            parts.push(counts);
        }
        for word in &source.extra_request_words {
            add(word, Meaning::Request);
        }
        // A lexicon too large for the automaton (millions of states) would be a mistake of the
        // profile; routing goes on without it rather than panicking.
        let terms = if patterns.is_empty() { None } else { AhoCorasick::new(&patterns).ok() };
        let mut people: Vec<String> =
            source.people.iter().map(|name| normalise(name).text).filter(|name| !name.is_empty()).collect();
        people.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Lexicon { source: source.clone(), terms, meanings, people, parts }
    }

    /// Categories and severities A to D of government IT in general, for texts that belong to no contract.
    pub fn general() -> &'static Lexicon {
        &GENERAL
    }

    /// Every term in a flat text, overlapping ones included.
    pub(crate) fn occurrences(&self, flat: &str) -> Vec<Occurrence> {
        let Some(terms) = &self.terms else { return Vec::new() };
        let mut found = Vec::new();
        for hit in terms.find_overlapping_iter(flat) {
            for meaning in &self.meanings[hit.pattern().as_usize()] {
                found.push(Occurrence { meaning: *meaning, start: hit.start(), end: hit.end() });
            }
            // A text made of nothing but terms must not cost more than a message.
            if found.len() > 2_000 {
                break;
            }
        }
        found
    }

    /// The system with the longest name in the text; of equals the first.
    pub(crate) fn system(&self, found: &[Occurrence]) -> Option<(String, usize, usize)> {
        let mut best: Option<(usize, usize, usize)> = None;
        for one in found {
            let Meaning::System(i) = one.meaning else { continue };
            if best.is_none_or(|(_, start, end)| one.end - one.start > end - start) {
                best = Some((i, one.start, one.end));
            }
        }
        best.map(|(i, start, end)| (self.source.systems[i].id.clone(), start, end))
    }

    /// The category most of the words speak for. A word inside a longer one of another category is not heard.
    pub(crate) fn category(&self, found: &[Occurrence]) -> Option<String> {
        let mut votes = vec![0usize; self.source.categories.len()];
        for one in found {
            let Meaning::Category(i) = one.meaning else { continue };
            let inside = found.iter().any(|other| {
                matches!(other.meaning, Meaning::Category(_))
                    && other.start <= one.start
                    && other.end >= one.end
                    && other.end - other.start > one.end - one.start
            });
            if !inside {
                votes[i] += 1 + (one.end - one.start) / 3;
            }
        }
        let most = *votes.iter().max()?;
        if most == 0 {
            return None;
        }
        votes.iter().position(|vote| *vote == most).map(|i| self.source.categories[i].id.clone())
    }

    /// The worst severity the words speak for.
    pub(crate) fn severity(&self, flat: &str, found: &[Occurrence]) -> Option<SeverityGuess> {
        severity::worst(self, flat, found)
    }

    /// The severity a person typed: an id, A to D, 一般, 重大.
    pub(crate) fn severity_word(&self, typed: &str) -> Option<String> {
        let typed = flat(typed);
        let word = typed.trim_end_matches(['级', '.', '!']);
        let word = word.trim_start_matches(['为', '成', '到', '至']);
        let id = |id: &str| {
            self.source.severities.iter().find(|known| known.id.eq_ignore_ascii_case(id)).map(|known| known.id.clone())
        };
        if let Some(id) = id(word) {
            return Some(id);
        }
        let by_name = match word {
            "一般" | "普通" | "一般故障" | "general" => "general",
            "重大" | "重大紧急" | "重大紧急事件" | "重大故障" | "紧急" | "严重" | "特大" | "major" => {
                "major"
            }
            _ => "",
        };
        if !by_name.is_empty() {
            return Some(id(by_name).unwrap_or_else(|| {
                if self.source.severities.is_empty() { by_name.to_owned() } else { word.to_owned() }
            }));
        }
        let letter = match word {
            "a" | "一" => "A",
            "b" | "二" => "B",
            "c" | "三" => "C",
            "d" | "四" => "D",
            _ => return None,
        };
        Some(id(letter).unwrap_or_else(|| letter.to_owned()))
    }

    /// The category a person typed: by id, name or one of its words.
    pub(crate) fn category_word(&self, typed: &str) -> Option<String> {
        let typed = flat(typed);
        let categories = &self.source.categories;
        categories
            .iter()
            .find(|one| flat(&one.id) == typed || flat(&one.name) == typed)
            .or_else(|| categories.iter().find(|one| one.words.iter().any(|word| flat(word) == typed)))
            .or_else(|| categories.iter().find(|one| typed.chars().count() >= 2 && flat(&one.name).contains(&typed)))
            .map(|one| one.id.clone())
    }

    /// Whether this is the name of somebody who may be mentioned.
    pub(crate) fn is_person(&self, name: &str) -> bool {
        self.people.iter().any(|known| known == name)
    }

    /// The known name at the head of a typed text.
    pub(crate) fn begins_with_person<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.people.is_empty() {
            return None;
        }
        let head: String = text.chars().take(24).collect();
        let plain = normalise(&head);
        let known = self.people.iter().find(|known| plain.text.starts_with(known.as_str()))?;
        let (from, to) = plain.original(0, known.len());
        text.get(from..to)
    }
}
