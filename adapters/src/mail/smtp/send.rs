//! One account, one connection, one mail at a time.

use jiff::Timestamp;
use lettre::Address;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::line::{Failure, Line, Stage};
use super::outcome::{Outcome, outcome};
use crate::SendError;
use crate::mail::Now;
use crate::mail::config::{MailTiming, SmtpConfig};
use crate::mail::fence::Fence;
use crate::mail::status::Status;
use crate::mail::thread::later;

/// Refused logins after which it is left alone for a while (2.6).
const LOGINS: u32 = 3;

/// A mail that is ready to go.
pub(in crate::mail) struct Ready<'a> {
    /// The message's key.
    pub key: &'a str,
    /// Whom it is for.
    pub to: Address,
    /// Who gets a copy.
    pub copies: Vec<Address>,
    /// All of it.
    pub raw: Vec<u8>,
}

/// Hands mails over.
pub(in crate::mail) struct Sender {
    config: SmtpConfig,
    from: Address,
    tls: TlsConnector,
    timing: MailTiming,
    now: Now,
    status: Arc<Status>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The connection of the last mail, and since when it is idle.
    kept: Option<(Line, Timestamp)>,
    refused_logins: u32,
    locked_until: Option<Timestamp>,
}

impl Sender {
    pub fn new(
        config: SmtpConfig,
        from: Address,
        tls: TlsConnector,
        timing: MailTiming,
        now: Now,
        status: Arc<Status>,
    ) -> Self {
        Self { config, from, tls, timing, now, status, state: Mutex::default() }
    }

    /// Hands one mail over.
    pub async fn send(&self, mail: &Ready<'_>, fence: &Fence) -> Result<(), SendError> {
        let mut state = self.state.lock().await;
        let now = (self.now)();
        if state.locked_until.is_some_and(|until| now < until) {
            return Err(SendError::Unreachable("发信登录多次被拒绝，暂停尝试以免账号被锁".to_owned()));
        }
        let began = Arc::new(AtomicBool::new(false));
        let handed = tokio::time::timeout(self.timing.send, self.hand_over(&mut state, mail, &began)).await;
        // The library's own limit ends with the connecting (8.1).
        let handed = handed.unwrap_or_else(|_| {
            let stage = if began.load(Ordering::SeqCst) { Stage::Body } else { Stage::Envelope };
            Err(Failure::new(stage, "发信服务器没有在时限内应答"))
        });
        match handed {
            Ok(line) => {
                state.kept = Some((line, (self.now)()));
                state.refused_logins = 0;
                self.status.sent((self.now)());
                Ok(())
            }
            Err(failure) => Err(self.judge(&mut state, mail, fence, &failure).await),
        }
    }

    async fn hand_over(&self, state: &mut State, mail: &Ready<'_>, began: &Arc<AtomicBool>) -> Result<Line, Failure> {
        let mut line = match self.kept(state).await {
            Some(line) => line,
            None => self.open().await?,
        };
        let flag = began.clone();
        line.hand_over(&self.from, &mail.to, &mail.copies, &mail.raw, move || flag.store(true, Ordering::SeqCst))
            .await?;
        Ok(line)
    }

    /// The connection of the last mail, where it is fresh and still stands.
    async fn kept(&self, state: &mut State) -> Option<Line> {
        let (mut line, since) = state.kept.take()?;
        if (self.now)() >= later(since, self.timing.keep) {
            line.quit().await;
            return None;
        }
        line.stands().await.then_some(line)
    }

    /// A new connection.
    pub async fn open(&self) -> Result<Line, Failure> {
        Line::open(&self.config, &self.tls, self.from.domain(), self.timing.connect).await
    }

    /// Where it connects to.
    pub fn server(&self) -> String {
        format!("{}:{}", self.config.host, self.config.port)
    }

    /// Whether it logs in.
    pub fn logs_in(&self) -> bool {
        self.config.password.is_some()
    }

    async fn judge(&self, state: &mut State, mail: &Ready<'_>, fence: &Fence, failure: &Failure) -> SendError {
        let code = i64::from(failure.code.unwrap_or_default());
        match outcome(failure) {
            Outcome::Later(retry_after) => SendError::Throttled { retry_after },
            Outcome::RefusedForNow(retry_after) => match fence.again_after_refusal(mail.key).await {
                Ok(true) => SendError::Throttled { retry_after },
                Ok(false) => SendError::Refused { code, text: failure.text.clone() },
                Err(error) => error,
            },
            Outcome::Again => {
                if failure.stage == Stage::Connecting {
                    self.status.sending(failure.text.clone());
                }
                SendError::Unreachable(failure.text.clone())
            }
            Outcome::Perhaps => SendError::Perhaps,
            Outcome::Never(text) => SendError::Refused { code, text },
            Outcome::Account(text) => {
                self.status.sending(text.clone());
                if failure.stage == Stage::Login {
                    state.refused_logins += 1;
                    if state.refused_logins >= LOGINS {
                        state.locked_until = Some(later((self.now)(), self.timing.locked));
                        // One try when it is over, not three.
                        state.refused_logins = LOGINS - 1;
                    }
                    return SendError::Unreachable(text);
                }
                SendError::Refused { code, text }
            }
        }
    }
}
