//! What a person would see, and what the desk was heard to do.

use jiff::Timestamp;
use serde_json::Value;

use super::FakeWeCom;
use super::shown::Shown;
use super::state::Call;

impl FakeWeCom {
    /// Everything that stands in a conversation now, oldest first.
    pub fn shown(&self, conversation: &str) -> Vec<Shown> {
        self.shared.read(|state| state.in_conversation(conversation))
    }

    /// Everything that stands anywhere now, in the order it came.
    pub fn all_shown(&self) -> Vec<Shown> {
        self.shared.read(|state| state.shown.iter().filter(|shown| !shown.recalled).cloned().collect())
    }

    /// The next message that nobody has asked for by this function.
    ///
    /// # Panics
    /// Where none comes within ten seconds.
    pub async fn next_shown(&self) -> Shown {
        let next = |state: &mut super::state::State| {
            let next = state.shown.get(state.read).cloned()?;
            state.read += 1;
            Some(next)
        };
        self.shared.until("something shown", next).await
    }

    /// The first message of a conversation with these words in it, now or soon; on cards every readable text counts.
    ///
    /// # Panics
    /// Where none comes within ten seconds.
    pub async fn shows(&self, conversation: &str, words: &str) -> Shown {
        self.until_shown(conversation, words, |shown| shown.words().contains(words)).await
    }

    /// The first message of a conversation of which this holds, now or soon.
    ///
    /// # Panics
    /// Where none comes within ten seconds; `what` says what was waited for.
    pub async fn until_shown(&self, conversation: &str, what: &str, holds: impl Fn(&Shown) -> bool) -> Shown {
        let waiting = format!("{conversation}: {what}");
        self.shared
            .until(&waiting, |state| state.in_conversation(conversation).into_iter().find(|shown| holds(shown)))
            .await
    }

    /// The JSON of a card as everybody sees it now.
    pub fn card(&self, task_id: &str) -> Option<Value> {
        let mine = |shown: &&Shown| shown.task_id.as_deref() == Some(task_id);
        self.shared.read(|state| state.shown.iter().find(mine).and_then(|shown| shown.card.clone()))
    }

    /// The JSON of a card as one person sees it now.
    pub fn card_for(&self, task_id: &str, userid: &str) -> Option<Value> {
        let own = format!("user:{userid}");
        self.shared.read(|state| {
            let mut all = state.shown.iter().filter(|shown| shown.task_id.as_deref() == Some(task_id));
            let hers = all.clone().find(|shown| shown.conversation.eq_ignore_ascii_case(&own));
            hers.or_else(|| all.next()).and_then(|shown| shown.card_for(userid).cloned())
        })
    }

    /// Cards that call back or could, oldest first: their task ids.
    pub fn task_ids(&self) -> Vec<String> {
        self.shared.read(|state| {
            let mut ids: Vec<String> = Vec::new();
            for id in state.shown.iter().filter_map(|shown| shown.task_id.clone()) {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            ids
        })
    }

    /// Streams that still show "thinking": where, and what they say so far. A clean desk leaves none.
    pub fn open_streams(&self) -> Vec<Shown> {
        self.shared.read(|state| state.shown.iter().filter(|shown| !shown.finished).cloned().collect())
    }

    /// Calls and commands of this name, in order: `message/send`, `aibot_send_msg`, `media` …
    pub fn calls(&self, what: &str) -> Vec<Call> {
        self.shared.read(|state| state.calls.iter().filter(|call| call.what == what).cloned().collect())
    }

    /// All calls and commands, in order.
    pub fn all_calls(&self) -> Vec<Call> {
        self.shared.read(|state| state.calls.clone())
    }

    /// How many calls or commands of this name came in.
    pub fn count(&self, what: &str) -> usize {
        self.shared.read(|state| state.calls.iter().filter(|call| call.what == what).count())
    }

    /// Resolves once this was called at least so many times.
    ///
    /// # Panics
    /// Where that does not come to pass within ten seconds.
    pub async fn was_called(&self, what: &str, times: usize) {
        let waiting = format!("{times} × {what}");
        self.shared
            .until(&waiting, |state| {
                (state.calls.iter().filter(|call| call.what == what).count() >= times).then_some(())
            })
            .await;
    }

    /// How often a connection has subscribed successfully.
    pub fn subscriptions(&self) -> usize {
        self.shared.read(|state| state.bot.subscriptions)
    }

    /// Whether the bot has a subscribed connection now.
    pub fn is_subscribed(&self) -> bool {
        self.shared.read(|state| state.bot.subscribed.is_some())
    }

    /// Resolves once a subscribed connection stands and this many subscriptions have been made in all.
    ///
    /// # Panics
    /// Where that does not come to pass within ten seconds.
    pub async fn has_subscribed(&self, times: usize) {
        self.shared
            .until("a subscription", |state| {
                (state.bot.subscriptions >= times && state.bot.subscribed.is_some()).then_some(())
            })
            .await;
    }

    /// Resolves once no connection of the bot stands, subscribed or not.
    ///
    /// # Panics
    /// Where that does not come to pass within ten seconds.
    pub async fn has_no_connection(&self) {
        self.shared.until("no connection", |state| state.bot.links.is_empty().then_some(())).await;
    }

    /// Open connections of the bot, subscribed or not.
    pub fn connections(&self) -> usize {
        self.shared.read(|state| state.bot.links.len())
    }

    /// Wrong corporation ids and secrets given to `gettoken`: many block the address for an hour, so a desk stops.
    pub fn wrong_secrets(&self) -> usize {
        self.shared.read(|state| state.wrong_secrets)
    }

    /// What WeCom would have dropped without a word: malformed frames and replies, uploads without a readable name.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.read(|state| state.complaints.clone())
    }

    /// Replies inside the answers to callbacks, decrypted: JSON of the bot, XML text of the application.
    pub fn replies(&self) -> Vec<Value> {
        self.shared.read(|state| state.replies.clone())
    }

    /// A file the desk uploaded: its name and bytes.
    pub fn uploaded(&self, media_id: &str) -> Option<(String, Vec<u8>)> {
        self.shared.read(|state| state.media.get(media_id).map(|media| (media.name.clone(), media.bytes.clone())))
    }

    /// The stand-in's clock.
    pub fn time(&self) -> Timestamp {
        (self.shared.now)()
    }
}
