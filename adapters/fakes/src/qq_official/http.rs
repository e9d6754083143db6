//! Token service, API and gateway on one port.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::gateway;
use super::rules::{self, Answer};
use super::state::{Call, Fault, Shared};

/// How long a token lives.
const TOKEN_LIFE: i64 = 7_200;

pub(super) async fn serve(shared: &Arc<Shared>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let router = Router::new()
        .route("/app/getAppAccessToken", post(token))
        .route("/websocket", any(socket))
        .route("/{*path}", any(api))
        .with_state(shared.clone());
    // Ends with the runtime of the test.
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn told(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    (status, [(header::CONTENT_TYPE, "application/json"), (header::SERVER, "fake")], body).into_response()
}

async fn token(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let now = (shared.now)();
    let answer = shared.edit(|world| {
        world.token_calls += 1;
        if let Some(Fault::Answer(_, answer)) = world.fault("/app/getAppAccessToken") {
            return answer;
        }
        if body["appId"] != json!(world.app_id) || body["clientSecret"] != json!(world.secret) {
            return json!({ "code": 100_016, "message": "invalid appid or secret" });
        }
        // The same one with its remaining life, but for its last minute.
        let current =
            world.tokens.iter().max_by_key(|(_, until)| **until).map(|(token, until)| (token.clone(), *until));
        let left = current.as_ref().map_or(0, |(_, until)| until.duration_since(now).as_secs());
        if let Some((token, _)) = current.filter(|_| left > 60) {
            return json!({ "access_token": token, "expires_in": left.to_string() });
        }
        let token = world.serial("TOKEN-");
        let until = now.saturating_add(SignedDuration::from_secs(TOKEN_LIFE)).unwrap_or(now);
        world.tokens.insert(token.clone(), until);
        json!({ "access_token": token, "expires_in": TOKEN_LIFE.to_string() })
    });
    told(200, &answer)
}

async fn socket(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| gateway::run(shared, socket))
}

async fn api(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("/{path}");
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = (shared.now)();
    let (fault, answer) = shared.edit(|world| {
        world.calls.push(Call { method: method.to_string(), path: path.clone(), body: body.clone(), at: now });
        if !world.ip_trusted {
            let refused = json!({ "message": "接口访问源IP不在白名单", "code": 11_298, "err_code": 40_023_002 });
            return (None, (401, refused));
        }
        let known = token.strip_prefix("QQBot ").and_then(|token| world.tokens.get(token));
        if known.is_none_or(|until| *until <= now) {
            return (None, (401, json!({ "message": "token not exist or expire", "code": 11_244 })));
        }
        let fault = world.fault(&path);
        let answer = match &fault {
            Some(Fault::Answer(status, body)) => (*status, body.clone()),
            Some(Fault::Page(_)) => (200, Value::Null),
            _ => {
                let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
                match (method.as_str(), parts.as_slice()) {
                    ("GET", ["gateway"]) => {
                        let url = world.base.replacen("http://", "ws://", 1) + "/websocket";
                        (200, json!({ "url": url }))
                    }
                    ("POST", ["v2", "groups", id, "messages"]) => {
                        rules::message(world, &format!("group:{id}"), &body, now)
                    }
                    ("POST", ["v2", "users", id, "messages"]) => {
                        rules::message(world, &format!("user:{id}"), &body, now)
                    }
                    ("PUT", ["interactions", id]) => acknowledge(world, id, &body),
                    _ => (404, json!({ "code": 11_251, "message": "not found" })),
                }
            }
        };
        (fault, answer)
    });
    match fault {
        Some(Fault::TakeSilently) => std::future::pending().await,
        Some(Fault::Page(status) | Fault::TakeAndPage(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            (status, "<html><body>Bad Gateway</body></html>").into_response()
        }
        Some(Fault::Answer(..)) | None => told(answer.0, &answer.1),
    }
}

fn acknowledge(world: &mut super::state::World, id: &str, body: &Value) -> Answer {
    match world.clicks.get_mut(id) {
        Some(code) => {
            *code = body["code"].as_i64();
            (204, Value::Null)
        }
        None => (404, json!({ "code": 40_000_000, "message": "interaction not found" })),
    }
}
