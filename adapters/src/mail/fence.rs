//! How much may be sent, whatever anybody wants: the last fence against two machines that write to each other (9), and the
//! provider's patience (3.2). Counted on the shelf, over all instances.

use std::sync::Arc;
use std::time::Duration;

use super::config::Limits;
use super::ids::short;
use super::thread::later;
use super::{Now, thread::Thread};
use crate::{Entry, Outgoing, SendError, Shelf, ShelfError};

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
/// Within which a burst is one, and how long it is held against the sender.
pub(super) const BURST: Duration = Duration::from_mins(10);

/// Counts and holds back.
pub(super) struct Fence {
    shelf: Arc<dyn Shelf>,
    now: Now,
    limits: Limits,
}

/// Whether there is still room for a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Plenty.
    Plenty,
    /// Less than a fifth of the day's mails is left.
    Little,
}

impl Fence {
    pub fn new(shelf: Arc<dyn Shelf>, now: Now, limits: Limits) -> Self {
        Self { shelf, now, limits }
    }

    /// A mail came from this address; true where there were too many lately.
    pub async fn heard(&self, sender: &str) -> Result<bool, ShelfError> {
        let name = short(sender);
        if self.shelf.spend(&format!("heard:{name}"), self.limits.burst, BURST).await?.is_none() {
            return Ok(false);
        }
        let until = later((self.now)(), BURST);
        self.shelf.put(&[Entry { key: format!("held:{name}"), value: String::new(), until }]).await?;
        Ok(true)
    }

    /// Why this automatic answer to `sender` is held back, if it is. The same message is counted once, however often it is
    /// tried.
    pub async fn holds_back(
        &self,
        message: &Outgoing,
        sender: &str,
        thread: Option<&Thread>,
    ) -> Result<Option<&'static str>, ShelfError> {
        let counted = format!("let-through:{}", short(&message.key));
        if self.shelf.get(&counted).await?.is_some() {
            return Ok(None);
        }
        if thread.is_some_and(|thread| thread.automatic) {
            return Ok(Some("对方的来信是自动发出的，不再自动答复，以免两台机器互相回信"));
        }
        let name = short(sender);
        if self.shelf.get(&format!("held:{name}")).await?.is_some() {
            return Ok(Some("对方十分钟内来信过多，暂不自动答复，请人工查看是否为自动来信"));
        }
        let limits = &self.limits;
        if let Some(about) = &message.about {
            let topic = format!("answers:{}", short(&format!("{sender}\n{about}")));
            if self.shelf.spend(&topic, limits.per_topic_a_day, DAY).await?.is_some() {
                return Ok(Some("24 小时内已就此事自动答复过对方，不再自动答复，以免两台机器互相回信"));
            }
        }
        if self.shelf.spend(&format!("answers-to:{name}"), limits.per_sender_a_day, DAY).await?.is_some() {
            return Ok(Some("24 小时内给对方的自动答复已达上限，不再自动答复，以免两台机器互相回信"));
        }
        if self.shelf.spend("answers", limits.answers_an_hour, HOUR).await?.is_some() {
            return Ok(Some("一小时内的自动答复已达上限，不再自动答复，请人工查看"));
        }
        let until = later((self.now)(), DAY);
        self.shelf.put(&[Entry { key: counted, value: String::new(), until }]).await?;
        Ok(None)
    }

    /// One more mail of any kind.
    pub async fn spend_mail(&self) -> Result<Room, SendError> {
        let limits = &self.limits;
        if !limits.pause.is_zero() {
            self.wait("pace", 1, limits.pause).await?;
        }
        self.wait("mails", limits.mails_a_day, DAY).await?;
        // The provider closes the account without a word; a person should know before (3.2).
        let most = (limits.mails_a_day * 4).div_ceil(5);
        let little = self.shelf.spend("mails-warning", most, DAY).await.map_err(unreachable)?.is_some();
        Ok(if little { Room::Little } else { Room::Plenty })
    }

    /// Whether a message that the receiver's server refuses for now may be tried once more: three times at most (3.2).
    pub async fn again_after_refusal(&self, key: &str) -> Result<bool, SendError> {
        let spent = self.shelf.spend(&format!("refused:{}", short(key)), 3, DAY).await.map_err(unreachable)?;
        Ok(spent.is_none())
    }

    async fn wait(&self, limit: &str, most: u32, window: Duration) -> Result<(), SendError> {
        match self.shelf.spend(limit, most, window).await.map_err(unreachable)? {
            None => Ok(()),
            Some(retry_after) => Err(SendError::Throttled { retry_after }),
        }
    }
}

/// Nothing is sent that cannot be counted.
#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(super) fn unreachable(error: ShelfError) -> SendError {
    SendError::Unreachable(error.to_string())
}
