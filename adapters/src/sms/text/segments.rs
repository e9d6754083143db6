//! Cutting a text into the parts that one message carries each (sms.md 1.9, 2). A character is never cut: not a surrogate
//! pair in UCS-2, not two bytes of GB18030.

/// UTF-16 units of a message that goes alone: 140 bytes.
pub const SINGLE_UNITS: usize = 70;
/// Units of one part behind the six bytes of an 8-bit reference.
pub const PART_UNITS: usize = 67;
/// Units of one part behind the seven bytes of a 16-bit reference: 133 bytes.
pub const PART_UNITS_16: usize = 66;
/// Characters of a Msg_Fmt 0 message: the rule is "less than 160".
pub const SINGLE_ASCII: usize = 159;
/// Characters of one part of such a message.
pub const PART_ASCII: usize = 153;
/// Bytes of a GB message that goes alone.
pub const SINGLE_GB: usize = 140;
/// Bytes of one part of such a message.
pub const PART_GB: usize = 134;

/// How wide the reference is that holds the parts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reference {
    /// Eight bits, in a header of six bytes: what every phone knows.
    #[default]
    Eight,
    /// Sixteen bits, in a header of seven bytes.
    Sixteen,
}

impl Reference {
    /// UTF-16 units that one part holds.
    pub fn part_units(self) -> usize {
        match self {
            Self::Eight => PART_UNITS,
            Self::Sixteen => PART_UNITS_16,
        }
    }
}

/// Length in UTF-16 units: an emoji or a rare character counts two.
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The parts of a text sent as UCS-2. Always at least one; joined they are the text.
pub fn ucs2(text: &str, reference: Reference) -> Vec<&str> {
    cut(text, SINGLE_UNITS, reference.part_units(), char::len_utf16)
}

/// The parts of a text in Msg_Fmt 0; `None` where it is not all ASCII.
pub fn ascii(text: &str) -> Option<Vec<&str>> {
    text.is_ascii().then(|| cut(text, SINGLE_ASCII, PART_ASCII, char::len_utf8))
}

/// The parts of a text in Msg_Fmt 15.
pub fn gb(text: &str) -> Vec<&str> {
    cut(text, SINGLE_GB, PART_GB, gb_len)
}

fn gb_len(c: char) -> usize {
    let mut buffer = [0; 4];
    encoding_rs::GB18030.encode(c.encode_utf8(&mut buffer)).0.len()
}

/// One part where the whole fits in `single`, else parts of at most `part` each; `len` measures a character.
pub(crate) fn cut(text: &str, single: usize, part: usize, len: impl Fn(char) -> usize) -> Vec<&str> {
    if text.chars().map(&len).sum::<usize>() <= single {
        return vec![text];
    }
    let mut parts = Vec::new();
    let (mut from, mut filled) = (0, 0);
    for (at, c) in text.char_indices() {
        let wide = len(c);
        if filled + wide > part {
            parts.push(&text[from..at]);
            (from, filled) = (at, 0);
        }
        filled += wide;
    }
    parts.push(&text[from..]);
    parts
}

/// What a cloud bills for: `signature` (with its brackets) and content together, 70 in one, else 67 each.
pub fn billed(units: usize) -> usize {
    if units <= SINGLE_UNITS { 1 } else { units.div_ceil(PART_UNITS) }
}

/// The longest beginning of a text within so many units.
pub fn head(text: &str, most: usize) -> &str {
    let mut filled = 0;
    for (at, c) in text.char_indices() {
        filled += c.len_utf16();
        if filled > most {
            return &text[..at];
        }
    }
    text
}
