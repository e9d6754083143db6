//! Files: what is uploaded, by whom it may be used and how long, and what the bot's people send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::state::{Refusal, State, no};

/// Media ids live three days.
const LIFE_HOURS: i64 = 72;
/// The bot's links to files live five minutes.
const LINK_MINUTES: i64 = 5;
/// Largest file, bytes.
const FILE_MAX: usize = 20 << 20;

/// Who may send a file by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// Every application of the corporation.
    Corp,
    /// The bot.
    Bot,
    /// The robot with this key, no other.
    Robot(String),
    /// Nobody: a person sent it to the bot, as an encrypted download.
    Link,
}

/// One stored file.
#[derive(Debug, Clone)]
pub(super) struct Media {
    pub(super) owner: Owner,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) at: Timestamp,
}

/// The file part of an upload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Only from a plain `filename="…"`: `filename*=` is not read (wecom.md 3.3).
    pub(super) name: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// Finds the part named `media`.
pub(super) fn part(content_type: &str, body: &[u8]) -> Option<Part> {
    let boundary = content_type.split(';').find_map(|field| field.trim().strip_prefix("boundary="))?;
    let fence = format!("--{}", boundary.trim_matches('"'));
    let mut rest = body;
    loop {
        let start = find(rest, fence.as_bytes())? + fence.len();
        rest = rest[start..].strip_prefix(b"\r\n")?;
        let head_end = find(rest, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
        rest = &rest[head_end + 4..];
        let end = find(rest, format!("\r\n{fence}").as_bytes())?;
        let disposition =
            head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?.to_owned();
        if attribute(&disposition, "name").as_deref() == Some("media") {
            return Some(Part { name: attribute(&disposition, "filename"), bytes: rest[..end].to_vec() });
        }
        rest = &rest[end..];
    }
}

fn attribute(line: &str, name: &str) -> Option<String> {
    let mark = format!("; {name}=\"");
    let start = line.find(&mark)? + mark.len();
    line[start..].split_once('"').map(|(value, _)| value.to_owned())
}

fn find(body: &[u8], what: &[u8]) -> Option<usize> {
    body.windows(what.len()).position(|window| window == what)
}

/// Hex MD5, as `image.md5` and uploads carry it.
pub(super) fn md5_of(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

impl State {
    /// Takes an upload by HTTP.
    pub(super) fn upload(
        &mut self,
        owner: Owner,
        kind: &str,
        part: Option<Part>,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let Some(part) = part.filter(|part| !part.bytes.is_empty()) else { return no(44001, "empty media data") };
        let allowed: &[&str] =
            if owner == Owner::Corp { &["image", "voice", "video", "file"] } else { &["file", "voice"] };
        if !allowed.contains(&kind) {
            return no(40005, "invalid type");
        }
        if part.name.is_none() {
            self.complaints.push("upload without a plain filename".to_owned());
        }
        let id = self.keep(owner, kind, &part.name.unwrap_or_default(), part.bytes, now)?;
        Ok(json!({ "errcode": 0, "errmsg": "ok", "type": kind, "media_id": id,
                   "created_at": now.as_second().to_string() }))
    }

    /// Stores a file of a legal size; answers its media id.
    pub(super) fn keep(
        &mut self,
        owner: Owner,
        kind: &str,
        name: &str,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let most = match kind {
            "image" | "video" => 10 << 20,
            "voice" => 2 << 20,
            _ => FILE_MAX,
        };
        if bytes.len() <= 5 {
            return no(40006, "invalid media size");
        }
        if bytes.len() > most {
            return no(45001, "media size out of limit");
        }
        let id = self.serial("MEDIA");
        let media = Media { owner, kind: kind.to_owned(), name: name.to_owned(), bytes, at: now };
        self.media.insert(id.clone(), media);
        Ok(id)
    }

    /// A file this sender may send now.
    pub(super) fn sendable(&self, owner: &Owner, id: &Value, kind: &str, now: Timestamp) -> Result<&Media, Refusal> {
        let media = self.media.get(id.as_str().unwrap_or_default());
        let good = |media: &&Media| {
            media.owner == *owner
                && media.kind == kind
                && now.duration_since(media.at) < SignedDuration::from_hours(LIFE_HOURS)
        };
        match media.filter(good) {
            Some(media) => Ok(media),
            None => no(40007, "invalid media_id"),
        }
    }

    /// An image given in the message itself: base64 and its MD5.
    pub(super) fn inline_image(given: &Value) -> Result<usize, Refusal> {
        let bytes = STANDARD.decode(given["base64"].as_str().unwrap_or_default()).unwrap_or_default();
        if bytes.is_empty() {
            return no(40009, "invalid image size");
        }
        if bytes.len() > 2 << 20 {
            return no(40009, "invalid image size");
        }
        if given["md5"].as_str() != Some(md5_of(&bytes).as_str()) {
            return no(301_019, "media md5 not match");
        }
        Ok(bytes.len())
    }

    /// A person's file, encrypted, behind a link: answers the path to fetch it from.
    pub(super) fn link(&mut self, kind: &str, name: &str, key: &[u8; 32], bytes: Vec<u8>, now: Timestamp) -> String {
        let id = self.serial("LINK");
        let bytes = super::crypto::seal_bytes(key, bytes);
        let media = Media { owner: Owner::Link, kind: kind.to_owned(), name: name.to_owned(), bytes, at: now };
        self.media.insert(id.clone(), media);
        format!("/aibot-media/{id}")
    }

    /// What stands behind a link, while it lives.
    pub(super) fn behind_link(&self, id: &str, now: Timestamp) -> Option<&Media> {
        let media = self.media.get(id).filter(|media| media.owner == Owner::Link)?;
        (now.duration_since(media.at) <= SignedDuration::from_mins(LINK_MINUTES)).then_some(media)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_part_is_found_among_others_with_its_plain_name() {
        let body = "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--B\r\n\
                    content-disposition: form-data; name=\"media\"; filename=\"周报.docx\"; filelength=3\r\n\
                    Content-Type: application/octet-stream\r\n\r\na\r\n--\r\n--B--\r\n";
        let found = part("multipart/form-data; boundary=B", body.as_bytes());
        assert_eq!(found, Some(Part { name: Some("周报.docx".to_owned()), bytes: b"a\r\n--".to_vec() }));
        let starred = body.replace("filename=\"周报.docx\"", "filename*=UTF-8''a");
        let found = part("multipart/form-data; boundary=\"B\"", starred.as_bytes()).expect("the part is there");
        assert_eq!(found.name, None, "the extended form is not read");
        assert_eq!(part("text/plain", body.as_bytes()), None);
    }
}
