//! What the tests of mail share: a desk that takes every mail once, and mailboxes in service before real and scripted servers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zhishou_adapters::mail::{ImapConfig, Limits, MailChannel, MailConfig, MailTiming, Now, SmtpConfig, Start, Tls};
use zhishou_adapters::{Channel as _, ChannelError, Event, Inbound, Inbox, InboxError, Outgoing, Shelf};
use zhishou_fakes::mail::scripted::Scripted;
use zhishou_fakes::mail::server::MailServer;

use crate::support::HandClock;
use crate::wecom::support::MemoryShelf;

pub const DESK: &str = "helpdesk@gov.test";
pub const ALICE: &str = "alice@gov.test";

/// Long enough for a loaded machine and a server that starts, short enough to end.
const LIMIT: Duration = Duration::from_mins(3);

pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("it did not come to pass in time")
}

/// A desk that knows a message by its external id, as the real one does.
#[derive(Default)]
pub struct Desk {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    known: HashSet<String>,
    events: Vec<Event>,
    /// How often a message was handed in that was known.
    repeats: usize,
    kept: Vec<Vec<u8>>,
    failures: usize,
    /// Only counts, for tests of many.
    counting: bool,
    count: usize,
}

impl Desk {
    pub fn counting() -> Self {
        let desk = Self::default();
        desk.state.lock().unwrap().counting = true;
        desk
    }

    /// The next so many events cannot be stored.
    pub fn fail(&self, times: usize) {
        self.state.lock().unwrap().failures = times;
    }

    pub fn messages(&self) -> Vec<Inbound> {
        let state = self.state.lock().unwrap();
        let messages = state.events.iter().filter_map(|event| match event {
            Event::Message(inbound) => Some((**inbound).clone()),
            _ => None,
        });
        messages.collect()
    }

    pub fn bounces(&self) -> Vec<Event> {
        let state = self.state.lock().unwrap();
        state.events.iter().filter(|event| matches!(event, Event::Bounced { .. })).cloned().collect()
    }

    pub fn repeats(&self) -> usize {
        self.state.lock().unwrap().repeats
    }

    pub fn kept(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().kept.clone()
    }

    /// Different mails taken so far.
    pub fn count(&self) -> usize {
        self.state.lock().unwrap().count
    }

    /// Waits until this holds.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        within(async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if holds(self) {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }

    /// Waits for so many different mails.
    pub async fn has(&self, mails: usize) -> Vec<Inbound> {
        self.until(|desk| desk.count() >= mails).await;
        self.messages()
    }

    /// Waits until a repeat was handed in.
    pub async fn repeated(&self, times: usize) {
        self.until(|desk| desk.repeats() >= times).await;
    }
}

