//! FAQ search: BM25 over characters and character pairs, one document an entry.
//!
//! An entry's question (twice), its other wordings and its answer are one document: taking the best
//! of its texts instead lets short wordings win everything (measured: R@1 .75 falls to .49 with two
//! known wordings). The score is divided by what the question could reach at most, so that it says
//! which share of the question's information the entry covers.

use crate::fold::{common, fold};
use crate::gate;
use crate::terms::{Key, Keys, Terms};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One entry of the FAQ base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaqEntry {
    /// Its id.
    pub id: String,
    /// The question as the base words it.
    pub question: String,
    /// Other wordings.
    #[serde(default)]
    pub similar: Vec<String>,
    /// The answer.
    #[serde(default)]
    pub answer: String,
    /// Only for this contract.
    #[serde(default)]
    pub contract: Option<String>,
    /// Only about this system.
    #[serde(default)]
    pub system: Option<String>,
    /// Only for this role.
    #[serde(default)]
    pub role: Option<String>,
}

/// An entry found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// The entry's id.
    pub id: String,
    /// 0 to 1: the share of the question's information that the entry covers.
    pub score: f32,
    /// The entry's place in the index, for [`FaqIndex::entry`].
    #[serde(skip)]
    pub index: usize,
}

/// How far the nearest entry may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Answer at once.
    Answer,
    /// Offer the nearest as numbered choices.
    Offer,
    /// The base does not know.
    #[default]
    None,
}

const K1: f32 = 1.2;
const B: f32 = 0.3;
/// What a term of the question (counted twice) reaches in a document of usual length.
const FULL: f32 = 2.0 * (K1 + 1.0) / (2.0 + K1);
/// A small base knows too little of the language to weigh words: it is weighed like one of this size.
const LEAST: f32 = 60.0;
/// A word so usual that sharing it proves nothing weighs no more than this.
const COMMON: f32 = 1.2;

/// A document's weight for a term.
#[derive(Debug, Clone, Copy)]
struct Posting {
    entry: u32,
    count: f32,
}

/// The FAQ base, searchable; edits are live at once.
///
/// ```
/// use zhishou_intents::{Band, FaqEntry, FaqIndex};
///
/// let entry = |id: &str, question: &str, answer: &str| FaqEntry {
///     id: id.into(), question: question.into(), answer: answer.into(), ..FaqEntry::default()
/// };
/// let index = FaqIndex::build(&[
///     entry("f1", "忘记登录密码如何找回", "在登录页点“忘记密码”，用绑定手机重设。"),
///     entry("f2", "打印机脱机如何恢复", "检查电源和网线，取消脱机使用。"),
/// ]);
/// let hits = index.search("密码忘了怎么办", 3, &|_| true);
/// assert_eq!(hits[0].id, "f1");
/// assert_eq!(index.band("食堂今天吃什么", &index.search("食堂今天吃什么", 3, &|_| true)), Band::None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct FaqIndex {
    entries: Vec<Option<FaqEntry>>,
    places: HashMap<String, usize>,
    postings: HashMap<Key, Vec<Posting>, Keys>,
    /// Length of each document in terms.
    lengths: Vec<f32>,
    total: f32,
    alive: usize,
}

impl FaqIndex {
    /// Indexes a base.
    pub fn build(entries: &[FaqEntry]) -> Self {
        let mut index = FaqIndex::default();
        for entry in entries {
            index.insert(entry.clone());
        }
        index
    }

    /// The nearest entries that `filter` lets through (by place in the index), best first.
    pub fn search(&self, text: &str, limit: usize, filter: &dyn Fn(usize) -> bool) -> Vec<Hit> {
        if self.alive == 0 || limit == 0 {
            return Vec::new();
        }
        let folded = fold(crate::cues::head(text, gate::WINDOW));
        let terms = Terms::of(&folded);
        let most: f32 = terms.iter().map(|(key, _)| self.weight(*key)).sum::<f32>() * FULL;
        if most <= 0.0 {
            return Vec::new();
        }
        let mut scores = vec![0.0f32; self.entries.len()];
        let average = self.average();
        for (key, _) in terms.iter() {
            let Some(postings) = self.postings.get(key) else { continue };
            let weight = self.weight(*key) * (K1 + 1.0) / most;
            for posting in postings {
                let at = posting.entry as usize;
                let norm = K1 * (1.0 - B + B * self.lengths[at] / average);
                scores[at] += weight * posting.count / (posting.count + norm);
            }
        }
        let mut best: Vec<(f32, usize)> = Vec::with_capacity(limit + 1);
        for (at, score) in scores.iter().enumerate() {
            if *score <= 0.0 || (best.len() == limit && best.last().is_some_and(|least| least.0 >= *score)) {
                continue;
            }
            if self.entries[at].is_none() || !filter(at) {
                continue;
            }
            let place = best.partition_point(|other| other.0 >= *score);
            best.insert(place, (*score, at));
            best.truncate(limit);
        }
        best.into_iter()
            .filter_map(|(score, index)| {
                let id = self.entries[index].as_ref()?.id.clone();
                Some(Hit { id, score: score.min(1.0), index })
            })
            .collect()
    }

