//! Finding things in a profile by the id code uses or by the name a person types.

use super::{Category, CommitmentTerm, Profile, Promise, Severity, System};

impl Profile {
    /// The severity with this id.
    pub fn severity(&self, id: &str) -> Option<&Severity> {
        self.severities.iter().find(|severity| severity.id == id)
    }

    /// The severity a person means by `text`: id, name or alias, whatever the case, with or without 级.
    pub fn severity_named(&self, text: &str) -> Option<&Severity> {
        let wanted = level(text);
        let same = |name: &str| level(name) == wanted;
        self.severities.iter().find(|severity| {
            same(&severity.id) || same(&severity.name) || severity.aliases.iter().any(|alias| same(alias))
        })
    }

    /// Whether the profile marks this severity major.
    pub fn is_major(&self, id: &str) -> bool {
        self.severity(id).is_some_and(|severity| severity.major)
    }

    /// Place of a severity, 1 the worst.
    pub fn rank(&self, id: &str) -> Option<u32> {
        (1u32..).zip(&self.severities).find(|(_, severity)| severity.id == id).map(|(rank, _)| rank)
    }

    /// The category with this id.
    pub fn category(&self, id: &str) -> Option<&Category> {
        self.categories.iter().find(|category| category.id == id)
    }

    /// The category a person means by `text`: id, name or alias; else the only one whose name contains it.
    pub fn category_named(&self, text: &str) -> Option<&Category> {
        let wanted = fold(text);
        if wanted.is_empty() {
            return None;
        }
        let same = |name: &str| fold(name) == wanted;
        let exact = self.categories.iter().find(|category| {
            same(&category.id) || same(&category.name) || category.aliases.iter().any(|alias| same(alias))
        });
        exact.or_else(|| {
            let mut containing = self.categories.iter().filter(|category| fold(&category.name).contains(&wanted));
            containing.next().filter(|_| containing.next().is_none())
        })
    }

    /// The system with this id.
    pub fn system(&self, id: &str) -> Option<&System> {
        self.systems.iter().find(|system| system.id == id)
    }

    /// The promise of this kind for this severity, if the contract gives one; `report` and `track` only for a major one.
    pub fn term(&self, promise: Promise, severity: &str) -> Option<&CommitmentTerm> {
        if matches!(promise, Promise::Report | Promise::Track) && !self.is_major(severity) {
            return None;
        }
        self.commitments.iter().find(|term| term.name == promise && term.covers(severity))
    }
}

impl CommitmentTerm {
    /// Whether it is given for this severity.
    pub fn covers(&self, severity: &str) -> bool {
        self.severities.as_ref().is_none_or(|listed| listed.iter().any(|id| id == severity))
    }
}

/// Lower case, full-width letters narrowed, spaces dropped: what makes two names the same.
pub(crate) fn fold(text: &str) -> String {
    let narrowed = text.chars().filter(|c| !c.is_whitespace()).map(|c| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        other => other,
    });
    narrowed.collect::<String>().to_lowercase()
}

/// [`fold`] without a closing 级, so that `a`, `A级` and `Ａ级` are one name.
pub(crate) fn level(text: &str) -> String {
    let folded = fold(text);
    match folded.strip_suffix('级') {
        Some(bare) if !bare.is_empty() => bare.to_owned(),
        Some(_) | None => folded,
    }
}
