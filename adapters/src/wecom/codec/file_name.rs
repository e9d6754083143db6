//! Names of files that the bot is sent: the body names none, only the download's header does (wecom.md 5.9).

/// Longest name kept, in characters.
const LONGEST: usize = 120;

/// The file name in a `Content-Disposition`: `filename*=UTF-8''…` before `filename=…`; only the last part of a path, and
/// nothing that is no character of a name.
pub fn disposition_name(header: &str) -> Option<String> {
    let mut plain = None;
    for field in header.split(';').skip(1) {
        let Some((key, value)) = field.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "filename*" => {
                let encoded = value.splitn(3, '\'').nth(2).unwrap_or(value);
                if let Some(name) = tidy(&percent_decoded(encoded)) {
                    return Some(name);
                }
            }
            "filename" => plain = tidy(&percent_decoded(value)),
            _ => {}
        }
    }
    plain
}

/// A name for bytes that came without one: `image.png`.
pub fn invented_name(kind: &str, mime: &str) -> String {
    let ending = match mime {
        "image/png" => ".png",
        "image/jpeg" => ".jpg",
        "image/gif" => ".gif",
        "image/webp" => ".webp",
        "image/bmp" => ".bmp",
        "image/heic" => ".heic",
        "application/pdf" => ".pdf",
        "application/zip" => ".zip",
        "video/mp4" => ".mp4",
        "audio/amr" => ".amr",
        "text/plain" => ".txt",
        _ => "",
    };
    format!("{kind}{ending}")
}

fn tidy(name: &str) -> Option<String> {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = super::markdown::clean(base).replace('\n', "").chars().take(LONGEST).collect();
    let kept = kept.trim();
    (!kept.is_empty() && !kept.chars().all(|c| c == '.')).then(|| kept.to_owned())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (byte, digit(0), digit(1)) {
            // Two hexadecimal digits are at most 255.
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_from_the_header_and_never_a_path() {
        for (header, expected) in [
            ("attachment; filename=\"a.docx\"; filename*=UTF-8''%E5%91%A8%E6%8A%A5.docx", Some("周报.docx")),
            ("attachment; filename=周报.docx", Some("周报.docx")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=100%.txt", Some("100%.txt")),
            ("attachment; filename*=UTF-8''C%3A%5Ctmp%5Cx.png", Some("x.png")),
            ("inline", None),
        ] {
            assert_eq!(disposition_name(header).as_deref(), expected, "{header}");
        }
    }
}
