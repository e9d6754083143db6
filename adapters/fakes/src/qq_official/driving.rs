//! What people and the platform do, and what can be seen of the robot.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::{Anchor, Call, Fault, Out, Place, Shown};
use super::{FakeQq, gateway};

/// How long something may take to show.
const LIMIT: Duration = Duration::from_secs(20);
/// How often an event is given to a callback address that does not take it.
const REPEATS: usize = 3;

impl FakeQq {
    fn serial(&self, prefix: &str) -> String {
        self.shared.edit(|world| world.serial(prefix))
    }

    /// Gives an event to whoever listens, and makes `(id, seconds, most)` answerable in its place.
    async fn give(
        &self,
        kind: &str,
        envelope: &str,
        data: Value,
        place: &str,
        answers: Option<(&str, i64, usize)>,
    ) -> bool {
        let now = (self.shared.now)();
        let callback = self.shared.edit(|world| {
            if let Some((id, seconds, most)) = answers {
                let event = id == envelope;
                let (place, numbers) = (place.to_owned(), std::collections::BTreeSet::new());
                world.anchors.insert(id.to_owned(), Anchor { place, at: now, seconds, most, numbers, event });
            }
            if world.callback.is_none() {
                gateway::tell(world, envelope, kind, &data);
            }
            world.callback.clone()
        });
        let Some(url) = callback else { return true };
        let body = json!({ "op": 0, "id": envelope, "t": kind, "d": data }).to_string();
        for _ in 0..REPEATS {
            let (status, answer) = self.call(&url, &body).await;
            if status == 200 && answer["op"] == 12 && answer["d"] == 0 {
                return true;
            }
        }
        false
    }

    /// Somebody writes in a group and mentions the robot. Answers the id of the message.
    pub async fn say_to_robot(&self, group: &str, member: &str, text: &str) -> String {
        self.say_as(group, member, &format!(" {text}"), true, json!({})).await
    }

    /// Somebody writes in a group whose owner lets the robot hear everything.
    pub async fn say_in_group(&self, group: &str, member: &str, text: &str) -> String {
        self.say_as(group, member, text, false, json!({})).await
    }

    /// The same with further fields of the message.
    pub async fn say_as(&self, group: &str, member: &str, text: &str, called: bool, more: Value) -> String {
        let id = self.serial("ROBOT1.0_in");
        let mut data = json!({
            "id": id, "group_openid": group, "content": text, "timestamp": (self.shared.now)().to_string(),
            "author": { "member_openid": member, "username": member, "member_role": "member" },
        });
        merge(&mut data, more);
        let kind = if called { "GROUP_AT_MESSAGE_CREATE" } else { "GROUP_MESSAGE_CREATE" };
        let envelope = format!("{kind}:{id}");
        self.give(kind, &envelope, data, &format!("group:{group}"), Some((&id, 300, 5))).await;
        id
    }

    /// Somebody writes to the robot alone.
    pub async fn say_single(&self, user: &str, text: &str) -> String {
        self.say_single_with(user, text, json!({})).await
    }

    /// The same with further fields of the message.
    pub async fn say_single_with(&self, user: &str, text: &str, more: Value) -> String {
        let id = self.serial("ROBOT1.0_in");
        let mut data = json!({
            "id": id, "content": text, "timestamp": (self.shared.now)().to_string(), "author": { "user_openid": user },
        });
        merge(&mut data, more);
        let envelope = format!("C2C_MESSAGE_CREATE:{id}");
        self.give("C2C_MESSAGE_CREATE", &envelope, data, &format!("user:{user}"), Some((&id, 3_600, 4))).await;
        id
    }

