//! The HTTP API, signed events, and a place files can be fetched from.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha1::Sha1;
use tokio::net::TcpListener;

use super::actions::{Reply, act};
use super::state::{Dialect, Shared};

/// Serves the API and the files on a port of its own.
pub(super) async fn serve(shared: &Arc<Shared>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    shared.edit(|state| state.file_host = Some(format!("http://{address}")));
    let router =
        Router::new().route("/files/{id}", get(file)).route("/{action}", post(call)).with_state(shared.clone());
    // Ends with the runtime of the test.
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn file(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    match shared.read(|state| state.files.get(&format!("/{id}")).cloned()) {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn call(
    State(shared): State<Arc<Shared>>,
    Path(action): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (dialect, token) = shared.read(|state| (state.dialect, state.token.clone()));
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    if let Some(token) = token
        && given != Some(token.as_str())
    {
        let missing = given.is_none() && !matches!(dialect, Dialect::NapCat | Dialect::LlOneBot);
        let status = if missing { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
        return (status, r#"{"message":"token verify failed!"}"#).into_response();
    }
    let json = headers.get("content-type").and_then(|value| value.to_str().ok());
    if dialect != Dialect::NapCat && !json.is_some_and(|kind| kind.starts_with("application/json")) {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    let Ok(params) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    match act(&shared, &action, &params) {
        Reply::Now(mut answer) => {
            // Over HTTP an unknown action and a thrown one have other codes than over WebSocket.
            let code = answer["retcode"].as_i64().unwrap_or(0);
            if code == 1404 && dialect == Dialect::LlOneBot {
                return StatusCode::NOT_FOUND.into_response();
            }
            if code >= 1200 {
                answer["retcode"] = Value::from(200);
            }
            axum::Json(answer).into_response()
        }
        // Held back over HTTP: never answered, as nothing can be sent later.
        Reply::Later(_) | Reply::Silence | Reply::Cut => std::future::pending().await,
    }
}

/// Posts one event; answers the HTTP status, 0 where nobody answered.
pub(super) async fn post_event(shared: &Arc<Shared>, url: &str, body: String) -> u16 {
    let (account, secret) = shared.read(|state| (state.account.clone(), state.secret.clone()));
    let client = reqwest::Client::builder().no_proxy().build().expect("a client needs no more than a TLS provider");
    let mut request = client.post(url).header("Content-Type", "application/json").header("X-Self-ID", account);
    if let Some(secret) = secret {
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(body.as_bytes());
        request = request.header("X-Signature", format!("sha1={}", hex::encode(mac.finalize().into_bytes())));
    }
    request.body(body).send().await.map_or(0, |response| response.status().as_u16())
}
