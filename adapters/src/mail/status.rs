//! How the mailbox is: what was counted, and one line for the operator.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::config::MailConfig;

/// Names of what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Mails handed in.
    Heard,
    /// Mails handed in that a machine wrote.
    Automatic,
    /// Mails that could not be read and were handed in as such.
    Unreadable,
    /// Mails too large to be fetched.
    TooLarge,
    /// Delivery failures that belong to a mail of ours.
    Bounced,
    /// Delivery failures of a copy; the mail itself arrived.
    CopiesBounced,
    /// Delivery reports of a delay or of success.
    HarmlessReports,
    /// Delivery failures of mails that we never sent.
    Backscatter,
    /// Automatic answers that the fence held back.
    HeldBack,
    /// Connections to the mailbox.
    Connections,
    /// Mails that a server took from us.
    Sent,
}

const NAMES: [(Counted, &str); 11] = [
    (Counted::Heard, "mail_heard"),
    (Counted::Automatic, "mail_automatic"),
    (Counted::Unreadable, "mail_unreadable"),
    (Counted::TooLarge, "mail_too_large"),
    (Counted::Bounced, "mail_bounced"),
    (Counted::CopiesBounced, "mail_copies_bounced"),
    (Counted::HarmlessReports, "mail_harmless_reports"),
    (Counted::Backscatter, "mail_backscatter"),
    (Counted::HeldBack, "mail_answers_held_back"),
    (Counted::Connections, "mail_connections"),
    (Counted::Sent, "mail_sent"),
];

/// How reading is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing was tried yet.
    #[default]
    Idle,
    /// The folder is open since then.
    Open {
        /// Since when.
        since: Timestamp,
        /// Whether the server tells of new mail by itself.
        pushes: bool,
    },
    /// Another instance reads.
    Standby,
    /// Not connected; it is tried again.
    Down {
        /// Why, for people.
        why: String,
        /// When it is tried again.
        again: Timestamp,
    },
    /// Nothing but a person can help; tried again rarely.
    Stuck {
        /// Why and what to do.
        why: String,
        /// When it is tried again.
        again: Timestamp,
    },
}

#[derive(Debug, Default)]
struct State {
    reading: Reading,
    last_heard: Option<Timestamp>,
    moving: Option<String>,
    left: usize,
    sending: Option<String>,
    last_sent: Option<Timestamp>,
    little_room: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Status {
    counts: [AtomicU64; NAMES.len()],
    state: Mutex<State>,
}

impl Status {
    pub fn count(&self, what: Counted) {
        if let Some(at) = NAMES.iter().position(|(of, _)| *of == what) {
            self.counts[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        NAMES.iter().zip(&self.counts).map(|((_, name), count)| (*name, count.load(Ordering::Relaxed))).collect()
    }

    pub fn reading(&self, reading: Reading) {
        self.lock().reading = reading;
    }

    pub fn now_reading(&self) -> Reading {
        self.lock().reading.clone()
    }

    pub fn heard(&self, at: Timestamp) {
        self.lock().last_heard = Some(at);
        self.count(Counted::Heard);
    }

    /// Whether moving away works; the sentence where not.
    pub fn moving(&self, trouble: Option<String>) {
        self.lock().moving = trouble;
    }

    /// So many mails are still to be fetched.
    pub fn left(&self, left: usize) {
        self.lock().left = left;
    }

    /// A server took a mail.
    pub fn sent(&self, at: Timestamp) {
        let mut state = self.lock();
        state.last_sent = Some(at);
        state.sending = None;
        drop(state);
        self.count(Counted::Sent);
    }

    /// Sending does not work, for people.
    pub fn sending(&self, trouble: String) {
        self.lock().sending = Some(trouble);
    }

    pub fn little_room(&self, little: bool) {
        self.lock().little_room = little;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line for `doctor`.
    pub fn health(&self, config: &MailConfig) -> Result<String, String> {
        let state = self.lock();
        let mut well = true;
        let mut line = format!("邮箱 {}：", config.address);
        match (&config.imap, &state.reading) {
            (None, _) => line.push_str("只发信，不收信"),
            (_, Reading::Idle) => line.push_str("正在连接收信服务器"),
            (_, Reading::Open { since, pushes }) => {
                let how = if *pushes { "新邮件即时收到" } else { "服务器不支持推送，定时查看" };
                add(&mut line, format_args!("收信已连接，自 {} 起，{how}", clock(*since)));
                if let Some(at) = state.last_heard {
                    add(&mut line, format_args!("，最近一封 {}", clock(at)));
                }
                if state.left > 0 {
                    add(&mut line, format_args!("，还有 {} 封待处理", state.left));
                }
            }
            (_, Reading::Standby) => line.push_str("收信由另一个实例负责，本实例待命"),
            (_, Reading::Down { why, again }) => {
                well = false;
                add(&mut line, format_args!("收信没有连上：{why}。{} 再试，其间的来信不会丢失", clock(*again)));
            }
            (_, Reading::Stuck { why, again }) => {
                well = false;
                add(&mut line, format_args!("收信需要人处理：{why}。{} 再试", clock(*again)));
            }
        }
        if let Some(why) = &state.moving {
            well = false;
            add(&mut line, format_args!("；{why}，邮件留在原处"));
        }
        match (&config.smtp, &state.sending) {
            (None, _) => line.push_str("；没有配置发信"),
            (Some(_), Some(why)) => {
                well = false;
                add(&mut line, format_args!("；发信有问题：{why}"));
            }
            (Some(_), None) => match state.last_sent {
                Some(at) => add(&mut line, format_args!("；最近一次发信 {}", clock(at))),
                None => line.push_str("；启动后还没有发过信"),
            },
        }
        if state.little_room {
            well = false;
            add(&mut line, format_args!("；24 小时内的发信已超过上限（{} 封）的八成", config.limits.mails_a_day));
        }
        if well { Ok(line) } else { Err(line) }
    }
}

fn add(line: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = line.write_fmt(more);
}

/// Date and time as people here read it.
fn clock(at: Timestamp) -> String {
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    at.to_zoned_datetime(zone).strftime("%m-%d %H:%M:%S").to_string()
}
