//! Files in and out by `media_id` (wecom.md 4.7).

use serde_json::Value;

use super::super::api::{CallError, Payload};
use super::super::codec::errcode::Class;
use super::super::codec::file_name::disposition_name;
use super::super::multipart::{UploadKind, ascii_name, media_part};
use super::App;

/// A downloaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The name the platform gives; never used as a path.
    pub name: Option<String>,
}

impl App {
    /// Uploads a file and returns its `media_id`, good for three days within the corp. Where a name is refused, the same
    /// bytes go under a name in ASCII.
    ///
    /// # Errors
    /// The platform's refusal, or ours where the limits are known.
    pub async fn upload(&self, kind: UploadKind, name: &str, bytes: &[u8]) -> Result<String, CallError> {
        if let Some(text) = kind.fault(bytes) {
            return Err(CallError::Refused { code: 40006, text });
        }
        match self.upload_as(kind, name, bytes).await {
            Err(error) if error.class() == Some(Class::Bug) && !name.is_ascii() => {
                self.upload_as(kind, &ascii_name(name), bytes).await
            }
            done => done,
        }
    }

    async fn upload_as(&self, kind: UploadKind, name: &str, bytes: &[u8]) -> Result<String, CallError> {
        let (body, content_type) = media_part(name, bytes);
        let payload = Payload::Multipart(&body, &content_type);
        let answer = self.call("media/upload", &[("type", kind.word())], payload).await?;
        let id = answer.get("media_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        id.map(str::to_owned).ok_or(CallError::Lost)
    }

    /// Fetches what somebody sent.
    ///
    /// # Errors
    /// The platform's refusal, or a file that is too large.
    pub async fn download(&self, media_id: &str) -> Result<Download, CallError> {
        let query = [("media_id", media_id)];
        let (bytes, disposition) = self.api.file("media/get", &query, self.config.max_file_bytes).await?;
        Ok(Download { bytes, name: disposition.as_deref().and_then(disposition_name) })
    }
}
