//! What people do: write, press, vote, come in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::FakeWeCom;
use super::bot_rules::Layout;
use super::callbacks::{self, Door, Given, Sealed, element};
use super::media::Owner;
use super::shown::{By, Shown};
use super::state::State;

/// A file that somebody sends to the bot.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// `image`, `file` or `video`.
    pub kind: &'a str,
    /// Known from the download's headers only.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

impl FakeWeCom {
    /// Somebody writes in a group and really @-s the bot; only then it hears. `quote` is the text of a quoted message:
    /// its words reach the bot, no id.
    pub async fn say_in_group(&self, chatid: &str, userid: &str, text: &str, quote: Option<&str>) -> Given {
        let name = self.shared.edit(|state| {
            state.add_to_group(chatid, userid);
            state.setup.bot.name.clone()
        });
        let content = with_quote(json!({ "msgtype": "text", "text": { "content": format!("@{name} {text}") } }), quote);
        callbacks::bot_hears(&self.shared, &format!("group:{chatid}"), userid, content, None).await
    }

    /// Somebody writes to the bot alone.
    pub async fn say_single(&self, userid: &str, text: &str, quote: Option<&str>) -> Given {
        let content = with_quote(json!({ "msgtype": "text", "text": { "content": text } }), quote);
        self.bot_hears_single(userid, content).await
    }

    /// Somebody speaks to the bot: it gets the transcription.
    pub async fn speak_single(&self, userid: &str, text: &str) -> Given {
        self.bot_hears_single(userid, json!({ "msgtype": "voice", "voice": { "content": text } })).await
    }

    /// Somebody sends the bot a file alone, encrypted behind a link that lives five minutes.
    pub async fn send_single(&self, userid: &str, file: Sent<'_>) -> Given {
        let object = self.shared.edit_now(|state, now| linked(state, &file, now));
        self.bot_hears_single(userid, json!({ "msgtype": file.kind, file.kind: object })).await
    }

