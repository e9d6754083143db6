//! What the sender wrote, cut out of quotation and signature (section 6 of the mail sheet).
//!
//! The rules err on the side of keeping: a sentence lost from a request costs more than a line of quotation left in it.

use super::lines::{Line, Mark, joined, whole};
use super::marks::{Begins, angled, begins};
use super::signature;

/// What the fields of a mail say of its text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kind {
    /// It is an answer: it names another mail, or its subject says so.
    pub(super) answers: bool,
    /// Its subject says that it sends something on: what is sent on is what it is about.
    pub(super) forwards: bool,
}

/// What was cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) reply: String,
    /// Answers stand between the quoted lines or below them.
    pub(super) between: bool,
    /// Something was recognised as quoted.
    pub(super) quoted: bool,
}

/// Cuts quotation and signature out. Where nothing would be left, the whole is kept.
pub(super) fn cut(lines: &[Line], kind: Kind) -> Cut {
    let mut fate = vec![Fate::Kept; lines.len()];
    let (mut quoted, mut announced, mut at) = (false, false, 0);
    // Where begins what is sent on.
    let mut sent_on = None;
    while at < lines.len() {
        let line = &lines[at];
        if line.mark == Mark::Rest && !kind.forwards {
            if forwards_at(lines, at) {
                sent_on = Some(at);
                break;
            }
            quoted = true;
            fate[at..].fill(Fate::Quoted);
            break;
        }
        if line.mark == Mark::Quote && !kind.forwards {
            // A container can hold what is sent on as well as what is answered.
            let starts = at == 0 || lines[at - 1].mark != Mark::Quote;
            if starts && forwards_at(lines, at) {
                sent_on = Some(at);
                break;
            }
            (quoted, announced) = (true, true);
            fate[at] = Fate::Quoted;
            at += 1;
            continue;
        }
        if angled(&line.text) || announced && line.indent > 0 {
            fate[at] = if announced { Fate::Quoted } else { Fate::Angled };
            at += 1;
            continue;
        }
        match begins(lines, at, kind.answers) {
            Some(Begins::Forward { .. }) => {
                sent_on = Some(at);
                break;
            }
            Some(_) if kind.forwards => break,
            Some(Begins::Above { from }) => {
                quoted = true;
                fate[from..].fill(Fate::Quoted);
                break;
            }
            Some(Begins::Attribution { from, behind } | Begins::Block { from, behind }) => {
                (quoted, announced) = (true, true);
                fate[from..behind].fill(Fate::Quoted);
                let next = lines[behind..].iter().find(|line| !line.blank());
                let marked = next.is_some_and(|line| {
                    angled(&line.text) || line.indent > 0 || matches!(line.mark, Mark::Quote | Mark::Rest)
                });
                if !marked {
                    fate[behind..].fill(Fate::Quoted);
                    break;
                }
                at = behind.max(at + 1);
            }
            None => at += 1,
        }
    }
    settle_angled(lines, &mut fate, kind, announced);
    if kind.answers && !announced && sent_on.is_none() {
        // A block quote at the end of an answer is what is answered, whoever made it.
        let own =
            fate.iter().zip(lines).rposition(|(_, line)| !line.blank() && line.indent == 0).map_or(0, |at| at + 1);
        fate[own..].fill(Fate::Quoted);
    }
    quoted |= fate.contains(&Fate::Quoted);
    let (reply, between) = kept(lines, &fate, kind, sent_on);
    if reply.is_empty() {
        return Cut { reply: whole(lines), between: false, quoted: false };
    }
    Cut { reply, between, quoted }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    /// It has a `>`, before anything announced a quote.
    Angled,
    Quoted,
}

/// Whether what begins here, in a container, is sent on.
fn forwards_at(lines: &[Line], at: usize) -> bool {
    lines[at..]
        .iter()
        .take(6)
        .position(|line| !line.blank())
        .is_some_and(|skip| matches!(begins(lines, at + skip, false), Some(Begins::Forward { .. })))
}

/// A `>` without anything that announces a quote: in an answer it quotes; elsewhere people also begin lines of their own
/// with it, so it quotes only where it is doubled.
fn settle_angled(lines: &[Line], fate: &mut [Fate], kind: Kind, announced: bool) {
    let doubled = |text: &str| {
        angled(text) && angled(text.trim_start().trim_start_matches(['>', '＞']).trim_start())
            || text.trim_start().starts_with(">>")
    };
    let quotes = kind.answers || announced || lines.iter().any(|line| doubled(&line.text));
    for fate in fate.iter_mut().filter(|fate| **fate == Fate::Angled) {
        *fate = if quotes && !kind.forwards { Fate::Quoted } else { Fate::Kept };
    }
}

/// The kept lines, each stretch without its signature, and whether one stands behind a quote.
fn kept(lines: &[Line], fate: &[Fate], kind: Kind, sent_on: Option<usize>) -> (String, bool) {
    let mut out: Vec<&str> = Vec::new();
    let (mut at, mut quotes_before, mut between) = (0, false, false);
    while at < lines.len() {
        if fate[at] == Fate::Quoted {
            quotes_before |= !lines[at].blank();
            at += 1;
            continue;
        }
        let end = (at..lines.len()).find(|end| fate[*end] == Fate::Quoted).unwrap_or(lines.len());
        // What is sent on keeps the signature of whoever wrote it.
        let forwards = kind.forwards || sent_on.is_some_and(|from| (at..end).contains(&from));
        let stretch: Vec<&str> = lines[at..end]
            .iter()
            .filter(|line| line.mark != Mark::Signature || forwards)
            .map(|line| line.text.as_str())
            .collect();
        let stretch = if forwards { stretch } else { signature::without(&stretch, kind.answers) };
        let visible = |text: &&str| !text.trim().is_empty();
        if let (Some(first), Some(last)) = (stretch.iter().position(visible), stretch.iter().rposition(visible)) {
            between |= quotes_before;
            if !out.is_empty() {
                out.push("");
            }
            out.extend(&stretch[first..=last]);
        }
        at = end;
    }
    (joined(out.into_iter().map(|text| (0, text))), between)
}
