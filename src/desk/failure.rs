//! What becomes of a message that was not taken: when it is tried again, over which way, and when it has failed.

use zhishou_adapters::{Retry, SendError};

use super::dispatch::RECHECK_MS;
use super::said::{Said, Waited};
use crate::store::{OutboxRow, OutboxState, Settled};

/// How often the platform is asked about one message before a person has to.
const LOOKS: i64 = 15;
/// Pauses between tries of one message; the last repeats.
const BACKOFF_MS: [i64; 7] = [2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000];
/// A message that could not be sent for this long has failed, visibly.
const GIVE_UP_MS: i64 = 24 * 3_600_000;
/// How often a conversation that can only be answered is tried although nobody has spoken.
const CONTACT_MS: i64 = 6 * 3_600_000;
/// After so long without a word from there a message has failed, visibly.
const NO_CONTACT_MS: i64 = 14 * 24 * 3_600_000;
/// What stands beside a message that waits for a contact.
pub(super) const AWAITS: &str = "等待对方再次发言";

/// What is said after it cannot wait for ever: the next way, or visible for a person to settle.
pub(super) fn nobody_can_tell(row: &OutboxRow, said: &mut Said, now: i64, next: &mut Settled) {
    "无法确认是否送达，请人工核实".clone_into(&mut next.problem);
    if !take_next_way(row, said, now, next) {
        next.state = OutboxState::Failed;
    }
}

/// Moves a message to the next way of reaching its person; false where there is none. Only what is for a person has
/// ways: a conversation waits for its own channel.
fn take_next_way(row: &OutboxRow, said: &mut Said, now: i64, next: &mut Settled) -> bool {
    let Some(way) = said.ways.get(said.way + 1) else { return false };
    next.conversation.clone_from(way);
    said.way += 1;
    next.state = OutboxState::Ready;
    next.send_at_ms = now;
    next.attempts = 0;
    next.body = serde_json::to_string(said).unwrap_or_else(|_| row.body.clone());
    true
}

/// Where the conversation can only be answered: what has other ways takes them at once, then those its conversation has
/// (`also`), then it waits. It holds up nothing behind it, and is tried again when the conversation is heard from.
fn wait_for_contact(row: &OutboxRow, said: &mut Said, also: &[String], now: i64, next: &mut Settled) {
    let elsewhere_closed = said.waited.as_ref().is_some_and(|waited| waited.elsewhere_closed);
    let waited = said.waited.get_or_insert_default();
    waited.digest = None;
    if said.ways.is_empty() && !also.is_empty() && said.updates.is_none() {
        said.ways = std::iter::once(row.conversation.clone()).chain(also.iter().cloned()).collect();
        said.way = 0;
    }
    if !elsewhere_closed && take_next_way(row, said, now, next) {
        return;
    }
    if now - row.created_at_ms > NO_CONTACT_MS {
        next.state = OutboxState::Failed;
        return;
    }
    back_to_waiting(row, said, now, next);
}

/// Waits in the conversation it was meant for.
fn back_to_waiting(row: &OutboxRow, said: &mut Said, now: i64, next: &mut Settled) {
    AWAITS.clone_into(&mut next.problem);
    next.state = OutboxState::Ready;
    next.send_at_ms = now + CONTACT_MS;
    // What is retried holds up what comes after it; this does not.
    next.attempts = 0;
    if let Some(first) = said.ways.first() {
        next.conversation.clone_from(first);
        said.way = 0;
    }
    next.body = serde_json::to_string(said).unwrap_or_else(|_| row.body.clone());
}

