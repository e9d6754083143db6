//! Addresses, ids and dates in header fields.

use jiff::Timestamp;
use mail_parser::DateTime;

use super::Address;
use super::head::{Head, unfold};
use super::words;

/// Addresses that are taken from one field.
const MOST_ADDRESSES: usize = 500;
/// Ids that are taken from one field: longer References are cut in the middle by everybody.
const MOST_IDS: usize = 200;

/// All addresses of a field, in all its occurrences. Comments, groups and what is no address are left out.
pub(super) fn addresses(head: &Head<'_>, field: &str) -> Vec<Address> {
    head.all(field).flat_map(list).take(MOST_ADDRESSES).collect()
}

fn list(value: &[u8]) -> Vec<Address> {
    let value = unfold(value);
    let mut found = Vec::new();
    let mut entry = Entry::default();
    let (mut quoted, mut escaped, mut angle, mut comment) = (false, false, false, 0_usize);
    for byte in value {
        if escaped {
            escaped = false;
            entry.put(byte, angle, comment > 0);
            continue;
        }
        match byte {
            b'\\' if quoted || comment > 0 => escaped = true,
            b'"' if comment == 0 && !angle => quoted = !quoted,
            _ if quoted => entry.put(byte, angle, false),
            b'(' if !angle => comment += 1,
            b')' if comment > 0 => comment -= 1,
            _ if comment > 0 => entry.put(byte, false, true),
            b'<' => {
                angle = true;
                entry.angle.clear();
                entry.any_angle = true;
            }
            b'>' => angle = false,
            b',' | b';' if !angle => found.extend(std::mem::take(&mut entry).done()),
            // The name of a group ends here; an address never holds a colon outside of quotes.
            b':' if !angle => entry = Entry::default(),
            _ => entry.put(byte, angle, false),
        }
        if found.len() >= MOST_ADDRESSES {
            return found;
        }
    }
    found.extend(entry.done());
    found
}

/// What one entry of an address list is made of.
#[derive(Default)]
struct Entry {
    plain: Vec<u8>,
    angle: Vec<u8>,
    comment: Vec<u8>,
    any_angle: bool,
}

impl Entry {
    fn put(&mut self, byte: u8, angle: bool, comment: bool) {
        match (comment, angle) {
            (true, _) => self.comment.push(byte),
            (_, true) => self.angle.push(byte),
            _ => self.plain.push(byte),
        }
    }

    fn done(self) -> Option<Address> {
        let (address, name) = if self.any_angle && self.angle.contains(&b'@') {
            let name = if self.plain.trim_ascii().is_empty() { self.comment } else { self.plain };
            (self.angle, name)
        } else {
            // `a@example.com (Name)`, or words around an address without brackets.
            let plain = self.plain.clone();
            let at = plain.split(u8::is_ascii_whitespace).find(|word| word.contains(&b'@'))?;
            let name = if self.comment.is_empty() {
                plain.split(u8::is_ascii_whitespace).filter(|word| *word != at).collect::<Vec<_>>().join(&b' ')
            } else {
                self.comment
            };
            (at.to_vec(), name)
        };
        let address = words::text(&address);
        let address = address.strip_prefix("mailto:").unwrap_or(&address).trim_matches(['<', '>', ' ', '\'']);
        // A route (`<@relay:user@host>`) ends at its colon.
        let address = address.rsplit_once(':').map_or(address, |(_, address)| address);
        let sound = address.len() <= 320
            && address.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
            && !address.contains(char::is_whitespace);
        let name = words::text(&name);
        sound.then(|| Address { address: address.to_lowercase(), name: name.trim_matches(['"', '\'', ' ']).to_owned() })
    }
}

/// All `<id>` of a field, without brackets; a field without brackets that is one word is an id too.
pub(super) fn ids(value: &[u8]) -> Vec<String> {
    let value = unfold(value);
    let value = String::from_utf8_lossy(&value);
    let mut found: Vec<String> = Vec::new();
    let mut put = |id: String| {
        if !id.is_empty() && id.len() <= 998 && !found.contains(&id) {
            found.push(id);
        }
    };
    for piece in value.split('<').skip(1).take(MOST_IDS) {
        if let Some((id, _)) = piece.split_once('>') {
            // Some servers fold inside an id.
            put(id.chars().filter(|c| !c.is_whitespace()).collect());
        }
    }
    if !value.contains('<') {
        value.split_whitespace().filter(|word| word.contains('@')).take(MOST_IDS).for_each(|word| put(word.to_owned()));
    }
    found
}

/// The instant a Date field names.
pub(super) fn date(value: &[u8]) -> Option<Timestamp> {
    let value = unfold(value);
    let text = String::from_utf8_lossy(&value);
    let date = DateTime::parse_rfc822(text.trim()).filter(DateTime::is_valid)?;
    Timestamp::from_second(date.to_timestamp()).ok()
}
