//! Messages on their way: window, pace, pauses, repeats (sms.md 1.3, 1.6).

use jiff::Timestamp;

use super::state::{FIRST_PAUSE, Gone, LONGEST_PAUSE, MOST_REFUSALS, State};
use super::{CallId, Effect, Outcome, Session, spacing};
use crate::sms::cmpp::codec::{MsgId, Pdu, Submit, encode};
use crate::sms::time::{gap, later};

/// A message that was not written yet, or is to be written again.
#[derive(Debug)]
pub(super) struct Waiting {
    pub call: CallId,
    pub submit: Box<Submit>,
    /// How often the gateway asked to slow down at it.
    pub refusals: u32,
}

/// A message without an answer.
#[derive(Debug)]
pub(super) struct Open {
    pub call: CallId,
    pub submit: Box<Submit>,
    pub refusals: u32,
    pub sent_at: Timestamp,
    pub sends: u32,
}

impl Session {
    /// Writes what may be written now.
    pub(super) fn send_waiting(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        while matches!(self.state, State::Ready { .. })
            && self.open_requests() < self.config.timing.window
            && now >= self.paused_until
            && now >= self.next_free
        {
            let Some(Waiting { call, submit, refusals }) = self.waiting.pop_front() else { break };
            let sequence = self.next_sequence();
            effects.push(self.write(sequence, &Pdu::Submit(submit.clone()), now));
            self.open.insert(sequence, Open { call, submit, refusals, sent_at: now, sends: 1 });
            self.next_free = later(now, spacing(self.config.timing.rate));
        }
        effects
    }

    /// The gateway's word on a message.
    pub(super) fn answered(&mut self, sequence: u32, msg_id: MsgId, result: u32, now: Timestamp) -> Vec<Effect> {
        let Some(open) = self.open.remove(&sequence) else {
            return vec![Effect::Note("an answer to a message that was not open")];
        };
        let settle = |outcome| Effect::Settle { call: open.call, outcome };
        let mut effects = match result {
            8 if open.refusals < MOST_REFUSALS => {
                self.flow_controls += 1;
                self.pause(now);
                // In its old place: the order within a conversation is kept.
                let at = self.waiting.partition_point(|waiting| waiting.call < open.call);
                let again = Waiting { call: open.call, submit: open.submit, refusals: open.refusals + 1 };
                self.waiting.insert(at, again);
                vec![Effect::Note("the gateway asked to slow down")]
            }
            0 | 3 => {
                self.pauses = 0;
                // 3: the earlier copy was taken, under an id that was lost.
                let msg_id = (result == 0 && !msg_id.is_zero()).then_some(msg_id);
                vec![settle(Outcome::Accepted { msg_id })]
            }
            result => vec![settle(Outcome::Refused { result })],
        };
        effects.extend(self.tick(now));
        effects
    }

    /// One pause for all that were refused together.
    fn pause(&mut self, now: Timestamp) {
        if now < self.paused_until {
            return;
        }
        let wait = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(5)).min(LONGEST_PAUSE);
        self.pauses = self.pauses.saturating_add(1);
        self.paused_until = later(now, wait);
    }

    /// Writes again what has waited too long for its answer, under the same number; gives up after so many sends.
    pub(super) fn repeat(&mut self, now: Timestamp) -> Vec<Effect> {
        let timing = self.config.timing.clone();
        let mut effects = Vec::new();
        let late: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, open)| gap(open.sent_at, now) >= timing.answer)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in late {
            let Some(open) = self.open.get_mut(&sequence) else { continue };
            if open.sends >= timing.sends {
                if gap(self.last_heard, now) >= timing.answer.saturating_mul(timing.sends) {
                    // Not this message: the whole link is dead, though we keep writing to it.
                    effects.extend(self.over(Gone::Silent, now));
                    return effects;
                }
                let call = open.call;
                self.open.remove(&sequence);
                effects.push(Effect::Settle { call, outcome: Outcome::Unknown });
                continue;
            }
            open.sends += 1;
            open.sent_at = now;
            let frame = encode(sequence, &Pdu::Submit(open.submit.clone()), self.config.width);
            self.last_traffic = now;
            effects.push(Effect::Write(frame));
        }
        effects
    }
}
