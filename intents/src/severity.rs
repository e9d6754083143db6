//! Severity by the contract's criteria: the worst rank whose words occur and are not denied.

use crate::intent::SeverityGuess;
use crate::lexicon::{Lexicon, Meaning, Occurrence};

/// What denies the word behind it.
const DENIALS: &[&str] = &[
    "没有",
    "没",
    "未",
    "并非",
    "不是",
    "不算",
    "无",
    "不影响",
    "别",
    "不会",
    "避免",
    "防止",
    "不存在",
    "未发现",
    "未出现",
];

/// Words inside these are not the criterion: a drill, a plan, a document, the past.
const HARMLESS: &[&str] = &["演练", "预案", "计划", "通知", "通报会", "培训", "报告模板", "如果", "万一", "假如"];

/// The worst severity that the occurrences speak for.
pub(crate) fn worst(lexicon: &Lexicon, flat: &str, found: &[Occurrence]) -> Option<SeverityGuess> {
    if HARMLESS.iter().any(|word| flat.contains(word)) {
        return None;
    }
    let heard: Vec<&Occurrence> = found.iter().filter(|one| !denied(flat, one.start)).collect();
    let mut best: Option<(u32, usize, Vec<String>)> = None;
    for (i, severity) in lexicon.source.severities.iter().enumerate() {
        if best.as_ref().is_some_and(|(rank, ..)| *rank <= severity.rank) {
            continue;
        }
        let mut words: Vec<(usize, String)> = Vec::new();
        for one in &heard {
            if one.meaning == Meaning::Word(i) {
                words.push((one.start, flat[one.start..one.end].to_owned()));
            }
        }
        for (j, parts) in lexicon.parts[i].iter().enumerate() {
            let part = |k: usize| heard.iter().find(|one| one.meaning == Meaning::Part(i, j, k));
            let all: Option<Vec<_>> = (0..*parts).map(part).collect();
            if let Some(all) = all.filter(|all| !all.is_empty()) {
                words.extend(all.into_iter().map(|one| (one.start, flat[one.start..one.end].to_owned())));
            }
        }
        if !words.is_empty() {
            words.sort();
            words.dedup();
            best = Some((severity.rank, i, words.into_iter().map(|(_, word)| word).collect()));
        }
    }
    best.map(|(_, i, words)| SeverityGuess { id: lexicon.source.severities[i].id.clone(), words })
}

/// Whether the word that begins at `start` is denied: "没有崩溃", "不影响全市".
fn denied(flat: &str, start: usize) -> bool {
    let mut from = start;
    for _ in 0..4 {
        match flat[..from].char_indices().next_back() {
            Some((at, character)) if !matches!(character, ',' | '.' | '!' | '?' | ';') => from = at,
            _ => break,
        }
    }
    let before = &flat[from..start];
    // "没有反应 全市" denies the reaction and not the city: only a denial right before, or with one word between.
    DENIALS.iter().any(|denial| {
        before.rfind(denial).is_some_and(|at| {
            let between = &before[at + denial.len()..];
            between.is_empty() || ["出现", "发生", "到", "是", "再", "发现", "有"].contains(&between)
        })
    })
}
