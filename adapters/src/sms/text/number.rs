//! Phone numbers in one form (sms.md 3.1): eleven digits for mainland mobiles, `0…` for landlines, `+…` for others.

use serde::Serialize;

/// What kind of line a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mainland mobile.
    Mobile,
    /// A card in a machine, thirteen digits.
    Machine,
    /// A line in a building, with its area code or without.
    Landline,
    /// A number of a service: no person, never answered by itself.
    Service,
    /// Of another country.
    Foreign,
}

/// A number that can be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Number {
    /// The one form it is known by.
    pub canonical: String,
    /// What it is.
    pub kind: Kind,
}

impl Number {
    /// Reads a number as people and gateways write it; `None` where it cannot be one.
    pub fn read(raw: &str) -> Option<Self> {
        let text = super::half_width(raw).trim().to_ascii_lowercase();
        let text = text.strip_prefix("tel:").unwrap_or(&text);
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
        let (plus, digits) = match digits.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, digits.as_str()),
        };
        if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number = |kind, canonical: &str| Some(Self { canonical: canonical.to_owned(), kind });
        let abroad = if plus { Some(digits) } else { digits.strip_prefix("00") };
        if let Some(abroad) = abroad.filter(|abroad| !abroad.bytes().all(|b| b == b'0')) {
            return match abroad.strip_prefix("86") {
                Some(home) => own(home)
                    .or_else(|| area_line(home).then(|| format!("0{home}")).and_then(|n| number(Kind::Landline, &n))),
                None if abroad.starts_with('0') || !(7..=15).contains(&abroad.len()) => None,
                None => number(Kind::Foreign, &format!("+{abroad}")),
            };
        }
        if let Some(found) = own(digits) {
            return Some(found);
        }
        if let Some(found) = ["086", "86", "0"].iter().find_map(|prefix| own(digits.strip_prefix(prefix)?)) {
            return Some(found);
        }
        match (digits.len(), digits.as_bytes()[0]) {
            (3..=6, b'1'..=b'9') => number(Kind::Service, digits),
            (7..=20, _) if digits.starts_with("106") => number(Kind::Service, digits),
            (7..=8, b'2'..=b'9') => number(Kind::Landline, digits),
            (_, b'0') if area_line(&digits[1..]) => number(Kind::Landline, digits),
            _ => None,
        }
    }

    /// Whether a text message can be sent to it within the country.
    pub fn takes_texts(&self) -> bool {
        matches!(self.kind, Kind::Mobile | Kind::Machine)
    }
}

/// A mobile or a card in a machine. The service numbers behind 106 share their beginning with cards: of those only 1064
/// is one.
fn own(digits: &str) -> Option<Number> {
    let bytes = digits.as_bytes();
    let kind = match bytes.len() {
        11 if bytes[0] == b'1' && (b'3'..=b'9').contains(&bytes[1]) => Kind::Mobile,
        13 if ["104", "1064", "140", "144"].iter().any(|prefix| digits.starts_with(prefix)) => Kind::Machine,
        _ => return None,
    };
    Some(Number { canonical: digits.to_owned(), kind })
}

/// Area code without its 0, and seven or eight digits.
fn area_line(digits: &str) -> bool {
    match digits.as_bytes() {
        [b'1', b'0', rest @ ..] | [b'2', b'0'..=b'9', rest @ ..] => rest.len() == 8,
        [b'3'..=b'9', _, _, rest @ ..] => (7..=8).contains(&rest.len()),
        _ => false,
    }
}

/// A number as a log may show it: the middle is left out.
pub fn masked(number: &str) -> String {
    let count = number.chars().count();
    if count < 8 {
        return "…".to_owned();
    }
    let (head, tail): (String, String) =
        (number.chars().take(3).collect(), number.chars().skip(count.saturating_sub(2)).collect());
    format!("{head}…{tail}")
}
