//! The two signatures of Aliyun's interfaces (sms.md 5.2). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What a request is signed over.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// `/` for SendSms.
    pub path: &'a str,
    /// Names and values, in any order, not encoded.
    pub query: Vec<(&'a str, &'a str)>,
    /// Lower-case names and values, in any order: those that are signed.
    pub headers: Vec<(&'a str, &'a str)>,
    /// As sent.
    pub body: &'a [u8],
}

/// Everything but letters, digits and `-_.~` as `%XX`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

/// Pairs sorted by name and encoded, as they stand in the address too.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut pairs = pairs.to_vec();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

fn signed_names(headers: &[(&str, &str)]) -> String {
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.join(";")
}

/// The request in the form that is hashed.
pub fn canonical(request: &Request<'_>) -> String {
    let mut headers = request.headers.clone();
    headers.sort_unstable();
    let mut lines = String::new();
    for (name, value) in &headers {
        lines.push_str(name);
        lines.push(':');
        lines.push_str(value.trim());
        lines.push('\n');
    }
    [
        request.method,
        request.path,
        &query(&request.query),
        &lines,
        &signed_names(&request.headers),
        &hex::encode(Sha256::digest(request.body)),
    ]
    .join("\n")
}

/// What is signed.
pub fn string_to_sign(request: &Request<'_>) -> String {
    format!("ACS3-HMAC-SHA256\n{}", hex::encode(Sha256::digest(canonical(request).as_bytes())))
}

/// The signature, lower-case hex.
pub fn signature(request: &Request<'_>, secret: &str) -> String {
    hex::encode(hmac_sha256(secret.as_bytes(), string_to_sign(request).as_bytes()))
}

/// The header `Authorization`.
pub fn authorization(request: &Request<'_>, key_id: &str, secret: &str) -> String {
    format!(
        "ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={},Signature={}",
        signed_names(&request.headers),
        signature(request, secret)
    )
}

/// HMAC-SHA256.
pub(crate) fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        // HMAC takes keys of any length.
        Err(_) => Vec::new(),
    }
}

/// What the older interface signs.
pub fn rpc_string_to_sign(method: &str, pairs: &[(&str, &str)]) -> String {
    format!("{method}&%2F&{}", encode(&query(pairs)))
}

/// The older signature, which private deployments still ask for: base64 of HMAC-SHA1.
pub fn rpc_signature(method: &str, pairs: &[(&str, &str)], secret: &str) -> String {
    match Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()) {
        Ok(mut mac) => {
            mac.update(rpc_string_to_sign(method, pairs).as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        }
        // HMAC takes keys of any length.
        Err(_) => String::new(),
    }
}
