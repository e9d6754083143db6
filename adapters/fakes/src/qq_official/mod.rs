//! An open platform that is none: token service, API, gateway and the caller of webhooks, with a robot, groups and people.
//!
//! # What it refuses
//!
//! **Tokens**: 100016 for another AppID or secret. **API**: 401/11244 without a token of its own or with one that ended;
//! 401/11298 (40023002) by [`FakeQq::distrust_ip`]; 40034024 and 40034025 ids it never gave, gave in another place, or
//! gave to its own messages; 40034005 ids older than their window (5 minutes in groups, 60 in private, 30 for a click, 5 for other events);
//! a wording without its own code after the last answer (5, 4, 5, 1); 40054005 a number used with that id; 40034105 active
//! messages that nobody allowed; 50006 nothing in it; 1000001 over 5000 characters; 304003 addresses; 1100101 words of
//! [`FakeQq::forbid_words`]; 50056 markdown, 304037 buttons and 304038 more than 5 × 5 of them unless granted; the wording of a mute; 1100104 a
//! group that is gone; 202/304023 where people look first; 404 acknowledgements of clicks it does not know.
//! **Gateway**: 4004 another token, 4014 intents beyond [`FakeQq::grant_intents`], 4001 unknown operations, op 9 for a session
//! it does not know.
//!
//! # What it does not play
//!
//! Guilds, uploads, shards, the limits of identifications.

mod driving;
mod gateway;
mod http;
mod rules;
mod state;
mod webhook;

use std::sync::Arc;

use jiff::Timestamp;

pub use state::{Call, Fault, How, Shown};

use state::Shared;

/// The clock of a test.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The stand-in. Clones are handles to the same one.
#[derive(Clone)]
pub struct FakeQq {
    shared: Arc<Shared>,
}

impl FakeQq {
    /// Starts with one robot and a test's clock.
    pub async fn start_with(now: Now) -> Self {
        let shared = Arc::new(Shared::new(now));
        let address = http::serve(&shared).await;
        shared.edit(|world| world.base = format!("http://{address}"));
        Self { shared }
    }

    /// Stands for `https://api.sgroup.qq.com` and for `https://bots.qq.com`.
    pub fn base(&self) -> String {
        self.shared.read(|world| world.base.clone())
    }

    /// AppID and AppSecret.
    pub fn robot(&self) -> (String, String) {
        self.shared.read(|world| (world.app_id.clone(), world.secret.clone()))
    }
}
