//! The figures by which a change of the router or the search is judged.

use crate::encoder::Encoder;
use crate::faq::Band;
use crate::learn::{Classifier, Labelled};
use crate::{Context, FaqEntry, FaqIndex, Lexicon, Speaker};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Figures of `zhishou eval faq`. The caller measures the time and adds `qps`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaqFigures {
    /// Questions asked.
    pub n: usize,
    /// Share of the questions the base knows whose entry came first.
    pub recall_at_1: f64,
    /// The same within the first three.
    pub recall_at_3: f64,
    /// Mean reciprocal rank (of the first ten).
    pub mrr: f64,
    /// Share of the questions the base knows that were answered at once.
    pub answered: f64,
    /// Share of the questions the base does not know that were answered.
    pub false_answers: f64,
    /// Share of the answers to questions the base knows that were right.
    pub precision: f64,
}

/// Builds a base and asks it. A question's id is `None` where the base does not know it.
pub fn faq(base: &[FaqEntry], queries: &[(String, Option<String>)]) -> FaqFigures {
    faq_in(&FaqIndex::build(base), queries)
}

/// [`faq`] on a base that is built already, so that the caller can time the questions alone.
pub fn faq_in(index: &FaqIndex, queries: &[(String, Option<String>)]) -> FaqFigures {
    let (mut known, mut first, mut third, mut reciprocal) = (0usize, 0usize, 0usize, 0.0);
    let (mut answered, mut right, mut unknown, mut wrongly) = (0usize, 0usize, 0usize, 0usize);
    for (text, id) in queries {
        let hits = index.search(text, 10, &|_| true);
        let answers = index.band(text, &hits) == Band::Answer;
        let Some(id) = id else {
            unknown += 1;
            wrongly += usize::from(answers);
            continue;
        };
        known += 1;
        let rank = hits.iter().position(|hit| hit.id == *id);
        first += usize::from(rank == Some(0));
        third += usize::from(rank.is_some_and(|rank| rank < 3));
        reciprocal += rank.map_or(0.0, |rank| 1.0 / count(rank + 1));
        answered += usize::from(answers);
        right += usize::from(answers && rank == Some(0));
    }
    FaqFigures {
        n: queries.len(),
        recall_at_1: share(first, known),
        recall_at_3: share(third, known),
        mrr: if known == 0 { 0.0 } else { reciprocal / count(known) },
        answered: share(answered, known),
        false_answers: share(wrongly, unknown),
        precision: share(right, answered),
    }
}

/// A line of `zhishou eval route`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RouteLine {
    /// The message.
    pub text: String,
    /// The right route.
    pub route: String,
    /// Other routes that are acceptable.
    #[serde(default)]
    pub also: Vec<String>,
    /// The right category.
    #[serde(default)]
    pub category: Option<String>,
    /// The right severity.
    #[serde(default)]
    pub severity: Option<String>,
    /// The sender has an open ticket.
    #[serde(default)]
    pub open_ticket: bool,
    /// `user`, `engineer` or `lead`.
    #[serde(default)]
    pub sender: String,
}

/// Figures of `zhishou eval route`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteFigures {
    /// Messages.
    pub n: usize,
    /// Share routed right.
    pub accuracy: f64,
    /// The same, counting what is acceptable.
    pub lenient: f64,
    /// Mean of `f1`.
    pub macro_f1: f64,
    /// F1 by route.
    pub f1: BTreeMap<String, f64>,
    /// Share of people's own talk at which the desk would speak.
    pub spoken: f64,
    /// Share of work messages at which it would not.
    pub missed: f64,
    /// Share of requests whose category is right.
    pub category_accuracy: f64,
    /// The grave ones (A or B, or `major`) found.
    pub severity: Found,
}

/// How well something is found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Share of those there that were found.
    pub recall: f64,
    /// Share of those found that were there.
    pub precision: f64,
}

/// The routes, as the lines name them.
const ROUTES: [&str; 5] = ["command", "faq", "ticket", "followup", "chitchat"];

/// Routes messages with the general lexicon and counts.
pub fn route(lines: &[RouteLine], faq: Option<&FaqIndex>) -> RouteFigures {
    route_with(lines, faq, Lexicon::general())
}

