//! Two clouds and an agency's platform behind one address. Each checks its signature with code of its own and refuses with
//! the codes the real one uses.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use hmac::{Hmac, Mac as _};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::cmpp::Clock;

/// Key id of all three.
pub const KEY_ID: &str = "AKIDEXAMPLE";
/// Their secret.
pub const SECRET: &str = "desk-test-secret-0123456789abcdef";
/// The signature that was approved.
pub const SIGN_NAME: &str = "榆林审批运维";
/// The template that was approved, with variables `no` and `what`.
pub const TEMPLATE: &str = "1000001";

/// What happens to the next message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whim {
    /// Refused with this code and these words.
    Refuse(&'static str, &'static str),
    /// Answered with this status and nothing else, though it was taken.
    Silent(u16),
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// `aliyun`, `tencent` or `platform`.
    pub by: &'static str,
    /// As it was given.
    pub to: String,
    /// Variables, or the text.
    pub words: Vec<String>,
    /// Our id of it, as reports repeat it.
    pub id: String,
}

#[derive(Default)]
struct State {
    whims: VecDeque<Whim>,
    taken: Vec<Taken>,
    nonces: HashSet<String>,
    known: HashMap<String, String>,
}

struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
pub struct FakeWeb {
    inner: Arc<Inner>,
    address: SocketAddr,
}

impl FakeWeb {
    /// Serves on a port of its own.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn start(clock: Clock) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let inner = Arc::new(Inner { clock, state: Mutex::default() });
        let routes = Router::new().fallback(serve).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { inner, address }
    }

    /// Its address.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What happens to the next messages, in order.
    pub fn whims(&self, whims: &[Whim]) {
        self.inner.lock().whims.extend(whims.iter().cloned());
    }

    /// What was taken, in order.
    pub fn taken(&self) -> Vec<Taken> {
        self.inner.lock().taken.clone()
    }
}

