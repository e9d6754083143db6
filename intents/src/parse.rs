//! Reads a command out of a text: word first ("认领 3"), number first ("#3接单"), plain words
//! ("3号我来"), or a slip of one ("认令 3"). Anything else is no command.

use crate::arguments::fill;
use crate::command::{Command, CommandName, Who};
use crate::grammar::{Grammar, Rest, Verb, grammar};
use crate::intent::{Context, Speaker};
use crate::lexicon::Lexicon;
use crate::normalise::Normal;
use crate::speech::begins_quoted;
use crate::ticket::{Found, ends_word, ticket_at};

/// What the grammar made of a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    /// A command; how it was written, for the reasons.
    Command(Command, &'static str),
    /// The form of a command, but none.
    Unknown { typed: String, suggestion: Option<Command> },
    /// A question for the state of a ticket: "3号好了吗".
    AsksState(Command),
    /// Not a command.
    No,
}

/// Everything the forms look at.
pub(crate) struct Reader<'a> {
    pub original: &'a str,
    pub normal: &'a Normal,
    pub context: &'a Context<'a>,
    pub lexicon: &'a Lexicon,
    pub(crate) grammar: &'static Grammar,
}

/// Reads a command out of somebody's own words.
pub(crate) fn parse(own: &str, normal: &Normal, context: &Context<'_>, lexicon: &Lexicon) -> Parsed {
    // A pasted log or essay is no command; this also keeps the patterns away from long texts.
    if begins_quoted(own) || normal.text.is_empty() {
        return Parsed::No;
    }
    let reader = Reader { original: own, normal, context, lexicon, grammar: grammar() };
    reader.read()
}

