//! A frame in words, for `zhishou inspect sms` and for tests: every field under the standard's name.

use serde_json::{Map, Value, json};

use super::{Deliver, Frame, Pdu, Report, Submit, Width, verdict};
use crate::sms::text::{content, udh};

/// All fields of a frame.
pub fn describe(frame: &Frame, width: Width) -> Value {
    let (name, fields) = fields(&frame.pdu, width);
    let mut all = Map::new();
    all.insert("command".to_owned(), name.into());
    all.insert("sequence".to_owned(), frame.sequence.into());
    if let Value::Object(fields) = fields {
        all.extend(fields);
    }
    Value::Object(all)
}

fn fields(pdu: &Pdu, width: Width) -> (&'static str, Value) {
    match pdu {
        Pdu::Connect(connect) => (
            "CONNECT",
            json!({
                "source_addr": connect.source_addr,
                "authenticator": hex::encode(connect.authenticator),
                "version": connect.version,
                "timestamp": format!("{:010}", connect.timestamp),
            }),
        ),
        Pdu::ConnectResp { status, authenticator, version } => (
            "CONNECT_RESP",
            json!({ "status": status, "authenticator": hex::encode(authenticator), "version": version }),
        ),
        Pdu::Terminate => ("TERMINATE", json!({})),
        Pdu::TerminateResp => ("TERMINATE_RESP", json!({})),
        Pdu::Submit(submit) => ("SUBMIT", of_submit(submit, width)),
        Pdu::SubmitResp { msg_id, result } => {
            ("SUBMIT_RESP", json!({ "msg_id": msg_id.to_string(), "result": result }))
        }
        Pdu::Deliver(deliver) => ("DELIVER", of_deliver(deliver, width)),
        Pdu::DeliverResp { msg_id, result } => {
            ("DELIVER_RESP", json!({ "msg_id": msg_id.to_string(), "result": result }))
        }
        Pdu::Query { time, kind, code, reserve } => {
            ("QUERY", json!({ "time": time, "query_type": kind, "query_code": code, "reserve": hex::encode(reserve) }))
        }
        Pdu::QueryResp { time, kind, code, numbers } => {
            let [tlmsg, tlusr, scs, wt, fl, mo_scs, mo_wt, mo_fl] = numbers;
            let fields = json!({
                "time": time, "query_type": kind, "query_code": code,
                "mt_tlmsg": tlmsg, "mt_tlusr": tlusr, "mt_scs": scs, "mt_wt": wt, "mt_fl": fl,
                "mo_scs": mo_scs, "mo_wt": mo_wt, "mo_fl": mo_fl,
            });
            ("QUERY_RESP", fields)
        }
        Pdu::Cancel { msg_id } => ("CANCEL", json!({ "msg_id": msg_id.to_string() })),
        Pdu::CancelResp { success } => ("CANCEL_RESP", json!({ "success_id": success })),
        Pdu::ActiveTest => ("ACTIVE_TEST", json!({})),
        Pdu::ActiveTestResp { reserved } => ("ACTIVE_TEST_RESP", json!({ "reserved": reserved })),
    }
}

fn of_submit(submit: &Submit, width: Width) -> Value {
    let mut told = json!({
        "msg_id": submit.msg_id.to_string(),
        "pk_total": submit.pk_total,
        "pk_number": submit.pk_number,
        "registered_delivery": submit.registered_delivery,
        "msg_level": submit.msg_level,
        "service_id": submit.service_id,
        "fee_user_type": submit.fee_user_type,
        "fee_terminal_id": submit.fee_terminal_id,
        "tp_pid": submit.tp_pid,
        "tp_udhi": submit.tp_udhi,
        "msg_fmt": submit.msg_fmt,
        "msg_src": submit.msg_src,
        "fee_type": submit.fee_type,
        "fee_code": submit.fee_code,
        "valid_time": submit.valid_time,
        "at_time": submit.at_time,
        "src_id": submit.src_id,
        "dest_terminal_ids": submit.dest_terminal_ids,
    });
    if width == Width::Three {
        told["fee_terminal_type"] = submit.fee_terminal_type.into();
        told["dest_terminal_type"] = submit.dest_terminal_type.into();
    }
    add_content(&mut told, submit.tp_udhi, submit.msg_fmt, &submit.content);
    add_tail(&mut told, &submit.tail, width);
    told
}

fn of_deliver(deliver: &Deliver, width: Width) -> Value {
    let mut told = json!({
        "msg_id": deliver.msg_id.to_string(),
        "dest_id": deliver.dest_id,
        "service_id": deliver.service_id,
        "tp_pid": deliver.tp_pid,
        "tp_udhi": deliver.tp_udhi,
        "msg_fmt": deliver.msg_fmt,
        "src_terminal_id": deliver.src_terminal_id,
        "registered_delivery": deliver.registered_delivery,
    });
    if width == Width::Three {
        told["src_terminal_type"] = deliver.src_terminal_type.into();
    }
    if deliver.registered_delivery == 1 {
        told["msg_length"] = deliver.content.len().into();
        told["report"] = Report::read(&deliver.content).map_or(Value::Null, |report| of_report(&report));
    } else {
        add_content(&mut told, deliver.tp_udhi, deliver.msg_fmt, &deliver.content);
    }
    add_tail(&mut told, &deliver.tail, width);
    told
}

/// A report with what its word means.
pub fn of_report(report: &Report) -> Value {
    json!({
        "msg_id": report.msg_id.to_string(),
        "stat": report.stat,
        "submit_time": report.submit_time,
        "done_time": report.done_time,
        "dest_terminal_id": report.dest_terminal_id,
        "smsc_sequence": report.smsc_sequence,
        "verdict": verdict(&report.stat),
    })
}

fn add_content(told: &mut Value, tp_udhi: u8, msg_fmt: u8, bytes: &[u8]) {
    told["msg_length"] = bytes.len().into();
    let mut payload = bytes;
    if let Some(read) = udh::flagged(tp_udhi).then(|| udh::read(bytes)).flatten() {
        told["udh_hex"] = hex::encode(read.header).into();
        if let Some(concat) = read.concat {
            told["concat"] = json!(concat);
        }
        payload = read.payload;
    }
    match content::text(msg_fmt, payload) {
        Some(text) => told["text"] = text.into(),
        None => told["content_hex"] = hex::encode(payload).into(),
    }
}

fn add_tail(told: &mut Value, tail: &[u8], width: Width) {
    match width {
        Width::Two => told["reserve"] = hex::encode(tail).into(),
        Width::Three => told["link_id"] = super::wire::text(tail).into(),
    }
}
