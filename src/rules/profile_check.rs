//! The loader of contract profiles: TOML in, a checked [`Profile`] or a list of errors out.
//!
//! Pure like the rest of `rules`: the text is handed in. Every error names file, line, key and the fix in Chinese,
//! because a supplier's administrator reads them; what can be found in one pass is reported in one pass.

use std::fmt;

use super::profile::Profile;

mod semantics;
mod shipped;
mod source;
mod structure;
mod suggest;
mod terms;
#[cfg(test)]
mod tests;

use source::Source;

/// One thing wrong in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// The file, as it was named by the caller.
    pub file: String,
    /// Line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// Column in characters, counted from 1, where it is known.
    pub column: Option<usize>,
    /// Path of the key; `commitment#3.calendar` is the key `calendar` of the third `[[commitment]]`.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, " 第 {line} 行")?;
            if let Some(column) = self.column {
                write!(f, "第 {column} 列")?;
            }
        }
        if !self.key.is_empty() {
            write!(f, "，{}", self.key)?;
        }
        let end = if self.fix.ends_with('？') { "" } else { "。" };
        write!(f, "：{}。改法：{}{end}", self.problem, self.fix)
    }
}

/// Everything wrong in a profile, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct ProfileErrors(pub Vec<ProfileError>);

impl ProfileErrors {
    fn in_order(mut errors: Vec<ProfileError>) -> Self {
        errors.sort_by_key(|error| (error.line.unwrap_or(usize::MAX), error.column));
        Self(errors)
    }

    fn lines(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}

impl Profile {
    /// Reads a profile and checks it; `file` is what errors call it.
    ///
    /// # Errors
    /// Everything found wrong: syntax alone where the text is no TOML, else unknown keys, wrong values and
    /// contradictions together.
    pub fn parse(text: &str, file: &str) -> Result<Self, ProfileErrors> {
        Self::parse_with(text, file, &toml::Table::new(), file)
    }

    /// As [`Profile::parse`], with keys of the installation laid over those of the file: tables are merged key by key,
    /// lists of blocks by `id`, everything else is replaced. `overrides_file` is what errors call their origin.
    ///
    /// # Errors
    /// As [`Profile::parse`]; errors under an overridden key name `overrides_file` and no line.
    pub fn parse_with(
        text: &str,
        file: &str,
        overrides: &toml::Table,
        overrides_file: &str,
    ) -> Result<Self, ProfileErrors> {
        let mut source = Source::read(text, file).map_err(ProfileErrors::in_order)?;
        source.overlay(overrides, overrides_file);
        let (profile, mut errors) = structure::deserialize(&mut source);
        if let Some(profile) = &profile {
            errors.extend(semantics::check(profile, &source));
        }
        match profile {
            Some(profile) if errors.is_empty() => Ok(profile),
            Some(_) | None => Err(ProfileErrors::in_order(errors)),
        }
    }
}
