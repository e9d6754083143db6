//! What people do reaches the desk: over the bot's connection, or as encrypted callbacks with WeCom's patience of five
//! seconds and its repeats (wecom.md 2, 4.8, 5.5, 5.6).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::bot_rules::{About, Asked};
use super::bot_socket::Out;
use super::crypto::Keys;
use super::replies;
use super::state::{Shared, State};

/// Attempts for a message, and for everything of an application (wecom.md 4.8). The bot's events are given once.
const ATTEMPTS: usize = 3;

/// By which way something reached the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Over the bot's connection.
    Socket,
    /// By HTTP.
    Callback,
    /// Not at all: nobody is connected, or no address is set. It is not given later.
    Nowhere,
}

/// What became of something a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// `msgid` of the bot's callbacks, `MsgId` or a number of the stand-in's own for the application's.
    pub id: String,
    /// How it was given.
    pub way: Way,
    /// HTTP statuses of the attempts, in order; 0 where nobody answered in time.
    pub statuses: Vec<u16>,
}

/// An encrypted and signed callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Without the question mark.
    pub query: String,
    /// XML for an application, JSON for a bot.
    pub body: String,
}

/// To whom a callback is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    App,
    Bot,
}

/// What was given, for giving it again.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    Socket { cmd: &'static str, body: Value, about: About },
    Posted { door: Door, url: String, sealed: Sealed, inner: String, about: About },
}

/// Gives the bot a message or an event: `content` holds `msgtype` and what belongs to it.
pub(super) async fn bot_hears(
    shared: &Arc<Shared>,
    conversation: &str,
    userid: &str,
    mut content: Value,
    card: Option<&str>,
) -> Given {
    let event = content["msgtype"] == "event";
    let (id, url, body, about) = shared.edit_now(|state, now| {
        let id = state.serial("CAIQ");
        let about = match (card, content["event"]["eventtype"].as_str()) {
            (Some(task), _) => About::Card { task_id: task.to_owned() },
            (None, Some("enter_chat")) => About::Enter { userid: userid.to_owned() },
            (None, Some(_)) => About::Nothing,
            (None, None) => {
                state.bot.spoken.insert(conversation.to_owned());
                About::Message { conversation: conversation.to_owned(), msgid: id.clone() }
            }
        };
        let from = match state.person(userid) {
            Some(person) if state.bot.sees_open_userids => person.open_userid.clone(),
            _ => userid.to_owned(),
        };
        content["msgid"] = id.clone().into();
        content["aibotid"] = state.setup.bot.bot_id.clone().into();
        content["from"] = json!({ "userid": from });
        if let Some(chatid) = conversation.strip_prefix("group:") {
            content["chatid"] = chatid.into();
            content["chattype"] = "group".into();
        } else if !event {
            content["chattype"] = "single".into();
        }
        if event {
            content["create_time"] = now.as_second().into();
        }
        let url = state.setup.bot.callback_url.clone();
        if url.is_some() && about != About::Nothing {
            let code = state.make_code(conversation, now);
            content["response_url"] = format!("{}/cgi-bin/aibot/response?response_code={code}", state.base).into();
        }
        (id, url, content, about)
    });
    let cmd = if event { "aibot_event_callback" } else { "aibot_msg_callback" };
    if let Some(url) = url {
        let attempts = if event { 1 } else { ATTEMPTS };
        let statuses = post(shared, &id, Door::Bot, &url, body.to_string(), about, attempts).await;
        return Given { id, way: Way::Callback, statuses };
    }
    let way = over_socket(shared, &id, cmd, &body, &about);
    if shared.read(|state| state.gives_twice) {
        over_socket(shared, &id, cmd, &body, &about);
    }
    Given { id, way, statuses: Vec::new() }
}

