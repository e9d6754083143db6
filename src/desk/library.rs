//! People, rosters and the FAQ base: read as a whole from the database, changed by import, live at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use zhishou_intents::encoder::Encoder;
use zhishou_intents::{CategoryTerms, FaqEntry, FaqIndex, LexiconSource, SeverityTerms, SystemTerms};

use super::Desk;
use crate::rules::directory::{Accounts, Directory, Maintenance, PeopleFile, Person, Swap};
use crate::rules::terms::Terms;
use crate::store::{DirectoryRow, Store, StoreError};

/// Mark that grows with each import, so that a desk that runs elsewhere notices.
const VERSION: &str = "library.version";

/// How often a running desk looks whether another process has imported something.
const WATCH: std::time::Duration = std::time::Duration::from_secs(2);

/// What the desk knows about people and answers.
#[derive(Debug)]
pub struct Library {
    /// People, conversations, rosters.
    pub directory: Arc<Directory>,
    /// Questions and answers.
    pub faq: Arc<FaqIndex>,
}

/// Why it could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry that cannot be read.
    #[error("{kind}「{key}」无法读取：{why}")]
    Entry {
        /// Kind.
        kind: String,
        /// Key.
        key: String,
        /// Why.
        why: String,
    },
    /// What would come out of an import is wrong as a whole.
    #[error("{0}")]
    Wrong(String),
}

/// What an import did to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// New.
    Added,
    /// Different from before.
    Changed,
    /// As before.
    Unchanged,
    /// A shift that stands in its contract's roster no longer.
    Removed,
}

fn read<T: DeserializeOwned>(row: &DirectoryRow) -> Result<T, LibraryError> {
    serde_json::from_str(&row.body).map_err(|error| LibraryError::Entry {
        kind: row.kind.clone(),
        key: row.key.clone(),
        why: error.to_string(),
    })
}

fn assemble(rows: &[DirectoryRow]) -> Result<(PeopleFile, Vec<FaqEntry>), LibraryError> {
    let (mut file, mut faq) = (PeopleFile::default(), Vec::new());
    for row in rows {
        match row.kind.as_str() {
            "person" => file.person.push(read(row)?),
            "conversation" => file.conversation.push(read(row)?),
            "domain" => file.domain.push(read(row)?),
            "shift" => file.shift.push(read(row)?),
            "swap" => file.swap.push(read(row)?),
            "maintenance" => file.maintenance.push(read(row)?),
            "faq" => faq.push(read(row)?),
            _ => {}
        }
    }
    Ok((file, faq))
}

impl Library {
    /// Reads everything from the database. What is unchanged since `before` is not worked out again.
    pub async fn load(
        store: &Store,
        default_contract: Option<String>,
        encoder: Option<&Encoder>,
        before: Option<&Arc<FaqIndex>>,
    ) -> Result<Self, LibraryError> {
        let (file, faq) = assemble(&store.directory().await?)?;
        let directory = Arc::new(Directory::new(file, default_contract));
        Ok(Self { directory, faq: index(faq, encoder, before).await })
    }
}

/// The FAQ base, searchable. With an encoder a large new base takes seconds of arithmetic, which is done aside.
async fn index(faq: Vec<FaqEntry>, encoder: Option<&Encoder>, before: Option<&Arc<FaqIndex>>) -> Arc<FaqIndex> {
    let Some(encoder) = encoder.cloned() else { return Arc::new(FaqIndex::build(&faq)) };
    let before = before.cloned();
    let build = move || FaqIndex::build_with(&faq, Some(&encoder), before.as_deref());
    match tokio::task::spawn_blocking(build).await {
        Ok(index) => Arc::new(index),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down and nobody will search.
            Err(_) => Arc::default(),
        },
    }
}

/// A people file as rows. Shifts have no name of their own: their place in the roster is their key, so that the order
/// stays; an import gives them their place among those that are there already.
pub fn people_rows(file: &PeopleFile) -> Vec<DirectoryRow> {
    fn row<T: serde::Serialize>(kind: &str, key: String, value: &T) -> DirectoryRow {
        DirectoryRow { kind: kind.to_owned(), key, body: serde_json::to_string(value).unwrap_or_default() }
    }
    let mut rows: Vec<DirectoryRow> = Vec::new();
    rows.extend(file.person.iter().map(|p| row("person", p.id.clone(), p)));
    rows.extend(file.conversation.iter().map(|c| row("conversation", c.name(), c)));
    rows.extend(file.domain.iter().map(|d| row("domain", d.pattern.clone(), d)));
    rows.extend(file.shift.iter().enumerate().map(|(at, s)| row("shift", format!("{at:04}"), s)));
    rows.extend(file.swap.iter().map(|s| row("swap", swap_key(s), s)));
    rows.extend(file.maintenance.iter().map(|m| row("maintenance", maintenance_key(m), m)));
    rows
}