impl Reader<'_> {
    pub(crate) fn engineer(&self) -> bool {
        self.context.speaker != Speaker::Requester
    }

    fn read(&self) -> Parsed {
        let (mut at, leading) = self.after_mentions();
        let text = &self.normal.text;
        // `/认领 1` and `#认领 1`; `#1` is a number.
        let hash = text[at..]
            .strip_prefix('#')
            .is_some_and(|rest| rest.trim_start().starts_with(|c: char| !c.is_ascii_digit() && c != '#'));
        let slash = hash || text[at..].starts_with('/');
        if slash {
            at += 1;
            at += text[at..].len() - text[at..].trim_start().len();
        }
        if begins_quoted(&text[at..]) {
            return Parsed::No;
        }
        let mut parsed = self.sole(at, slash);
        if parsed == Parsed::No {
            parsed = self.verb_first(at, slash);
        }
        if parsed == Parsed::No {
            parsed = self.number_first(at, slash);
        }
        if parsed == Parsed::No && text.len() - at <= 300 {
            parsed = self.plain_words(at);
        }
        if parsed == Parsed::No {
            parsed = self.slip(at, slash);
        }
        let Some(person) = leading else { return parsed };
        // "@张工 转派 3" names the person first; "@张工 认领 3" is said to 张工 and not to us.
        match parsed {
            Parsed::Command(mut command, how) if takes_people(command.name) => {
                if command.people.is_empty() {
                    command.people.push(person);
                }
                Parsed::Command(command, how)
            }
            _ => Parsed::No,
        }
    }

    /// Skips the desk's own name and mentions in front; tells a known person's mention.
    fn after_mentions(&self) -> (usize, Option<String>) {
        let text = &self.normal.text;
        let mut at = 0;
        let mut person = None;
        loop {
            let rest = &text[at..];
            let skipped = rest.len() - rest.trim_start_matches([' ', ',', ':']).len();
            let rest = &rest[skipped..];
            if let Some(mention) = rest.strip_prefix('@') {
                let len = mention.find([' ', ',', ':']).unwrap_or(mention.len());
                let name = &mention[..len];
                if len == mention.len() && at == 0 && name.chars().count() > 8 {
                    break;
                }
                if self.lexicon.is_person(name) {
                    let (from, to) = self.normal.original(at + skipped + 1, at + skipped + 1 + len);
                    person = Some(self.original[from..to].to_owned());
                }
                at += skipped + 1 + len;
                continue;
            }
            let named = self.grammar.desk_names.iter().find(|name| {
                rest.strip_prefix(name.as_str()).is_some_and(|behind| behind.starts_with([' ', ',', ':']))
            });
            if let Some(name) = named {
                at += skipped + name.len();
            } else {
                at += skipped;
                break;
            }
        }
        (at, person)
    }

    /// The whole message is a command's name or one of its set forms.
    fn sole(&self, at: usize, slash: bool) -> Parsed {
        let text = self.normal.text[at..].trim_end_matches(['.', '!', '~', ' ']);
        let name = self.grammar.sole.get(text).or_else(|| self.grammar.sole.get(text.trim_end_matches('?')));
        let Some(&name) = name else { return Parsed::No };
        // 收到 is an acknowledgement only from staff; from anybody else it is politeness.
        if name == CommandName::Ack && !self.engineer() && !slash {
            return Parsed::No;
        }
        if name.who() != Who::Anyone && !self.engineer() && !slash && name != CommandName::Duty {
            return Parsed::No;
        }
        let mut command = Command::new(name);
        if name == CommandName::Duty {
            command.word = crate::arguments::date_in(text).map(str::to_owned);
        }
        Parsed::Command(command, "整句是命令")
    }

    /// `李工 明天`, `明天 李工`, `李工`: no more than a name and a day, so that talk of a swap is left alone.
    fn person_and_date(&self, rest: &str) -> bool {
        let words: Vec<&str> = rest.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let name = |word: &str| {
            self.lexicon.is_person(word)
                || ((1..=4).contains(&word.chars().count())
                    && crate::arguments::date_in(word).is_none()
                    && !asks(word)
                    && !word.contains(['的', '了', '吧', '行', '好']))
        };
        match words.as_slice() {
            [one] => is_date(one) || name(one),
            [one, other] => (is_date(one) && name(other)) || (name(one) && is_date(other)),
            _ => false,
        }
    }

    /// `认领 3`, `认领3`, `/进展 已联系厂家`.
    fn verb_first(&self, at: usize, slash: bool) -> Parsed {
        let text = &self.normal.text;
        let Some(verb) = self.grammar.verb_at(&text[at..]) else { return Parsed::No };
        let mut here = at + verb.len;
        // "上门一下 3", "认领一下3"
        for softener in ["一下", "下"] {
            if text[here..].starts_with(softener)
                && text[here + softener.len()..]
                    .trim_start()
                    .starts_with(['#', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            {
                here += softener.len();
            }
        }
        let behind = &text[here..];
        let gap = behind.len() - behind.trim_start_matches([' ', ':', ',']).len();
        let rest_at = here + gap;
        let rest = &text[rest_at..];
        if verb.number
            && verb.name != CommandName::Evaluate
            && let Some(found) = ticket_at(rest)
        {
            let after = &rest[found.len..];
            if asks(after) && !slash {
                return Parsed::No;
            }
            let glued = found_glued(after, &found);
            if slash || found.explicit || glued.is_none_or(|c| !c.is_alphabetic()) || gap > 0 || self.engineer() {
                if !self.engineer() && verb.ambiguous && gap == 0 && !found.explicit && !ends_word(after) {
                    return Parsed::No;
                }
                return self.command(verb.name, Some(found.clone()), rest_at + found.len, "命令加编号");
            }
        }
        let bare = rest.trim_matches(['.', '!', '~', ' ', '?', '吧', '了', '啊', '哈']).is_empty();
        if bare {
            return self.bare(verb, slash, rest);
        }
        if slash {
            return self.command(verb.name, None, rest_at, "斜杠命令");
        }
        if verb.name == CommandName::Evaluate {
            return if rest.starts_with(|c: char| c.is_ascii_digit() || c == '#')
                || crate::arguments::score_at(rest).is_some()
            {
                self.command(verb.name, None, rest_at, "评价")
            } else {
                Parsed::No
            };
        }
        let spaced = gap > 0 && !text[here..rest_at].is_empty();
        let fits = match verb.rest {
            Rest::None => false,
            Rest::People => {
                rest.starts_with('@') || (self.engineer() && self.lexicon.begins_with_person(rest).is_some())
            }
            Rest::PeopleAndDate => rest.starts_with('@') || (self.engineer() && spaced && self.person_and_date(rest)),
            Rest::Date => self.engineer() && is_date(rest.trim_end_matches(['.', '!', '?', ' '])),
            Rest::Text => {
                spaced
                    && !asks(rest)
                    && (self.engineer() || (!verb.number && !verb.ambiguous) || verb.name == CommandName::Bind)
                    && self.text_fits(verb, rest)
            }
        };
        if fits { self.command(verb.name, None, rest_at, "命令，编号省略") } else { Parsed::No }
    }

    /// Some words need more than a space behind them to be a command.
    fn text_fits(&self, verb: Verb, rest: &str) -> bool {
        match verb.name {
            CommandName::Weekly | CommandName::Monthly => {
                rest.chars().count() <= 12
                    && (rest.starts_with(|c: char| c.is_ascii_digit())
                        || ["本", "上", "这"].iter().any(|p| rest.starts_with(p)))
            }
            CommandName::Severity => self.lexicon.severity_word(rest.split(' ').next().unwrap_or(rest)).is_some(),
            CommandName::Support => false,
            _ => true,
        }
    }

    /// Only the word, no number, no text.
    fn bare(&self, verb: Verb, slash: bool, rest: &str) -> Parsed {
        // "解决了" and "恢复了" from a requester confirm, "关闭?" asks.
        let decorated = rest.contains(['了', '?']);
        let heard = slash
            || match (self.engineer(), verb.ambiguous) {
                (true, true) => {
                    // 待办 and 周报 are words of talk among requesters; among engineers nobody says them alone for nothing.
                    let among = self.context.place != crate::intent::Place::Requesters;
                    !rest.contains('?') && (self.open_work() || (among && !verb.number))
                }
                (true, false) => !rest.contains('?'),
                (false, true) => {
                    let meant = self.open_work() || self.context.awaits_confirmation;
                    (!decorated && meant && verb.name.who() == Who::Anyone)
                        || (verb.name == CommandName::ConfirmReport && self.context.awaits_confirmation)
                }
                (false, false) => !decorated,
            };
        if !heard {
            return Parsed::No;
        }
        Parsed::Command(Command::new(verb.name), "整句是命令")
    }

    fn open_work(&self) -> bool {
        self.context.open_tickets > 0 || self.context.quotes_ticket || self.context.addressed
    }

    /// `#3接单`, `3 解决 重启了服务`, `1023 关单`.
    fn number_first(&self, at: usize, slash: bool) -> Parsed {
        let text = &self.normal.text;
        let head = text[at..].strip_prefix('把').or_else(|| text[at..].strip_prefix('将')).unwrap_or(&text[at..]);
        let at = text.len() - head.len();
        let at = at + (text[at..].len() - text[at..].trim_start().len());
        let Some(found) = ticket_at(&text[at..]) else { return Parsed::No };
        let after = &text[at + found.len..];
        let gap = after.len() - after.trim_start_matches([' ', ',', ':', '.']).len();
        let mut here = at + found.len + gap;
        for filler in ["这个单子", "这单", "这个", "工单", "的"] {
            if text[here..].starts_with(filler) {
                here += filler.len();
                break;
            }
        }
        let Some(verb) = self.grammar.verb_at(&text[here..]).filter(|verb| verb.number) else {
            return self.number_alone(&found, at, here);
        };
        let behind = &text[here + verb.len..];
        if asks(behind) {
            return Parsed::AsksState(Command { ticket: Some(found.ticket), ..Command::new(CommandName::Status) });
        }
        let (behind, done) = match behind.strip_prefix('了') {
            Some(behind) => (behind, true),
            None => (behind, false),
        };
        let person = matches!(verb.rest, Rest::People | Rest::PeopleAndDate);
        let to = ["给", "@", "到", "由"].iter().any(|to| behind.trim_start().starts_with(to));
        let level = verb.name == CommandName::Severity;
        let points = text[here..here + verb.len].ends_with(['到', '为']);
        let ends = points || ends_word(behind) || ["吧", "一下", "成", "为"].iter().any(|p| behind.starts_with(p));
        if !(ends || (person && (to || self.engineer())) || (level && self.engineer())) {
            return self.number_alone(&found, at, here);
        }
        // "3 恢复了" from a requester tells us, it does not order us.
        if !slash && !self.engineer() && (done || verb.ambiguous && verb.name.who() != Who::Anyone && !found.explicit) {
            return Parsed::No;
        }
        if !found.explicit && !self.engineer() && verb.name.who() == Who::Anyone && !ends_word(behind) {
            return Parsed::No;
        }
        let rest_at = text.len() - behind.len();
        self.command(verb.name, Some(found), rest_at, "编号加命令")
    }

    /// A command with its arguments from `rest_at` on.
    pub(crate) fn command(&self, name: CommandName, found: Option<Found>, rest_at: usize, how: &'static str) -> Parsed {
        let mut command = Command { ticket: found.map(|found| found.ticket), ..Command::new(name) };
        fill(&mut command, rest_at, self);
        Parsed::Command(command, how)
    }

    /// The original behind a part of the plain text, trimmed.
    pub(crate) fn typed(&self, from: usize, to: usize) -> String {
        let (from, to) = self.normal.original(from, to);
        self.original.get(from..to).unwrap_or_default().trim().to_owned()
    }
}

/// Whether a text is a day and nothing else.
fn is_date(text: &str) -> bool {
    crate::arguments::date_in(text) == Some(text)
}

/// The character glued to the end of a number, if any.
fn found_glued(after: &str, found: &Found) -> Option<char> {
    after.chars().next().filter(|c| *c != ' ' && found.len > 0)
}

fn takes_people(name: CommandName) -> bool {
    matches!(name, CommandName::Assign | CommandName::Assist | CommandName::Dispatch | CommandName::Swap)
}

/// Whether the words behind a command's word turn it into a question or its opposite.
pub(crate) fn asks(behind: &str) -> bool {
    let behind = behind.trim_start();
    [
        "吗",
        "么",
        "没",
        "不了",
        "不",
        "多久",
        "怎么",
        "如何",
        "了吗",
        "了没",
        "了么",
        "得怎么样",
        "情况",
        "是什么",
        "在哪",
        "流程",
        "为什么",
    ]
    .iter()
    .any(|word| behind.starts_with(word))
        || behind.ends_with('?')
        || behind.ends_with('吗')
}
