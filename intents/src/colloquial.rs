//! Commands in plain words, numbers without a command, and slips of one: the less certain half of
//! the grammar. What is not certain becomes a proposal, never an act.

use crate::arguments::people;
use crate::command::{Command, CommandName};
use crate::parse::{Parsed, Reader, asks};
use crate::ticket::{Found, ticket_at};
use crate::typo;

impl Reader<'_> {
    /// A number that can only be a ticket, followed by text without a command.
    pub(crate) fn number_alone(&self, found: &Found, at: usize, here: usize) -> Parsed {
        let text = &self.normal.text;
        let rest = text[here..].trim();
        let plain = self.plain_words(at);
        if plain != Parsed::No {
            return plain;
        }
        if !found.explicit {
            return Parsed::No;
        }
        let status = Command { ticket: Some(found.ticket.clone()), ..Command::new(CommandName::Status) };
        if asks(rest)
            || rest.contains(['?', '吗'])
            || rest.ends_with(['呢', '么'])
            || rest.contains("到哪")
            || rest.contains("怎么样")
            || rest.contains("进展")
            || rest.contains("进度")
            || rest.contains("没有")
            || rest.ends_with('没')
        {
            return Parsed::AsksState(status);
        }
        if rest.is_empty() {
            return Parsed::Command(Command { colloquial: true, ..status }, "只有编号");
        }
        if !self.engineer() || rest.chars().count() < 3 {
            return Parsed::No;
        }
        // An engineer's "#3 已联系厂家" is very likely progress, but it would reach the requester: ask.
        let mut suggestion = Command { ticket: Some(found.ticket.clone()), ..Command::new(CommandName::Progress) };
        suggestion.text = self.typed(here, text.len());
        Parsed::Unknown { typed: self.typed(at, text.len()), suggestion: Some(suggestion) }
    }

    /// The patterns of `[[plain]]`.
    pub(crate) fn plain_words(&self, at: usize) -> Parsed {
        let text = &self.normal.text[at..];
        if self.grammar.unsupported.iter().any(|pattern| pattern.is_match(text))
            && (self.engineer() || self.context.addressed)
        {
            return Parsed::Unknown { typed: self.typed(at, self.normal.text.len()), suggestion: None };
        }
        if !text.contains(|c: char| c.is_ascii_digit()) && !text.contains("值班") {
            return Parsed::No;
        }
        for plain in &self.grammar.plain {
            if plain.engineers_only && !self.engineer() {
                continue;
            }
            let Some(found) = plain.pattern.captures(text) else { continue };
            let mut command = Command { colloquial: true, ..Command::new(plain.name) };
            if let Some(number) = found.name("t") {
                // Again with all that follows, so that "3楼" stays a floor.
                let Some(ticket) = ticket_at(text[number.start()..].trim_start()) else { continue };
                command.ticket = Some(ticket.ticket);
            }
            if let Some(who) = found.name("who") {
                command.people = people(&self.typed(at + who.start(), at + who.end()), self.lexicon);
            }
            if let Some(word) = found.name("word") {
                command.word =
                    Some(self.lexicon.severity_word(word.as_str()).unwrap_or_else(|| word.as_str().to_owned()));
            }
            if let Some(rest) = found.name("rest") {
                let rest = self.typed(at + rest.start(), at + rest.end());
                rest.trim_start_matches([',', '，', '.', '。', ' ']).clone_into(&mut command.text);
            }
            return Parsed::Command(command, "口语命令");
        }
        Parsed::No
    }

    /// A word that is nearly a command, in the place of one.
    pub(crate) fn slip(&self, at: usize, slash: bool) -> Parsed {
        let text = &self.normal.text;
        let Some((len, name)) =
            typo::nearest(&text[at..], slash, self.engineer() && self.context.addressed, self.grammar)
        else {
            return Parsed::No;
        };
        let suggestion = name.and_then(|name| {
            let rest_at = at + len;
            let gap = text[rest_at..].len() - text[rest_at..].trim_start_matches([' ', ':', ',']).len();
            let rest_at = rest_at + gap;
            let found = ticket_at(&text[rest_at..]);
            let after = rest_at + found.as_ref().map_or(0, |found| found.len);
            match self.command(name, found, after, "") {
                Parsed::Command(command, _) => Some(command),
                _ => None,
            }
        });
        Parsed::Unknown { typed: self.typed(at, text.len()), suggestion }
    }
}
