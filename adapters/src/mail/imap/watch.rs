//! Waiting for mail: IDLE where the server has it, looking now and then where not (2.4).

use std::time::Duration;

use async_imap::imap_proto::{Response, Status};

use super::line::answer_of;
use super::{Opened, Trouble};

/// Why waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mail) enum Woken {
    /// The server told of something: look now.
    Stirred,
    /// It was time to look anyway.
    Time,
    /// The server lists IDLE and refuses it: do not ask again.
    NoIdle,
    /// The server lists IDLE and says nothing to it: do not ask again, and not on this connection anything else either.
    Silent,
}

/// How the server took `IDLE`.
enum Taken {
    Waiting,
    Refused,
    Else,
}

impl Opened {
    /// Waits until something came or `limit` is over, with IDLE.
    ///
    /// What the server sends to keep the connection open does not count; that it closes it does, as an error (2.3).
    pub(in crate::mail) async fn idle(&mut self, limit: Duration, patience: Duration) -> Result<Woken, Trouble> {
        let tag = self.line.begin("IDLE").await?;
        let begun = tokio::time::timeout(patience, async {
            loop {
                let taken = self.line.next(|response| match response {
                    Response::Continue(_) => Taken::Waiting,
                    response => answer_of(response, &tag).map_or(Taken::Else, |_| Taken::Refused),
                });
                match taken.await? {
                    Taken::Waiting => return Ok::<_, Trouble>(true),
                    Taken::Refused => return Ok(false),
                    Taken::Else => {}
                }
            }
        });
        match begun.await {
            Err(_) => return Ok(Woken::Silent),
            Ok(Err(trouble)) => return Err(trouble),
            Ok(Ok(false)) => return Ok(Woken::NoIdle),
            Ok(Ok(true)) => {}
        }
        let waited = tokio::time::timeout(limit, async {
            // What came between IDLE and the go-ahead counts too.
            while !self.line.take_stirred() {
                self.line.next(|response| matches!(response, Response::Data { status: Status::Ok, .. })).await?;
            }
            Ok::<_, Trouble>(())
        });
        let woken = match waited.await {
            Ok(Err(trouble)) => return Err(trouble),
            Ok(Ok(())) => Woken::Stirred,
            Err(_) => Woken::Time,
        };
        let answer = self.line.end("DONE", &tag).await?;
        if answer.ok { Ok(woken) } else { Ok(Woken::NoIdle) }
    }
}
