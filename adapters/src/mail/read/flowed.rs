//! `format=flowed` (RFC 3676): lines that were wrapped by the sender's program are put together again.

/// Undoes the wrapping. With `delsp` the blank at a line's end was put there too and goes (Chinese text needs that).
pub(super) fn unflow(text: &str, delsp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // The depth of the paragraph that goes on in the next line.
    let mut goes_on: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim_start_matches('>');
        let depth = line.len() - content.len();
        let content = content.strip_prefix(' ').unwrap_or(content);
        let signature = content == "-- ";
        if goes_on != Some(depth) || signature {
            if !out.is_empty() || goes_on.is_some() {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('>', depth));
            if depth > 0 {
                out.push(' ');
            }
        }
        let flows = content.ends_with(' ') && !signature;
        out.push_str(if flows && delsp { &content[..content.len() - 1] } else { content });
        goes_on = flows.then_some(depth);
        if !flows && out.is_empty() {
            out.push('\n');
        }
    }
    out
}
