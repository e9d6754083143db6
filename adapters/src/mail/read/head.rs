//! Header fields as bytes: where they begin and end, leniently. What they mean is decided elsewhere.

/// Bytes of header that are looked at; a longer one is read no further (5.7 of the mail sheet).
pub(super) const LONGEST_HEADER: usize = 256 * 1024;
/// Fields that are kept.
const MOST_FIELDS: usize = 2_000;

/// One field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// Name as written.
    pub(super) name: &'a [u8],
    /// What stands after the colon, folds included.
    pub(super) value: &'a [u8],
}

/// The fields of a mail or a part, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Head<'a> {
    pub(super) fields: Vec<Field<'a>>,
    /// The header was longer than is read.
    pub(super) too_long: bool,
}

impl<'a> Head<'a> {
    /// The first field of this name.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// All fields of this name, topmost first.
    pub(super) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value)
    }

    /// The value of the first field of this name as ASCII text without blanks around it, in small letters.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| String::from_utf8_lossy(value).trim().to_ascii_lowercase())
    }
}

/// Lines without their ends (`\n`, `\r\n`, and a lone `\r` where the text has no `\n` at all).
pub(super) fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = if !raw.contains(&b'\n') && raw.contains(&b'\r') { b'\r' } else { b'\n' };
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = rest.iter().position(|byte| *byte == end);
        let line = &rest[..at.unwrap_or(rest.len())];
        rest = at.map_or(&[], |at| &rest[at + 1..]);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// The name of a field, if this line begins one: printable ASCII without blanks, then a colon.
pub(super) fn field_name(line: &[u8]) -> Option<&[u8]> {
    // No field that anybody reads has a longer name.
    let colon = line.iter().take(128).position(|byte| *byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(|byte| (33..127).contains(byte))).then_some(name)
}

/// Whether a header could hold this field: what tells a header from prose with a colon in it.
fn known(name: &[u8]) -> bool {
    const KNOWN: [&str; 22] = [
        "from",
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "message-id",
        "received",
        "return-path",
        "reply-to",
        "sender",
        "mime-version",
        "in-reply-to",
        "references",
        "delivered-to",
        "precedence",
        "importance",
        "organization",
        "auto-submitted",
        "user-agent",
        "errors-to",
        "status",
    ];
    KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        || [&b"content-"[..], b"x-", b"list-", b"resent-", b"dkim-", b"arc-", b"authentication-", b"thread-"]
            .iter()
            .any(|start| name.len() > start.len() && name[..start.len()].eq_ignore_ascii_case(start))
}

/// Splits a mail or a part into its header and where its body begins.
///
/// Empty lines and `From ` lines on top of a mail are passed over; a part (`inner`) that begins with an empty line has no
/// header. A header that ends without an empty line ends before the first
/// line that cannot belong to it; a text without any known field has no header.
pub(super) fn split(raw: &[u8], inner: bool) -> (Head<'_>, usize) {
    let mut head = Head::default();
    let mut at = 0;
    let mut begun = false;
    // Where the field being read begins: its name, and the offset after the colon.
    let mut open: Option<(&[u8], usize)> = None;
    let mut body = None;
    let mut garbage = 0;
    let mut any_known = false;
    let base = raw.as_ptr() as usize;
    for line in lines(raw) {
        at = line.as_ptr() as usize - base;
        if !begun && !inner && (line.is_empty() || line.starts_with(b"From ") || line.starts_with(b">From ")) {
            continue;
        }
        if at > LONGEST_HEADER {
            head.too_long = true;
        }
        if line.trim_ascii().is_empty() {
            let next = at + line.len();
            body = Some(after_line_end(raw, next));
            break;
        }
        if matches!(line[0], b' ' | b'\t') && begun {
            continue;
        }
        let name = field_name(line);
        if let Some((name, from)) = open.take() {
            push(&mut head, name, &raw[from..at]);
        }
        match name {
            Some(name) => {
                begun = true;
                any_known |= known(name);
                let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
                open = Some((name, at + colon + 1));
            }
            None if !begun => {
                body = Some(at);
                break;
            }
            // A broken line in between: it is passed over if the header goes on after it.
            None if garbage < 20 && goes_on(&raw[at..]) => garbage += 1,
            None => {
                body = Some(at);
                break;
            }
        }
    }
    let ends = body.unwrap_or(raw.len());
    if let Some((name, from)) = open {
        push(&mut head, name, &raw[from..ends.max(from)]);
    }
    if !any_known && !head.fields.is_empty() {
        // Prose that happens to have a colon in its first line.
        return (Head::default(), 0);
    }
    if !begun && body.is_none() {
        return (head, if at == 0 { 0 } else { raw.len() });
    }
    (head, ends)
}

fn push<'a>(head: &mut Head<'a>, name: &'a [u8], value: &'a [u8]) {
    if head.too_long || head.fields.len() >= MOST_FIELDS {
        head.too_long = true;
    } else {
        head.fields.push(Field { name, value: &value[..value.len().min(LONGEST_HEADER)] });
    }
}

/// Whether one of the next lines is a field that a header has.
fn goes_on(rest: &[u8]) -> bool {
    lines(&rest[..rest.len().min(4096)])
        .skip(1)
        .take(3)
        .take_while(|line| !line.trim_ascii().is_empty())
        .any(|line| field_name(line).is_some_and(known))
}

fn after_line_end(raw: &[u8], at: usize) -> usize {
    match raw.get(at) {
        Some(b'\r') if raw.get(at + 1) == Some(&b'\n') => at + 2,
        Some(_) => at + 1,
        None => at,
    }
}

/// A value in one line: folds become what they stand for.
pub(super) fn unfold(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for line in lines(value) {
        if !out.is_empty() && !matches!(line.first(), Some(b' ' | b'\t') | None) {
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    out.trim_ascii().to_vec()
}
