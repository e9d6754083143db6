//! The gateway: hello, identify or resume, events in order, heartbeats.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::state::{Out, Shared, World};

/// What the platform tells; far longer than any test runs by the clock of the world.
const INTERVAL_MS: u64 = 45_000;

pub(super) async fn run(shared: Arc<Shared>, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let (line, mut out) = mpsc::channel(4096);
    let hello = json!({ "op": 10, "d": { "heartbeat_interval": INTERVAL_MS } });
    let _ = line.try_send(Out::Text(hello.to_string()));
    loop {
        tokio::select! {
            told = out.recv() => match told {
                Some(Out::Text(text)) => {
                    if sink.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                Some(Out::Close(code)) => {
                    let frame = CloseFrame { code, reason: "fake".into() };
                    let _ = sink.send(Message::Close(Some(frame))).await;
                    return;
                }
                Some(Out::Cut) | None => return,
            },
            heard = stream.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap_or_default();
                    shared.edit(|world| heard_frame(world, &frame, &line, (shared.now)()));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => {
                    shared.edit(|world| {
                        for session in world.sessions.values_mut() {
                            session.line.take_if(|known| known.same_channel(&line));
                        }
                    });
                    return;
                }
            },
        }
    }
}

fn heard_frame(world: &mut World, frame: &Value, line: &mpsc::Sender<Out>, now: jiff::Timestamp) {
    let say = |value: Value| {
        let _ = line.try_send(Out::Text(value.to_string()));
    };
    let close = |code: u16| {
        let _ = line.try_send(Out::Close(code));
    };
    let token = frame["d"]["token"].as_str().and_then(|token| token.strip_prefix("QQBot ")).unwrap_or_default();
    let known = world.tokens.get(token).is_some_and(|until| *until > now);
    match frame["op"].as_i64() {
        Some(1) => {
            if !world.deaf {
                say(json!({ "op": 11 }));
            }
        }
        Some(2 | 6) if !known => close(4004),
        Some(2) => {
            let intents = frame["d"]["intents"].as_u64().unwrap_or_default();
            if intents & !world.intents != 0 {
                return close(4014);
            }
            world.identified += 1;
            let id = world.serial("session-");
            let ready = json!({
                "op": 0, "s": 1, "t": "READY",
                "d": { "version": 1, "session_id": id, "user": { "id": "B1", "username": "值守", "bot": true }, "shard": [0, 1] },
            });
            say(ready.clone());
            let session = world.sessions.entry(id).or_default();
            session.events.push(ready);
            session.line = Some(line.clone());
        }
        Some(6) => {
            let id = frame["d"]["session_id"].as_str().unwrap_or_default();
            let Some(session) = world.sessions.get_mut(id) else {
                return say(json!({ "op": 9, "d": false }));
            };
            let after = frame["d"]["seq"].as_u64().unwrap_or_default();
            for event in session.events.iter().filter(|event| event["s"].as_u64().unwrap_or_default() > after) {
                say(event.clone());
            }
            // Its `d` is an empty text, and its number counts.
            let resumed = json!({ "op": 0, "s": session.events.len() + 1, "t": "RESUMED", "d": "" });
            say(resumed.clone());
            session.events.push(resumed);
            session.line = Some(line.clone());
            world.resumed += 1;
        }
        _ => close(4001),
    }
}

/// Adds an event to all sessions and says it where somebody listens.
pub(super) fn tell(world: &mut World, id: &str, kind: &str, data: &Value) {
    for session in world.sessions.values_mut() {
        let event = json!({ "op": 0, "id": id, "s": session.events.len() + 1, "t": kind, "d": data });
        session.events.push(event.clone());
        if let Some(line) = &session.line
            && line.try_send(Out::Text(event.to_string())).is_err()
        {
            session.line = None;
        }
    }
}
