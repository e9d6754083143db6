//! One frame: header, command, fields (sms.md 1.1 to 1.4, 1.11).

use super::frames::HEADER;
use super::wire::{Reader, put_text};
use super::{MsgId, Width};

const ANSWER: u32 = 0x8000_0000;
const CONNECT: u32 = 1;
const TERMINATE: u32 = 2;
const SUBMIT: u32 = 4;
const DELIVER: u32 = 5;
const QUERY: u32 = 6;
const CANCEL: u32 = 7;
const ACTIVE_TEST: u32 = 8;

/// A frame as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The sender's own count; an answer repeats it.
    pub sequence: u32,
    /// What it says.
    pub pdu: Pdu,
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pdu {
    /// We log in.
    Connect(Connect),
    /// The gateway's answer to that.
    ConnectResp {
        /// 0 is fine; one byte in 2.0, four in 3.0.
        status: u32,
        /// Zeros on failure.
        authenticator: [u8; 16],
        /// Highest version it speaks.
        version: u8,
    },
    /// Either side ends the connection.
    Terminate,
    /// The answer to that.
    TerminateResp,
    /// A message to a phone.
    Submit(Box<Submit>),
    /// What the gateway makes of it.
    SubmitResp {
        /// Its id for it.
        msg_id: MsgId,
        /// 0 is fine.
        result: u32,
    },
    /// A message or a report from the gateway.
    Deliver(Box<Deliver>),
    /// Our answer to that.
    DeliverResp {
        /// The DELIVER's own.
        msg_id: MsgId,
        /// 0 is fine.
        result: u32,
    },
    /// Statistics; hardly any gateway has them.
    Query {
        /// `YYYYMMDD`.
        time: String,
        /// 0 all, 1 by service.
        kind: u8,
        /// The service.
        code: String,
        /// As it came.
        reserve: [u8; 8],
    },
    /// The answer to that.
    QueryResp {
        /// As asked.
        time: String,
        /// As asked.
        kind: u8,
        /// As asked.
        code: String,
        /// MT_TLMsg, MT_Tlusr, MT_Scs, MT_WT, MT_FL, MO_Scs, MO_WT, MO_FL.
        numbers: [u32; 8],
    },
    /// Takes a message back; hardly any gateway does.
    Cancel {
        /// Which.
        msg_id: MsgId,
    },
    /// The answer to that.
    CancelResp {
        /// 0 deleted, 1 not.
        success: u32,
    },
    /// Is the other side there?
    ActiveTest,
    /// It is. The reserved byte is missing in the field.
    ActiveTestResp {
        /// 0, where it is there.
        reserved: Option<u8>,
    },
}

/// See [`Pdu::Connect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// SP_Id, six characters.
    pub source_addr: String,
    /// See [`super::authenticator`].
    pub authenticator: [u8; 16],
    /// High nibble major, low nibble minor.
    pub version: u8,
    /// The ten digits as a number.
    pub timestamp: u32,
}

/// See [`Pdu::Submit`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Submit {
    /// Zeros; the gateway assigns it.
    pub msg_id: MsgId,
    /// Parts of the long message; 1 alone.
    pub pk_total: u8,
    /// Which of them, from 1.
    pub pk_number: u8,
    /// 1: a report is wanted.
    pub registered_delivery: u8,
    /// A priority that gateways mostly ignore.
    pub msg_level: u8,
    /// 业务代码, up to 10.
    pub service_id: String,
    /// 2: we pay.
    pub fee_user_type: u8,
    /// Empty where we pay.
    pub fee_terminal_id: String,
    /// 3.0 only.
    pub fee_terminal_type: u8,
    /// 0.
    pub tp_pid: u8,
    /// 1 when the content begins with a header.
    pub tp_udhi: u8,
    /// See [`crate::sms::text::content`].
    pub msg_fmt: u8,
    /// SP_Id.
    pub msg_src: String,
    /// `01`: free to the user.
    pub fee_type: String,
    /// In 分.
    pub fee_code: String,
    /// `YYMMDDhhmmsstnnp`, or empty.
    pub valid_time: String,
    /// Empty: now.
    pub at_time: String,
    /// What the phone shows as sender.
    pub src_id: String,
    /// One number; several are read, never written by us.
    pub dest_terminal_ids: Vec<String>,
    /// 3.0 only.
    pub dest_terminal_type: u8,
    /// At most 140 bytes, header included (Msg_Fmt 0: 159).
    pub content: Vec<u8>,
    /// Reserve (8 bytes) or LinkID (20).
    pub tail: Vec<u8>,
}

