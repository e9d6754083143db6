//! The header before the content of a part (sms.md 1.10): length, then elements of id, length and data.

use serde::Serialize;

/// What holds the parts of one message together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Concat {
    /// The same in all parts.
    #[serde(rename = "ref")]
    pub reference: u16,
    /// 8 or 16: two messages may have one number in different widths.
    pub ref_bits: u8,
    /// How many parts there are, from 1.
    pub total: u8,
    /// Which of them this is, from 1.
    pub number: u8,
}

/// A header as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Udh<'a> {
    /// Where this is a part of something.
    pub concat: Option<Concat>,
    /// Other elements, whole (id, length, data).
    pub others: Vec<&'a [u8]>,
    /// The header itself, its length byte included.
    pub header: &'a [u8],
    /// What stands behind it.
    pub payload: &'a [u8],
}

/// Whether the content begins with a header; gateways deliver 0x40 as well as 1.
pub fn flagged(tp_udhi: u8) -> bool {
    tp_udhi & 0x41 != 0
}

/// Reads the header of a content; `None` where it is none, and the content is to be taken as it is.
pub fn read(content: &[u8]) -> Option<Udh<'_>> {
    let length = usize::from(*content.first()?);
    let (header, payload) = content.split_at_checked(length + 1)?;
    let mut udh = Udh { concat: None, others: Vec::new(), header, payload };
    let mut rest = &header[1..];
    while !rest.is_empty() {
        let [id, length, ..] = *rest else { return None };
        let (element, more) = rest.split_at_checked(2 + usize::from(length))?;
        let concat = match (id, &element[2..]) {
            (0x00, &[reference, total, number]) => {
                Some(Concat { reference: u16::from(reference), ref_bits: 8, total, number })
            }
            (0x08, &[high, low, total, number]) => {
                Some(Concat { reference: u16::from_be_bytes([high, low]), ref_bits: 16, total, number })
            }
            _ => None,
        };
        match concat {
            Some(concat) if concat.number == 0 || concat.number > concat.total => return None,
            Some(concat) => udh.concat = Some(concat),
            None => udh.others.push(element),
        }
        rest = more;
    }
    Some(udh)
}

/// The header of one part: six bytes for eight bits of reference, seven for sixteen.
pub fn write(concat: Concat) -> Vec<u8> {
    let Concat { reference, ref_bits, total, number } = concat;
    let [high, low] = reference.to_be_bytes();
    if ref_bits == 16 { vec![6, 8, 4, high, low, total, number] } else { vec![5, 0, 3, low, total, number] }
}