#[async_trait]
impl Inbox for Desk {
    async fn accept(&self, channel: &str, event: Event) -> Result<(), InboxError> {
        assert!(channel.starts_with("mail"), "{channel}");
        {
            let mut state = self.state.lock().unwrap();
            if state.failures > 0 {
                state.failures -= 1;
                return Err(InboxError::Unavailable("disk full".to_owned()));
            }
            match &event {
                Event::Message(inbound) if !state.known.insert(inbound.external_id.clone()) => state.repeats += 1,
                Event::Message(_) => {
                    state.count += 1;
                    if !state.counting {
                        state.events.push(event);
                    }
                }
                _ => state.events.push(event),
            }
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn keep(&self, bytes: Vec<u8>) -> Result<String, InboxError> {
        let mut state = self.state.lock().unwrap();
        if !state.counting {
            state.kept.push(bytes);
        }
        Ok(format!("hash-{}", state.kept.len()))
    }

    async fn newest(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    async fn listens_since(&self, _: &str) -> Option<Timestamp> {
        None
    }

    async fn bound(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Times short enough for a test.
pub fn timing() -> MailTiming {
    MailTiming {
        connect: Duration::from_secs(10),
        command: Duration::from_secs(10),
        idle: Duration::from_secs(5),
        poll: Duration::from_millis(50),
        reconnect: Duration::from_millis(20),
        reconnect_most: Duration::from_millis(200),
        locked: Duration::from_mins(30),
        lease: Duration::from_secs(30),
        send: Duration::from_secs(10),
        store: Duration::from_millis(1),
        ..MailTiming::default()
    }
}

fn bare(id: &str, address: &str) -> MailConfig {
    let limits = Limits { pause: Duration::ZERO, ..Limits::default() };
    MailConfig { start: Start::All, timing: timing(), limits, ..MailConfig::new(id, address) }
}

/// A mailbox on the real servers, over TLS both ways.
pub fn real(server: &MailServer, address: &str, password: &str) -> MailConfig {
    let ports = server.ports();
    MailConfig {
        imap: Some(imap(ports.imaps, Tls::Tls, address, password)),
        smtp: Some(smtp(ports.submissions, Tls::Tls, address, password)),
        ca_pem: Some(server.ca_pem()),
        ..bare("mail", address)
    }
}

pub fn imap(port: u16, tls: Tls, user: &str, password: &str) -> ImapConfig {
    ImapConfig {
        host: "localhost".to_owned(),
        port,
        tls,
        user: user.to_owned(),
        password: SecretString::from(password),
        folder: ImapConfig::INBOX.to_owned(),
        done_folder: None,
    }
}

pub fn smtp(port: u16, tls: Tls, user: &str, password: &str) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port,
        tls,
        user: user.to_owned(),
        password: Some(SecretString::from(password)),
    }
}

/// A mailbox on a scripted server, plain.
pub fn reads(server: &Scripted) -> MailConfig {
    MailConfig { imap: Some(imap(server.port(), Tls::None, DESK, "secret")), ..bare("mail", DESK) }
}

/// An account on a scripted server, plain.
pub fn sends(server: &Scripted) -> MailConfig {
    MailConfig { smtp: Some(smtp(server.port(), Tls::None, DESK, "secret")), ..bare("mail", DESK) }
}

pub fn now_of(clock: &HandClock) -> Now {
    let clock = clock.clone();
    Arc::new(move || clock.now())
}

/// A channel that only speaks.
pub fn speaker(config: MailConfig) -> (Arc<MailChannel>, HandClock) {
    let clock = HandClock::noon();
    let shelf: Arc<dyn Shelf> = MemoryShelf::new(clock.clone());
    (Arc::new(MailChannel::new(config, &shelf, &now_of(&clock)).unwrap()), clock)
}

/// A mailbox that is read.
pub struct Running {
    pub channel: Arc<MailChannel>,
    pub desk: Arc<Desk>,
    pub clock: HandClock,
    pub shelf: Arc<MemoryShelf>,
    pub stop: CancellationToken,
    listening: JoinHandle<Result<(), ChannelError>>,
}

impl Running {
    /// Ends it as a signal would, and waits.
    pub async fn end(self) -> (Arc<Desk>, HandClock, Arc<MemoryShelf>) {
        self.stop.cancel();
        within(self.listening).await.unwrap().unwrap();
        (self.desk, self.clock, self.shelf)
    }

    /// Ends it as a power cut would.
    pub async fn cut(self) -> (Arc<Desk>, HandClock, Arc<MemoryShelf>) {
        self.listening.abort();
        let _ = self.listening.await;
        (self.desk, self.clock, self.shelf)
    }

    pub fn count(&self, name: &str) -> u64 {
        self.channel.counts().into_iter().find(|(of, _)| *of == name).unwrap().1
    }
}

pub fn run(config: MailConfig) -> Running {
    let clock = HandClock::noon();
    run_with(config, Arc::new(Desk::default()), clock.clone(), MemoryShelf::new(clock))
}

pub fn run_with(config: MailConfig, desk: Arc<Desk>, clock: HandClock, shelf: Arc<MemoryShelf>) -> Running {
    let as_shelf: Arc<dyn Shelf> = shelf.clone();
    let channel = Arc::new(MailChannel::new(config, &as_shelf, &now_of(&clock)).unwrap());
    let stop = CancellationToken::new();
    let listening = tokio::spawn({
        let (channel, desk, stop) = (channel.clone(), desk.clone(), stop.clone());
        async move { channel.listen(desk, stop).await }
    });
    Running { channel, desk, clock, shelf, stop, listening }
}

/// A plain mail from somebody to the desk.
pub fn mail(from: &str, id: &str, subject: &str, more: &str, text: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: {DESK}\r\nSubject: {subject}\r\nMessage-ID: <{id}>\r\nDate: Mon, 02 Mar 2026 09:00:00 +0800\r\n{more}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

pub fn to_alice(key: &str, text: &str) -> Outgoing {
    Outgoing {
        key: key.to_owned(),
        conversation: format!("user:{ALICE}"),
        text: text.to_owned(),
        ..Outgoing::default()
    }
}

/// The value of a header field, unfolded.
pub fn field(mail: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(mail).replace("\r\n", "\n");
    let head = text.split("\n\n").next()?.replace("\n ", " ").replace("\n\t", " ");
    let start = format!("{}:", name.to_lowercase());
    head.lines().find(|line| line.to_lowercase().starts_with(&start)).map(|line| line[start.len()..].trim().to_owned())
}