/// `X-Sms-…` of a post by the agency's platform.
pub fn platform_headers(path: &str, timestamp: i64, nonce: &str, body: &str) -> Vec<(&'static str, String)> {
    let plain = format!("v1\nPOST\n{path}\n\n{timestamp}\n{nonce}\n{}", hash(body.as_bytes()));
    vec![
        ("x-sms-key", KEY_ID.to_owned()),
        ("x-sms-timestamp", timestamp.to_string()),
        ("x-sms-nonce", nonce.to_owned()),
        ("x-sms-signature", format!("v1={}", hex::encode(mac(SECRET.as_bytes(), plain.as_bytes())))),
    ]
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Header by name; empty where it is missing.
fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn unescape(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        match (first, more) {
            (b'%', [high, low, ..]) => {
                out.extend(hex::decode([*high, *low]).unwrap_or_default());
                rest = &more[2..];
            }
            _ => {
                out.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

async fn serve(
    Shared(inner): Shared<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    if !header(&headers, "x-acs-action").is_empty() {
        inner.aliyun(&uri, &headers, &body)
    } else if !header(&headers, "x-tc-action").is_empty() {
        inner.tencent(&headers, &body)
    } else if uri.path() == "/v1/messages" {
        inner.platform(&uri, &headers, &body)
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

/// What is wrong with a variable, in both clouds.
fn variable_fault(value: &str, most: usize) -> bool {
    let count = value.chars().count();
    count == 0 || count > most || value.contains("://") || value.contains(['【', '】'])
}

impl Inner {
    fn whim(&self) -> Option<Whim> {
        self.lock().whims.pop_front()
    }

    fn aliyun(&self, uri: &Uri, headers: &HeaderMap, body: &str) -> Response {
        let no = |status: u16, code: &str, words: &str| {
            answer(status, &json!({ "Code": code, "Message": words, "RequestId": "R" }))
        };
        let raw = uri.query().unwrap_or_default();
        let mut pairs: Vec<&str> = raw.split('&').collect();
        pairs.sort_unstable();
        let names =
            ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];
        let lines: Vec<String> = names.iter().map(|name| format!("{name}:{}", header(headers, name))).collect();
        let signed = names.join(";");
        let canonical = format!(
            "POST\n{}\n{}\n{}\n\n{signed}\n{}",
            uri.path(),
            pairs.join("&"),
            lines.join("\n"),
            hash(body.as_bytes())
        );
        let plain = format!("ACS3-HMAC-SHA256\n{}", hash(canonical.as_bytes()));
        let expected = format!(
            "ACS3-HMAC-SHA256 Credential={KEY_ID},SignedHeaders={signed},Signature={}",
            hex::encode(mac(SECRET.as_bytes(), plain.as_bytes()))
        );
        if header(headers, "authorization") != expected {
            return no(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.");
        }
        let date = header(headers, "x-acs-date").parse::<jiff::Timestamp>();
        if date.is_ok_and(|date| date.duration_since((self.clock)()).as_secs().abs() > 900) {
            return no(400, "InvalidTimeStamp.Expired", "Specified time stamp is expired.");
        }
        if !self.lock().nonces.insert(header(headers, "x-acs-signature-nonce")) {
            return no(400, "SignatureNonceUsed", "Specified signature nonce was used already.");
        }
        let query: BTreeMap<String, String> = pairs
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (unescape(name), unescape(value)))
            .collect();
        let field = |name: &str| query.get(name).cloned().unwrap_or_default();
        if header(headers, "x-acs-action") == "QuerySendDetails" {
            return answer(200, &json!({ "Code": "OK", "Message": "OK", "TotalCount": 0 }));
        }
        if field("SignName") != SIGN_NAME {
            return no(200, "isv.SMS_SIGNATURE_ILLEGAL", "签名不存在");
        }
        if field("TemplateCode") != TEMPLATE {
            return no(200, "isv.SMS_TEMPLATE_ILLEGAL", "模板不存在");
        }
        let to = field("PhoneNumbers");
        if to.len() != 11 || !to.starts_with('1') {
            return no(200, "isv.MOBILE_NUMBER_ILLEGAL", "手机号码格式错误");
        }
        let variables: Value = serde_json::from_str(&field("TemplateParam")).unwrap_or_default();
        let mut words = Vec::new();
        for name in ["no", "what"] {
            match variables[name].as_str() {
                None => return no(200, "isv.TEMPLATE_MISSING_PARAMETERS", "模板变量缺失"),
                Some(value) if variable_fault(value, 35) => {
                    return no(200, "isv.PARAM_LENGTH_LIMIT", "参数超出长度限制");
                }
                Some(value) => words.push(value.to_owned()),
            }
        }
        match self.whim() {
            Some(Whim::Refuse(code, words)) => no(200, code, words),
            whim => {
                self.lock().taken.push(Taken { by: "aliyun", to, words, id: field("OutId") });
                match whim {
                    Some(Whim::Silent(status)) => {
                        StatusCode::from_u16(status).unwrap_or(StatusCode::OK).into_response()
                    }
                    _ => answer(200, &json!({ "Code": "OK", "Message": "OK", "BizId": "1^0", "RequestId": "R" })),
                }
            }
        }
    }

    fn tencent(&self, headers: &HeaderMap, body: &str) -> Response {
        let error = |code: &str, words: &str| {
            answer(200, &json!({ "Response": { "Error": { "Code": code, "Message": words }, "RequestId": "R" } }))
        };
        let at: i64 = header(headers, "x-tc-timestamp").parse().unwrap_or_default();
        if (at - (self.clock)().as_second()).abs() > 300 {
            return error("AuthFailure.SignatureExpire", "签名过期");
        }
        let action = header(headers, "x-tc-action");
        let canonical = format!(
            "POST\n/\n\ncontent-type:{}\nhost:{}\nx-tc-action:{}\n\ncontent-type;host;x-tc-action\n{}",
            header(headers, "content-type"),
            header(headers, "host"),
            action.to_lowercase(),
            hash(body.as_bytes())
        );
        let date = jiff::Timestamp::from_second(at).unwrap_or_default().to_zoned_datetime(TimeZone::UTC);
        let date = date.strftime("%Y-%m-%d").to_string();
        let scope = format!("{date}/sms/tc3_request");
        let plain = format!("TC3-HMAC-SHA256\n{at}\n{scope}\n{}", hash(canonical.as_bytes()));
        let key = mac(format!("TC3{SECRET}").as_bytes(), date.as_bytes());
        let key = mac(&mac(&key, b"sms"), b"tc3_request");
        let expected = format!(
            "TC3-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders=content-type;host;x-tc-action, Signature={}",
            hex::encode(mac(&key, plain.as_bytes()))
        );
        if header(headers, "authorization") != expected {
            return error("AuthFailure.SignatureFailure", "签名错误");
        }
        if header(headers, "x-tc-region").is_empty() || header(headers, "x-tc-version") != "2021-01-11" {
            return error("InvalidParameter", "缺少公共参数");
        }
        if action != "SendSms" {
            return answer(200, &json!({ "Response": { "DescribeSignListStatusSet": [], "RequestId": "R" } }));
        }
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let to = body["PhoneNumberSet"][0].as_str().unwrap_or_default().to_owned();
        let status = |code: &str, words: &str| {
            let set = json!([{ "SerialNo": "1:1", "PhoneNumber": to, "Fee": 1, "Code": code, "Message": words, "IsoCode": "CN" }]);
            answer(200, &json!({ "Response": { "SendStatusSet": set, "RequestId": "R" } }))
        };
        if body["SignName"] != SIGN_NAME {
            return status("FailedOperation.SignatureIncorrectOrUnapproved", "签名未审批");
        }
        if body["TemplateId"] != TEMPLATE {
            return status("FailedOperation.TemplateIncorrectOrUnapproved", "模板未审批");
        }
        if to.len() != 14 || !to.starts_with("+861") {
            return status("InvalidParameterValue.IncorrectPhoneNumber", "手机号格式错误");
        }
        let words: Vec<String> = serde_json::from_value(body["TemplateParamSet"].clone()).unwrap_or_default();
        if words.len() != 2 || words.iter().any(|word| variable_fault(word, 12)) {
            return status("InvalidParameterValue.TemplateParameterLengthLimit", "模板参数长度超限");
        }
        let id = body["SessionContext"].as_str().unwrap_or_default().to_owned();
        match self.whim() {
            Some(Whim::Refuse(code, words)) => status(code, words),
            whim => {
                self.lock().taken.push(Taken { by: "tencent", to: to.clone(), words, id });
                match whim {
                    Some(Whim::Silent(status)) => {
                        StatusCode::from_u16(status).unwrap_or(StatusCode::OK).into_response()
                    }
                    _ => status("Ok", "send success"),
                }
            }
        }
    }

    fn platform(&self, uri: &Uri, headers: &HeaderMap, body: &str) -> Response {
        let at: i64 = header(headers, "x-sms-timestamp").parse().unwrap_or_default();
        let nonce = header(headers, "x-sms-nonce");
        let expected = platform_headers(uri.path(), at, &nonce, body);
        let signed = expected.iter().all(|(name, value)| header(headers, name) == *value);
        let near = (at - (self.clock)().as_second()).abs() <= 300;
        let fresh = (16..=64).contains(&nonce.len()) && self.lock().nonces.insert(nonce);
        if !signed || !near || !fresh {
            return answer(401, &json!({ "code": "unauthorized" }));
        }
        let given: Value = serde_json::from_str(body).unwrap_or_default();
        let (id, to, text) = (&given["client_id"], &given["to"], &given["text"]);
        let (Some(id), Some(to), Some(text)) = (id.as_str(), to.as_str(), text.as_str()) else {
            return answer(400, &json!({ "code": "bad_text" }));
        };
        if to.len() != 11 || !to.starts_with('1') {
            return answer(400, &json!({ "code": "bad_number" }));
        }
        if !text.starts_with(&format!("【{SIGN_NAME}】")) {
            return answer(400, &json!({ "code": "bad_text" }));
        }
        let taken = |id: &str| answer(202, &json!({ "id": format!("G-{id}"), "segments": 1 }));
        match self.lock().known.get(id) {
            Some(known) if known == text => return taken(id),
            Some(_) => return answer(409, &json!({ "code": "conflict" })),
            None => {}
        }
        match self.whim() {
            Some(Whim::Refuse(code, words)) => {
                let status = words.parse().unwrap_or(400);
                let mut refused = answer(status, &json!({ "code": code }));
                if status == 429 {
                    refused.headers_mut().insert("retry-after", 7.into());
                }
                refused
            }
            whim => {
                let mut state = self.lock();
                state.known.insert(id.to_owned(), text.to_owned());
                let (to, words) = (to.to_owned(), vec![text.to_owned()]);
                state.taken.push(Taken { by: "platform", to, words, id: id.to_owned() });
                match whim {
                    Some(Whim::Silent(status)) => {
                        StatusCode::from_u16(status).unwrap_or(StatusCode::OK).into_response()
                    }
                    _ => taken(id),
                }
            }
        }
    }
}
