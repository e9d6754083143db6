//! The caller of webhooks, with a signature of its own making.

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use super::FakeQq;

impl FakeQq {
    /// Hex of the signature over a timestamp and a body, with the robot's secret.
    pub fn sign(&self, timestamp: &str, body: &str) -> String {
        let (_, secret) = self.robot();
        // As the document says: doubled until it is long enough, cut to 32.
        let mut seed = secret.clone();
        while seed.len() < 32 {
            seed.push_str(&seed.clone());
        }
        let mut bytes = [0_u8; 32];
        bytes.copy_from_slice(&seed.as_bytes()[..32]);
        let signature = SigningKey::from_bytes(&bytes).sign(format!("{timestamp}{body}").as_bytes());
        hex::encode(signature.to_bytes())
    }

    /// Calls an address with a body, signed now; answers status and body.
    pub async fn call(&self, url: &str, body: &str) -> (u16, Value) {
        let at = (self.shared.now)().as_second().to_string();
        let signature = self.sign(&at, body);
        self.call_with(url, body, &[("X-Signature-Ed25519", &signature), ("X-Signature-Timestamp", &at)]).await
    }

    /// The same with headers of the test's own.
    ///
    /// # Panics
    /// Where nothing answers at the address.
    pub async fn call_with(&self, url: &str, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = reqwest::Client::new()
            .post(url)
            .header("X-Bot-Appid", self.robot().0)
            .header("User-Agent", "QQBot-Callback")
            .header("Content-Type", "application/json")
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the callback address answers");
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Saves a callback address, looked at as the console does: without signature headers. From then on events go there.
    ///
    /// # Errors
    /// Why the address would not be saved.
    pub async fn save_callback(&self, url: &str) -> Result<(), String> {
        let (token, at) = ("Arq0D5A61EgUu4OxUvOp", "1725442341");
        let body = json!({ "d": { "plain_token": token, "event_ts": at }, "op": 13 }).to_string();
        let (status, answer) = self.call_with(url, &body, &[]).await;
        if status != 200 || answer["signature"] != json!(self.sign(at, token)) || answer["plain_token"] != json!(token)
        {
            return Err(format!("{status} {answer}"));
        }
        self.shared.edit(|world| world.callback = Some(url.to_owned()));
        Ok(())
    }
}
