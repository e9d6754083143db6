//! The text of a profile with the position of every key, so that errors can point at it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::ProfileError;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seg {
    /// A key of a table.
    Key(String),
    /// An element of a list, counted from 0.
    Item(usize),
}

/// Where in a profile something stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Seg>);

impl Path {
    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn of(key: &str) -> Self {
        Self::root().key(key)
    }

    pub(super) fn key(mut self, key: &str) -> Self {
        self.0.push(Seg::Key(key.to_owned()));
        self
    }

    pub(super) fn item(mut self, index: usize) -> Self {
        self.0.push(Seg::Item(index));
        self
    }

    /// The key of the file's top level it lies under.
    pub(super) fn top(&self) -> &str {
        match self.0.first() {
            Some(Seg::Key(key)) => key,
            Some(Seg::Item(_)) | None => "",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, seg) in self.0.iter().enumerate() {
            match seg {
                Seg::Key(key) if place == 0 => f.write_str(key)?,
                Seg::Key(key) => write!(f, ".{key}")?,
                Seg::Item(index) => write!(f, "#{}", index + 1)?,
            }
        }
        Ok(())
    }
}

/// Which part of a `key = value` an error points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// The key.
    Key,
    /// What stands behind it.
    Value,
}

/// A profile's text, parsed as TOML.
pub(super) struct Source<'a> {
    text: &'a str,
    file: &'a str,
    positions: Spanned<DeTable<'a>>,
    /// The values, with whatever was repaired taken out.
    pub(super) table: Table,
    /// Top-level keys that do not come from the file, and what errors call their origin.
    overridden: Vec<String>,
    overrides_file: String,
    /// Elements taken out of a top-level list, by their place in the file.
    dropped: BTreeMap<String, Vec<usize>>,
    /// Top-level keys that lost something, so that nothing may be concluded from what they lack.
    damaged: Vec<String>,
}

impl<'a> Source<'a> {
    /// Parses `text`; all syntax errors at once.
    pub(super) fn read(text: &'a str, file: &'a str) -> Result<Self, Vec<ProfileError>> {
        let (positions, errors) = DeTable::parse_recoverable(text);
        let mut found: Vec<ProfileError> = errors.iter().map(|error| syntax(text, file, error)).collect();
        found.dedup_by_key(|error| error.line);
        let table = match toml::from_str::<Table>(text) {
            Ok(table) if found.is_empty() => table,
            Ok(_) => return Err(found),
            Err(error) => {
                if found.is_empty() {
                    found.push(syntax(text, file, &error));
                }
                return Err(found);
            }
        };
        let mut table = Value::Table(table);
        dates_as_text(&mut table);
        let table = table.try_into().unwrap_or_default();
        Ok(Self {
            text,
            file,
            positions,
            table,
            overridden: Vec::new(),
            overrides_file: String::new(),
            dropped: BTreeMap::new(),
            damaged: Vec::new(),
        })
    }

    /// Lays the keys of an installation over those of the file.
    pub(super) fn overlay(&mut self, overrides: &Table, overrides_file: &str) {
        overrides_file.clone_into(&mut self.overrides_file);
        self.overridden = overrides.keys().cloned().collect();
        let mut overrides = Value::Table(overrides.clone());
        dates_as_text(&mut overrides);
        if let Value::Table(overrides) = overrides {
            merge(&mut self.table, overrides);
        }
    }

    /// An error at `path`.
    pub(super) fn error(&self, path: &Path, aim: Aim, problem: String, fix: String) -> ProfileError {
        let path = self.as_written(path);
        let foreign = self.overridden.iter().any(|key| key == path.top());
        let at = if foreign { None } else { self.offset(&path, aim).map(|at| line_column(self.text, at)) };
        ProfileError {
            file: if foreign { self.overrides_file.clone() } else { self.file.to_owned() },
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            key: path.to_string(),
            problem,
            fix,
        }
    }

