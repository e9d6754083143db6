//! A stream of bytes to frames. What was read of an unfinished frame stays, whatever happens in between.

/// Shortest frame: the header alone.
pub const HEADER: usize = 12;
/// Longest frame that is taken; the largest sane one has 3335 bytes (1.1).
pub const LONGEST: usize = 8192;

/// The stream can no longer be told apart: the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes cannot be one")]
pub struct OutOfStep(pub u32);

/// Collects bytes and gives whole frames. Holds at most one frame and what was pushed last.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    from: usize,
}

impl Framer {
    /// More of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.from > 0 {
            self.buffer.drain(..self.from);
            self.from = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, header included; `None` until more has come.
    ///
    /// # Errors
    /// [`OutOfStep`] at a length that cannot be one; nothing after it can be read.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, OutOfStep> {
        let rest = &self.buffer[self.from..];
        let Some(length) = rest.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length);
        let whole = usize::try_from(length).ok().filter(|whole| (HEADER..=LONGEST).contains(whole));
        let whole = whole.ok_or(OutOfStep(length))?;
        let Some(frame) = rest.get(..whole) else { return Ok(None) };
        let frame = frame.to_vec();
        self.from += whole;
        Ok(Some(frame))
    }
}