    /// Somebody writes in a group with pictures in the same message.
    pub async fn say_with_images(&self, chatid: &str, userid: &str, text: &str, images: &[Sent<'_>]) -> Given {
        let content = self.shared.edit_now(|state, now| {
            state.add_to_group(chatid, userid);
            let text = format!("@{} {text}", state.setup.bot.name);
            let mut items = vec![json!({ "msgtype": "text", "text": { "content": text } })];
            for image in images {
                items.push(json!({ "msgtype": "image", "image": linked(state, image, now) }));
            }
            json!({ "msgtype": "mixed", "mixed": { "msg_item": items } })
        });
        callbacks::bot_hears(&self.shared, &format!("group:{chatid}"), userid, content, None).await
    }

    /// Somebody opens the bot's single chat for the first time that day.
    pub async fn enter_chat(&self, userid: &str) -> Given {
        self.bot_hears_single(userid, json!({ "msgtype": "event", "event": { "eventtype": "enter_chat" } })).await
    }

    /// Somebody judges a reply: must not be answered.
    pub async fn thumb(&self, chatid: &str, userid: &str, feedback_id: &str, kind: i64) -> Given {
        let event = json!({ "eventtype": "feedback_event", "feedback_event": { "id": feedback_id, "type": kind } });
        let content = json!({ "msgtype": "event", "event": event });
        callbacks::bot_hears(&self.shared, &format!("group:{chatid}"), userid, content, None).await
    }

    /// Any content for the bot, for kinds nobody has thought of: `msgtype` and what belongs to it.
    pub async fn bot_hears_anything(&self, conversation: &str, userid: &str, content: Value) -> Given {
        callbacks::bot_hears(&self.shared, conversation, userid, content, None).await
    }

    /// Somebody writes to the application.
    pub async fn say_to_app(&self, userid: &str, text: &str) -> Given {
        let id = self.shared.edit(|state| {
            state.add_person(userid, userid);
            state.serial("690874123001357")
        });
        let inner = format!("{}{}<MsgId>{id}</MsgId>", element("MsgType", "text"), element("Content", text));
        callbacks::app_hears(&self.shared, &id, userid, &inner, None).await
    }

    /// Somebody sends the application a picture: it gets a `media_id` to fetch it by.
    ///
    /// # Panics
    /// Where the platform would not take such a picture from anybody.
    pub async fn send_image_to_app(&self, userid: &str, name: &str, bytes: &[u8]) -> Given {
        let (id, media) = self.shared.edit_now(|state, now| {
            state.add_person(userid, userid);
            let media = state.keep(Owner::Corp, "image", name, bytes.to_vec(), now);
            (state.serial("690874123001357"), media.expect("a picture of a legal size"))
        });
        let inner = format!("{}{}<MsgId>{id}</MsgId>", element("MsgType", "image"), element("MediaId", &media));
        callbacks::app_hears(&self.shared, &id, userid, &inner, None).await
    }

    /// Any event of the application: its name and further elements as XML.
    pub async fn app_event(&self, userid: &str, event: &str, more: &str) -> Given {
        let id = self.shared.edit(|state| state.serial("event"));
        let inner = format!("{}{}{more}", element("MsgType", "event"), element("Event", event));
        callbacks::app_hears(&self.shared, &id, userid, &inner, None).await
    }

    /// Somebody presses a button, an entry of the corner menu, or submits with the defaults.
    ///
    /// # Errors
    /// Where nobody can press that: no such card before this person, or no such key on any state it ever had.
    pub async fn press(&self, task_id: &str, key: &str, userid: &str) -> Result<Given, String> {
        self.submit(task_id, key, userid, &[]).await
    }

    /// Somebody chooses options, a question key and option ids each, and submits.
    ///
    /// # Errors
    /// As [`Self::press`], and where a question or option does not stand on the card.
    pub async fn vote(&self, task_id: &str, userid: &str, chosen: &[(&str, &[&str])]) -> Result<Given, String> {
        let key = self.shared.read(|state| -> Result<String, String> {
            let shown = before(state, task_id, userid)?;
            let card = shown.card_for(userid).ok_or("not a card")?;
            for (question, options) in chosen {
                offered(card, question, options)?;
            }
            Ok(card["submit_button"]["key"].as_str().ok_or("nothing to submit")?.to_owned())
        })?;
        self.submit(task_id, &key, userid, chosen).await
    }

    async fn submit(
        &self,
        task_id: &str,
        key: &str,
        userid: &str,
        chosen: &[(&str, &[&str])],
    ) -> Result<Given, String> {
        let shown = self.shared.read(|state| before(state, task_id, userid))?;
        if !shown.ever_had(key) {
            return Err(format!("{key} cannot be pressed on {task_id}"));
        }
        let kind = shown.card_for(userid).map(|card| card["card_type"].clone()).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        match shown.by {
            By::Bot => {
                let layout = self.shared.read(|state| state.bot.layout);
                let content = card_event(layout, kind, key, task_id, chosen);
                Ok(callbacks::bot_hears(&self.shared, &shown.conversation, userid, content, Some(task_id)).await)
            }
            By::App(_) => {
                let (id, code) =
                    self.shared.edit_now(|state, now| (state.serial("event"), state.make_code(task_id, now)));
                let inner = app_card_event(kind, key, task_id, &code, chosen);
                Ok(callbacks::app_hears(&self.shared, &id, userid, &inner, Some(task_id)).await)
            }
            By::Robot(_) => Err("a robot's card calls nothing back".to_owned()),
        }
    }

    /// Gives the same callback again: over the connection under another req_id, by HTTP signed anew.
    pub async fn repeat(&self, id: &str) -> Given {
        callbacks::again(&self.shared, id, true).await
    }

    /// Somebody else posts an overheard callback again, byte for byte.
    pub async fn replay(&self, id: &str) -> Given {
        callbacks::again(&self.shared, id, false).await
    }

    /// Asks for the rest of every unfinished stream of the callback mode, once each.
    pub async fn poll_streams(&self) {
        callbacks::poll(&self.shared).await;
    }

    /// An application's callback, encrypted and signed, for posting by hand.
    pub fn seal_for_app(&self, inner_xml: &str) -> Sealed {
        self.shared.edit_now(|state, now| state.seal(Door::App, inner_xml, now))
    }

    /// A bot's callback, encrypted and signed, for posting by hand.
    pub fn seal_for_bot(&self, inner: &Value) -> Sealed {
        self.shared.edit_now(|state, now| state.seal(Door::Bot, &inner.to_string(), now))
    }

    async fn bot_hears_single(&self, userid: &str, content: Value) -> Given {
        self.shared.edit(|state| state.add_person(userid, userid).userid.clone());
        callbacks::bot_hears(&self.shared, &format!("user:{userid}"), userid, content, None).await
    }
}

fn with_quote(mut content: Value, quote: Option<&str>) -> Value {
    if let Some(quote) = quote {
        content["quote"] = json!({ "msgtype": "text", "text": { "content": quote } });
    }
    content
}

/// The object of a file: a link, and its own key where the bot is connected.
fn linked(state: &mut State, file: &Sent<'_>, now: jiff::Timestamp) -> Value {
    let base = state.base.clone();
    if state.setup.bot.callback_url.is_some() {
        let key = *state.setup.bot_keys().raw();
        let path = state.link(file.kind, file.name, &key, file.bytes.to_vec(), now);
        return json!({ "url": format!("{base}{path}") });
    }
    let seed = state.serial("aeskey-of-32-bytes-for-file-");
    let key: [u8; 32] = seed.as_bytes()[..32].try_into().expect("the prefix and four digits make 32");
    let path = state.link(file.kind, file.name, &key, file.bytes.to_vec(), now);
    // Without padding, as seen at times.
    json!({ "url": format!("{base}{path}"), "aeskey": STANDARD.encode(key).trim_end_matches('=') })
}

/// The card as it lies before this person.
fn before(state: &State, task_id: &str, userid: &str) -> Result<Shown, String> {
    let sees = |shown: &&Shown| {
        shown.task_id.as_deref() == Some(task_id)
            && !shown.recalled
            && match shown.conversation.split_once(':') {
                Some(("group", chatid)) => state
                    .groups
                    .get(chatid)
                    .is_some_and(|group| group.members.iter().any(|member| member.eq_ignore_ascii_case(userid))),
                Some((_, person)) => person.eq_ignore_ascii_case(userid),
                None => false,
            }
    };
    state.shown.iter().find(sees).cloned().ok_or_else(|| format!("no card {task_id} before {userid}"))
}

fn offered(card: &Value, question: &str, options: &[&str]) -> Result<(), String> {
    let lists = card["select_list"].as_array().into_iter().flatten();
    let mut all = lists.chain(card.get("checkbox")).chain(card.get("button_selection"));
    let asked = all.find(|item| item["question_key"] == question).ok_or(format!("no question {question}"))?;
    if asked["disable"] == true {
        return Err(format!("{question} is disabled"));
    }
    let offered = |id: &&str| asked["option_list"].as_array().into_iter().flatten().any(|option| option["id"] == **id);
    match options.iter().find(|id| !offered(id)) {
        None => Ok(()),
        Some(id) => Err(format!("no option {id} under {question}")),
    }
}

fn card_event(layout: Layout, kind: &str, key: &str, task_id: &str, chosen: &[(&str, &[&str])]) -> Value {
    let selected: Vec<Value> = chosen
        .iter()
        .map(|(question, options)| json!({ "question_key": question, "option_ids": { "option_id": options } }))
        .collect();
    let mut data = json!({ "card_type": kind, "event_key": key, "task_id": task_id });
    if !selected.is_empty() {
        data["selected_items"] = json!({ "selected_item": selected });
    }
    match layout {
        Layout::Nested => json!({ "msgtype": "event",
            "event": { "eventtype": "template_card_event", "template_card_event": data } }),
        Layout::Flat => {
            data["eventtype"] = "template_card_event".into();
            json!({ "msgtype": "event", "event": data })
        }
        Layout::Pascal => {
            let picked: Vec<Value> = chosen
                .iter()
                .flat_map(|(question, options)| options.iter().map(move |id| (question, id)))
                .map(|(question, id)| json!({ "question_key": question, "option_id": id }))
                .collect();
            let response = json!({ "select_list": picked }).to_string();
            json!({ "msgtype": "event", "eventtype": "template_card_event", "template_card_event": {
                "TaskId": task_id, "CardType": kind, "EventKey": key, "ResponseData": response } })
        }
    }
}

fn app_card_event(kind: &str, key: &str, task_id: &str, code: &str, chosen: &[(&str, &[&str])]) -> String {
    use std::fmt::Write;
    let mut xml = element("MsgType", "event");
    for (name, content) in [
        ("Event", "template_card_event"),
        ("EventKey", key),
        ("TaskId", task_id),
        ("CardType", kind),
        ("ResponseCode", code),
    ] {
        xml.push_str(&element(name, content));
    }
    if !chosen.is_empty() {
        xml.push_str("<SelectedItems>");
        for (question, options) in chosen {
            let ids: String = options.iter().map(|id| element("OptionId", id)).collect();
            let question = element("QuestionKey", question);
            // Writing to a string cannot fail.
            let _ = write!(xml, "<SelectedItem>{question}<OptionIds>{ids}</OptionIds></SelectedItem>");
        }
        xml.push_str("</SelectedItems>");
    }
    xml
}
