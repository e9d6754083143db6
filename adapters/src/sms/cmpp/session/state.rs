//! Where a session stands, and how long it waits for what.

use std::time::Duration;

use jiff::Timestamp;

/// A connection that stood this long was a good one: the waits start anew.
pub(super) const SETTLED: Duration = Duration::from_mins(1);
/// How long the last answers are waited for before the connection is ended (1.8).
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// How long the answer to TERMINATE is waited for (1.8).
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);
/// First pause after result 8; doubles up to [`LONGEST_PAUSE`] (1.6).
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// See [`FIRST_PAUSE`].
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// So often a message is offered again after result 8 (1.6).
pub(super) const MOST_REFUSALS: u32 = 30;

/// Waits and limits, by the standard unless another is agreed (1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTiming {
    /// W: requests without an answer, 1 to 128.
    pub window: usize,
    /// C: silence before a sign of life is asked for. Firewalls drop idle links sooner than the standard's three minutes.
    pub idle: Duration,
    /// T: how long an answer may take.
    pub answer: Duration,
    /// N: sends of one request in all.
    pub sends: u32,
    /// Messages a second, parts counted; `None` leaves it to the gateway's result 8.
    pub rate: Option<u32>,
    /// First pause before dialling again; doubles up to a minute.
    pub backoff: Duration,
}

impl Default for SessionTiming {
    fn default() -> Self {
        Self {
            window: 16,
            idle: Duration::from_secs(45),
            answer: Duration::from_mins(1),
            sends: 3,
            rate: None,
            backoff: Duration::from_secs(1),
        }
    }
}

impl SessionTiming {
    /// Before the next try after so many losses in a row, a quarter of it by chance.
    pub(super) fn backoff(&self, losses: u32, jitter: f64) -> Duration {
        let whole = self.backoff.saturating_mul(1 << losses.saturating_sub(1).min(6)).min(Duration::from_mins(1));
        whole.mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0))
    }
}

/// Why there is no connection any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The socket broke, or could not be opened.
    Lost,
    /// No answer to the login.
    NoLogin,
    /// No sign of life.
    Silent,
    /// The stream could not be read any more.
    OutOfStep,
    /// The gateway ended it.
    Terminated,
    /// We ended it.
    Stopped,
    /// The login was refused.
    Refused {
        /// The gateway's number.
        status: u32,
        /// Highest version it speaks, as far as it says.
        speaks: u8,
    },
    /// The gateway speaks another version.
    Version {
        /// Which.
        speaks: u8,
    },
    /// The gateway does not know the secret, and the configuration is strict.
    Impostor,
}

impl Gone {
    /// Before the next try (1.2, 1.8). A storm of logins locks the account.
    pub(super) fn pause(self) -> Duration {
        match self {
            Self::Refused { status: 1..=4, .. } | Self::Version { .. } | Self::Impostor => Duration::from_mins(5),
            Self::Refused { .. } => Duration::from_secs(45),
            Self::Terminated => Duration::from_secs(30),
            Self::Lost | Self::NoLogin | Self::Silent | Self::OutOfStep | Self::Stopped => Duration::ZERO,
        }
    }

    /// What an administrator reads.
    pub fn words(self) -> String {
        let version = |speaks: u8| format!("{}.{}", speaks >> 4, speaks & 0xf);
        match self {
            Self::Lost => "连接中断或连不上".to_owned(),
            Self::NoLogin => "网关没有应答登录".to_owned(),
            Self::Silent => "网关长时间没有应答，已断开".to_owned(),
            Self::OutOfStep => "收到无法识别的数据，已断开；请确认地址和端口是 CMPP 网关".to_owned(),
            Self::Terminated => "网关主动结束了连接".to_owned(),
            Self::Stopped => "已停止".to_owned(),
            Self::Refused { status: 1, .. } => "网关认为登录报文结构不对（状态 1），请核对协议版本".to_owned(),
            Self::Refused { status: 2, .. } => {
                "网关不认识我们（状态 2），请核对 sp_id，并确认本机出口地址已在运营商处报备".to_owned()
            }
            Self::Refused { status: 3, .. } => {
                "网关认证失败（状态 3），请核对 shared_secret 和服务器时间；为免账号被锁，五分钟后再试".to_owned()
            }
            Self::Refused { status: 4, speaks } => {
                format!("网关不支持所配的版本（状态 4，网关为 {}），请改用 cmpp2", version(speaks))
            }
            Self::Refused { status, .. } => {
                format!("网关拒绝登录（状态 {status}），多为连接数已满或上一个连接尚未释放，稍后自动再试")
            }
            Self::Version { speaks } => {
                format!("网关只支持 CMPP {}，请把 gateway 改为对应版本", version(speaks))
            }
            Self::Impostor => "网关的认证码不对，可能不是真正的网关；如确认无误可关闭 strict".to_owned(),
        }
    }

    /// Whether only a person can mend it.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::Refused { status: 1..=4, .. } | Self::Version { .. } | Self::Impostor)
    }
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No connection.
    Idle {
        /// Do not dial before.
        not_before: Timestamp,
        /// Why the last one ended; `None` before the first.
        why: Option<Gone>,
    },
    /// The login is under way.
    Connecting {
        /// When it was written.
        since: Timestamp,
    },
    /// Messages go both ways.
    Ready {
        /// When the login was taken.
        since: Timestamp,
    },
    /// We are leaving.
    Closing {
        /// When that began.
        since: Timestamp,
        /// When TERMINATE was written.
        terminated: Option<Timestamp>,
    },
    /// The socket is to be closed.
    Over {
        /// Why.
        why: Gone,
    },
}