/// Writes a callback to the subscribed connection; its req_id can be answered from now on.
fn over_socket(shared: &Shared, id: &str, cmd: &'static str, body: &Value, about: &About) -> Way {
    shared.edit_now(|state, now| {
        state.kept.insert(id.to_owned(), Kept::Socket { cmd, body: body.clone(), about: about.clone() });
        let Some(link) = state.bot.subscribed else { return Way::Nowhere };
        let req_id = state.serial("SRV-");
        let frame = json!({ "cmd": cmd, "headers": { "req_id": req_id }, "body": body }).to_string();
        let Some(queue) = state.bot.links.get(&link) else { return Way::Nowhere };
        if queue.try_send(Out::Text(frame)).is_err() {
            return Way::Nowhere;
        }
        let asked = Asked { about: about.clone(), link, at: now, answered: false };
        state.bot.asked.insert(req_id, asked);
        Way::Socket
    })
}

/// Gives the application a message or an event: `inner` holds the elements after the common ones.
pub(super) async fn app_hears(shared: &Arc<Shared>, id: &str, userid: &str, inner: &str, task: Option<&str>) -> Given {
    let (url, xml) = shared.edit_now(|state, now| {
        let app = state.setup.app();
        let xml = format!(
            "<xml>{}{}<CreateTime>{}</CreateTime>{inner}<AgentID>{}</AgentID></xml>",
            element("ToUserName", &state.setup.corp_id),
            element("FromUserName", userid),
            now.as_second(),
            app.agent_id
        );
        (app.callback_url.clone(), xml)
    });
    let Some(url) = url else {
        return Given { id: id.to_owned(), way: Way::Nowhere, statuses: Vec::new() };
    };
    let about = match task {
        Some(task) => About::Card { task_id: task.to_owned() },
        None => About::Message { conversation: format!("user:{userid}"), msgid: id.to_owned() },
    };
    let statuses = post(shared, id, Door::App, &url, xml, about, ATTEMPTS).await;
    Given { id: id.to_owned(), way: Way::Callback, statuses }
}

/// Gives something again: over the connection under another req_id, by HTTP as it was or signed anew.
pub(super) async fn again(shared: &Arc<Shared>, id: &str, anew: bool) -> Given {
    let kept = shared.read(|state| state.kept.get(id).cloned()).expect("something that was given before");
    match kept {
        Kept::Socket { cmd, body, about } => {
            let way = over_socket(shared, id, cmd, &body, &about);
            Given { id: id.to_owned(), way, statuses: Vec::new() }
        }
        Kept::Posted { door, url, sealed, inner, about } => {
            let sealed = if anew { shared.edit_now(|state, now| state.seal(door, &inner, now)) } else { sealed };
            let status = attempt(shared, door, &url, &sealed, &about).await;
            Given { id: id.to_owned(), way: Way::Callback, statuses: vec![status] }
        }
    }
}

/// Asks for the rest of every unfinished stream of the callback mode, once each.
pub(super) async fn poll(shared: &Arc<Shared>) {
    let open: Vec<(String, String, String, String)> = shared.read(|state| {
        let unfinished = state.shown.iter().filter(|shown| shown.kind == "stream" && !shown.finished);
        unfinished
            .filter_map(|shown| {
                let (id, msgid) = (shown.stream_id.clone()?, shown.answers.clone()?);
                let Some(Kept::Posted { url, .. }) = state.kept.get(&msgid) else { return None };
                Some((id, msgid, shown.conversation.clone(), url.clone()))
            })
            .collect()
    });
    for (stream, msgid, conversation, url) in open {
        let (own, inner) = shared.edit(|state| {
            let own = state.serial("CAIQ");
            let inner = json!({ "msgid": own, "aibotid": state.setup.bot.bot_id, "msgtype": "stream",
                                "stream": { "id": stream } });
            (own, inner.to_string())
        });
        let about = About::Message { conversation, msgid };
        post(shared, &own, Door::Bot, &url, inner, about, 1).await;
    }
}