/// When and where a message that was not taken is tried next. `also`: where else it may be said while its conversation can
/// only be answered.
pub(super) fn after_failure(
    row: &OutboxRow,
    said: &mut Said,
    error: &SendError,
    also: &[String],
    now: i64,
    next: &mut Settled,
) {
    let step = usize::try_from(row.attempts).unwrap_or(usize::MAX).min(BACKOFF_MS.len() - 1);
    // What may have arrived stays so until it is known.
    let waiting = if row.state == OutboxState::Looking { OutboxState::Perhaps } else { OutboxState::Ready };
    match error.retry() {
        Retry::Look if row.state == OutboxState::Looking && row.attempts >= LOOKS => {
            nobody_can_tell(row, said, now, next);
        }
        Retry::Look => {
            next.state = OutboxState::Perhaps;
            next.send_at_ms = now + RECHECK_MS;
        }
        Retry::After(pause) => {
            next.state = waiting;
            next.send_at_ms = now + i64::try_from(pause.as_millis()).unwrap_or(BACKOFF_MS[6]).max(1);
            // Being asked to wait is no failure of the message; what is said after it waits behind it.
            next.attempts = row.attempts.max(1);
        }
        // Somebody to be woken is not waited for: the next way at once, and after the last the first again.
        Retry::Contact if said.person.is_none() || said.ways.len() < 2 => wait_for_contact(row, said, also, now, next),
        Retry::Backoff | Retry::Never | Retry::Contact if take_next_way(row, said, now, next) => {}
        // The other ways are closed; its own opens when somebody speaks there.
        Retry::Backoff | Retry::Never if said.way > 0 && said.waited.is_some() && said.person.is_none() => {
            said.waited = Some(Waited { elsewhere_closed: true, digest: None });
            back_to_waiting(row, said, now, next);
        }
        Retry::Backoff | Retry::Contact if now - row.created_at_ms < GIVE_UP_MS => {
            next.state = waiting;
            next.send_at_ms = now + BACKOFF_MS[step];
            if said.ways.len() > 1 {
                // All ways were closed: begin again with the first, after the pause.
                said.way = 0;
                next.conversation.clone_from(&said.ways[0]);
                next.body = serde_json::to_string(&said).unwrap_or_else(|_| row.body.clone());
            }
        }
        Retry::Backoff | Retry::Never | Retry::Contact => next.state = OutboxState::Failed,
    }
}