/// The key of a swap: one agreed in a chat takes the place of no other, because what was handed on needs both.
pub(super) fn swap_key(swap: &Swap) -> String {
    let at = swap.at.map(|at| format!("/{:015}", at.as_millisecond())).unwrap_or_default();
    format!("{}/{}/{}{at}", swap.date, swap.contract.as_deref().unwrap_or("*"), swap.from)
}

/// The key of a maintenance window: typed again with the same begin, contract and systems it is a correction.
pub(super) fn maintenance_key(window: &Maintenance) -> String {
    let mut systems = window.systems.clone();
    systems.sort_unstable();
    format!("{}/{}/{}", window.from, window.contract.as_deref().unwrap_or("*"), systems.join(","))
}

/// The contract whose roster a shift belongs to; nothing for one of all contracts.
fn group(body: &str) -> Option<String> {
    let shift: serde_json::Value = serde_json::from_str(body).ok()?;
    shift.get("contract")?.as_str().map(str::to_owned)
}

/// The whole roster after an import: its shifts stand where those of the same contracts stood, else at the bottom, and
/// all others keep their order.
fn roster(before: &[&DirectoryRow], new: &[DirectoryRow]) -> (Vec<DirectoryRow>, Vec<(DirectoryRow, Change)>) {
    let groups: Vec<Option<String>> = new.iter().map(|row| group(&row.body)).collect();
    let (mut old, mut bodies, mut place) = (Vec::new(), Vec::new(), None);
    for row in before {
        if groups.contains(&group(&row.body)) {
            place.get_or_insert(bodies.len());
            old.push(row.body.clone());
        } else {
            bodies.push(row.body.clone());
        }
    }
    let place = place.unwrap_or(bodies.len());
    bodies.splice(place..place, new.iter().map(|row| row.body.clone()));
    let after: Vec<DirectoryRow> = bodies
        .into_iter()
        .enumerate()
        .map(|(at, body)| DirectoryRow { kind: "shift".to_owned(), key: format!("{at:04}"), body })
        .collect();
    // A shift that only moved counts as changed; of the others as many as were there before.
    let same_order = old.iter().eq(new.iter().map(|row| &row.body));
    let mut gone = old;
    let mut changes: Vec<(DirectoryRow, Change)> = Vec::new();
    let mut fresh = Vec::new();
    for (at, row) in after[place..place + new.len()].iter().enumerate() {
        match gone.iter().position(|body| *body == row.body) {
            Some(found) => {
                gone.remove(found);
                let moved = !same_order && before.get(place + at).is_none_or(|old| old.body != row.body);
                changes.push((row.clone(), if moved { Change::Changed } else { Change::Unchanged }));
            }
            None => fresh.push(row.clone()),
        }
    }
    let mut gone = gone.into_iter();
    for row in fresh {
        let change = if gone.next().is_some() { Change::Changed } else { Change::Added };
        changes.push((row, change));
    }
    changes.extend(
        gone.map(|body| (DirectoryRow { kind: "shift".to_owned(), key: String::new(), body }, Change::Removed)),
    );
    (after, changes)
}

/// People of a file as they are to stand in the directory: with the accounts that were bound by a code since, unless the
/// file names another on that channel, or gives that one to somebody.
fn with_bound(rows: Vec<DirectoryRow>, before: &[DirectoryRow]) -> Result<Vec<DirectoryRow>, LibraryError> {
    let mut people: Vec<Person> = Vec::new();
    for row in rows.iter().filter(|row| row.kind == "person") {
        people.push(read(row)?);
    }
    let named = |channel: &str, account: &str| {
        people.iter().any(|p| p.accounts.on(channel).iter().any(|known| known.eq_ignore_ascii_case(account)))
    };
    let kept = |mut row: DirectoryRow| {
        if row.kind != "person" {
            return Ok(row);
        }
        let mut person: Person = read(&row)?;
        let old = before.iter().find(|old| old.kind == "person" && old.key == row.key);
        let bound = old.map(read::<Person>).transpose()?.map(|old| old.bound).unwrap_or_default();
        let free = |channel: &str, account: &str| !person.accounts.contains_key(channel) && !named(channel, account);
        let stays: Accounts = bound.iter().filter(|(channel, account)| free(channel, account)).collect();
        let empty = person.accounts.values().any(String::is_empty);
        if !stays.is_empty() || empty {
            // An account left empty is how a file says that there is none: a bound one is taken back by it.
            let typed = person.accounts.iter().filter(|(_, account)| !account.is_empty());
            person.accounts = typed.chain(&stays).collect();
            person.bound = stays;
            row.body = serde_json::to_string(&person).unwrap_or_default();
        }
        Ok(row)
    };
    rows.into_iter().map(kept).collect()
}

