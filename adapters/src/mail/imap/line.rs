//! One command and its whole answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_imap::Session;
use async_imap::imap_proto::{MailboxDatum, Outcome, Response, ResponseCode, Status};

use super::Trouble;
use crate::mail::net::{ALLOWANCE, Metered, told};

/// A connection that is logged in.
pub(in crate::mail) struct Line {
    session: Session<Metered>,
    /// Bytes that may still be read for the command under way.
    left: Arc<AtomicU64>,
    limit: Duration,
    /// Whether the server said of its own accord that mail came or went since this was last asked.
    stirred: bool,
    /// UIDVALIDITY of the open folder: another one on the way means that all UIDs are void.
    validity: Option<u32>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mail) struct Answer {
    /// Whether it was `OK`.
    pub ok: bool,
    /// Whether the folder it names has to be created first.
    pub try_create: bool,
    /// The server's words, at most 300 characters.
    pub text: String,
}

/// A server's words, short enough to be shown.
fn words(outcome: &Outcome<'_>) -> String {
    outcome.information.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).take(300).collect()
}

impl Line {
    /// `limit` is for one command.
    pub(super) fn new(session: Session<Metered>, left: Arc<AtomicU64>, limit: Duration) -> Self {
        Self { session, left, limit, stirred: false, validity: None }
    }

    /// Runs a command to its tagged answer; `each` sees everything that comes before. After an error the connection is
    /// not to be used any more.
    pub(super) async fn run(
        &mut self,
        command: &str,
        more_time: Duration,
        each: impl FnMut(&Response<'_>) + Send,
    ) -> Result<Answer, Trouble> {
        let limit = self.limit.saturating_add(more_time);
        self.left.store(ALLOWANCE, Ordering::Relaxed);
        let answered = tokio::time::timeout(limit, async {
            let tag = self.session.run_command(command).await.map_err(|error| lost(&error))?;
            self.read_to(&tag.0, each).await
        });
        answered.await.unwrap_or_else(|_| Err(Trouble::Lost("收信服务器没有在时限内应答".to_owned())))
    }

    /// The same for commands whose refusal is of no use: it becomes [`Trouble::Refused`].
    pub(super) async fn must(
        &mut self,
        command: &str,
        each: impl FnMut(&Response<'_>) + Send,
    ) -> Result<Answer, Trouble> {
        let answer = self.run(command, Duration::ZERO, each).await?;
        if answer.ok { Ok(answer) } else { Err(Trouble::Refused(answer.text)) }
    }

    /// Sends a command and leaves its answer to be read.
    pub(super) async fn begin(&mut self, command: &str) -> Result<String, Trouble> {
        self.left.store(ALLOWANCE, Ordering::Relaxed);
        let sent = tokio::time::timeout(self.limit, self.session.run_command(command));
        let sent = sent.await.map_err(|_| Trouble::Lost("收信服务器没有在时限内应答".to_owned()))?;
        sent.map(|tag| tag.0).map_err(|error| lost(&error))
    }

    /// Ends what [`Line::begin`] began, and reads its answer.
    pub(super) async fn end(&mut self, word: &str, tag: &str) -> Result<Answer, Trouble> {
        let ended = tokio::time::timeout(self.limit, async {
            self.session.run_command_untagged(word).await.map_err(|error| lost(&error))?;
            self.read_to(tag, |_| ()).await
        });
        ended.await.unwrap_or_else(|_| Err(Trouble::Lost("收信服务器没有在时限内应答".to_owned())))
    }

    /// Reads one response; the end of the connection is an error, as is `BYE`.
    pub(super) async fn next<T>(&mut self, see: impl FnOnce(&Response<'_>) -> T) -> Result<T, Trouble> {
        let response = self.session.read_response().await.map_err(|error| broken(&error))?;
        let Some(response) = response else {
            return Err(Trouble::Lost("连接被收信服务器断开".to_owned()));
        };
        let response = response.parsed();
        if let Response::Data { status: Status::Bye, outcome } = response {
            return Err(Trouble::Lost(format!("收信服务器结束了连接：{}", words(outcome))));
        }
        if let Response::Data { outcome: Outcome { code: Some(ResponseCode::UidValidity(new)), .. }, .. } = response
            && self.validity.is_some_and(|known| known != *new)
        {
            return Err(Trouble::Lost("收信服务器重建了文件夹，重新连接".to_owned()));
        }
        self.stirred |= stirs(response);
        Ok(see(response))
    }

    async fn read_to(&mut self, tag: &str, mut each: impl FnMut(&Response<'_>) + Send) -> Result<Answer, Trouble> {
        loop {
            let answer = self.next(|response| {
                let answer = answer_of(response, tag);
                if answer.is_none() {
                    each(response);
                }
                answer
            });
            if let Some(answer) = answer.await? {
                return Ok(answer);
            }
        }
    }

    /// From now on UIDs mean what they mean under this UIDVALIDITY.
    pub(super) fn expect_validity(&mut self, validity: Option<u32>) {
        self.validity = validity;
    }

    /// Whether the server told of a change since this was last asked.
    pub(super) fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }

    /// Says goodbye; whether it is heard does not matter.
    pub(in crate::mail) async fn logout(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.session.logout()).await;
    }
}

/// The answer to the command with this tag, if this is it.
pub(super) fn answer_of(response: &Response<'_>, tag: &str) -> Option<Answer> {
    match response {
        Response::Done { tag: of, status, outcome } if of.0 == tag => Some(Answer {
            ok: *status == Status::Ok,
            try_create: matches!(outcome.code, Some(ResponseCode::TryCreate))
                || words(outcome).to_ascii_uppercase().contains("TRYCREATE"),
            text: words(outcome),
        }),
        _ => None,
    }
}

fn stirs(response: &Response<'_>) -> bool {
    matches!(response, Response::MailboxData(MailboxDatum::Exists(_) | MailboxDatum::Recent(_)) | Response::Expunge(_))
}

/// Errors of the library may quote what was read, a mail's words among it: none of that is passed on.
pub(super) fn lost(error: &async_imap::error::Error) -> Trouble {
    match error {
        async_imap::error::Error::Io(error) => broken(error),
        async_imap::error::Error::ConnectionLost => Trouble::Lost("连接被收信服务器断开".to_owned()),
        _ => Trouble::Lost("收信服务器的应答无法解读".to_owned()),
    }
}

fn broken(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::Other => Trouble::Lost("收信服务器的应答无法解读".to_owned()),
        _ => Trouble::Lost(told(error)),
    }
}
