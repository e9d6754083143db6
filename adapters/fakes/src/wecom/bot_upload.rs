//! Uploads over the bot's connection: announced, sent in pieces, finished (wecom.md 5.9).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::media::{Owner, md5_of};
use super::state::{Refusal, State, no};

/// Raw bytes of one piece.
const PIECE_MAX: usize = 512 << 10;
/// Pieces of one file.
const PIECES_MAX: u64 = 100;
/// How long an upload may take.
const SESSION: SignedDuration = SignedDuration::from_mins(30);

/// An upload under way. Belongs to the bot, not to the connection.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    kind: String,
    name: String,
    size: usize,
    pieces: u64,
    md5: Option<String>,
    have: BTreeMap<u64, Vec<u8>>,
    began: Timestamp,
}

impl State {
    pub(super) fn upload_init(&mut self, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
        let kind = body["type"].as_str().unwrap_or_default();
        if !matches!(kind, "image" | "voice" | "video" | "file") {
            return no(40058, "type invalid");
        }
        let name = body["filename"].as_str().unwrap_or_default();
        if name.is_empty() || name.len() > 256 {
            return no(40058, "filename invalid");
        }
        let pieces = body["total_chunks"].as_u64().filter(|pieces| (1..=PIECES_MAX).contains(pieces));
        let size = body["total_size"].as_u64().and_then(|size| usize::try_from(size).ok());
        let (Some(pieces), Some(size)) = (pieces, size) else {
            return no(40058, "total_chunks or total_size invalid");
        };
        if !self.bot.upload_rate.take(now, 30, 1000) {
            return no(45009, "api freq out of limit");
        }
        let upload = Upload {
            kind: kind.to_owned(),
            name: name.to_owned(),
            size,
            pieces,
            md5: body["md5"].as_str().map(str::to_lowercase),
            have: BTreeMap::new(),
            began: now,
        };
        let id = self.serial("UP");
        self.bot.uploads.insert(id.clone(), upload);
        Ok(json!({ "upload_id": id }))
    }

    /// Pieces count from 0, come in any order and may be repeated.
    pub(super) fn upload_chunk(&mut self, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
        let upload = under_way(self.bot.uploads.get_mut(id_of(body)), now)?;
        let Some(index) = body["chunk_index"].as_u64().filter(|index| *index < upload.pieces) else {
            return no(40058, "chunk_index invalid");
        };
        let Ok(bytes) = STANDARD.decode(body["base64_data"].as_str().unwrap_or_default()) else {
            return no(40058, "base64_data invalid");
        };
        if bytes.is_empty() || bytes.len() > PIECE_MAX {
            return no(40058, "base64_data size invalid");
        }
        upload.have.insert(index, bytes);
        Ok(Value::Null)
    }

    pub(super) fn upload_finish(&mut self, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
        let upload = under_way(self.bot.uploads.get_mut(id_of(body)), now)?.clone();
        let bytes: Vec<u8> = upload.have.values().flatten().copied().collect();
        if upload.have.len() as u64 != upload.pieces || bytes.len() != upload.size {
            return no(40058, "chunks missing or total_size mismatch");
        }
        if upload.md5.is_some_and(|md5| md5 != md5_of(&bytes)) {
            return no(301_019, "media md5 not match");
        }
        let media_id = self.keep(Owner::Bot, &upload.kind, &upload.name, bytes, now)?;
        self.bot.uploads.remove(id_of(body));
        Ok(json!({ "type": upload.kind, "media_id": media_id, "created_at": now.as_second().to_string() }))
    }
}

fn id_of(body: &Value) -> &str {
    body["upload_id"].as_str().unwrap_or_default()
}

fn under_way(upload: Option<&mut Upload>, now: Timestamp) -> Result<&mut Upload, Refusal> {
    match upload.filter(|upload| now.duration_since(upload.began) <= SESSION) {
        Some(upload) => Ok(upload),
        None => no(40058, "upload_id invalid"),
    }
}