/// See [`Pdu::Deliver`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deliver {
    /// The gateway's id of it; the answer repeats it.
    pub msg_id: MsgId,
    /// Our access number and the extension that was answered to.
    pub dest_id: String,
    /// 业务代码.
    pub service_id: String,
    /// 0.
    pub tp_pid: u8,
    /// 1 or 0x40: the content begins with a header.
    pub tp_udhi: u8,
    /// See [`crate::sms::text::content`].
    pub msg_fmt: u8,
    /// Who wrote.
    pub src_terminal_id: String,
    /// 3.0 only.
    pub src_terminal_type: u8,
    /// 1: the content is a report.
    pub registered_delivery: u8,
    /// As it came.
    pub content: Vec<u8>,
    /// Reserve or LinkID, as much of it as there is.
    pub tail: Vec<u8>,
}

/// Why a frame cannot be read. The stream is in step all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not a command of ours; there is no answer to it.
    #[error("unknown command {0:#010x}")]
    Unknown(u32),
    /// The body is shorter than its fields.
    #[error("the body is shorter than its fields")]
    Length,
    /// A DELIVER whose Msg_Length runs past its end: answered with result 4.
    #[error("Msg_Length runs past the end of the frame")]
    Overrun {
        /// To answer under.
        sequence: u32,
        /// To answer with.
        msg_id: MsgId,
    },
}

/// Reads a whole frame.
///
/// # Errors
/// See [`Fault`].
pub fn decode(frame: &[u8], width: Width) -> Result<Frame, Fault> {
    let mut reader = Reader(frame);
    reader.take(4)?;
    let (command, sequence) = (reader.u32()?, reader.u32()?);
    let result = |reader: &mut Reader<'_>| match width {
        Width::Two => reader.u8().map(u32::from),
        Width::Three => reader.u32(),
    };
    let msg_id = |reader: &mut Reader<'_>| Ok::<_, Fault>(MsgId(u64::from_be_bytes(reader.array()?)));
    let pdu = match (command & !ANSWER, command & ANSWER != 0) {
        (CONNECT, false) => Pdu::Connect(Connect {
            source_addr: reader.text(6)?,
            authenticator: reader.array()?,
            version: reader.u8()?,
            timestamp: reader.u32()?,
        }),
        // By length, not by what was asked: a 2.0 gateway answers a 3.0 client in its own layout.
        (CONNECT, true) => Pdu::ConnectResp {
            status: if frame.len() >= 33 { reader.u32()? } else { u32::from(reader.u8()?) },
            authenticator: reader.array()?,
            version: reader.u8()?,
        },
        (TERMINATE, false) => Pdu::Terminate,
        (TERMINATE, true) => Pdu::TerminateResp,
        (SUBMIT, false) => Pdu::Submit(Box::new(submit(&mut reader, width)?)),
        (SUBMIT, true) => Pdu::SubmitResp { msg_id: msg_id(&mut reader)?, result: result(&mut reader)? },
        (DELIVER, false) => Pdu::Deliver(Box::new(deliver(&mut reader, width, sequence)?)),
        (DELIVER, true) => Pdu::DeliverResp { msg_id: msg_id(&mut reader)?, result: result(&mut reader)? },
        (QUERY, answer) => {
            let (time, kind, code) = (reader.text(8)?, reader.u8()?, reader.text(10)?);
            if answer {
                let mut numbers = [0; 8];
                for number in &mut numbers {
                    *number = reader.u32()?;
                }
                Pdu::QueryResp { time, kind, code, numbers }
            } else {
                Pdu::Query { time, kind, code, reserve: reader.array()? }
            }
        }
        (CANCEL, false) => Pdu::Cancel { msg_id: msg_id(&mut reader)? },
        (CANCEL, true) => Pdu::CancelResp { success: result(&mut reader)? },
        (ACTIVE_TEST, false) => Pdu::ActiveTest,
        (ACTIVE_TEST, true) => Pdu::ActiveTestResp { reserved: reader.u8().ok() },
        _ => return Err(Fault::Unknown(command)),
    };
    Ok(Frame { sequence, pdu })
}

