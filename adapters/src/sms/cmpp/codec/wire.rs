//! Fixed fields: integers in network order, texts padded with zeros to the right.

use super::pdu::Fault;

pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Length)
    }

    pub fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Up to the first zero, without blanks around.
    pub fn text(&mut self, count: usize) -> Result<String, Fault> {
        Ok(text(self.take(count)?))
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// Writes a text into its field; what is too long is cut, as the field has no room for it.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str, count: usize) {
    let bytes = text.as_bytes();
    let kept = &bytes[..bytes.len().min(count)];
    out.extend_from_slice(kept);
    out.resize(out.len() + count - kept.len(), 0);
}