/// [`route`] with a contract's lexicon.
pub fn route_with(lines: &[RouteLine], faq: Option<&FaqIndex>, lexicon: &Lexicon) -> RouteFigures {
    let (mut right, mut lenient) = (0usize, 0usize);
    let (mut talk, mut spoken, mut work, mut missed) = (0usize, 0usize, 0usize, 0usize);
    let (mut sorted, mut sorted_right) = (0usize, 0usize);
    let (mut grave, mut called_grave, mut both) = (0usize, 0usize, 0usize);
    let mut table: BTreeMap<&str, [usize; 3]> = ROUTES.iter().map(|route| (*route, [0; 3])).collect();
    for line in lines {
        let routing = crate::route(&line.text, &context_of(line), lexicon, faq);
        let got = routing.route();
        right += usize::from(got == line.route);
        lenient += usize::from(got == line.route || line.also.iter().any(|also| also == got));
        if let Some(row) = table.get_mut(line.route.as_str()) {
            row[0] += 1;
            row[2] += usize::from(got == line.route);
        }
        if let Some(row) = table.get_mut(got) {
            row[1] += 1;
        }
        if line.route == "chitchat" {
            talk += 1;
            spoken += usize::from(routing.speak);
        } else {
            work += 1;
            missed += usize::from(!routing.speak);
        }
        if let Some(category) = &line.category {
            sorted += 1;
            sorted_right += usize::from(routing.category.as_ref() == Some(category));
        }
        if let Some(severity) = &line.severity {
            let there = is_grave(severity);
            let found = routing.severity.as_ref().is_some_and(|guess| is_grave(&guess.id));
            grave += usize::from(there);
            called_grave += usize::from(found);
            both += usize::from(there && found);
        }
    }
    let f1: BTreeMap<String, f64> = table
        .iter()
        .map(|(route, [there, found, both])| ((*route).to_owned(), share(2 * both, there + found)))
        .collect();
    RouteFigures {
        n: lines.len(),
        accuracy: share(right, lines.len()),
        lenient: share(lenient, lines.len()),
        macro_f1: f1.values().sum::<f64>() / count(ROUTES.len()),
        f1,
        spoken: share(spoken, talk),
        missed: share(missed, work),
        category_accuracy: share(sorted_right, sorted),
        severity: Found { recall: share(both, grave), precision: share(both, called_grave) },
    }
}

/// Figures of `zhishou eval intents`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntentFigures {
    /// Texts.
    pub n: usize,
    /// Share labelled right.
    pub accuracy: f64,
    /// Mean of the labels' F1, over the labels that occur in the texts.
    pub macro_f1: f64,
    /// How often each label was taken for which.
    pub confusion: BTreeMap<String, BTreeMap<String, usize>>,
}

/// Labels texts by what was learned from `train`, or, without it, by the router, whose labels are its routes.
pub fn intents(lines: &[Labelled], train: Option<&[Labelled]>, encoder: Option<&Encoder>) -> IntentFigures {
    let classifier = train.and_then(|train| Classifier::learn(train, encoder));
    let texts: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
    let found: Vec<String> = if let Some(classifier) = &classifier {
        classifier.labels(&texts).into_iter().map(str::to_owned).collect()
    } else {
        let route =
            |text: &String| crate::route(text, &Context::default(), Lexicon::general(), None).route().to_owned();
        texts.iter().map(route).collect()
    };
    let mut confusion: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (line, found) in lines.iter().zip(found) {
        *confusion.entry(line.label.clone()).or_default().entry(found).or_default() += 1;
    }
    let right = |label: &str| confusion.get(label).and_then(|row| row.get(label)).copied().unwrap_or_default();
    let f1: f64 = confusion
        .iter()
        .map(|(label, row)| {
            let called: usize = confusion.values().filter_map(|row| row.get(label)).sum();
            share(2 * right(label), row.values().sum::<usize>() + called)
        })
        .sum();
    IntentFigures {
        n: lines.len(),
        accuracy: share(confusion.keys().map(|label| right(label)).sum(), lines.len()),
        macro_f1: if confusion.is_empty() { 0.0 } else { f1 / count(confusion.len()) },
        confusion,
    }
}

/// The labels the router knows.
pub const LABELS: [&str; 5] = ROUTES;

/// The context a line describes.
pub fn context_of(line: &RouteLine) -> Context<'static> {
    let speaker = match line.sender.as_str() {
        "engineer" => Speaker::Engineer,
        "lead" | "admin" => Speaker::Lead,
        _ => Speaker::Requester,
    };
    Context { speaker, open_tickets: usize::from(line.open_ticket), ..Context::default() }
}

fn is_grave(severity: &str) -> bool {
    matches!(severity, "A" | "B" | "major")
}

#[expect(clippy::cast_precision_loss, reason = "counts of test lines")]
fn count(number: usize) -> f64 {
    number as f64
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { count(part) / count(whole) }
}
