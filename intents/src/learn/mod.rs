//! The linear learner: short texts with labels in, a classifier out.
//!
//! A text is its characters, pairs and triples of them and its words, weighed by how rare they are, with the direction of
//! the encoder beside them if there is one. One linear support vector machine for each label decides; the surest wins.
//! Learning is deterministic: the same lines always give the same weights.

mod features;
mod svm;

use crate::encoder::Encoder;
use features::{Features, Row};
use std::collections::BTreeMap;
use svm::Machine;

/// A text and what it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Labelled {
    /// The text.
    pub text: String,
    /// Its label.
    pub label: String,
}

/// A classifier that has learned.
#[derive(Debug, Clone)]
pub struct Classifier {
    features: Features,
    labels: Vec<String>,
    machines: Vec<Machine>,
}

impl Classifier {
    /// Learns from labelled texts. The encoder, if any, helps at answering too. `None` without any label.
    pub fn learn(lines: &[Labelled], encoder: Option<&Encoder>) -> Option<Self> {
        let mut numbers: BTreeMap<&str, usize> = lines.iter().map(|line| (line.label.as_str(), 0)).collect();
        numbers.values_mut().enumerate().for_each(|(at, number)| *number = at);
        let labels: Vec<String> = numbers.keys().map(|&label| label.to_owned()).collect();
        if labels.is_empty() {
            return None;
        }
        let texts: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
        let (features, rows) = Features::learn(&texts, encoder);
        let told: Vec<usize> = lines.iter().map(|line| numbers[line.label.as_str()]).collect();
        let machines = train(&rows, &told, labels.len(), features.columns());
        Some(Self { features, labels, machines })
    }

    /// The label of a text and how far it is ahead of the second (0 if there is no second).
    pub fn label(&self, text: &str) -> (&str, f32) {
        self.decide(&self.features.row(text))
    }

    /// The labels of many texts.
    pub fn labels(&self, texts: &[String]) -> Vec<&str> {
        self.features.rows(texts).iter().map(|row| self.decide(row).0).collect()
    }

    fn decide(&self, row: &Row) -> (&str, f32) {
        let (mut best, mut second) = ((f32::NEG_INFINITY, 0), f32::NEG_INFINITY);
        for (at, machine) in self.machines.iter().enumerate() {
            let score = machine.score(row);
            if score > best.0 {
                second = best.0;
                best = (score, at);
            } else {
                second = second.max(score);
            }
        }
        let ahead = if second.is_finite() { best.0 - second } else { 0.0 };
        (&self.labels[best.1], ahead)
    }
}

/// One machine a label, on all processors.
fn train(rows: &[Row], told: &[usize], labels: usize, columns: usize) -> Vec<Machine> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<usize> = (0..labels).collect();
    std::thread::scope(|scope| {
        let workers: Vec<_> = all
            .chunks(labels.div_ceil(threads).max(1))
            .map(|part| {
                scope.spawn(move || {
                    part.iter()
                        .map(|label| {
                            let is: Vec<bool> = told.iter().map(|one| one == label).collect();
                            Machine::train(rows, &is, columns)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