fn submit(reader: &mut Reader<'_>, width: Width) -> Result<Submit, Fault> {
    let three = width == Width::Three;
    let mut read = Submit {
        msg_id: MsgId(u64::from_be_bytes(reader.array()?)),
        pk_total: reader.u8()?,
        pk_number: reader.u8()?,
        registered_delivery: reader.u8()?,
        msg_level: reader.u8()?,
        service_id: reader.text(10)?,
        fee_user_type: reader.u8()?,
        fee_terminal_id: reader.text(width.number())?,
        fee_terminal_type: if three { reader.u8()? } else { 0 },
        tp_pid: reader.u8()?,
        tp_udhi: reader.u8()?,
        msg_fmt: reader.u8()?,
        msg_src: reader.text(6)?,
        fee_type: reader.text(2)?,
        fee_code: reader.text(6)?,
        valid_time: reader.text(17)?,
        at_time: reader.text(17)?,
        src_id: reader.text(21)?,
        ..Submit::default()
    };
    for _ in 0..reader.u8()? {
        read.dest_terminal_ids.push(reader.text(width.number())?);
    }
    if three {
        read.dest_terminal_type = reader.u8()?;
    }
    let length = usize::from(reader.u8()?);
    read.content = reader.take(length)?.to_vec();
    read.tail = reader.0.to_vec();
    Ok(read)
}

fn deliver(reader: &mut Reader<'_>, width: Width, sequence: u32) -> Result<Deliver, Fault> {
    let msg_id = MsgId(u64::from_be_bytes(reader.array()?));
    let mut read = Deliver {
        msg_id,
        dest_id: reader.text(21)?,
        service_id: reader.text(10)?,
        tp_pid: reader.u8()?,
        tp_udhi: reader.u8()?,
        msg_fmt: reader.u8()?,
        src_terminal_id: reader.text(width.number())?,
        src_terminal_type: if width == Width::Three { reader.u8()? } else { 0 },
        registered_delivery: reader.u8()?,
        ..Deliver::default()
    };
    let length = usize::from(reader.u8()?);
    read.content = reader.take(length).map_err(|_| Fault::Overrun { sequence, msg_id })?.to_vec();
    read.tail = reader.0.to_vec();
    Ok(read)
}

/// Writes a whole frame. Texts longer than their field are cut, contents beyond 255 bytes too: whoever makes a
/// [`Submit`] keeps the limits.
pub fn encode(sequence: u32, pdu: &Pdu, width: Width) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    let result = |out: &mut Vec<u8>, result: u32| match width {
        Width::Two => out.push(u8::try_from(result).unwrap_or(u8::MAX)),
        Width::Three => out.extend(result.to_be_bytes()),
    };
    let command = match pdu {
        Pdu::Connect(connect) => {
            put_text(&mut out, &connect.source_addr, 6);
            out.extend(connect.authenticator);
            out.push(connect.version);
            out.extend(connect.timestamp.to_be_bytes());
            CONNECT
        }
        Pdu::ConnectResp { status, authenticator, version } => {
            result(&mut out, *status);
            out.extend(authenticator);
            out.push(*version);
            CONNECT | ANSWER
        }
        Pdu::Terminate => TERMINATE,
        Pdu::TerminateResp => TERMINATE | ANSWER,
        Pdu::Submit(submit) => {
            put_submit(&mut out, submit, width);
            SUBMIT
        }
        Pdu::SubmitResp { msg_id, result: told } => {
            out.extend(msg_id.0.to_be_bytes());
            result(&mut out, *told);
            SUBMIT | ANSWER
        }
        Pdu::Deliver(deliver) => {
            put_deliver(&mut out, deliver, width);
            DELIVER
        }
        Pdu::DeliverResp { msg_id, result: told } => {
            out.extend(msg_id.0.to_be_bytes());
            result(&mut out, *told);
            DELIVER | ANSWER
        }
        Pdu::Query { time, kind, code, reserve } => {
            put_text(&mut out, time, 8);
            out.push(*kind);
            put_text(&mut out, code, 10);
            out.extend(reserve);
            QUERY
        }
        Pdu::QueryResp { time, kind, code, numbers } => {
            put_text(&mut out, time, 8);
            out.push(*kind);
            put_text(&mut out, code, 10);
            out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
            QUERY | ANSWER
        }
        Pdu::Cancel { msg_id } => {
            out.extend(msg_id.0.to_be_bytes());
            CANCEL
        }
        Pdu::CancelResp { success } => {
            result(&mut out, *success);
            CANCEL | ANSWER
        }
        Pdu::ActiveTest => ACTIVE_TEST,
        Pdu::ActiveTestResp { reserved } => {
            out.extend(reserved);
            ACTIVE_TEST | ANSWER
        }
    };
    let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_be_bytes());
    out[4..8].copy_from_slice(&command.to_be_bytes());
    out[8..12].copy_from_slice(&sequence.to_be_bytes());
    out
}