    /// Somebody clicks a button with this data in a group. Answers the id of the interaction.
    pub async fn click(&self, group: &str, member: &str, data: &str) -> String {
        let id = self.serial("interaction-");
        self.shared.edit(|world| world.clicks.insert(id.clone(), None));
        let event = json!({
            "id": id, "type": 11, "scene": "group", "chat_type": 1, "group_openid": group, "group_member_openid": member,
            "data": { "type": 11, "resolved": { "button_id": "1", "button_data": data } },
            "timestamp": (self.shared.now)().to_string(), "version": 1,
        });
        let envelope = format!("INTERACTION_CREATE:{id}");
        let (kind, place) = ("INTERACTION_CREATE", format!("group:{group}"));
        self.give(kind, &envelope, event, &place, Some((&envelope, 1_800, 5))).await;
        id
    }

    /// The code a click was acknowledged with; `None` while it was not.
    pub fn acknowledged(&self, interaction: &str) -> Option<i64> {
        self.shared.read(|world| world.clicks.get(interaction).copied().flatten())
    }

    /// The owner of a group lets the robot speak by itself, or forbids it; the robot is told.
    pub async fn let_speak(&self, group: &str, allowed: bool) -> String {
        self.allow_silently(&format!("group:{group}"), allowed);
        let kind = if allowed { "GROUP_MSG_RECEIVE" } else { "GROUP_MSG_REJECT" };
        let envelope = self.serial(&format!("{kind}:"));
        let at = (self.shared.now)().as_second().to_string();
        let data = json!({ "group_openid": group, "op_member_openid": "OWNER", "timestamp": at });
        self.give(kind, &envelope, data, &format!("group:{group}"), allowed.then_some((envelope.as_str(), 300, 1)))
            .await;
        envelope
    }

    /// The same without the robot being told.
    pub fn allow_silently(&self, place: &str, allowed: bool) {
        self.place(place, |known| known.active = allowed);
    }

    /// The robot is added to a group.
    pub async fn add_to_group(&self, group: &str) {
        let envelope = self.serial("GROUP_ADD_ROBOT:");
        let at = (self.shared.now)().as_second();
        let data = json!({ "group_openid": group, "op_member_openid": "OWNER", "timestamp": at });
        let place = format!("group:{group}");
        self.give("GROUP_ADD_ROBOT", &envelope, data, &place, Some((&envelope, 300, 1))).await;
    }

    /// The robot is put out of a group, or the group is no more.
    pub async fn remove_from_group(&self, group: &str) {
        self.place(&format!("group:{group}"), |known| known.gone = true);
        let envelope = self.serial("GROUP_DEL_ROBOT:");
        let data =
            json!({ "group_openid": group, "op_member_openid": "OWNER", "timestamp": (self.shared.now)().as_second() });
        self.give("GROUP_DEL_ROBOT", &envelope, data, &format!("group:{group}"), None).await;
    }

    /// People decided about a message that waited for them.
    pub async fn decide(&self, audit: &str, passed: bool) {
        let kind = if passed { "MESSAGE_AUDIT_PASS" } else { "MESSAGE_AUDIT_REJECT" };
        let envelope = self.serial(&format!("{kind}:"));
        self.give(kind, &envelope, json!({ "audit_id": audit }), "", None).await;
    }

    /// Any event, as it would come.
    pub async fn event(&self, kind: &str, data: Value) -> bool {
        let envelope = self.serial(&format!("{kind}:"));
        self.give(kind, &envelope, data, "", None).await
    }

    fn place(&self, place: &str, act: impl FnOnce(&mut Place)) {
        self.shared.edit(|world| act(world.places.entry(place.to_owned()).or_default()));
    }

    /// The robot is muted in a place, or no more.
    pub fn mute(&self, place: &str, muted: bool) {
        self.place(place, |known| known.muted = muted);
    }

    /// People look at what the robot says in a place before it is shown.
    pub fn audit(&self, place: &str, audit: bool) {
        self.place(place, |known| known.audit = audit);
    }

    /// Grants markdown and buttons.
    pub fn grant(&self, markdown: bool, buttons: bool) {
        self.shared.edit(|world| (world.markdown, world.buttons) = (markdown, buttons));
    }

    /// The intents the robot may ask for.
    pub fn grant_intents(&self, intents: u64) {
        self.shared.edit(|world| world.intents = intents);
    }

