//! The bot's long connection: frames in, acknowledgements out, one task a connection.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::bot_rules;
use super::state::{Call, Fault, Refusal, Shared, State, no};

/// Something to write.
#[derive(Debug, Clone)]
pub(super) enum Out {
    /// A frame, or what is not one.
    Text(String),
    /// The end, with a close frame.
    Close,
}

/// What becomes of a frame that came in.
enum Step {
    Answer(String),
    Later(String, oneshot::Receiver<()>, String),
    Silence,
    Cut,
}

/// Serves one connection until either side ends it.
pub(super) async fn run(shared: Arc<Shared>, mut socket: WebSocket) {
    let (queue, mut outward) = mpsc::channel(1024);
    let link = shared.edit(|state| state.bot.connect(queue.clone()));
    // Cut from outside: the link is no longer listed. Dropping the socket ends the connection without a close frame.
    let listed = shared.clone();
    let cut = listed.until_some(|state| (!state.bot.links.contains_key(&link)).then_some(()));
    let mut cut = std::pin::pin!(cut);
    loop {
        tokio::select! {
            () = &mut cut => break,
            Some(out) = outward.recv() => {
                let sent = match out {
                    Out::Text(text) => socket.send(Message::text(text)).await,
                    Out::Close => {
                        let _ = socket.send(Message::Close(None)).await;
                        break;
                    }
                };
                if sent.is_err() { break }
            }
            frame = socket.recv() => match frame {
                Some(Ok(Message::Text(text))) => match frame_in(&shared, link, text.as_str()) {
                    Step::Answer(text) => if socket.send(Message::text(text)).await.is_err() { break },
                    Step::Later(text, go, req_id) => {
                        let (shared, queue) = (shared.clone(), queue.clone());
                        tokio::spawn(async move {
                            if go.await.is_ok() {
                                shared.edit(|state| state.bot.busy.remove(&req_id));
                                let _ = queue.send(Out::Text(text)).await;
                            }
                        });
                    }
                    Step::Silence => {}
                    Step::Cut => break,
                },
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
        }
    }
    shared.edit(|state| state.bot.disconnect(link));
}

/// One frame: acted upon as the planned fault says, or properly.
fn frame_in(shared: &Shared, link: u64, text: &str) -> Step {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    let (Some(cmd), Some(req_id)) = (frame["cmd"].as_str(), frame["headers"]["req_id"].as_str()) else {
        shared.edit(|state| state.complaints.push("a frame without cmd or req_id".to_owned()));
        return Step::Silence;
    };
    shared.edit_now(|state, now| {
        let call = Call { what: cmd.to_owned(), query: [].into(), body: frame["body"].clone(), at: now };
        state.calls.push(call);
        let fault = state.fault(cmd);
        let act = |state: &mut State| ack(req_id, bot_rules::command(state, link, cmd, req_id, &frame["body"], now));
        match fault {
            None => Step::Answer(act(state)),
            Some(Fault::Refuse(code)) => Step::Answer(ack(req_id, no(code, "told to refuse"))),
            Some(Fault::Swallow | Fault::Page(_)) => Step::Silence,
            Some(Fault::TakeSilently) => {
                act(state);
                Step::Silence
            }
            Some(Fault::AnswerLate) => {
                let answer = act(state);
                let (go, wait) = oneshot::channel();
                state.held.push(go);
                state.bot.busy.insert(req_id.to_owned());
                Step::Later(answer, wait, req_id.to_owned())
            }
            Some(Fault::Cut) => Step::Cut,
            Some(Fault::TakeAndCut) => {
                act(state);
                Step::Cut
            }
        }
    })
}

/// An acknowledgement: no `cmd`, the req_id of the command.
fn ack(req_id: &str, outcome: Result<Value, Refusal>) -> String {
    let (code, words, body) = match outcome {
        Ok(body) => (0, "ok".to_owned(), body),
        Err(refusal) => (refusal.code, refusal.words, Value::Null),
    };
    let mut frame = json!({ "headers": { "req_id": req_id }, "errcode": code, "errmsg": words });
    if !body.is_null() {
        frame["body"] = body;
    }
    frame.to_string()
}
