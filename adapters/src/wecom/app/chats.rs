//! Groups that the application makes (appchat, wecom.md 4.5): it may speak there and hears nothing.

use serde_json::{Value, json};

use super::super::api::{CallError, Payload};
use super::App;

/// A group made by the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// Its id.
    pub chatid: String,
    /// Its name.
    pub name: String,
    /// Userid of its owner.
    pub owner: String,
    /// Userids of its members.
    pub members: Vec<String>,
}

impl App {
    /// Makes a group and returns its id; one with this id that is there already is fine. The application's visible range
    /// must be the root department (48002).
    ///
    /// # Errors
    /// The platform's refusal.
    pub async fn create_chat(&self, chat: &Chat) -> Result<String, CallError> {
        let name: String = chat.name.chars().take(50).collect();
        let body = json!({ "name": name, "owner": chat.owner, "userlist": chat.members, "chatid": chat.chatid });
        match self.call("appchat/create", &[], Payload::Json(&body)).await {
            Ok(answer) => Ok(answer.get("chatid").and_then(Value::as_str).unwrap_or(chat.chatid.as_str()).to_owned()),
            Err(CallError::Refused { code: 86215, .. }) => Ok(chat.chatid.clone()),
            Err(error) => Err(error),
        }
    }

    /// Adds and removes members.
    ///
    /// # Errors
    /// The platform's refusal.
    pub async fn update_chat(&self, chatid: &str, add: &[String], remove: &[String]) -> Result<(), CallError> {
        let body = json!({ "chatid": chatid, "add_user_list": add, "del_user_list": remove });
        self.call("appchat/update", &[], Payload::Json(&body)).await.map(|_| ())
    }

    /// What the platform knows of a group of ours.
    ///
    /// # Errors
    /// The platform's refusal.
    pub async fn chat(&self, chatid: &str) -> Result<Chat, CallError> {
        let answer = self.call("appchat/get", &[("chatid", chatid)], Payload::None).await?;
        let info = answer.get("chat_info").unwrap_or(&answer);
        let text = |name: &str| info.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let members = info.get("userlist").and_then(Value::as_array).into_iter().flatten();
        Ok(Chat {
            chatid: text("chatid"),
            name: text("name"),
            owner: text("owner"),
            members: members.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}
