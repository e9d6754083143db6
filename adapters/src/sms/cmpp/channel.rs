//! The operator's gateway as a way of the channel.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::config::CmppConfig;
use super::hearing::Hearing;
use super::link::{Line, LineConfig, LineStatus};
use super::sending::{Progress, ids, is_configuration, submits, verdict, words};
use super::session::{Outcome, SessionConfig, State};
use crate::sms::counts::count;
use crate::sms::gateway::Gateway;
use crate::sms::health;
use crate::sms::intake::{Ground, Intake, Sent, external_id, short_hash};
use crate::sms::text::{Fitted, Limits, Number, Wanted, fit};
use crate::sms::time::later;
use crate::{Entry, Outgoing, Receipt, SendError, ShelfError};

/// What was delivered and waits to be stored: twice the gateway's window.
const QUEUE: usize = 32;
/// How long a message is left to the instance that has the line.
const ELSEWHERE: Duration = Duration::from_secs(2);
/// Longer than the outbox tries.
const PROGRESS_KEPT: Duration = Duration::from_hours(48);

/// See the module.
pub struct Cmpp {
    config: CmppConfig,
    ground: Ground,
    line: Arc<Line>,
    reference: AtomicU16,
    sent: Notify,
    problem: Mutex<Option<u32>>,
}

impl Cmpp {
    pub(crate) fn new(config: CmppConfig, ground: Ground) -> Self {
        let session = SessionConfig {
            width: config.width,
            sp_id: config.sp_id.clone(),
            secret: config.shared_secret.clone(),
            strict: config.strict,
            timing: config.timing.clone(),
        };
        let line = LineConfig {
            host: config.host.clone(),
            port: config.port,
            session,
            lease: config.lease,
            look: config.look,
        };
        let line = Arc::new(Line::new(line, ground.shelf.clone(), ground.now.clone()));
        let mut seed = [0; 2];
        // Two long messages to one phone within minutes must not share a number; without randomness they still count up.
        let _ = getrandom::fill(&mut seed);
        let reference = AtomicU16::new(u16::from_be_bytes(seed));
        Self { config, ground, line, reference, sent: Notify::new(), problem: Mutex::new(None) }
    }

    /// Longest sleep without a look at the clock.
    pub(crate) fn look(&self) -> Duration {
        self.config.look
    }

    /// Its line.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Whether the gateway can be reached. Nothing is said: a login would throw a running desk off its line.
    pub async fn probe(&self) -> (bool, String) {
        let (host, port) = (self.config.host.as_str(), self.config.port);
        let limit = Duration::from_secs(5);
        match tokio::time::timeout(limit, tokio::net::TcpStream::connect((host, port))).await {
            Ok(Ok(_)) => (true, format!("{host}:{port} 可以连接；登录是否成功请启动后用 zhishou doctor 查看")),
            Ok(Err(error)) => (false, format!("{host}:{port} 连不上（{error}）：请核对地址，并确认本机出口地址已报备")),
            Err(_) => (false, format!("{host}:{port} 5 秒没有应答：请检查防火墙")),
        }
    }

    fn fitted(&self, message: &Outgoing) -> Result<Fitted, SendError> {
        let wanted = Wanted { text: &message.text, short: message.short.as_deref(), whole: message.by_person };
        let limits = Limits { reference: self.config.reference, ..self.config.limits };
        fit(wanted, &self.config.signature, limits)
            .map_err(|unfit| SendError::Refused { code: 0, text: unfit.to_string() })
    }

    async fn progress(&self, key: &str, fitted: &Fitted) -> Result<Progress, SendError> {
        let text = short_hash(&fitted.shown);
        let kept = self.ground.shelf.get(key).await.map_err(unavailable)?;
        let kept: Option<Progress> = kept.and_then(|kept| serde_json::from_str(&kept).ok());
        if let Some(kept) = kept.filter(|kept| kept.text == text) {
            return Ok(kept);
        }
        let reference = self.reference.fetch_add(1, Ordering::Relaxed);
        let fresh = Progress { text, reference, done: Vec::new() };
        if fitted.segments.len() > 1 {
            // Before the first part goes: a second try must use the same number.
            self.keep(key, &fresh).await.map_err(unavailable)?;
        }
        Ok(fresh)
    }

