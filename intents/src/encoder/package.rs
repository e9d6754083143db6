//! Makes the weight file of what the package holds.

use super::EncoderError;
use super::tokens::Tokeniser;
use super::weights::{BLOCK_ROWS, BLOCKS, MAGIC, PIECES, ROW, TENSORS, WIDTH};
use std::collections::BTreeMap;

/// Makes a weight file of the package's arrays (NumPy files by their names, without `.npy`) and its word-piece model.
///
/// The same package always makes the same bytes.
pub fn pack(arrays: &BTreeMap<String, Vec<u8>>, model: &[u8]) -> Result<Vec<u8>, EncoderError> {
    Tokeniser::open(model, PIECES)?;
    let mut out = Vec::with_capacity(PIECES * ROW + model.len() + (16 << 20));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(model.len() as u64).to_le_bytes());
    let blocks = (1..=BLOCKS)
        .map(|block| array(arrays, &format!("q{block}"), "|u1", &[BLOCK_ROWS, WIDTH], 1))
        .collect::<Result<Vec<_>, _>>()?;
    for piece in 0..PIECES {
        let row = &blocks[piece % BLOCKS][piece / BLOCKS * WIDTH..][..WIDTH];
        for four in row.as_chunks::<4>().0 {
            if four.iter().any(|number| *number > 63) {
                return Err(EncoderError::Damaged(format!("piece {piece} has numbers of more than 6 bits")));
            }
            let bits = four.iter().rev().fold(0u32, |bits, number| bits << 6 | u32::from(*number));
            out.extend_from_slice(&bits.to_le_bytes()[..3]);
        }
    }
    out.extend_from_slice(model);
    for (name, rows, columns) in TENSORS {
        match name {
            "bits" => {
                let bits = array(arrays, name, "|i1", &[1], 1)?;
                out.extend_from_slice(&f32::from(bits[0]).to_le_bytes());
            }
            "eps" => {
                let eight = array(arrays, name, "<f8", &[], 8)?;
                let number = eight.as_chunks::<8>().0.first().map_or(0.0, |eight| f64::from_le_bytes(*eight));
                #[expect(clippy::cast_possible_truncation, reason = "12 digits are more than enough of 1e-12")]
                out.extend_from_slice(&(number as f32).to_le_bytes());
            }
            _ if rows == 1 => out.extend_from_slice(array(arrays, name, "<f4", &[columns], 4)?),
            _ => out.extend_from_slice(array(arrays, name, "<f4", &[rows, columns], 4)?),
        }
    }
    Ok(out)
}

/// The numbers of a NumPy file of this kind and shape.
fn array<'a>(
    arrays: &'a BTreeMap<String, Vec<u8>>,
    name: &str,
    kind: &str,
    shape: &[usize],
    width: usize,
) -> Result<&'a [u8], EncoderError> {
    let bytes = arrays.get(name).ok_or_else(|| EncoderError::Lacks(name.to_owned()))?;
    let wrong = || EncoderError::Foreign(format!("{name} is no array of the expected form"));
    // Version 1 of the form: magic, two bytes of version, two of the head's length, a head in Python's syntax.
    if bytes.get(..8) != Some(b"\x93NUMPY\x01\x00".as_slice()) {
        return Err(wrong());
    }
    let length = bytes.get(8..10).map(|two| usize::from(two[0]) | usize::from(two[1]) << 8).ok_or_else(wrong)?;
    let head = bytes.get(10..10 + length).and_then(|head| std::str::from_utf8(head).ok()).ok_or_else(wrong)?;
    let numbers: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let expected = [
        format!("'descr': '{kind}'"),
        "'fortran_order': False".to_owned(),
        format!("'shape': ({}{comma})", numbers.join(", ")),
    ];
    let data = &bytes[10 + length..];
    if expected.iter().all(|part| head.contains(part)) && data.len() == shape.iter().product::<usize>() * width {
        Ok(data)
    } else {
        Err(wrong())
    }
}