/// Where a message goes that was taken and came back. The way it came back from is none any more for this message; the
/// next one is tried at once, after the last the first: each is dropped when it fails so, hence that ends.
pub(super) fn after_bounce(row: &OutboxRow, said: &mut Said, now: i64, next: &mut Settled) {
    next.taken_at_ms = 0;
    next.attempts = 0;
    next.send_at_ms = now;
    if said.way < said.ways.len() && said.ways.len() > 1 {
        said.ways.remove(said.way);
        if said.way == said.ways.len() {
            said.way = 0;
        }
        next.state = OutboxState::Ready;
        next.conversation.clone_from(&said.ways[said.way]);
        // The id stands for what came back, not for what goes out now.
        next.external_id.clear();
        next.body = serde_json::to_string(said).unwrap_or_else(|_| row.body.clone());
    } else {
        next.state = OutboxState::Failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::notice::Kind;

    fn row(state: OutboxState) -> OutboxRow {
        OutboxRow {
            id: "out_1".to_owned(),
            key: "k".to_owned(),
            conversation: "wecom:user:chen".to_owned(),
            ticket: String::new(),
            kind: "escalation".to_owned(),
            merge_key: String::new(),
            state,
            created_at_ms: 0,
            send_at_ms: 0,
            attempts: 1,
            free: 1,
            external_id: String::new(),
            body: String::new(),
        }
    }

    fn settled(row: &OutboxRow) -> Settled {
        Settled {
            id: row.id.clone(),
            state: OutboxState::Sent,
            conversation: row.conversation.clone(),
            send_at_ms: 0,
            attempts: row.attempts,
            taken_at_ms: 0,
            external_id: String::new(),
            problem: String::new(),
            body: String::new(),
        }
    }

    #[test]
    fn what_is_in_doubt_for_good_takes_the_next_way_and_only_after_the_last_has_failed() {
        let row = row(OutboxState::Looking);
        let mut said = Said::new(Kind::Escalation, "重大紧急事件上报".to_owned());
        said.ways = vec!["wecom:user:chen".to_owned(), "sms:user:13800000005".to_owned()];
        let mut next = settled(&row);
        nobody_can_tell(&row, &mut said, 7, &mut next);
        assert_eq!((next.state, next.conversation.as_str()), (OutboxState::Ready, "sms:user:13800000005"));
        nobody_can_tell(&row, &mut said, 8, &mut next);
        assert_eq!(next.state, OutboxState::Failed);
    }

    #[test]
    fn what_can_only_be_answered_takes_its_other_ways_and_then_waits() {
        let mut row = row(OutboxState::Sending);
        row.conversation = "qqbot:group:G1".to_owned();
        let mut said = Said::new(Kind::Progress, "已到现场".to_owned());
        let also = ["mail:user:wang@example.com".to_owned()];
        let mut next = settled(&row);
        after_failure(&row, &mut said, &SendError::AwaitsContact, &also, 5, &mut next);
        assert_eq!(
            (next.state, next.conversation.as_str(), next.send_at_ms),
            (OutboxState::Ready, also[0].as_str(), 5)
        );
        // The mail server refuses it: back to where it was meant for, and nothing else is tried.
        row.conversation.clone_from(&next.conversation);
        let refused = SendError::Refused { code: 550, text: String::new() };
        after_failure(&row, &mut said, &refused, &[], 6, &mut next);
        for now in [6, 7] {
            assert_eq!((next.state, next.conversation.as_str()), (OutboxState::Ready, "qqbot:group:G1"));
            assert_eq!((next.send_at_ms, next.attempts, next.problem.as_str()), (now + CONTACT_MS, 0, AWAITS));
            row.conversation.clone_from(&next.conversation);
            after_failure(&row, &mut said, &SendError::AwaitsContact, &also, 7, &mut next);
        }
        after_failure(&row, &mut said, &SendError::AwaitsContact, &also, NO_CONTACT_MS + 1, &mut next);
        assert_eq!(next.state, OutboxState::Failed);
        // Somebody to be woken is not waited for.
        let mut said = Said::new(Kind::Escalation, "请处理".to_owned());
        said.person = Some("chen".to_owned());
        said.ways = vec!["qqbot:user:U1".to_owned(), "sms:user:13800000005".to_owned()];
        row.conversation = "qqbot:user:U1".to_owned();
        after_failure(&row, &mut said, &SendError::AwaitsContact, &[], 8, &mut next);
        assert_eq!((next.conversation.as_str(), next.send_at_ms), ("sms:user:13800000005", 8));
    }

    #[test]
    fn what_may_have_arrived_is_not_sent_plainly_again_after_being_asked_to_wait() {
        let wait = SendError::Throttled { retry_after: std::time::Duration::from_mins(1) };
        for (state, then) in [(OutboxState::Looking, OutboxState::Perhaps), (OutboxState::Sending, OutboxState::Ready)]
        {
            let row = row(state);
            let (mut said, mut next) = (Said::new(Kind::Escalation, String::new()), settled(&row));
            after_failure(&row, &mut said, &wait, &[], 0, &mut next);
            assert_eq!((next.state, next.send_at_ms), (then, 60_000), "{state:?}");
        }
    }

    #[test]
    fn what_comes_back_from_one_way_after_the_other_tries_each_once_and_then_fails() {
        let ways = ["wecom:user:chen", "mail:user:chen@ops.example", "sms:user:13800000005"].map(str::to_owned);
        let row = row(OutboxState::Sent);
        let mut said = Said::new(Kind::Escalation, "重大紧急事件上报".to_owned());
        (said.ways, said.way) = (ways.to_vec(), 1);
        let mut next = settled(&row);
        let mut tried = Vec::new();
        for at in 1.. {
            after_bounce(&row, &mut said, at, &mut next);
            if next.state == OutboxState::Failed {
                break;
            }
            tried.push(next.conversation.clone());
        }
        assert_eq!(
            tried,
            [ways[2].clone(), ways[0].clone()],
            "the one after it, then from the beginning, without what came back"
        );
    }
}