/// Posts until it is taken or the attempts are over; answers the statuses.
async fn post(
    shared: &Arc<Shared>,
    id: &str,
    door: Door,
    url: &str,
    inner: String,
    about: About,
    attempts: usize,
) -> Vec<u16> {
    let mut sealed = shared.edit_now(|state, now| {
        let sealed = state.seal(door, &inner, now);
        let kept = Kept::Posted {
            door,
            url: url.to_owned(),
            sealed: sealed.clone(),
            inner: inner.clone(),
            about: about.clone(),
        };
        state.kept.insert(id.to_owned(), kept);
        sealed
    });
    let mut statuses = Vec::new();
    for _ in 0..attempts {
        let status = attempt(shared, door, url, &sealed, &about).await;
        statuses.push(status);
        let again = attempts > 1 && statuses.len() == 1 && shared.read(|state| state.gives_twice);
        if status == 200 && !again {
            break;
        }
        if shared.read(|state| state.signs_anew) {
            sealed = shared.edit_now(|state, now| state.seal(door, &inner, now));
        }
    }
    statuses
}

/// One attempt; answers the status, 0 where nobody answered in time.
async fn attempt(shared: &Arc<Shared>, door: Door, url: &str, sealed: &Sealed, about: &About) -> u16 {
    let patience = shared.read(|state| state.patience);
    let kind = if door == Door::App { "text/xml" } else { "application/json" };
    let request = client()
        .post(format!("{url}?{}", sealed.query))
        .header("Content-Type", kind)
        .timeout(patience)
        .body(sealed.body.clone());
    let Ok(response) = request.send().await else { return 0 };
    let status = response.status().as_u16();
    let Ok(body) = response.bytes().await else { return 0 };
    if status == 200 {
        shared.edit_now(|state, now| {
            if let Err(why) = replies::take(state, door, about, sealed, &body, now) {
                state.complaints.push(format!("reply to a callback: {why}"));
            }
        });
    }
    status
}

/// What the console does when its form is saved: asks the address to decrypt a word within a second (wecom.md 2.4).
pub(super) async fn verify(shared: &Arc<Shared>, door: Door, url: &str) -> Result<(), String> {
    let (word, query) = shared.edit_now(|state, now| {
        let word = state.serial("61403175551610");
        let (nonce, echo) = (state.serial("n"), state.seal_text(door, &word));
        let timestamp = now.as_second().to_string();
        let signature = keys(state, door).signature(&timestamp, &nonce, &echo);
        let echo = echo.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        (word, format!("msg_signature={signature}&timestamp={timestamp}&nonce={nonce}&echostr={echo}"))
    });
    let request = client().get(format!("{url}?{query}")).timeout(std::time::Duration::from_secs(1));
    let response = request.send().await.map_err(|_| "no answer within a second".to_owned())?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|_| "no answer within a second".to_owned())?;
    if status != 200 {
        return Err(format!("status {status}"));
    }
    if body != word.as_bytes() {
        return Err("not the decrypted echostr, byte for byte".to_owned());
    }
    Ok(())
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client needs no more than a TLS provider")
}

fn keys(state: &State, door: Door) -> Keys {
    match door {
        Door::App => state.setup.app_keys(),
        Door::Bot => state.setup.bot_keys(),
    }
}

/// An element with literal content.
pub(super) fn element(name: &str, content: &str) -> String {
    format!("<{name}><![CDATA[{}]]></{name}>", content.replace("]]>", "]]]]><![CDATA[>"))
}

impl State {
    /// Base64 of an encrypted text.
    fn seal_text(&mut self, door: Door, text: &str) -> String {
        let digest = Sha1::digest(self.serial("random"));
        let random = digest[..16].try_into().expect("SHA-1 has 20 bytes");
        keys(self, door).seal(text.as_bytes(), random)
    }

    /// A callback as it goes over the line.
    pub(super) fn seal(&mut self, door: Door, inner: &str, now: Timestamp) -> Sealed {
        let (nonce, cipher) = (self.serial("n"), self.seal_text(door, inner));
        let timestamp = now.as_second().to_string();
        let signature = keys(self, door).signature(&timestamp, &nonce, &cipher);
        let body = match door {
            Door::App => format!(
                "<xml>{}{}{}</xml>",
                element("ToUserName", &self.setup.corp_id),
                element("AgentID", &self.setup.app().agent_id.to_string()),
                element("Encrypt", &cipher)
            ),
            Door::Bot => json!({ "encrypt": cipher }).to_string(),
        };
        Sealed { query: format!("msg_signature={signature}&timestamp={timestamp}&nonce={nonce}"), body }
    }
}