/// FAQ entries as rows.
pub fn faq_rows(entries: &[FaqEntry]) -> Vec<DirectoryRow> {
    entries
        .iter()
        .map(|entry| DirectoryRow {
            kind: "faq".to_owned(),
            key: entry.id.clone(),
            body: serde_json::to_string(entry).unwrap_or_default(),
        })
        .collect()
}

impl Desk {
    /// Reads people, rosters and FAQ again after a change.
    pub(super) async fn reload(&self) -> Result<(), LibraryError> {
        let before = self.faq();
        let library =
            Library::load(&self.store, self.default_contract.clone(), self.encoder.get(), Some(&before)).await?;
        *self.library.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(library);
        Ok(())
    }

    /// Lets an encoder help to search the FAQ base from now on. The first one stays.
    ///
    /// # Errors
    /// If people or FAQ cannot be read from the database.
    pub async fn use_encoder(&self, encoder: Encoder) -> Result<(), LibraryError> {
        if self.encoder.set(encoder).is_ok() {
            self.reload().await?;
        }
        Ok(())
    }

    /// Takes over what another process has imported, within seconds, until `stop`.
    pub async fn run_library_watch(&self, stop: tokio_util::sync::CancellationToken) {
        let mut seen = None;
        loop {
            match self.store.mark(VERSION).await {
                Ok(mark) => {
                    let version = mark.map(|(version, _)| version);
                    if seen.is_some_and(|seen| seen != version)
                        && let Err(error) = self.reload().await
                    {
                        tracing::error!(%error, "people and answers could not be read again");
                    }
                    seen = Some(version);
                }
                Err(error) => tracing::warn!(%error, "cannot see whether people or answers have changed"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(WATCH) => {}
            }
        }
    }

    /// A conversation bound to a contract nobody configured would never be served.
    fn check_contracts(&self, file: &PeopleFile) -> Result<(), LibraryError> {
        let named = file
            .conversation
            .iter()
            .map(|c| (c.name(), &c.contract))
            .chain(file.domain.iter().map(|d| (d.pattern.clone(), &d.contract)));
        for (what, contract) in named {
            if let Some(contract) = contract.as_ref().filter(|id| !self.contracts.contains_key(*id)) {
                let known: Vec<&str> = self.contracts.keys().map(String::as_str).collect();
                return Err(LibraryError::Wrong(format!(
                    "「{what}」的合同「{contract}」不在配置里，可用的有 {}",
                    known.join("、")
                )));
            }
        }
        Ok(())
    }

    /// Puts entries in place and makes them live: an edit is used by the next message. Shifts replace those of the
    /// contracts they name (one that names none belongs to the roster of all contracts), because the order of a roster has
    /// a meaning; the rosters of other contracts stay. So do accounts that were bound by a code.
    ///
    /// # Errors
    /// Where the result as a whole would be wrong (an account that belongs to two people); nothing has changed then.
    pub async fn import(&self, rows: Vec<DirectoryRow>) -> Result<Vec<(DirectoryRow, Change)>, LibraryError> {
        let before = self.store.directory().await?;
        let rows = with_bound(rows, &before)?;
        let known: BTreeMap<(&str, &str), &str> =
            before.iter().map(|row| ((row.kind.as_str(), row.key.as_str()), row.body.as_str())).collect();
        let mut after: BTreeMap<(String, String), DirectoryRow> =
            before.iter().map(|row| ((row.kind.clone(), row.key.clone()), row.clone())).collect();
        let (shifts, rows): (Vec<DirectoryRow>, Vec<DirectoryRow>) =
            rows.into_iter().partition(|row| row.kind == "shift");
        let mut changes = Vec::with_capacity(rows.len());
        for row in rows {
            let change = match known.get(&(row.kind.as_str(), row.key.as_str())) {
                None => Change::Added,
                Some(body) if **body == row.body => Change::Unchanged,
                Some(_) => Change::Changed,
            };
            after.insert((row.kind.clone(), row.key.clone()), row.clone());
            changes.push((row, change));
        }
        if !shifts.is_empty() {
            let old: Vec<&DirectoryRow> = before.iter().filter(|row| row.kind == "shift").collect();
            let (roster, of_shifts) = roster(&old, &shifts);
            after.retain(|(kind, _), _| kind != "shift");
            after.extend(roster.into_iter().map(|row| ((row.kind.clone(), row.key.clone()), row)));
            changes.extend(of_shifts);
        }
        let stale: Vec<&DirectoryRow> =
            before.iter().filter(|old| !after.contains_key(&(old.kind.clone(), old.key.clone()))).collect();
        let put: Vec<DirectoryRow> = after
            .values()
            .filter(|row| known.get(&(row.kind.as_str(), row.key.as_str())) != Some(&row.body.as_str()))
            .cloned()
            .collect();
        let after: Vec<DirectoryRow> = after.into_values().collect();
        let (file, faq) = assemble(&after)?;
        file.check("合并后的名单").map_err(LibraryError::Wrong)?;
        self.check_contracts(&file)?;
        let mut write = self.store.write().await?;
        for old in &stale {
            write.directory_remove(&old.kind, &old.key).await?;
        }
        if !put.is_empty() {
            write.directory_put(&put).await?;
        }
        let version = write.marks(&[VERSION.to_owned()]).await?.first().map_or(0, |(_, version, _)| *version) + 1;
        write.marks_save(&[(VERSION.to_owned(), version, String::new())]).await?;
        write.commit().await?;
        let library = Library {
            directory: Arc::new(Directory::new(file, self.default_contract.clone())),
            faq: index(faq, self.encoder.get(), Some(&self.faq())).await,
        };
        *self.library.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(library);
        self.committed();
        Ok(changes)
    }
}

/// What a contract tells the router.
pub fn lexicon_source(terms: &Terms, people: &[String]) -> LexiconSource {
    let profile = &terms.profile;
    LexiconSource {
        systems: profile
            .systems
            .iter()
            .map(|s| SystemTerms { id: s.id.clone(), name: s.name.clone(), aliases: s.aliases.clone() })
            .collect(),
        severities: profile
            .severities
            .iter()
            .zip(1..)
            .map(|(s, rank)| SeverityTerms {
                id: s.id.clone(),
                rank,
                words: s.words.clone(),
                phrases: s.phrases.clone(),
            })
            .collect(),
        categories: profile
            .categories
            .iter()
            .map(|c| CategoryTerms { id: c.id.clone(), name: c.name.clone(), words: c.words.clone() })
            .collect(),
        people: people.to_vec(),
        extra_request_words: Vec::new(),
    }
}

/// The words of a contract, compiled for the router.
pub fn lexicon_of(terms: &Terms) -> zhishou_intents::Lexicon {
    zhishou_intents::Lexicon::new(&lexicon_source(terms, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifts(text: &str) -> Vec<DirectoryRow> {
        let file = PeopleFile::parse(text, "people").unwrap();
        people_rows(&file)
    }

    fn shift(contract: &str, id: &str) -> String {
        let contract = if contract.is_empty() { String::new() } else { format!("contract = \"{contract}\"\n") };
        format!("[[shift]]\n{contract}people = [\"{id}\"]\nfrom = \"08:00\"\nto = \"18:00\"\n")
    }

    fn count(changes: &[(DirectoryRow, Change)]) -> [usize; 4] {
        [Change::Added, Change::Changed, Change::Unchanged, Change::Removed]
            .map(|what| changes.iter().filter(|(_, change)| *change == what).count())
    }

    #[test]
    fn the_roster_of_one_contract_leaves_those_of_the_others_alone() {
        let first = shifts(&[shift("", "a"), shift("x", "b"), shift("x", "c"), shift("y", "d")].concat());
        for (why, text, order, counted) in [
            ("the same again", [shift("x", "b"), shift("x", "c")].concat(), "abcd", [0, 0, 2, 0]),
            ("one of two is gone", shift("x", "c"), "acd", [0, 1, 0, 1]),
            ("another one", shift("x", "e"), "aed", [0, 1, 0, 1]),
            ("one more", [shift("x", "b"), shift("x", "c"), shift("x", "e")].concat(), "abced", [1, 0, 2, 0]),
            ("a contract without any", shift("z", "e"), "abcde", [1, 0, 0, 0]),
            ("that of all contracts", shift("", "e"), "ebcd", [0, 1, 0, 0]),
            ("the other way round", [shift("x", "c"), shift("x", "b")].concat(), "acbd", [0, 2, 0, 0]),
        ] {
            let (after, changes) = roster(&first.iter().collect::<Vec<_>>(), &shifts(&text));
            let people: String = after
                .iter()
                .map(|row| serde_json::from_str::<crate::rules::directory::Shift>(&row.body).unwrap().people.concat())
                .collect();
            assert_eq!((people.as_str(), count(&changes)), (order, counted), "{why}");
        }
    }

    #[test]
    fn two_windows_with_one_begin_stand_beside_each_other() {
        let window = |contract: &str, system: &str| {
            format!(
                "[[maintenance]]\ncontract = \"{contract}\"\nsystems = [\"{system}\"]\nfrom = \"2026-10-08T20:00:00+08:00\"\nuntil = \"2026-10-08T22:00:00+08:00\"\n"
            )
        };
        let rows = shifts(&[window("x", "a"), window("x", "b"), window("y", "a"), window("y", "a")].concat());
        let mut keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        keys.dedup();
        assert_eq!(keys.len(), 3, "{keys:?}");
    }
}
