//! Works off what the gateway told: in order within a conversation, side by side between them, again and again until it is
//! stored. Only then the place in the event stream moves on, so that a restart hears again what was not stored.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::codec::event::{self, Frame, Heard};
use super::intake::{Intake, place_of};
use super::session::Place;
use super::socket;
use crate::InboxError;

/// Events worked on at the same time; more wait on the line.
const AT_ONCE: usize = 128;
/// Events between the line and this.
pub(super) const QUEUE: usize = 1024;
/// Longest pause before handing in again what the desk could not store.
const STORE_MOST: Duration = Duration::from_secs(10);
/// How long is waited at a stop for what was heard last.
const SETTLE: Duration = Duration::from_secs(20);
/// Conversations whose order is remembered though nothing is in work there.
const ROWS: usize = 512;

/// An event and the session it came in.
pub(super) struct Told {
    pub(super) session: String,
    pub(super) frame: Frame,
}

/// Works off the queue until it ends.
pub(super) async fn follow(intake: Arc<Intake>, mut queue: mpsc::Receiver<Told>, stop: &CancellationToken) {
    let tracker = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut rows: HashMap<String, oneshot::Receiver<()>> = HashMap::new();
    let marks = Arc::new(Marks::default());
    while let Some(Told { session, frame }) = queue.recv().await {
        // Never closed, so a place is always given.
        let Ok(slot) = slots.clone().acquire_owned().await else { break };
        let heard = event::read(&frame);
        marks.begin(&session, frame.seq);
        if rows.len() > ROWS {
            rows.retain(|_, row| matches!(row.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        }
        let (after, next) = oneshot::channel::<()>();
        let before = rows.insert(place_of(&heard).to_owned(), next);
        let (intake, marks, stop) = (intake.clone(), marks.clone(), stop.clone());
        tracker.spawn(async move {
            if let Some(before) = before {
                // Stored or given up: in either case it is our turn.
                let _ = before.await;
            }
            if store(&intake, &frame, heard, &stop).await
                && let Some(place) = marks.done(&session, frame.seq)
            {
                socket::keep(&intake.robot, &place).await;
            }
            drop((after, slot));
        });
    }
    tracker.close();
    if tokio::time::timeout(SETTLE, tracker.wait()).await.is_err() {
        tracing::error!("what the gateway told last could not be stored before the stop; it will be told again");
    }
}

/// Whether it is stored; it is tried again until the stop, since the gateway tells nothing twice by itself.
async fn store(intake: &Intake, frame: &Frame, heard: Heard, stop: &CancellationToken) -> bool {
    let mut pause = intake.robot.config.timing.store;
    loop {
        match intake.hear(frame, heard.clone()).await {
            Ok(()) => return true,
            Err(error @ InboxError::Refused(_)) => {
                tracing::error!(%error, "an event cannot be stored");
                return true;
            }
            Err(error @ InboxError::Unavailable(_)) if stop.is_cancelled() => {
                tracing::error!(%error, "an event was not stored before the stop; it will be told again");
                return false;
            }
            Err(InboxError::Unavailable(_)) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(STORE_MOST),
        }
    }
}

/// Which numbers are in work: the place is before the lowest of them.
#[derive(Default)]
struct Marks(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    session: String,
    in_work: BTreeMap<u64, u32>,
    highest: u64,
    kept: u64,
}

impl Marks {
    fn begin(&self, session: &str, seq: Option<u64>) {
        let Some(seq) = seq else { return };
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if numbers.session != session {
            *numbers = Numbers { session: session.to_owned(), ..Numbers::default() };
        }
        *numbers.in_work.entry(seq).or_default() += 1;
        numbers.highest = numbers.highest.max(seq);
    }

    /// The place to be kept now, if it has moved.
    fn done(&self, session: &str, seq: Option<u64>) -> Option<Place> {
        let seq = seq?;
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if numbers.session != session || session.is_empty() {
            return None;
        }
        if let Some(count) = numbers.in_work.get_mut(&seq) {
            *count -= 1;
            if *count == 0 {
                numbers.in_work.remove(&seq);
            }
        }
        let seq = numbers.in_work.keys().next().map_or(numbers.highest, |lowest| lowest.saturating_sub(1));
        if seq <= numbers.kept {
            return None;
        }
        numbers.kept = seq;
        Some(Place { session: numbers.session.clone(), seq })
    }
}
