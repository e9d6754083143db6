//! What the gateway makes of a SUBMIT.

use super::layout;
use super::{Agreement, Inner, State, Taken, Whim};

/// The fields of a SUBMIT, by their offsets.
pub(super) struct Fields<'a> {
    body: &'a [u8],
    three: bool,
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// UCS-2 has two bytes a unit, behind a header of six or seven.
fn odd(content: &[u8], flag: u8) -> bool {
    let header = if flag == 1 { usize::from(content.first().copied().unwrap_or_default()) + 1 } else { 0 };
    !content.len().saturating_sub(header).is_multiple_of(2)
}

impl<'a> Fields<'a> {
    pub fn new(body: &'a [u8], version: u8) -> Self {
        Self { body, three: version == 3 }
    }

    fn at(&self, two: usize, three: usize, count: usize) -> &'a [u8] {
        let from = if self.three { three } else { two };
        self.body.get(from..from + count).unwrap_or_default()
    }

    fn byte(&self, two: usize, three: usize) -> u8 {
        self.at(two, three, 1).first().copied().unwrap_or_default()
    }

    fn content(&self) -> &'a [u8] {
        let length = usize::from(self.byte(117 + 21, 130 + 32));
        self.at(118 + 21, 131 + 32, length)
    }

    /// The result by the standard: 0, or what is wrong.
    pub fn fault(&self, agreement: &Agreement) -> u32 {
        let content = self.content();
        let length = usize::from(self.byte(117 + 21, 130 + 32));
        let whole = if self.three { 151 + 32 + length } else { 126 + 21 + length };
        let (total, number) = (self.body.get(8).copied(), self.body.get(9).copied());
        let flag = self.byte(45, 57);
        let header = match content {
            [5, 0, 3, _, total, number, ..] | [6, 8, 4, _, _, total, number, ..] if flag == 1 => {
                Some((*total, *number))
            }
            _ => None,
        };
        let parts = total.zip(number).unwrap_or_default();
        let phone = text(self.at(117, 129, 21));
        if self.body.len() != whole {
            return 4;
        }
        if self.byte(116, 128) != 1 || parts.0 == 0 || parts.1 == 0 || parts.1 > parts.0 || flag > 1 {
            return 1;
        }
        if (parts.0 > 1) != (flag == 1)
            || header.is_some_and(|header| header != parts)
            || (flag == 1) != header.is_some()
        {
            return 1;
        }
        if self.byte(46, 58) != 8 || odd(content, flag) {
            return 1;
        }
        if content.is_empty() || content.len() > 140 {
            return 6;
        }
        if self.byte(22, 22) != 2 || text(self.at(53, 65, 2)) != "01" {
            return 5;
        }
        if text(self.at(12, 12, 10)) != agreement.service_id {
            return 7;
        }
        if !text(self.at(95, 107, 21)).starts_with(&agreement.access) {
            return 10;
        }
        if text(self.at(47, 59, 6)) != agreement.sp_id {
            return 11;
        }
        if phone.len() != 11 && phone.len() != 13 || !phone.starts_with('1') {
            return 13;
        }
        0
    }

    fn taken(&self, msg_id: u64) -> Taken {
        let content = self.content();
        let header = if self.byte(45, 57) == 1 { usize::from(content[0]) + 1 } else { 0 };
        let units: Vec<u16> =
            content[header..].as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        Taken {
            msg_id,
            to: text(self.at(117, 129, 21)),
            from: text(self.at(95, 107, 21)),
            part: (self.body[8], self.body[9]),
            header: content[..header].to_vec(),
            // A cut pair shows as a mark of replacement.
            text: String::from_utf16_lossy(&units),
            valid: text(self.at(61, 73, 17)),
        }
    }

    fn wants_report(&self) -> bool {
        self.body[10] == 1
    }
}

/// What to do about a SUBMIT: bytes to say, or the end of the connection.
pub(super) enum Then {
    Say(Vec<u8>),
    Nothing,
    Cut,
}

impl Inner {
    pub(super) fn submit(&self, connection: u64, sequence: u32, body: &[u8]) -> Then {
        let version = self.agreement.version;
        let fields = Fields::new(body, version);
        let answer = |msg_id: u64, result: u32| {
            let body = [&msg_id.to_be_bytes()[..], &layout::status(version, result)].concat();
            layout::frame(0x8000_0004, sequence, &body)
        };
        self.change(|state| {
            let fault = fields.fault(&self.agreement);
            if fault != 0 {
                state.broken_rules.push(format!("SUBMIT refused with {fault}"));
                return Then::Say(answer(0, fault));
            }
            if self.too_fast(state) {
                return Then::Say(answer(0, 8));
            }
            let whim = state.whims.pop_front().unwrap_or(Whim::Take);
            match whim {
                Whim::Refuse(result) => return Then::Say(answer(0, result)),
                Whim::Cut => return Then::Cut,
                _ => {}
            }
            state.next_id += 1;
            let msg_id = state.next_id;
            let taken = fields.taken(msg_id);
            let to = taken.to.clone();
            state.taken.push(taken);
            if whim == Whim::ReportFirst {
                let report = layout::report(&self.agreement, 0x6666, msg_id ^ 1 << 40, msg_id, &to, "DELIVRD");
                state.say.push_back(report);
                state.say.push_back(answer(msg_id, 0));
                return Then::Nothing;
            }
            if fields.wants_report()
                && let Some(stat) = state.report.clone()
            {
                self.report(state, msg_id, &to, &stat);
            }
            match whim {
                Whim::LoseAnswer => Then::Nothing,
                Whim::TakeAndCut => Then::Cut,
                Whim::Hold => {
                    state.held.push((connection, answer(msg_id, 0), msg_id));
                    state.most_open = state.most_open.max(state.held.len());
                    if state.held.len() > self.agreement.window {
                        state.broken_rules.push("more open than the window".to_owned());
                    }
                    Then::Nothing
                }
                _ => Then::Say(answer(msg_id, 0)),
            }
        })
    }

    fn too_fast(&self, state: &mut State) -> bool {
        let Some(rate) = self.agreement.rate else { return false };
        let now = (self.clock)();
        while state.recent.front().is_some_and(|at| now.duration_since(*at).as_secs() >= 1) {
            state.recent.pop_front();
        }
        if state.recent.len() >= rate {
            return true;
        }
        state.recent.push_back(now);
        false
    }

    pub(super) fn report(&self, state: &mut State, of: u64, to: &str, stat: &str) {
        state.next_id += 1;
        state.sequence += 1;
        let msg_id = state.next_id;
        let frame = layout::report(&self.agreement, state.sequence, msg_id, of, to, stat);
        state.pending.push(super::Pending { msg_id, frame, sent_on: None });
    }
}
