//! The HTTP side: one server for the API, the robots, `response_url`, the bot's files and its socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::state::{Call, Fault, Refusal, Shared, State as World};
use super::{bot_socket, qyapi, response_url, webhook};

/// Largest body: a 20 MB file and its wrapping.
const BODY_MAX: usize = 24 << 20;
/// The caller's address as WeCom sees it, from the range for documentation.
const FROM_IP: &str = "203.0.113.7";

/// What an API call is answered with.
pub(super) enum Answer {
    /// A JSON document, HTTP 200.
    Json(Value),
    /// A file.
    File { name: String, bytes: Vec<u8> },
}

/// One call, for the rules.
pub(super) struct Request<'a> {
    pub(super) path: &'a str,
    pub(super) query: &'a BTreeMap<String, String>,
    pub(super) json: &'a Value,
    pub(super) content_type: &'a str,
    pub(super) body: &'a [u8],
    pub(super) now: Timestamp,
}

/// Serves behind the wire; answers the address to dial.
pub(super) async fn serve(shared: &Arc<Shared>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let router = Router::new()
        .route("/", any(socket))
        .route("/cgi-bin/{*path}", any(api))
        .route("/aibot-media/{id}", get(file))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(shared.clone())
        .into_make_service_with_connect_info::<SocketAddr>();
    // Ends with the runtime of the test.
    tokio::spawn(async move { axum::serve(listener, router).await });
    shared.wire.open(address).await
}

async fn socket(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| bot_socket::run(shared, socket))
}

async fn file(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
) -> Response {
    let call = Call { what: "media".to_owned(), query: BTreeMap::new(), body: json!(id), at: (shared.now)() };
    treat(&shared, peer, call, |world, now| {
        world.behind_link(&id, now).map(|media| Answer::File { name: media.name.clone(), bytes: media.bytes.clone() })
    })
    .await
}

async fn api(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(path): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let call = Call { what: path.clone(), query: query.clone(), body: json.clone(), at: (shared.now)() };
    treat(&shared, peer, call, |world, now| {
        let request = Request { path: &path, query: &query, json: &json, content_type, body: &body, now };
        let outcome = match path.as_str() {
            "webhook/send" | "webhook/upload_media" => webhook::answer(world, &request),
            "aibot/response" => response_url::answer(world, &request),
            _ => qyapi::answer(world, &request),
        };
        Some(outcome.unwrap_or_else(|refusal| Answer::Json(refused(world, &refusal))))
    })
    .await
}

/// Carries a call out as the planned fault says, or properly.
async fn treat(
    shared: &Arc<Shared>,
    peer: SocketAddr,
    call: Call,
    act: impl FnOnce(&mut World, Timestamp) -> Option<Answer>,
) -> Response {
    let (fault, answer, wait) = shared.edit_now(|world, now| {
        let fault = world.fault(&call.what);
        world.calls.push(call);
        let taken = matches!(fault, None | Some(Fault::TakeSilently | Fault::AnswerLate | Fault::TakeAndCut));
        let answer = if let Some(Fault::Refuse(code)) = fault {
            Some(Answer::Json(refused(world, &Refusal { code, words: "told to refuse".to_owned() })))
        } else if taken {
            act(world, now)
        } else {
            None
        };
        let wait = (fault == Some(Fault::AnswerLate)).then(|| {
            let (go, wait) = oneshot::channel::<()>();
            world.held.push(go);
            wait
        });
        (fault, answer, wait)
    });
    match fault {
        Some(Fault::Swallow | Fault::TakeSilently) => return std::future::pending().await,
        Some(Fault::Cut | Fault::TakeAndCut) => {
            shared.wire.cut(peer);
            return std::future::pending().await;
        }
        Some(Fault::Page(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            return (status, Html("<html><body>Bad Gateway</body></html>")).into_response();
        }
        None | Some(Fault::Refuse(_) | Fault::AnswerLate) => {}
    }
    if let Some(wait) = wait {
        // The stand-in going away lets the answer go.
        let _ = wait.await;
    }
    match answer {
        Some(Answer::Json(value)) => {
            ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], value.to_string()).into_response()
        }
        Some(Answer::File { name, bytes }) => {
            let named = format!("attachment; filename*=UTF-8''{}", percent_encoded(&name));
            let headers =
                [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, named)];
            (headers, bytes).into_response()
        }
        None => (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>").into_response(),
    }
}

fn percent_encoded(name: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A failure in the words of the API, with the hint that support asks for and the caller's address.
fn refused(world: &mut World, refusal: &Refusal) -> Value {
    let hint = world.serial("179081280000000");
    let words = format!("{}, hint: [{hint}], from ip: {FROM_IP}, more info at the error code page", refusal.words);
    json!({ "errcode": refusal.code, "errmsg": words })
}
