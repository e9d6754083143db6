//! A message made to fit: which form of it is said, with its signature, in how many parts (sms.md 2).

use super::segments::{self, Reference, units};
use super::signature::{self, Signature};

/// Stands at the end of what had to be cut.
const MORE: &str = "…详情请见工单系统";

/// The forms there are of one message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// All of it.
    pub text: &'a str,
    /// For 70 characters, where there is such a form.
    pub short: Option<&'a str>,
    /// Whether the whole text is wanted as long as it fits in several parts: a person's words.
    pub whole: bool,
}

/// What may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most parts of one message, 1 to 10.
    pub segments: usize,
    /// How the parts are held together.
    pub reference: Reference,
}

impl Default for Limits {
    fn default() -> Self {
        // 2: an answer to an agency takes at most three parts.
        Self { segments: 3, reference: Reference::Eight }
    }
}

/// A message ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// What the phone shows, signature included, whoever writes it.
    pub shown: String,
    /// What is handed to the gateway, a part each: without the signature where the gateway adds it.
    pub segments: Vec<String>,
    /// Whether something was left out.
    pub cut: bool,
}

/// Why there is nothing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nothing is left of the text.
    #[error("短信没有内容")]
    Empty,
}

/// Makes a message fit. Of the forms the whole text is taken where one part holds it or where `whole` asks for it and the
/// limit allows; else the short form; what is still too long is cut, and says so.
///
/// # Errors
/// [`Unfit`] where the text is empty.
pub fn fit(wanted: Wanted<'_>, signed: &Signature, limits: Limits) -> Result<Fitted, Unfit> {
    let text = signature::body(wanted.text);
    let short = wanted.short.map(signature::body).filter(|short| !short.is_empty());
    let mark = signed.text();
    let parts = |body: &str| segments::ucs2(&format!("{mark}{body}"), limits.reference).len();
    let most = limits.segments.clamp(1, 10);
    let (body, mut cut) = match short {
        Some(short) if text.is_empty() || parts(&text) > if wanted.whole { most } else { 1 } => {
            (short, !text.is_empty())
        }
        _ => (text, false),
    };
    if body.is_empty() {
        return Err(Unfit::Empty);
    }
    let body = if parts(&body) > most {
        cut = true;
        shortened(&body, signed.units(), most, limits.reference)
    } else {
        body
    };
    let shown = format!("{mark}{body}");
    let mut out: Vec<String> = segments::ucs2(&shown, limits.reference).into_iter().map(str::to_owned).collect();
    if signed.by_gateway()
        && let Some(first) = out.first_mut()
    {
        // The room stays free: the gateway puts the signature there.
        *first = first.strip_prefix(&mark).unwrap_or(first).to_owned();
    }
    Ok(Fitted { shown, segments: out, cut })
}

/// The longest beginning that leaves room for the signature and a word on where the rest stands. A pair that would be cut
/// moves whole to the next part, which costs a unit in each.
fn shortened(body: &str, signature: usize, most: usize, reference: Reference) -> String {
    let room = if most == 1 { segments::SINGLE_UNITS } else { (reference.part_units() - 1) * most };
    let left = room.saturating_sub(signature + units(MORE));
    format!("{}{MORE}", segments::head(body, left).trim_end())
}
