//! Keeping a mailbox open: one of all instances has it, connections are made anew with growing pauses, and a password that is
//! refused is not tried until the account is locked (2.6).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::config::{ImapConfig, MailConfig};
use super::ids::short;
use super::imap::{Trouble, open};
use super::intake::Intake;
use super::reader::Reader;
use super::status::{Counted, Reading};
use super::thread::later;
use crate::Shelf;

/// Refused logins after which they become rare.
const LOGINS: u32 = 3;

/// What keeps the mailbox open.
pub(super) struct Listener<'a> {
    pub config: &'a MailConfig,
    pub imap: &'a ImapConfig,
    pub shelf: &'a Arc<dyn Shelf>,
    pub tls: &'a TlsConnector,
    pub intake: Intake,
}

/// Pauses between connections.
struct Pauses {
    next: Duration,
    refused: u32,
}

impl Listener<'_> {
    /// Runs until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep_open() => {}
        }
        // So that another instance need not wait for its end.
        if let Err(error) = self.shelf.release(&self.lease()).await {
            tracing::warn!(channel = %self.config.id, %error, "the lease on a mailbox could not be given up");
        }
    }

    async fn keep_open(&self) {
        let timing = &self.config.timing;
        // A server that lists IDLE and does not answer it will not do so after the next login either.
        let silent = AtomicBool::new(false);
        let mut pauses = Pauses { next: timing.reconnect, refused: 0 };
        loop {
            if !self.hold().await {
                tokio::time::sleep(timing.lease / 3).await;
                continue;
            }
            let began = (self.intake.now)();
            let trouble = tokio::select! {
                trouble = self.session(&silent) => trouble,
                () = self.lease_lost() => {
                    tracing::warn!(channel = %self.config.id, "the lease on a mailbox was lost");
                    continue;
                }
            };
            if (self.intake.now)() >= later(began, timing.healthy) {
                pauses = Pauses { next: timing.reconnect, refused: 0 };
            }
            let pause = self.pause(&trouble, &mut pauses);
            tracing::warn!(channel = %self.config.id, why = trouble.text(), "a mailbox is closed; it is opened again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.lease_lost() => {}
            }
        }
    }

    /// How long to wait after this, and what the operator is told.
    fn pause(&self, trouble: &Trouble, pauses: &mut Pauses) -> Duration {
        let timing = &self.config.timing;
        let (pause, stuck) = match trouble {
            Trouble::Person(_) => (timing.locked, true),
            Trouble::Login(_) => {
                pauses.refused += 1;
                if pauses.refused >= LOGINS { (timing.locked, true) } else { (jittered(pauses.next), true) }
            }
            Trouble::Lost(_) | Trouble::Refused(_) => {
                pauses.refused = 0;
                (jittered(pauses.next), false)
            }
        };
        pauses.next = (pauses.next * 2).min(timing.reconnect_most);
        let (why, again) = (trouble.text().to_owned(), later((self.intake.now)(), pause));
        self.intake.status.reading(if stuck { Reading::Stuck { why, again } } else { Reading::Down { why, again } });
        pause
    }

    async fn session(&self, silent: &AtomicBool) -> Trouble {
        let opened = match open(self.imap, self.tls, &self.config.timing).await {
            Ok(opened) => opened,
            Err(trouble) => return trouble,
        };
        self.intake.status.count(Counted::Connections);
        let since = (self.intake.now)();
        self.intake.status.reading(Reading::Open { since, pushes: opened.can.idle });
        match Reader::new(self.config, self.shelf, &self.intake, opened, position_name(self.imap)).await {
            Ok(mut reader) => {
                let trouble = reader.run(silent).await;
                if matches!(trouble, Trouble::Refused(_)) {
                    reader.into_opened().line.logout().await;
                }
                trouble
            }
            Err(trouble) => trouble,
        }
    }

    fn lease(&self) -> String {
        format!("mailbox:{}", short(&position_name(self.imap)))
    }

    /// Takes or keeps the lease; false where it is held elsewhere or cannot be asked for.
    async fn hold(&self) -> bool {
        let until = later((self.intake.now)(), self.config.timing.lease);
        match self.shelf.hold(&self.lease(), until).await {
            Ok(true) => true,
            Ok(false) => {
                self.intake.status.reading(Reading::Standby);
                false
            }
            Err(error) => {
                let why = format!("租约无法读写：{error}");
                self.intake.status.reading(Reading::Down { why, again: until });
                false
            }
        }
    }

    /// Renews the lease; returns once it is lost.
    async fn lease_lost(&self) {
        let lease = self.config.timing.lease;
        let mut held_until: Timestamp = later((self.intake.now)(), lease);
        loop {
            tokio::time::sleep(lease / 3).await;
            let until = later((self.intake.now)(), lease);
            let name = self.lease();
            // A store that hangs is as good as one that fails: the lease runs out all the same.
            match tokio::time::timeout(lease / 6, self.shelf.hold(&name, until)).await {
                Ok(Ok(true)) => held_until = until,
                Ok(Ok(false)) => return,
                // Until its end nobody else can take it; a third of it is left for what is under way.
                Ok(Err(_)) | Err(_) if later((self.intake.now)(), lease / 3) >= held_until => return,
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }
}

/// Where a mailbox's position stands on the shelf: another account or folder is another mailbox.
fn position_name(imap: &ImapConfig) -> String {
    let account = format!("{}\n{}\n{}\n{}", imap.host.to_lowercase(), imap.port, imap.user, imap.folder);
    format!("position:{}", short(&account))
}

/// Up to a fifth more or less, so that many do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness there is no jitter, and nothing worse.
    let _ = getrandom::fill(&mut byte);
    pause.mul_f64(0.8 + f64::from(byte[0]) / 255.0 * 0.4)
}
