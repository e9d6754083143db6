//! Telling the stand-in to misbehave in the ways the real one does.

use std::time::Duration;

use super::FakeWeCom;
use super::bot_rules::{About, Asked, Layout};
use super::bot_socket::Out;
use super::state::Fault;

impl FakeWeCom {
    /// How the next calls or commands of this name are treated, one entry each; afterwards properly again. `aibot` stands
    /// for every command of the bot but subscribing and pings, `*` for anything.
    pub fn misbehave(&self, what: &str, faults: &[Fault]) {
        self.shared.edit(|state| state.faults.extend(faults.iter().map(|fault| (what.to_owned(), *fault))));
    }

    /// Answers the next calls or commands of this name with a code, taking nothing.
    pub fn refuse_next(&self, what: &str, code: i64, times: usize) {
        self.misbehave(what, &vec![Fault::Refuse(code); times]);
    }

    /// Forgets all planned misbehaviour.
    pub fn behave(&self) {
        self.shared.edit(|state| state.faults.clear());
    }

    /// Lets go of the answers held back by [`Fault::AnswerLate`].
    pub fn answer_now(&self) {
        for held in self.shared.edit(|state| std::mem::take(&mut state.held)) {
            // Who waited may have gone.
            let _ = held.send(());
        }
    }

    /// Every access token has expired: 42001.
    pub fn expire_tokens(&self) {
        self.shared.edit(|state| state.tokens.values_mut().for_each(|token| token.expired = true));
    }

    /// Every access token was withdrawn: 40014.
    pub fn withdraw_tokens(&self) {
        self.shared.edit(|state| state.tokens.clear());
    }

    /// Whether the caller's address is outside the trusted list: 60020 for every call of an application.
    pub fn distrust_ip(&self, distrust: bool) {
        self.shared.edit(|state| state.untrusted_ip = distrust);
    }

    /// Whether a member's limit is answered with 45009; otherwise the excess is dropped and reported as success.
    pub fn say_member_limit(&self, say: bool) {
        self.shared.edit(|state| state.says_member_limit = say);
    }

    /// Whether the application may be seen by the whole corporation; `appchat` answers 48002 otherwise.
    pub fn root_range(&self, whole: bool) {
        self.shared.edit(|state| state.root_range = whole);
    }

    /// Takes a robot out: 93004 disabled, 93008 no longer in its group, 93000 removed; 0 brings it back.
    pub fn robot_out(&self, key: &str, code: i64) {
        self.shared.edit(|state| {
            if let Some(robot) = state.robots.get_mut(key) {
                robot.out = (code != 0).then_some(code);
            }
        });
    }

    /// Card events come in this layout.
    pub fn card_events_as(&self, layout: Layout) {
        self.shared.edit(|state| state.bot.layout = layout);
    }

    /// The bot sees encrypted userids, as one that an ordinary member made.
    pub fn bot_sees_open_userids(&self, open: bool) {
        self.shared.edit(|state| state.bot.sees_open_userids = open);
    }

    /// How long callbacks wait for their answer; five seconds unless told otherwise.
    pub fn patience(&self, patience: Duration) {
        self.shared.edit(|state| state.patience = patience);
    }

    /// Whether repeats of a callback are signed anew; otherwise they come byte for byte as the first.
    pub fn sign_repeats_anew(&self, anew: bool) {
        self.shared.edit(|state| state.signs_anew = anew);
    }

    /// Everything that may be given more than once comes twice, though the first time was answered: the answer was lost on
    /// the way.
    pub fn give_twice(&self, twice: bool) {
        self.shared.edit(|state| state.gives_twice = twice);
    }

    /// Cuts every connection of the bot without a word.
    pub fn drop_socket(&self) {
        self.shared.edit(|state| {
            state.bot.links.clear();
            state.bot.subscribed = None;
        });
    }

    /// The subscription is lost though the socket lives: 846609 for every command, silence for every callback.
    pub fn lose_subscription(&self) {
        self.shared.edit(|state| state.bot.subscribed = None);
    }

    /// Another process subscribes with the same bot: the present connection is told and closed.
    pub fn kick(&self) {
        self.shared.edit_now(|state, now| {
            if let Some(link) = state.bot.subscribed.take() {
                state.tell_disconnected(link, now);
            }
        });
    }

    /// Writes raw text to the subscribed connection.
    pub fn push_raw(&self, text: &str) {
        self.shared.edit(|state| {
            let link = state.bot.subscribed.and_then(|link| state.bot.links.get(&link));
            if let Some(queue) = link {
                // A connection that reads nothing loses frames.
                let _ = queue.try_send(Out::Text(text.to_owned()));
            }
        });
    }

    /// Sends what no client should stumble over: no JSON, no headers, an unknown command, an answer nobody asked for, a
    /// body that is null, a control character inside a string.
    pub fn push_garbage(&self) {
        for frame in [
            "hello",
            "",
            r#"{"errcode":0,"errmsg":"ok"}"#,
            r#"{"cmd":"aibot_something_new","headers":{"req_id":"R"},"body":{}}"#,
            r#"{"headers":{"req_id":"nobody-asked"},"errcode":0,"errmsg":"ok"}"#,
            r#"{"cmd":"aibot_event_callback","headers":{"req_id":"R"},"body":null}"#,
            "{\"cmd\":\"aibot_event_callback\",\"headers\":{\"req_id\":\"R\u{1}\"},\"body\":{\"msgtype\":\"event\"}}",
        ] {
            self.push_raw(frame);
        }
    }

    /// Gives over the connection a frame of the test's own making whose req_id may be answered as a message there.
    pub fn push_message_frame(&self, req_id: &str, conversation: &str, frame: &str) {
        self.shared.edit_now(|state, now| {
            if let Some(link) = state.bot.subscribed {
                let about = About::Message { conversation: conversation.to_owned(), msgid: req_id.to_owned() };
                state.bot.spoken.insert(conversation.to_owned());
                state.bot.asked.insert(req_id.to_owned(), Asked { about, link, at: now, answered: false });
            }
        });
        self.push_raw(frame);
    }

    /// Nobody is there: connections are refused, those that stand end without a word.
    pub async fn go_down(&self) {
        self.shared.wire.down().await;
        self.drop_socket();
    }

    /// Back on the same port, knowing what it knew.
    pub async fn come_back(&self) {
        self.shared.wire.up().await;
    }
}
