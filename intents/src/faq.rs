//! FAQ search: BM25 over characters and character pairs, one document an entry.
//!
//! An entry's question (twice), its other wordings and its answer are one document: taking the best
//! of its texts instead lets short wordings win everything (measured: R@1 .75 falls to .49 with two
//! known wordings). The score is divided by what the question could reach at most, so that it says
//! which share of the question's information the entry covers.
//!
//! With an encoder every entry also has one direction, and a hit's score is the weighed mean of both.

use crate::encoder::{Encoder, SmallVector, Vector};
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
    /// 0 to 1: the share of the question's information that the entry covers; with an encoder the weighed mean of that
    /// and the cosine.
    pub score: f32,
    /// That share alone, 0 to 1.
    #[serde(skip)]
    pub lexical: f32,
    /// The cosine between question and entry, 0 to 1; `None` without an encoder.
    #[serde(skip)]
    pub cosine: Option<f32>,
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

/// What the cosine weighs where the lexical score weighs 1: between 1 and 1.5 the recall is best, and flat, on questions
/// about systems that the folding lexicon was written for, on others, and on LCQMC's (`docs/understanding.md`).
const COSINE: f32 = 1.2;
/// What an answer weighs in an entry's direction where the question weighs 1, and what each other wording does.
const ANSWER: f32 = 0.7;
const SIMILAR: f32 = 0.5;
/// Entries whose texts are encoded at once.
const AT_ONCE: usize = 256;

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
    encoder: Option<Encoder>,
    /// Each entry's direction, with an encoder.
    vectors: Vec<Option<SmallVector>>,
}

impl FaqIndex {
    /// Indexes a base, without an encoder.
    pub fn build(entries: &[FaqEntry]) -> Self {
        Self::build_with(entries, None, None)
    }

    /// Indexes a base. With an encoder, the directions of entries whose wording is the same in `before` are taken from
    /// there, if that was built with the same encoder.
    pub fn build_with(entries: &[FaqEntry], encoder: Option<&Encoder>, before: Option<&FaqIndex>) -> Self {
        let mut index = FaqIndex { encoder: encoder.cloned(), ..FaqIndex::default() };
        let before = before.filter(|before| encoder.is_some() && before.encoder.as_ref() == encoder);
        let mut fresh = Vec::new();
        for entry in entries {
            let at = index.index(entry.clone());
            match before.and_then(|before| before.vector_of(entry)) {
                Some(vector) => index.vectors[at] = Some(vector.clone()),
                None => fresh.push(at),
            }
        }
        index.encode(&fresh);
        index
    }

    /// Whether an encoder helps.
    pub fn has_encoder(&self) -> bool {
        self.encoder.is_some()
    }

    /// The direction of an entry that is worded like this one.
    fn vector_of(&self, entry: &FaqEntry) -> Option<&SmallVector> {
        let at = self.place(&entry.id)?;
        let known = self.entry(at)?;
        let same = known.question == entry.question && known.similar == entry.similar && known.answer == entry.answer;
        self.vectors.get(at).filter(|_| same)?.as_ref()
    }

    /// Works out the directions of the entries at these places.
    fn encode(&mut self, places: &[usize]) {
        let Some(encoder) = self.encoder.clone() else { return };
        for places in places.chunks(AT_ONCE) {
            let mut texts: Vec<String> = Vec::new();
            let mut weights: Vec<(usize, f32)> = Vec::new();
            for at in places {
                let Some(entry) = self.entry(*at) else { continue };
                let parts = std::iter::once((&entry.question, 1.0))
                    .chain(std::iter::once((&entry.answer, ANSWER)).filter(|(answer, _)| !answer.is_empty()))
                    .chain(entry.similar.iter().map(|similar| (similar, SIMILAR)));
                for (text, weight) in parts {
                    texts.push(text.clone());
                    weights.push((*at, weight));
                }
            }
            let vectors = encoder.encode_all(&texts);
            for part in vectors.iter().zip(&weights).collect::<Vec<_>>().chunk_by(|a, b| a.1.0 == b.1.0) {
                let mean = Vector::mean(part.iter().map(|(vector, (_, weight))| (*vector, *weight)));
                if let Some(((_, (at, _)), mean)) = part.first().zip(mean) {
                    self.vectors[*at] = Some(mean.small());
                }
            }
        }
    }

    /// The nearest entries that `filter` lets through (by place in the index), best first.
    pub fn search(&self, text: &str, limit: usize, filter: &dyn Fn(usize) -> bool) -> Vec<Hit> {
        if self.alive == 0 || limit == 0 {
            return Vec::new();
        }
        let text = crate::cues::head(text, gate::WINDOW);
        let lexical = self.lexical(text);
        let asked = self.encoder.as_ref().map(|encoder| encoder.encode(text).small());
        if lexical.is_empty() && asked.is_none() {
            return Vec::new();
        }
        let mut best: Vec<Hit> = Vec::with_capacity(limit + 1);
        for index in 0..self.entries.len() {
            let lexical = lexical.get(index).map_or(0.0, |score| score.min(1.0));
            let cosine = asked
                .as_ref()
                .map(|asked| self.vectors[index].as_ref().map_or(0.0, |vector| vector.cosine(asked).clamp(0.0, 1.0)));
            let score = cosine.map_or(lexical, |cosine| (lexical + COSINE * cosine) / (1.0 + COSINE));
            if score <= 0.0 || (best.len() == limit && best.last().is_some_and(|least| least.score >= score)) {
                continue;
            }
            if self.entries[index].is_none() || !filter(index) {
                continue;
            }
            let place = best.partition_point(|other| other.score >= score);
            best.insert(place, Hit { id: String::new(), score, lexical, cosine, index });
            best.truncate(limit);
        }
        for hit in &mut best {
            hit.id = self.entries[hit.index].as_ref().map_or_else(String::new, |entry| entry.id.clone());
        }
        best
    }

    /// Which share of the text's information each entry covers; empty if the text says nothing.
    fn lexical(&self, text: &str) -> Vec<f32> {
        let terms = Terms::of(&fold(text));
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
        scores
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
        let at = self.index(entry);
        self.encode(&[at]);
        at
    }

    /// Files an entry, its direction left out.
    fn index(&mut self, entry: FaqEntry) -> usize {
        let at = if let Some(at) = self.places.get(&entry.id) {
            let at = *at;
            self.unindex(at);
            at
        } else {
            self.entries.push(None);
            self.lengths.push(0.0);
            self.vectors.push(None);
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
        self.vectors[at] = None;
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
