//! A OneBot 11 implementation that no QQ account stands behind.
//!
//! It dials our reverse WebSocket, serves a forward WebSocket, or serves the HTTP API and posts signed events; keeps
//! groups, members and history; and can misbehave in the ways real ones do. Where it posts events over HTTP the process
//! needs a TLS provider installed, as everything that uses `reqwest` here.
//!
//! ```no_run
//! # async fn story() {
//! use zhishou_fakes::onebot::{Dialect, FakeOneBot};
//! let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
//! qq.group("20001", &[("30001", "王科长")]);
//! qq.dial("ws://127.0.0.1:8080/onebot/v11/ws").await.expect("the desk takes the connection");
//! qq.say("20001", "30001", "登记系统打不开了").await;
//! let heard = qq.next_sent().await;
//! assert!(heard.text.contains("#1"));
//! # }
//! ```

mod actions;
mod http;
mod message;
mod state;
mod ws;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

pub use message::text_of;
pub use state::{ApiCall, Behaviour, Dialect, Sent};

use state::{Shared, WAIT};

/// The fake. Clones are handles to the same one.
#[derive(Clone)]
pub struct FakeOneBot {
    shared: Arc<Shared>,
}

impl FakeOneBot {
    /// An implementation of this dialect with the account `10001` and no groups.
    pub fn new(dialect: Dialect) -> Self {
        Self { shared: Arc::new(Shared::new(dialect)) }
    }

    /// Another account. To be called before connecting.
    #[must_use]
    pub fn account(self, account: &str) -> Self {
        self.shared.edit(|state| account.clone_into(&mut state.account));
        self
    }

