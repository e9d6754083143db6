//! Who plays: the corporation, its applications and its bot, with the secrets a test configures the desk with.

use super::crypto::Keys;

/// An application (自建应用).
#[derive(Debug, Clone)]
pub struct AppSetup {
    /// `AgentId`.
    pub agent_id: i64,
    /// `Secret`, for `gettoken`.
    pub secret: String,
    /// `Token` of its callback.
    pub token: String,
    /// `EncodingAESKey` of its callback.
    pub encoding_aes_key: String,
    /// Where its callbacks are posted; none: it does not hear, and cards with buttons are refused (43012).
    pub callback_url: Option<String>,
}

/// The bot (智能机器人).
#[derive(Debug, Clone)]
pub struct BotSetup {
    /// `BotID`.
    pub bot_id: String,
    /// The secret of the long connection.
    pub secret: String,
    /// Its name, as people @ it.
    pub name: String,
    /// `Token` of its callback.
    pub token: String,
    /// `EncodingAESKey` of its callback.
    pub encoding_aes_key: String,
    /// Where its callbacks are posted; some: the long connection is off, as the two exclude each other.
    pub callback_url: Option<String>,
}

/// The corporation with all that is configured in its console.
#[derive(Debug, Clone)]
pub struct Setup {
    /// `CorpID`.
    pub corp_id: String,
    /// Applications; the first is the one whose callbacks are played.
    pub apps: Vec<AppSetup>,
    /// The bot.
    pub bot: BotSetup,
}

impl Default for Setup {
    /// The corporation of the vectors: one application, one bot in socket mode.
    fn default() -> Self {
        Self {
            corp_id: "wwc0ffee0000000001".to_owned(),
            apps: vec![AppSetup {
                agent_id: 1_000_012,
                secret: "app-secret-of-the-stand-in".to_owned(),
                token: "deskToken2026".to_owned(),
                encoding_aes_key: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned(),
                callback_url: None,
            }],
            bot: BotSetup {
                bot_id: "aibDESK01".to_owned(),
                secret: "bot-secret-of-the-stand-in".to_owned(),
                name: "值守".to_owned(),
                token: "botToken2026".to_owned(),
                encoding_aes_key: "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C".to_owned(),
                callback_url: None,
            },
        }
    }
}

impl Setup {
    /// The first application.
    ///
    /// # Panics
    /// Where there is none: a mistake in a test's set-up.
    pub fn app(&self) -> &AppSetup {
        self.apps.first().expect("the set-up has an application")
    }

    pub(super) fn app_keys(&self) -> Keys {
        let app = self.app();
        Keys::new(&app.token, &app.encoding_aes_key, &self.corp_id)
    }

    /// The receiver of a bot of the own corporation is empty (wecom.md 2.3).
    pub(super) fn bot_keys(&self) -> Keys {
        Keys::new(&self.bot.token, &self.bot.encoding_aes_key, "")
    }
}
