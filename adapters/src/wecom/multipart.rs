//! Uploads as WeCom's parser wants them: one part named `media` with the plain file name in UTF-8 and its length. Writers of
//! libraries give Chinese names only as `filename*=`, which is ignored (wecom.md 3.3).

use sha2::{Digest as _, Sha256};

/// What is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadKind {
    /// 10 MB, JPG or PNG; not for robots.
    Image,
    /// 2 MB, 60 s, AMR.
    Voice,
    /// 10 MB, MP4; not for robots.
    Video,
    /// 20 MB.
    File,
}

impl UploadKind {
    /// `type` in the address.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
        }
    }

    /// Most bytes (4.7).
    pub fn limit(self) -> usize {
        let megabytes = match self {
            Self::Image | Self::Video => 10,
            Self::Voice => 2,
            Self::File => 20,
        };
        megabytes * 1024 * 1024
    }

    /// Why these bytes would be refused, in Chinese; `None` where they would not. Six bytes are the least.
    pub fn fault(self, bytes: &[u8]) -> Option<String> {
        if bytes.len() <= 5 {
            return Some("文件是空的或过小，平台不接受".to_owned());
        }
        let limit = self.limit();
        (bytes.len() > limit).then(|| format!("文件超过平台上限（{} MB）", limit / (1024 * 1024)))
    }
}

/// Body and content type of an upload.
pub(super) fn media_part(name: &str, bytes: &[u8]) -> (Vec<u8>, String) {
    // What could end the header or the quotes, or lead into a folder, is not part of a name.
    let plain = |c: &char| !c.is_control() && !matches!(c, '"' | '\\' | '/');
    let name: String = name.chars().filter(plain).take(80).collect();
    let name = if name.trim().is_empty() { "file" } else { name.trim() };
    let boundary = format!("zhishou-{}", hex::encode(&Sha256::digest(bytes)[..16]));
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{name}\"; filelength={}\r\n\
         Content-Type: application/octet-stream\r\n\r\n",
        bytes.len(),
    )
    .into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (body, format!("multipart/form-data; boundary={boundary}"))
}

/// The same name in ASCII: what is sent where the platform refuses the other.
pub(super) fn ascii_name(name: &str) -> String {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let keep =
        |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect::<String>();
    let (stem, ending) = (keep(stem), keep(ending));
    let stem = if stem.is_empty() { "file".to_owned() } else { stem };
    if ending.is_empty() { stem } else { format!("{stem}.{ending}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chinese_name_goes_out_as_it_is_and_cannot_break_out() {
        let (body, kind) = media_part("故障\"\r\nX: 1/截图.png", b"123456");
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains("filename=\"故障X: 1截图.png\"; filelength=6\r\n"), "{text}");
        let boundary = kind.split_once("boundary=").unwrap().1;
        assert!(text.ends_with(&format!("123456\r\n--{boundary}--\r\n")));
    }

    #[test]
    fn names_in_ascii_keep_their_ending() {
        for (given, ascii) in
            [("故障截图.png", "file.png"), ("log_01.txt", "log_01.txt"), ("日志", "file"), ("a.b", "a.b")]
        {
            assert_eq!(ascii_name(given), ascii);
        }
    }
}