fn put_submit(out: &mut Vec<u8>, submit: &Submit, width: Width) {
    let three = width == Width::Three;
    out.extend(submit.msg_id.0.to_be_bytes());
    out.extend([submit.pk_total, submit.pk_number, submit.registered_delivery, submit.msg_level]);
    put_text(out, &submit.service_id, 10);
    out.push(submit.fee_user_type);
    put_text(out, &submit.fee_terminal_id, width.number());
    if three {
        out.push(submit.fee_terminal_type);
    }
    out.extend([submit.tp_pid, submit.tp_udhi, submit.msg_fmt]);
    put_text(out, &submit.msg_src, 6);
    put_text(out, &submit.fee_type, 2);
    put_text(out, &submit.fee_code, 6);
    put_text(out, &submit.valid_time, 17);
    put_text(out, &submit.at_time, 17);
    put_text(out, &submit.src_id, 21);
    // The standard allows fewer than a hundred.
    let numbers = &submit.dest_terminal_ids[..submit.dest_terminal_ids.len().min(99)];
    out.push(u8::try_from(numbers.len()).unwrap_or_default());
    for number in numbers {
        put_text(out, number, width.number());
    }
    if three {
        out.push(submit.dest_terminal_type);
    }
    put_content(out, &submit.content, &submit.tail, width);
}

fn put_deliver(out: &mut Vec<u8>, deliver: &Deliver, width: Width) {
    out.extend(deliver.msg_id.0.to_be_bytes());
    put_text(out, &deliver.dest_id, 21);
    put_text(out, &deliver.service_id, 10);
    out.extend([deliver.tp_pid, deliver.tp_udhi, deliver.msg_fmt]);
    put_text(out, &deliver.src_terminal_id, width.number());
    if width == Width::Three {
        out.push(deliver.src_terminal_type);
    }
    out.push(deliver.registered_delivery);
    put_content(out, &deliver.content, &deliver.tail, width);
}

fn put_content(out: &mut Vec<u8>, content: &[u8], tail: &[u8], width: Width) {
    let content = &content[..content.len().min(usize::from(u8::MAX))];
    out.push(u8::try_from(content.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(content);
    let mut tail = tail.to_vec();
    tail.resize(width.tail(), 0);
    out.extend(tail);
}

/// The layout of a captured frame of unknown version, by its arithmetic (1.4); `None` where both would do or neither.
pub fn width_of(frame: &[u8]) -> Option<Width> {
    let command = u32::from_be_bytes(*frame.get(4..)?.first_chunk()?);
    let length = frame.len();
    let at = |at: usize| frame.get(at).map(|b| usize::from(*b));
    let by_length = |two: usize, three: usize| match length {
        _ if length == two => Some(Width::Two),
        _ if length == three => Some(Width::Three),
        _ => None,
    };
    match (command & !ANSWER, command & ANSWER != 0) {
        (CONNECT, false) if length == 39 => {
            at(34).map(|version| if version >= 0x30 { Width::Three } else { Width::Two })
        }
        (CONNECT, true) => by_length(30, 33),
        (SUBMIT | DELIVER, true) => by_length(21, 24),
        (CANCEL, true) => by_length(13, 16),
        (DELIVER, false) => {
            let fits = |base: usize, place: usize| at(place).is_some_and(|content| length == base + content);
            match (fits(85, 76), fits(109, 88)) {
                (true, false) => Some(Width::Two),
                (false, true) => Some(Width::Three),
                _ => None,
            }
        }
        (SUBMIT, false) => {
            let fits = |base: usize, count: usize, number: usize, more: usize| {
                let numbers = at(count)? * number;
                let content = at(count + 1 + numbers + more)?;
                (length == base + numbers + content).then_some(())
            };
            match (fits(138, 128, 21, 0), fits(163, 140, 32, 1)) {
                (Some(()), None) => Some(Width::Two),
                (None, Some(())) => Some(Width::Three),
                _ => None,
            }
        }
        _ => None,
    }
}
