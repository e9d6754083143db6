//! 绑定: somebody joins a further account to himself with a code that serves once.

use serde_json::json;
use zhishou_adapters::Inbound;
use zhishou_intents::Command;

use super::DeskError;
use super::batch::{Batch, Disposition};
use super::said::Said;
use super::take::{Message, Outcome};
use crate::rules::notice::Kind;
use crate::store::DirectoryRow;

impl Batch<'_> {
    pub(super) async fn bind(&mut self, message: &Message, command: &Command) -> Result<Outcome, DeskError> {
        let code = command.word.clone().unwrap_or_else(|| command.text.trim().to_owned());
        if let Some(name) = self.bind_account(&message.inbound, code.trim()).await? {
            let words = self.words("status.bound", json!({ "name": name }));
            self.say_status(message, None, &words);
            return Ok(Outcome::new(Disposition::Commanded, None, "绑定账号；"));
        }
        let words = self.words("refusal.code", json!({}));
        self.reply(message, Said::new(Kind::Refusal, words));
        Ok(Outcome::new(Disposition::Refused, None, "绑定码无效；"))
    }

    /// 绑定 in a conversation that belongs to no contract: how an engineer's first message may look. `None` where it is
    /// something else.
    pub(super) async fn bind_from_anywhere(
        &mut self,
        inbound: &Inbound,
        conversation: &str,
    ) -> Result<Option<Outcome>, DeskError> {
        let Some(code) =
            inbound.text.trim().strip_prefix("绑定").filter(|_| inbound.addressed && inbound.doubt.is_none())
        else {
            return Ok(None);
        };
        let Some(name) = self.bind_account(inbound, code.trim()).await? else { return Ok(None) };
        let words = self.words("status.bound", json!({ "name": name }));
        self.say(conversation, Said::new(Kind::Status, words));
        Ok(Some(Outcome::new(Disposition::Commanded, None, "绑定账号；")))
    }

    /// Gives the account that wrote to the person the code was made for, and answers that person's name. A code serves once.
    async fn bind_account(&mut self, inbound: &Inbound, code: &str) -> Result<Option<String>, DeskError> {
        let mark = format!("bind|{code}");
        let now = self.now.as_millisecond();
        let person = self
            .mark(&mark)
            .await?
            .filter(|(until, id)| *until > now && !id.is_empty())
            .and_then(|(_, id)| self.library.directory.person(&id).cloned());
        // Somebody whom the platform does not name could be anybody.
        let Some(mut person) = person.filter(|_| !inbound.sender.is_empty()) else { return Ok(None) };
        self.set_mark(&mark, 0, String::new());
        let (channel, account) = (inbound.channel.clone(), inbound.sender.clone());
        if self.desk.channels.get(&channel).is_some_and(|channel| channel.many_accounts()) {
            // Only under the account of a private chat he or she can be written to.
            let private = inbound.conversation.starts_with("user:");
            person.accounts.add(channel.clone(), account.clone(), private);
            person.bound.add(channel, account, private);
        } else {
            person.accounts.insert(channel.clone(), account.clone());
            person.bound.insert(channel, account);
        }
        self.put(DirectoryRow {
            kind: "person".to_owned(),
            key: person.id.clone(),
            body: serde_json::to_string(&person).unwrap_or_default(),
        });
        Ok(Some(person.name))
    }
}
