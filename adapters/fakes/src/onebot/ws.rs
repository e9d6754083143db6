//! Both directions of the WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, connect_async};

use super::FakeOneBot;
use super::actions::{Reply, act};
use super::state::{Dialect, Shared};

/// Something to write.
#[derive(Debug, Clone)]
pub(crate) enum Out {
    /// A frame.
    Text(String),
}

/// Dials a reverse WebSocket with this dialect's headers.
pub(super) async fn dial(shared: &Arc<Shared>, url: &str, role: &str) -> Result<(), String> {
    shared.edit(|state| state.dialled = Some((url.to_owned(), role.to_owned())));
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    let (dialect, account, token) = shared.read(|state| (state.dialect, state.account.clone(), state.token.clone()));
    let authorization = match (dialect, token) {
        (Dialect::GoCqHttp, Some(token)) => Some(format!("Token {token}")),
        (_, Some(token)) => Some(format!("Bearer {token}")),
        // NapCat and Lagrange send an empty one.
        (Dialect::NapCat | Dialect::Lagrange, None) => Some("Bearer ".to_owned()),
        (Dialect::GoCqHttp | Dialect::LlOneBot, None) => None,
    };
    let role = if dialect == Dialect::Lagrange && role == "API" { "Api" } else { role };
    let agent = if dialect == Dialect::GoCqHttp { "CQHttp/4.15.0" } else { "OneBot/11" };
    let headers = [
        ("X-Self-ID", Some(account)),
        ("X-Client-Role", Some(role.to_owned())),
        ("Authorization", authorization),
        ("User-Agent", Some(agent.to_owned())),
    ];
    for (name, value) in headers {
        let Some(value) = value.filter(|value| !value.is_empty() || name == "Authorization") else { continue };
        let value = HeaderValue::from_str(&value).map_err(|error| error.to_string())?;
        request.headers_mut().insert(name, value);
    }
    match connect_async(request).await {
        Ok((stream, _)) => {
            let events = !role.eq_ignore_ascii_case("api");
            start(shared, stream, events);
            Ok(())
        }
        Err(Error::Http(response)) => Err(response.status().as_u16().to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Serves a forward WebSocket on a port of its own.
pub(super) async fn serve(shared: &Arc<Shared>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let shared = shared.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(accept(shared.clone(), stream));
        }
    });
    address
}

/// Whether the upgrade shows our token; go-cqhttp and Lagrange refuse at once, the others after a friendly 101.
async fn accept(shared: Arc<Shared>, stream: TcpStream) {
    let (dialect, token) = shared.read(|state| (state.dialect, state.token.clone()));
    shared.edit(|state| state.upgrades += 1);
    let mut good = true;
    let mut api_only = false;
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        api_only = request.uri().path().trim_end_matches('/') == "/api";
        let given = header.strip_prefix("Bearer ").unwrap_or_default();
        let query = request.uri().query().unwrap_or_default();
        good = token.as_ref().is_none_or(|token| given == token || query == format!("access_token={token}"));
        if !good && matches!(dialect, Dialect::GoCqHttp | Dialect::Lagrange) {
            let mut refusal = ErrorResponse::new(None);
            let missing = given.is_empty() && dialect == Dialect::GoCqHttp;
            *refusal.status_mut() = if missing { 401 } else { 403 }.try_into().expect("a valid status");
            return Err(refusal);
        }
        Ok(response)
    };
    let Ok(mut stream) = tokio_tungstenite::accept_hdr_async(stream, check).await else { return };
    if good {
        start(&shared, stream, !api_only);
        return;
    }
    let refusal = json!({ "status": "failed", "retcode": 1403, "data": null, "message": "token验证失败",
                          "wording": "token验证失败", "echo": null, "stream": "normal-action" });
    let _ = stream.send(Message::text(refusal.to_string())).await;
    let code = if dialect == Dialect::LlOneBot { CloseCode::Policy } else { CloseCode::Normal };
    let _ = stream.close(Some(CloseFrame { code, reason: "".into() })).await;
}

/// Serves one WebSocket until either side ends it.
fn start<S>(shared: &Arc<Shared>, stream: WebSocketStream<S>, events: bool)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (queue, outward) = FakeOneBot::link_queue();
    let (link, hello) = shared.edit(|state| {
        let link = state.add_link(queue.clone(), events);
        (link, state.meta("lifecycle", &json!({ "sub_type": "connect" })))
    });
    let shared = shared.clone();
    tokio::spawn(async move {
        let hello = events.then(|| hello.to_string());
        let code = run(&shared, stream, link, &queue, outward, hello).await;
        shared.edit(|state| {
            state.links.remove(&link);
            state.closes.extend(code);
        });
    });
}

async fn run<S>(
    shared: &Arc<Shared>,
    mut stream: WebSocketStream<S>,
    link: u64,
    queue: &mpsc::Sender<Out>,
    mut outward: mpsc::Receiver<Out>,
    hello: Option<String>,
) -> Option<u16>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    if let Some(hello) = hello {
        stream.send(Message::text(hello)).await.ok()?;
    }
    // Cut from outside: the link is no longer listed. Dropping the stream ends the TCP connection without a close frame.
    let cut = shared.until_some(|state| (!state.links.contains_key(&link)).then_some(()));
    let mut cut = std::pin::pin!(cut);
    loop {
        tokio::select! {
            () = &mut cut => return None,
            Some(Out::Text(text)) = outward.recv() => stream.send(Message::text(text)).await.ok()?,
            frame = stream.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    if let Some(answer) = request(shared, queue, text.as_str()) {
                        stream.send(Message::text(answer)).await.ok()?;
                    }
                }
                Some(Ok(Message::Close(close))) => return close.map(|close| close.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            },
        }
    }
}

/// One request frame; the answer, where one is given at once.
fn request(shared: &Arc<Shared>, queue: &mpsc::Sender<Out>, text: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let action = frame["action"].as_str()?;
    let with_echo = |mut answer: Value| {
        answer["echo"] = frame["echo"].clone();
        answer.to_string()
    };
    match act(shared, action, &frame["params"]) {
        Reply::Now(answer) => Some(with_echo(answer)),
        Reply::Later(answer) => {
            let text = with_echo(answer);
            shared.edit(|state| state.held.push((queue.clone(), text)));
            None
        }
        Reply::Silence => None,
        Reply::Cut => {
            shared.cut();
            None
        }
    }
}