    /// Words that are not let through.
    pub fn forbid_words(&self, words: &[&str]) {
        self.shared.edit(|world| world.forbidden = words.iter().map(|word| (*word).to_owned()).collect());
    }

    /// Whether the caller's address is on the robot's list.
    pub fn distrust_ip(&self, distrusted: bool) {
        self.shared.edit(|world| world.ip_trusted = !distrusted);
    }

    /// All tokens end at once.
    pub fn end_tokens(&self) {
        self.shared.edit(|world| world.tokens.clear());
    }

    /// Does this instead of the proper thing at the next call whose path contains `part`.
    pub fn fault(&self, part: &str, fault: Fault) {
        self.shared.edit(|world| world.faults.push_back((part.to_owned(), fault)));
    }

    /// Says a frame on every line.
    pub fn frame(&self, frame: &Value) {
        self.lines(|| Out::Text(frame.to_string()));
    }

    /// Closes every line with this code.
    pub fn close(&self, code: u16) {
        self.lines(|| Out::Close(code));
    }

    /// Cuts every line.
    pub fn cut(&self) {
        self.lines(|| Out::Cut);
    }

    /// Stops answering heartbeats, or begins again.
    pub fn deaf(&self, deaf: bool) {
        self.shared.edit(|world| world.deaf = deaf);
    }

    /// Forgets all sessions: what was said meanwhile is lost.
    pub fn forget_sessions(&self) {
        self.shared.edit(|world| world.sessions.clear());
    }

    fn lines(&self, out: impl Fn() -> Out) {
        self.shared.edit(|world| {
            for session in world.sessions.values_mut() {
                let told = out();
                let ends = !matches!(told, Out::Text(_));
                if let Some(line) = &session.line {
                    let _ = line.try_send(told);
                }
                if ends {
                    session.line = None;
                }
            }
        });
    }

    /// How often tokens were asked for.
    pub fn token_calls(&self) -> usize {
        self.shared.read(|world| world.token_calls)
    }

    /// How often the gateway was identified to, and how often a session was resumed.
    pub fn connections(&self) -> (usize, usize) {
        self.shared.read(|world| (world.identified, world.resumed))
    }

    /// All calls of the API.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.read(|world| world.calls.clone())
    }

    /// Calls that were to send a message to a place.
    pub fn sends(&self, place: &str) -> Vec<Call> {
        let (kind, id) = place.split_once(':').unwrap_or_default();
        let path = format!("/v2/{}/{id}/messages", if kind == "group" { "groups" } else { "users" });
        self.calls().into_iter().filter(|call| call.path == path).collect()
    }

    /// What people see in a place.
    pub fn shown(&self, place: &str) -> Vec<Shown> {
        self.shared.read(|world| world.shown.iter().filter(|shown| shown.place == place).cloned().collect())
    }

    /// Waits until something shows.
    ///
    /// # Panics
    /// Where it does not within 20 s; with what is shown instead.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                if let Some(found) = look(self) {
                    return found;
                }
                changed.await;
            }
        };
        let all = || self.shared.read(|world| format!("{:#?}\n{:#?}", world.shown, world.calls.last()));
        tokio::time::timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}; shown: {}", all()))
    }

    /// Waits until something happens here, for a moment at most: for tests that move the clock meanwhile.
    pub async fn a_moment(&self) {
        let _ = tokio::time::timeout(Duration::from_millis(5), self.shared.changed.notified()).await;
    }

    /// Waits until a message with these words is seen in a place.
    pub async fn shows(&self, place: &str, words: &str) -> Shown {
        let found = |it: &Self| it.shown(place).into_iter().find(|shown| shown.text.contains(words));
        self.until(&format!("{place} shows {words}"), found).await
    }

    /// The time it is there.
    pub fn time(&self) -> Timestamp {
        (self.shared.now)()
    }
}

fn merge(data: &mut Value, more: Value) {
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
}