    /// Takes an element out of the list at the top-level key, by its present place.
    pub(super) fn drop_item(&mut self, key: &str, index: usize) {
        let written = self.written_index(key, index);
        if let Some(Value::Array(items)) = self.table.get_mut(key)
            && index < items.len()
        {
            items.remove(index);
        }
        let dropped = self.dropped.entry(key.to_owned()).or_default();
        dropped.push(written);
        dropped.sort_unstable();
        self.damage(key);
    }

    /// Notes that the top-level key lost something.
    pub(super) fn damage(&mut self, key: &str) {
        self.damaged.push(key.to_owned());
    }

    /// Whether everything written under the top-level key has been understood.
    pub(super) fn whole(&self, key: &str) -> bool {
        !self.damaged.iter().any(|damaged| damaged == key)
    }

    fn written_index(&self, key: &str, index: usize) -> usize {
        let dropped = self.dropped.get(key).map_or(&[][..], Vec::as_slice);
        dropped.iter().fold(index, |index, dropped| if *dropped <= index { index + 1 } else { index })
    }

    /// The path with places counted as in the file.
    fn as_written(&self, path: &Path) -> Path {
        let mut path = path.clone();
        if let [Seg::Key(key), Seg::Item(index), ..] = path.0.as_mut_slice() {
            *index = self.written_index(key, *index);
        }
        path
    }

    /// Byte offset of what stands at `path`, or of the innermost block around it that exists.
    fn offset(&self, path: &Path, aim: Aim) -> Option<usize> {
        let mut span: Option<Range<usize>> = None;
        let mut here: Option<&DeValue<'a>> = None;
        for (place, seg) in path.0.iter().enumerate() {
            let last = place + 1 == path.0.len();
            let next = match (seg, here) {
                (Seg::Key(key), None) => entry(self.positions.get_ref(), key, last && aim == Aim::Key),
                (Seg::Key(key), Some(DeValue::Table(table))) => entry(table, key, last && aim == Aim::Key),
                (Seg::Item(index), Some(DeValue::Array(items))) => {
                    items.get(*index).map(|item| (item.span(), item.get_ref()))
                }
                (Seg::Key(_) | Seg::Item(_), _) => None,
            };
            let Some((found, value)) = next else { break };
            span = Some(found);
            here = Some(value);
        }
        span.map(|span| span.start)
    }
}

fn entry<'t, 'a>(table: &'t DeTable<'a>, key: &str, at_key: bool) -> Option<(Range<usize>, &'t DeValue<'a>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    // A list of blocks has no bracket of its own; its key stands in the first header.
    let span = if at_key { name.span() } else { value.span() };
    Some((span, value.get_ref()))
}

/// Line and column, in characters, both from 1.
fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn syntax(text: &str, file: &str, error: &toml::de::Error) -> ProfileError {
    let start = error.span().map(|span| span.start.min(text.len()));
    // An unclosed string is reported at the end of its line, which is where the missing quote belongs.
    let at = start.map(|start| line_column(text, start));
    let line = start.map(|start| {
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        text[line_start..].lines().next().unwrap_or("")
    });
    let (problem, fix) = super::structure::syntax_words(error.message(), line.unwrap_or(""));
    ProfileError {
        file: file.to_owned(),
        line: at.map(|(line, _)| line),
        column: at.map(|(_, column)| column),
        key: String::new(),
        problem,
        fix,
    }
}

/// A date written without quotation marks means the same as with them.
fn dates_as_text(value: &mut Value) {
    match value {
        Value::Datetime(date) => *value = Value::String(date.to_string()),
        Value::Array(items) => items.iter_mut().for_each(dates_as_text),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| dates_as_text(value)),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
    }
}

fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => merge(under, over),
            (Some(Value::Array(under)), Value::Array(over)) if over.iter().all(|block| block_id(block).is_some()) => {
                for block in over {
                    match under.iter_mut().find(|old| block_id(old) == block_id(&block)) {
                        Some(Value::Table(old)) => {
                            if let Value::Table(new) = block {
                                merge(old, new);
                            }
                        }
                        Some(_) | None => under.push(block),
                    }
                }
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn block_id(block: &Value) -> Option<&str> {
    block.get("id").and_then(Value::as_str)
}
