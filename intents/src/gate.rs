//! Whether the first hit is really the answer. A wrong answer costs more than a question back.

use crate::faq::{Band, FaqIndex, Hit};
use crate::fold::fold;
use crate::terms::Terms;

/// Only this much of a question is read (bytes): nobody asks in a thousand characters.
pub(crate) const WINDOW: usize = 900;

/// What the gate looks at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evidence {
    /// The first hit's score.
    pub top: f32,
    /// How far the second is behind.
    pub margin: f32,
    /// Share of the question's information that the entry's own wordings cover (its answer left out).
    pub covered: f32,
    /// Share of the nearest wording's information that the question covers.
    pub back: f32,
    /// The most telling term of the question that the entry lacks, against the most telling one it has.
    pub missing: f32,
    /// Latin words and numbers of the question that the entry lacks.
    pub foreign: f32,
    /// How much the question says at all.
    pub said: f32,
    /// It is, but for frames, one of the entry's wordings.
    pub same: bool,
}

/// Reads the evidence.
pub(crate) fn evidence(index: &FaqIndex, text: &str, hits: &[Hit]) -> Option<Evidence> {
    let first = hits.first()?;
    let entry = index.entry(first.index)?;
    let folded = fold(crate::cues::head(text, WINDOW));
    let asked = Terms::of(&folded);
    let squeeze = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let bare = squeeze(&folded);
    let mut wordings = Terms::default();
    let mut back: f32 = 0.0;
    let mut same = false;
    for wording in std::iter::once(&entry.question).chain(&entry.similar) {
        let folded = fold(wording);
        same |= !bare.is_empty() && squeeze(&folded) == bare;
        wordings.add(&folded, 1.0);
        let own = Terms::of(&folded);
        let all: f32 = own.iter().map(|(key, _)| index.weight(*key)).sum();
        let shared: f32 = own.iter().filter(|(key, _)| asked.has(*key)).map(|(key, _)| index.weight(*key)).sum();
        if all > 0.0 {
            back = back.max(shared / all);
        }
    }
    let answer = Terms::of(&fold(&entry.answer));
    let (mut all, mut shared, mut lacking, mut telling, mut foreign) = (0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32);
    for (key, _) in asked.iter() {
        let weight = index.weight(*key);
        all += weight;
        if wordings.has(*key) {
            shared += weight;
            telling = telling.max(weight);
        } else if !answer.has(*key) {
            lacking = lacking.max(weight);
            foreign += if key.latin() { 1.0 } else { 0.0 };
        }
    }
    Some(Evidence {
        top: first.score,
        margin: first.score - hits.get(1).map_or(0.0, |second| second.score),
        covered: if all > 0.0 { shared / all } else { 0.0 },
        back,
        missing: lacking - telling,
        foreign,
        said: all,
        same,
    })
}

/// Weights of the logistic model, fitted by cross-validation on questions of our own world with a
/// target precision of 95 %; the recipe stands in `docs/decisions`.
const WEIGHTS: [f32; 6] = [5.0, 6.0, 3.0, 3.0, -0.3, -0.8];
const BIAS: f32 = -4.6;
/// Above this it is answered.
const ANSWER: f32 = 0.85;
/// Above this it is offered.
const OFFER: f32 = 0.30;

/// The probability that the first hit answers the question.
pub(crate) fn sureness(index: &FaqIndex, text: &str, hits: &[Hit]) -> f32 {
    let Some(evidence) = evidence(index, text, hits) else { return 0.0 };
    probability(&evidence)
}

fn probability(evidence: &Evidence) -> f32 {
    if evidence.same {
        return 1.0;
    }
    let features = [evidence.top, evidence.margin, evidence.covered, evidence.back, evidence.missing, evidence.foreign];
    let logit = features.iter().zip(WEIGHTS).fold(BIAS, |sum, (feature, weight)| sum + feature * weight);
    1.0 / (1.0 + (-logit).exp())
}

/// Which of the three bands.
pub(crate) fn band(index: &FaqIndex, text: &str, hits: &[Hit]) -> Band {
    let Some(evidence) = evidence(index, text, hits) else { return Band::None };
    let sure = probability(&evidence);
    if sure >= ANSWER {
        Band::Answer
    } else if sure >= OFFER {
        Band::Offer
    } else {
        Band::None
    }
}

/// The evidence in figures.
pub(crate) fn explain(index: &FaqIndex, text: &str, hits: &[Hit]) -> String {
    let Some(evidence) = evidence(index, text, hits) else { return "nothing found".to_owned() };
    let Evidence { top, margin, covered, back, missing, foreign, said, same } = evidence;
    format!("top={top:.3} margin={margin:.3} covered={covered:.3} back={back:.3} missing={missing:.3} foreign={foreign:.0} said={said:.1} same={same} sure={:.3}", probability(&evidence))
}