    /// The entry at a place.
    pub fn entry(&self, index: usize) -> Option<&FaqEntry> {
        self.entries.get(index).and_then(Option::as_ref)
    }

    /// The entry with this id.
    pub fn entry_by_id(&self, id: &str) -> Option<&FaqEntry> {
        self.entry(*self.places.get(id)?)
    }

    /// The place of the entry with this id.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// All entries with their places.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &FaqEntry)> {
        self.entries.iter().enumerate().filter_map(|(at, entry)| Some((at, entry.as_ref()?)))
    }

    /// How far these hits answer this text.
    pub fn band(&self, text: &str, hits: &[Hit]) -> Band {
        gate::band(self, text, hits)
    }

    /// The gate's own probability that the first hit answers this text.
    pub fn sureness(&self, text: &str, hits: &[Hit]) -> f32 {
        gate::sureness(self, text, hits)
    }

    /// The gate's evidence in figures, for a person who asks why it was answered or not.
    pub fn explain(&self, text: &str, hits: &[Hit]) -> String {
        gate::explain(self, text, hits)
    }

    /// Adds an entry or replaces the one with its id. Returns its place.
    pub fn insert(&mut self, entry: FaqEntry) -> usize {
        let at = if let Some(at) = self.places.get(&entry.id) {
            let at = *at;
            self.unindex(at);
            at
        } else {
            self.entries.push(None);
            self.lengths.push(0.0);
            self.entries.len() - 1
        };
        let document = document(&entry);
        let mut length = 0.0;
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        for (key, count) in document.iter() {
            length += count;
            let postings = self.postings.entry(*key).or_default();
            let slot = postings.partition_point(|posting| posting.entry < place);
            postings.insert(slot, Posting { entry: place, count: *count });
        }
        self.lengths[at] = length;
        self.total += length;
        self.alive += 1;
        self.places.insert(entry.id.clone(), at);
        self.entries[at] = Some(entry);
        at
    }

    /// Takes an entry out. Says whether there was one.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(at) = self.places.remove(id) else { return false };
        self.unindex(at);
        true
    }

    fn unindex(&mut self, at: usize) {
        let Some(entry) = self.entries[at].take() else { return };
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        for (key, _) in document(&entry).iter() {
            if let Some(postings) = self.postings.get_mut(key) {
                postings.retain(|posting| posting.entry != place);
                if postings.is_empty() {
                    self.postings.remove(key);
                }
            }
        }
        self.total -= self.lengths[at];
        self.lengths[at] = 0.0;
        self.alive -= 1;
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.alive
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.alive == 0
    }

    fn average(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "a count of entries, far below the limit")]
        let alive = self.alive.max(1) as f32;
        (self.total / alive).max(1.0)
    }

    /// What sharing this term tells: its inverse document frequency, capped for words that prove nothing.
    pub(crate) fn weight(&self, key: Key) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "a count of entries, far below the limit")]
        let (all, with) = (self.alive as f32, self.postings.get(&key).map_or(0, Vec::len) as f32);
        let all = all.max(LEAST);
        let weight = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
        match key.pair() {
            Some((a, b)) if common(a, b) => weight.min(COMMON),
            _ => weight,
        }
    }
}

/// An entry's terms: the question counts twice.
fn document(entry: &FaqEntry) -> Terms {
    let mut terms = Terms::default();
    terms.add(&fold(&entry.question), 2.0);
    for similar in &entry.similar {
        terms.add(&fold(similar), 1.0);
    }
    terms.add(&fold(&entry.answer), 1.0);
    terms
}
