//! What bytes are, by looking at them.

/// Beginnings that give a format away: offset, bytes, MIME type.
const SIGNS: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"Rar!", "application/vnd.rar"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (4, b"ftyp", "video/mp4"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"#!SILK", "audio/silk"),
    (1, b"#!SILK", "audio/silk"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (8, b"WAVE", "audio/wav"),
];

/// The MIME type of bytes: by their first ones, else plain or hyper text where they read as such, else octets.
pub fn sniff(bytes: &[u8]) -> &'static str {
    let sign = SIGNS.iter().find(|(at, sign, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(sign)));
    if let Some((_, _, kind)) = sign {
        return kind;
    }
    let head = &bytes[..bytes.len().min(512)];
    let readable = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        // A character may be cut in two at the end of what we looked at.
        Err(error) if error.valid_up_to() + 4 > head.len() => std::str::from_utf8(&head[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match readable.map(|text| text.trim_start().to_ascii_lowercase()) {
        Some(text) if text.starts_with("<!doctype html") || text.starts_with("<html") => "text/html",
        Some(text) if !text.contains('\0') => "text/plain",
        Some(_) | None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_known_by_its_bytes() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"PK\x03\x04", "application/zip"),
            (b"\x02#!SILK_V3", "audio/silk"),
            (b"  <!DOCTYPE HTML><html>", "text/html"),
            ("{\"code\":-5503007,\"msg\":\"过期\"}".as_bytes(), "text/plain"),
            (b"\x00\x01\x02\xff", "application/octet-stream"),
            (b"", "text/plain"),
        ] {
            assert_eq!(sniff(bytes), kind);
        }
    }
}
