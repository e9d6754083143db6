//! A client of the line and of the API, a callback address, and a clock for the tests of the stand-in.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what does not unwrap fails the test")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::IntoResponse;
use futures_util::{SinkExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use zhishou_fakes::wecom::{FakeWeCom, Now};

/// How long a test waits for what must come.
const WAIT: Duration = Duration::from_secs(10);

/// Stands still until moved.
#[derive(Clone)]
pub struct Clock(Arc<Mutex<Timestamp>>);

impl Clock {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new("2026-10-01T10:00:00+08:00".parse().unwrap())))
    }

    pub fn now(&self) -> Now {
        let time = self.0.clone();
        Arc::new(move || *time.lock().unwrap())
    }

    pub fn forward(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

pub fn code(answer: &Value) -> i64 {
    answer["errcode"].as_i64().unwrap_or_else(|| panic!("no errcode in {answer}"))
}

pub fn button_card(task_id: &str, text: &str, key: &str) -> Value {
    json!({ "card_type": "button_interaction", "main_title": { "title": "工单 1024" },
            "button_list": [{ "text": text, "style": 1, "key": key }], "task_id": task_id })
}

/// A connection to the bot's line.
pub struct Line(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Line {
    pub async fn try_open(wecom: &FakeWeCom) -> Option<Self> {
        connect_async(wecom.socket_url()).await.ok().map(|(stream, _)| Self(stream))
    }

    pub async fn open(wecom: &FakeWeCom) -> Self {
        Self::try_open(wecom).await.expect("the stand-in takes connections")
    }

    pub async fn subscribed(wecom: &FakeWeCom) -> Self {
        let mut line = Self::open(wecom).await;
        line.subscribe(wecom).await;
        line
    }

    pub async fn subscribe(&mut self, wecom: &FakeWeCom) {
        let bot = wecom.setup().bot;
        let body = json!({ "bot_id": bot.bot_id, "secret": bot.secret });
        assert_eq!(code(&self.ask("aibot_subscribe", "subscribe", &body).await), 0);
    }

    pub async fn send(&mut self, cmd: &str, req_id: &str, body: &Value) {
        let frame = json!({ "cmd": cmd, "headers": { "req_id": req_id }, "body": body });
        self.0.send(Message::text(frame.to_string())).await.expect("the line stands");
    }

    /// Sends a command and reads its acknowledgement, which must be the next frame.
    pub async fn ask(&mut self, cmd: &str, req_id: &str, body: &Value) -> Value {
        self.send(cmd, req_id, body).await;
        let ack = self.frame().await;
        assert_eq!(ack["headers"]["req_id"], req_id, "{ack}");
        assert!(ack.get("cmd").is_none());
        ack
    }

    pub async fn callback(&mut self) -> Value {
        let frame = self.frame().await;
        assert!(frame["cmd"].as_str().is_some_and(|cmd| cmd.ends_with("_callback")), "{frame}");
        frame
    }

    pub async fn frame(&mut self) -> Value {
        serde_json::from_str(&self.raw().await).expect("JSON")
    }

    pub async fn raw(&mut self) -> String {
        let next = tokio::time::timeout(WAIT, self.0.next()).await.expect("a frame in time");
        next.expect("the line stands").expect("the line stands").into_text().expect("text").as_str().to_owned()
    }

    /// Whether the other side ends it.
    pub async fn ended(&mut self) -> bool {
        let end = async {
            loop {
                match self.0.next().await {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return true,
                    Some(Ok(frame)) => assert!(frame.is_ping() || frame.is_pong(), "{frame}"),
                }
            }
        };
        tokio::time::timeout(WAIT, end).await.unwrap_or(false)
    }
}

/// A client of the API.
#[derive(Clone)]
pub struct Api {
    base: String,
    corp_id: String,
    token: String,
    client: reqwest::Client,
}

impl Api {
    pub fn new(wecom: &FakeWeCom) -> Self {
        Self {
            base: format!("{}/cgi-bin/", wecom.api_base()),
            corp_id: wecom.setup().corp_id,
            token: String::new(),
            client: client(),
        }
    }

    pub async fn with_token(wecom: &FakeWeCom) -> Self {
        let mut api = Self::new(wecom);
        api.token = api.token(&wecom.setup().apps[0].secret).await;
        api
    }

    pub async fn token(&self, secret: &str) -> String {
        let answer = self.get("gettoken", &format!("corpid={}&corpsecret={secret}", self.corp_id)).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub async fn try_get(&self, path: &str, query: &str) -> Option<Value> {
        let response = self.client.get(format!("{}{path}?{query}", self.base)).send().await.ok()?;
        Some(serde_json::from_slice(&response.bytes().await.ok()?).unwrap_or_default())
    }

    pub async fn get(&self, path: &str, query: &str) -> Value {
        self.try_get(path, query).await.expect("an answer")
    }

    pub async fn get_with(&self, path: &str, query: &str) -> Value {
        self.get(path, &format!("access_token={}&{query}", self.token)).await
    }

    pub async fn bytes(&self, path: &str, query: &str) -> Vec<u8> {
        let url = format!("{}{path}?access_token={}&{query}", self.base, self.token);
        self.client.get(url).send().await.unwrap().bytes().await.unwrap().to_vec()
    }

    pub async fn try_post(&self, path: &str, query: &str, body: &Value) -> Option<Value> {
        let request = self.client.post(format!("{}{path}?{query}", self.base)).body(body.to_string());
        let response = request.send().await.ok()?;
        Some(serde_json::from_slice(&response.bytes().await.ok()?).unwrap_or_default())
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        self.try_post(path, &format!("access_token={}", self.token), body).await.expect("an answer")
    }

    pub async fn webhook(&self, key: &str, body: &Value) -> Value {
        self.try_post("webhook/send", &format!("key={key}"), body).await.expect("an answer")
    }

    pub async fn upload(&self, path: &str, query: &str, name: &str, bytes: &[u8]) -> Value {
        let mut body = format!(
            "--FENCE\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{name}\"; filelength={}\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            bytes.len()
        )
        .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n--FENCE--\r\n");
        let url = format!("{}{path}?access_token={}&{query}", self.base, self.token);
        let request = self.client.post(url).header("Content-Type", "multipart/form-data; boundary=FENCE").body(body);
        serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
    }
}

fn client() -> reqwest::Client {
    // Only the first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub async fn post(url: &str, body: &Value) -> Value {
    let response = client().post(url).body(body.to_string()).send().await.unwrap();
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// Status, `Content-Disposition` and body.
pub async fn fetch(url: &str) -> (u16, String, Vec<u8>) {
    let response = client().get(url).send().await.unwrap();
    let name = response.headers().get("content-disposition").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), name.unwrap_or_default(), response.bytes().await.unwrap().to_vec())
}

/// A callback address that knows the keys and answers as told.
pub struct Desk {
    pub url: String,
    inner: Arc<Inner>,
    server: tokio::task::JoinHandle<()>,
}

struct Inner {
    wecom: FakeWeCom,
    statuses: Mutex<VecDeque<u16>>,
    replies: Mutex<VecDeque<Value>>,
    heard: Mutex<Vec<(String, String)>>,
}

impl Desk {
    /// Answers posts with these statuses, afterwards with 200.
    pub async fn start(wecom: &FakeWeCom, statuses: Vec<u16>) -> Self {
        // The stand-in posts with `reqwest`.
        let _ = client();
        let inner = Arc::new(Inner {
            wecom: wecom.clone(),
            statuses: Mutex::new(statuses.into()),
            replies: Mutex::default(),
            heard: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wecom", listener.local_addr().unwrap());
        let router =
            axum::Router::new().route("/wecom", axum::routing::get(verify).post(take)).with_state(inner.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, server }
    }

    /// The next post is answered with this, sealed.
    pub fn reply(&self, inner: Value) {
        self.inner.replies.lock().unwrap().push_back(inner);
    }

    /// Signature and decrypted text of every post.
    pub fn heard(&self) -> Vec<(String, String)> {
        self.inner.heard.lock().unwrap().clone()
    }

    /// Answers nobody from now on.
    pub fn stop(&self) {
        self.inner.statuses.lock().unwrap().push_back(0);
        self.inner.wecom.patience(Duration::from_millis(50));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Asked = std::collections::BTreeMap<String, String>;

async fn verify(State(inner): State<Arc<Inner>>, Query(query): Query<Asked>) -> String {
    inner.wecom.open_sealed(&query["echostr"]).expect("an echostr of the application or the bot")
}

async fn take(State(inner): State<Arc<Inner>>, Query(query): Query<Asked>, body: String) -> axum::response::Response {
    let cipher = match body.strip_prefix('{') {
        Some(_) => serde_json::from_str::<Value>(&body).unwrap()["encrypt"].as_str().unwrap().to_owned(),
        None => body.split("<Encrypt><![CDATA[").nth(1).unwrap().split("]]>").next().unwrap().to_owned(),
    };
    let text = inner.wecom.open_sealed(&cipher).unwrap();
    inner.heard.lock().unwrap().push((query["msg_signature"].clone(), text));
    let status = inner.statuses.lock().unwrap().pop_front().unwrap_or(200);
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let reply = inner.replies.lock().unwrap().pop_front();
    let reply = reply.map(|reply| inner.wecom.sealed_reply(&reply, &query["nonce"])).unwrap_or_default();
    (axum::http::StatusCode::from_u16(status).unwrap(), reply).into_response()
}