    /// The access token: sent when dialling and calling, asked for when serving.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.shared.edit(|state| state.token = Some(token.to_owned()));
        self
    }

    /// The key with which posted events are signed.
    #[must_use]
    pub fn secret(self, secret: &str) -> Self {
        self.shared.edit(|state| state.secret = Some(secret.to_owned()));
        self
    }

    /// Reports the bot's own messages too ("report self message"), in this dialect's way.
    #[must_use]
    pub fn reporting_own(self) -> Self {
        self.shared.edit(|state| state.reports_own = true);
        self
    }

    /// Unix seconds given to messages; without it the fake starts at a fixed instant and counts a second per message.
    pub fn set_time(&self, unix_seconds: i64) {
        self.shared.edit(|state| state.time = unix_seconds);
    }

    /// Makes a group with the bot and these members: account and name each.
    pub fn group(&self, group: &str, members: &[(&str, &str)]) {
        self.shared.edit(|state| state.add_group(group, members));
    }

    /// Dials our reverse WebSocket the way this dialect does, and keeps the address for [`Self::reconnect`].
    ///
    /// # Errors
    /// The HTTP status of a refusal, or what went wrong.
    pub async fn dial(&self, url: &str) -> Result<(), String> {
        ws::dial(&self.shared, url, "Universal").await
    }

    /// Dials with one role only (`API` or `Event`), or any other word.
    ///
    /// # Errors
    /// As [`Self::dial`].
    pub async fn dial_as(&self, url: &str, role: &str) -> Result<(), String> {
        ws::dial(&self.shared, url, role).await
    }

    /// Serves a forward WebSocket; answers its `ws://` address.
    pub async fn serve_ws(&self) -> String {
        format!("ws://{}", ws::serve(&self.shared).await)
    }

    /// Serves the HTTP API and posts events to `events_url`; answers the API's `http://` address.
    pub async fn serve_http(&self, events_url: &str) -> String {
        self.shared.edit(|state| state.post_to = Some(events_url.to_owned()));
        let address: SocketAddr = http::serve(&self.shared).await;
        format!("http://{address}")
    }

    /// Posts events there from now on, beside whatever else is connected.
    pub fn post_events_to(&self, events_url: &str) {
        self.shared.edit(|state| state.post_to = Some(events_url.to_owned()));
    }

    /// Gives a member a role: `owner`, `admin` or `member`.
    pub fn set_role(&self, group: &str, account: &str, role: &str) {
        self.shared.edit(|state| {
            if let Some(group) = state.groups.get_mut(group) {
                group.roles.insert(account.to_owned(), role.to_owned());
            }
        });
    }

    /// Takes calls from now on without ever answering, like a process that hangs.
    pub fn go_mute_on_the_wire(&self) {
        self.shared.edit(|state| state.unresponsive = true);
    }

    /// How often somebody came to the forward WebSocket.
    pub fn upgrades(&self) -> usize {
        self.shared.read(|state| state.upgrades)
    }

    /// Cuts every connection without a word.
    pub fn disconnect(&self) {
        self.shared.cut();
    }

    /// Dials again where it dialled last.
    ///
    /// # Errors
    /// As [`Self::dial`].
    pub async fn reconnect(&self) -> Result<(), String> {
        let last = self.shared.read(|state| state.dialled.clone());
        match last {
            Some((url, role)) => ws::dial(&self.shared, &url, &role).await,
            None => Err("never dialled".to_owned()),
        }
    }

    /// How many WebSockets are open now.
    pub fn connections(&self) -> usize {
        self.shared.read(|state| state.links.len())
    }

    /// Resolves once exactly this many WebSockets are open.
    ///
    /// # Panics
    /// Where that does not come to pass in time.
    pub async fn has_connections(&self, number: usize) {
        self.shared.until("connections", |state| (state.links.len() == number).then_some(())).await;
    }

    /// The close codes with which WebSockets were ended from the other side, in order.
    pub fn closes(&self) -> Vec<u16> {
        self.shared.read(|state| state.closes.clone())
    }

    /// Resolves once a WebSocket was closed with this code.
    ///
    /// # Panics
    /// Where that does not come to pass in time.
    pub async fn was_closed_with(&self, code: u16) {
        self.shared.until("a close", |state| state.closes.contains(&code).then_some(())).await;
    }

    /// Somebody writes in a group. Answers the message id. Reported to whoever is connected; kept in the history.
    pub async fn say(&self, group: &str, user: &str, text: &str) -> String {
        self.say_segments(group, user, &json!([{ "type": "text", "data": { "text": text } }])).await
    }

    /// Somebody writes in a group and mentions the bot.
    pub async fn mention(&self, group: &str, user: &str, text: &str) -> String {
        let account = self.shared.read(|state| state.account.clone());
        let segments = json!([
            { "type": "at", "data": { "qq": account } },
            { "type": "text", "data": { "text": format!(" {text}") } },
        ]);
        self.say_segments(group, user, &segments).await
    }

    /// Somebody writes in a group and quotes a message, as clients do: with the author mentioned behind the quotation.
    pub async fn quote(&self, group: &str, user: &str, message_id: &str, text: &str) -> String {
        let author = self.shared.read(|state| state.author_of(message_id));
        let mut segments = vec![json!({ "type": "reply", "data": { "id": message_id } })];
        if let Some(author) = author {
            segments.push(json!({ "type": "at", "data": { "qq": author } }));
            segments.push(json!({ "type": "text", "data": { "text": " " } }));
        }
        segments.push(json!({ "type": "text", "data": { "text": text } }));
        self.say_segments(group, user, &Value::Array(segments)).await
    }

    /// Somebody writes any segments in a group.
    pub async fn say_segments(&self, group: &str, user: &str, segments: &Value) -> String {
        let (id, event) = self.shared.edit(|state| state.write(Some(group), user, segments));
        self.push(event).await;
        id
    }

    /// Somebody writes to the bot in private.
    pub async fn say_private(&self, user: &str, text: &str) -> String {
        let segments = json!([{ "type": "text", "data": { "text": text } }]);
        let (id, event) = self.shared.edit(|state| state.write(None, user, &segments));
        self.push(event).await;
        id
    }

    /// Somebody writes while nothing is reported: only the history knows.
    pub fn say_unheard(&self, group: &str, user: &str, text: &str) -> String {
        let segments = json!([{ "type": "text", "data": { "text": text } }]);
        self.shared.edit(|state| state.write(Some(group), user, &segments)).0
    }

    /// Somebody uploads a file: reported twice, as a message and as a notice.
    pub async fn upload(&self, group: &str, user: &str, name: &str, bytes: &[u8]) -> String {
        let (id, message, notice) = self.shared.edit(|state| state.upload(group, user, name, bytes));
        self.push(message).await;
        self.push(notice).await;
        id
    }

    /// Reports an earlier message again.
    ///
    /// # Panics
    /// Where no such message was written.
    pub async fn repeat(&self, message_id: &str) {
        let event = self.shared.read(|state| state.event_of(message_id)).expect("a message that was written");
        self.push(event).await;
    }

    /// Somebody takes a message back.
    pub async fn recall(&self, group: &str, user: &str, message_id: &str) {
        let event = self.shared.read(|state| {
            state.notice(
                "group_recall",
                &json!({
                    "group_id": state.id(group), "user_id": state.id(user),
                    "operator_id": state.id(user), "message_id": state::number_or_text(message_id),
                }),
            )
        });
        self.push(event).await;
    }

    /// Mutes the bot in a group for some seconds.
    pub async fn mute(&self, group: &str, seconds: i64) {
        let event = self.shared.edit(|state| {
            state.muted.insert(group.to_owned());
            let account = state.account.clone();
            state.ban(group, &account, seconds)
        });
        self.push(event).await;
    }

    /// Mutes a group without reporting it: found out only by trying.
    pub fn mute_silently(&self, group: &str) {
        self.shared.edit(|state| state.muted.insert(group.to_owned()));
    }

    /// Lifts the mute.
    pub async fn unmute(&self, group: &str) {
        let event = self.shared.edit(|state| {
            state.muted.remove(group);
            let account = state.account.clone();
            state.ban(group, &account, 0)
        });
        self.push(event).await;
    }

    /// Throws the bot out of a group.
    pub async fn kick(&self, group: &str) {
        let event = self.shared.edit(|state| {
            state.groups.remove(group);
            state.notice(
                "group_decrease",
                &json!({
                    "sub_type": "kick_me", "group_id": state.id(group),
                    "user_id": state.id(&state.account), "operator_id": 0,
                }),
            )
        });
        self.push(event).await;
    }

    /// Sends a heartbeat with this state of the account.
    pub async fn heartbeat(&self, online: bool) {
        let event = self.shared.edit(|state| {
            state.online = online;
            state.meta("heartbeat", &json!({ "status": { "online": online, "good": true }, "interval": 30000 }))
        });
        self.push(event).await;
    }

    /// Reports any event: over every WebSocket that carries events, then by HTTP where an address is set.
    pub async fn push(&self, event: Value) {
        let text = event.to_string();
        let (links, post_to) = self.shared.read(|state| (state.event_links(), state.post_to.clone()));
        for link in links {
            // A connection that was cut meanwhile loses events, as in life.
            let _ = link.send(ws::Out::Text(text.clone())).await;
        }
        if let Some(url) = post_to.filter(|url| !url.is_empty()) {
            let status = http::post_event(&self.shared, &url, text).await;
            self.shared.edit(|state| state.posted.push(status));
        }
    }

    /// Writes raw text over every WebSocket that carries events.
    pub async fn push_raw(&self, text: &str) {
        for link in self.shared.read(state::State::event_links) {
            let _ = link.send(ws::Out::Text(text.to_owned())).await;
        }
    }

    /// HTTP statuses that posted events were answered with, in order; 0 where nobody answered.
    pub fn posted(&self) -> Vec<u16> {
        self.shared.read(|state| state.posted.clone())
    }

    /// How the next sends are treated, one entry each; afterwards properly again.
    pub fn behave(&self, behaviours: &[Behaviour]) {
        self.shared.edit(|state| state.behaviours.extend(behaviours.iter().copied()));
    }

    /// Refuses every call of this action with this return code and these words, until told otherwise with code 0.
    pub fn refuse(&self, action: &str, retcode: i64, words: &str) {
        self.shared.edit(|state| {
            if retcode == 0 {
                state.refusals.remove(action);
            } else {
                state.refusals.insert(action.to_owned(), (retcode, words.to_owned()));
            }
        });
    }

    /// Lets go of the answers held back by [`Behaviour::AnswerLate`].
    pub async fn answer_now(&self) {
        let held = self.shared.edit(|state| std::mem::take(&mut state.held));
        for (link, text) in held {
            let _ = link.send(ws::Out::Text(text)).await;
        }
    }

    /// What the desk says next.
    ///
    /// # Panics
    /// Where it says nothing within ten seconds.
    pub async fn next_sent(&self) -> Sent {
        self.next_sent_within(WAIT).await.expect("the desk said nothing in time")
    }

    /// What the desk says next, or `None` where that takes longer.
    pub async fn next_sent_within(&self, limit: Duration) -> Option<Sent> {
        let next = self.shared.until_some(state::State::take_next_sent);
        tokio::time::timeout(limit, next).await.ok()
    }

    /// All that the desk has said, read or not: what reached people.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.read(|state| state.sent.clone())
    }

    /// All calls that came in, in order.
    pub fn calls(&self) -> Vec<ApiCall> {
        self.shared.read(|state| state.calls.clone())
    }

    /// Resolves once this action was called at least so many times.
    ///
    /// # Panics
    /// Where that does not come to pass in time.
    pub async fn was_called(&self, action: &str, times: usize) {
        let enough = |state: &state::State| {
            (state.calls.iter().filter(|call| call.action == action).count() >= times).then_some(())
        };
        self.shared.until(action, enough).await;
    }

    /// The channel to a link, for the parts of this crate.
    pub(crate) fn link_queue() -> (mpsc::Sender<ws::Out>, mpsc::Receiver<ws::Out>) {
        mpsc::channel(256)
    }
}