    async fn keep(&self, key: &str, progress: &Progress) -> Result<(), ShelfError> {
        let value = serde_json::to_string(progress).map_err(|error| ShelfError(error.to_string()))?;
        let until = later((self.ground.now)(), PROGRESS_KEPT);
        self.ground.shelf.put(&[Entry { key: key.to_owned(), value, until }]).await
    }

    fn why_not(status: &LineStatus) -> String {
        match (&status.trouble, status.state) {
            (Some(trouble), _) => format!("短信网关没有连接：{trouble}"),
            (None, State::Idle { why: Some(why), .. }) => format!("短信网关没有连接：{}", why.words()),
            (None, _) => "短信网关没有连接".to_owned(),
        }
    }
}

/// The shelf is down: nothing was sent, try later.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn unavailable(error: ShelfError) -> SendError {
    SendError::Unreachable(error.to_string())
}

#[async_trait]
impl Gateway for Cmpp {
    async fn send(&self, to: &Number, message: &Outgoing) -> Result<Receipt, SendError> {
        let fitted = self.fitted(message)?;
        let status = self.line.status();
        if status.standby {
            return Err(SendError::Throttled { retry_after: ELSEWHERE });
        }
        if !matches!(status.state, State::Ready { .. }) {
            return Err(SendError::Unreachable(Self::why_not(&status)));
        }
        let external = external_id(&message.key);
        let key = format!("part:{external}");
        let mut progress = self.progress(&key, &fitted).await?;
        let total = fitted.segments.len();
        let parts = submits(&self.config, &to.canonical, &fitted, &progress, (self.ground.now)());
        let numbers: Vec<usize> = parts.iter().map(|(part, _)| *part).collect();
        let outcomes = self.line.submit(parts.into_iter().map(|(_, submit)| submit).collect()).await;
        let outcomes: Vec<(usize, Outcome)> = numbers.into_iter().zip(outcomes).collect();

        let sent: Vec<(String, Sent)> = ids(&outcomes)
            .map(|(part, msg_id)| {
                let sent = Sent {
                    external_id: external.clone(),
                    conversation: message.conversation.clone(),
                    part: (part, total),
                };
                (msg_id.to_string(), sent)
            })
            .collect();
        if let Err(error) = self.ground.remember(&sent).await {
            // It is sent; only a report on it will not be understood.
            tracing::warn!(%error, "the ids of a message that was sent could not be kept");
        }
        self.sent.notify_one();
        let taken = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Accepted { .. }));
        progress.done.extend(taken.map(|(part, _)| *part));
        let news = u64::try_from(outcomes.iter().filter(|(part, _)| progress.done.contains(part)).count());
        count(&self.ground.counts.segments_sent, news.unwrap_or_default());
        let outcome = verdict(&outcomes, || Self::why_not(&self.line.status()));
        if total > 1
            && outcome.is_err()
            && let Err(error) = self.keep(&key, &progress).await
        {
            tracing::warn!(%error, "how far a message in several parts has come could not be kept");
        }
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        match outcomes.iter().find_map(|(_, outcome)| match outcome {
            Outcome::Refused { result } if is_configuration(*result) => Some(*result),
            _ => None,
        }) {
            Some(result) => *problem = Some(result),
            None if outcome.is_ok() => *problem = None,
            None => {}
        }
        drop(problem);
        outcome?;
        count(&self.ground.counts.messages_sent, 1);
        count(&self.ground.counts.messages_cut, u64::from(fitted.cut));
        Ok(Receipt { external_id: Some(external) })
    }

    async fn listen(&self, intake: Arc<Intake>, stop: &CancellationToken) {
        let (heard, queue) = mpsc::channel(QUEUE);
        let hearing = Hearing::new(self.line.clone(), intake);
        let speaking = async {
            self.line.run(&heard, stop).await;
            drop(heard);
        };
        tokio::join!(speaking, hearing.follow(queue, &self.sent, self.config.look, stop));
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let (logins, slowed) = self.line.status().counted;
        vec![("gateway_logins", logins), ("gateway_slowed", slowed)]
    }

    fn health(&self) -> Result<String, String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).map(words);
        health::of_line(&self.line.status(), self.config.width.name(), problem, (self.ground.now)())
    }
}
