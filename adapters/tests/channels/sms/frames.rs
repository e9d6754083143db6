//! The frames of CMPP against the collected ones.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use zhishou_adapters::sms::cmpp::codec::describe::{describe, of_report};
use zhishou_adapters::sms::cmpp::codec::{
    Deliver, Fault, Frame, Framer, MsgId, OutOfStep, Pdu, Report, Submit, Verdict, Width, authenticator, decode,
    encode, gateway_authenticator, timestamp_text, verdict, width_of,
};
use zhishou_adapters::sms::text::{content, udh};

use super::{bytes, cases, word};

fn width(case: &Value) -> Width {
    match word(case, "version") {
        "2.0" => Width::Two,
        "3.0" => Width::Three,
        other => panic!("{other}"),
    }
}

fn frame(raw: &[u8], width: Width) -> Frame {
    decode(raw, width).unwrap_or_else(|fault| panic!("{fault}: {}", hex::encode(raw)))
}

/// What is not the standard's own bytes and so is read, but not written again.
const TOLERATED: [&str; 1] = ["c-connect-resp-version-too-high"];

#[test]
fn every_frame_says_what_was_expected_and_is_written_again() {
    for case in cases("cmpp.pdus") {
        let (raw, width) = (bytes(&case, "hex"), width(&case));
        let read = frame(&raw, width);
        let told = describe(&read, width);
        for (key, value) in case["expect"].as_object().unwrap() {
            if key == "report" {
                for (key, value) in value.as_object().unwrap() {
                    assert_eq!(&told["report"][key], value, "{key} of {case}");
                }
                continue;
            }
            assert_eq!(&told[key], value, "{key} of {case}: {told}");
        }
        if !TOLERATED.contains(&word(&case, "id")) {
            assert_eq!(hex::encode(encode(read.sequence, &read.pdu, width)), word(&case, "hex"), "{case}");
        }
        if let Some(guessed) = width_of(&raw) {
            assert_eq!(guessed, width, "{case}");
        }
    }
}

#[test]
fn a_login_proves_itself_with_nine_zero_bytes() {
    for case in cases("cmpp.auth") {
        let (source, secret, at) = (word(&case, "source_addr"), word(&case, "secret"), word(&case, "timestamp"));
        let ours = authenticator(source, secret, at);
        if let Some(wrong) = case["must_not_produce"].as_str() {
            assert_ne!(hex::encode(ours), wrong);
            continue;
        }
        assert_eq!(hex::encode(ours), word(&case, "authenticator_source"));
        assert_eq!(format!("{:08x}", at.parse::<u32>().unwrap()), word(&case, "timestamp_hex"));
        for (width, key) in [(Width::Two, "authenticator_ismg_2_0"), (Width::Three, "authenticator_ismg_3_0")] {
            assert_eq!(hex::encode(gateway_authenticator(width, 0, &ours, secret)), word(&case, key));
        }
        let plain = [source.as_bytes(), &[0; 9], secret.as_bytes(), at.as_bytes()].concat();
        assert_eq!(hex::encode(plain), word(&case, "md5_input_hex"));
    }
}

#[test]
fn the_time_of_a_login_is_local_and_ten_digits_at_any_edge_of_a_year() {
    for (at, digits) in [
        ("2026-11-22T08:30:15+08:00", "1122083015"),
        ("2026-01-05T08:09:10+08:00", "0105080910"),
        ("2026-01-01T00:00:00+08:00", "0101000000"),
        ("2026-12-31T23:59:59+08:00", "1231235959"),
    ] {
        assert_eq!(timestamp_text(at.parse().unwrap()), digits);
    }
}

#[test]
fn long_messages_are_put_together_from_their_parts() {
    for case in cases("cmpp.groups") {
        let width = width(&case);
        let mut parts: Vec<(u8, u8, u8, Vec<u8>)> = Vec::new();
        let mut lengths = Vec::new();
        let mut ids = Vec::new();
        for raw in case["frames"].as_array().unwrap() {
            let raw = hex::decode(raw.as_str().unwrap()).unwrap();
            let read = frame(&raw, width);
            assert_eq!(encode(read.sequence, &read.pdu, width), raw, "{case}");
            let (flag, format, content) = match read.pdu {
                Pdu::Submit(submit) => (submit.tp_udhi, submit.msg_fmt, submit.content),
                Pdu::Deliver(deliver) => {
                    ids.push(deliver.msg_id.to_string());
                    (deliver.tp_udhi, deliver.msg_fmt, deliver.content)
                }
                other => panic!("{other:?}"),
            };
            assert!(udh::flagged(flag));
            let header = udh::read(&content).unwrap();
            let concat = header.concat.unwrap();
            lengths.push(content.len());
            parts.push((concat.total, concat.number, format, header.payload.to_vec()));
        }
        parts.sort();
        parts.dedup();
        let mut texts = serde_json::Map::new();
        for group in parts.chunk_by(|a, b| a.0 == b.0) {
            let contents: Vec<_> = group.iter().map(|(_, _, format, bytes)| (*format, bytes.clone())).collect();
            texts.insert(group[0].0.to_string(), content::joined(&contents).unwrap().into());
        }
        let expect = &case["expect"];
        assert_eq!(texts.len(), expect["messages"], "{case}");
        match expect["texts_by_total"].as_object() {
            Some(by_total) => assert_eq!(&texts, by_total),
            None => assert_eq!(texts.values().next(), Some(&expect["text"])),
        }
        if let Some(expected) = expect.get("content_lengths") {
            assert_eq!(&json!(lengths), expected);
        }
        if let Some(expected) = expect.get("msg_ids") {
            ids.sort();
            assert_eq!(&json!(ids), expected);
        }
        if let Some(expected) = expect.get("units") {
            let text = expect["text"].as_str().unwrap();
            assert_eq!(&json!(text.encode_utf16().count()), expected);
        }
    }
}

#[test]
fn reports_are_told_apart_by_their_length() {
    for case in cases("cmpp.reports") {
        let raw = bytes(&case, "hex");
        assert_eq!(raw.len(), case["bytes"]);
        let told = of_report(&Report::read(&raw).unwrap());
        for (key, value) in case["expect"].as_object().unwrap() {
            assert_eq!(&told[key], value, "{key} of {case}");
        }
    }
    assert_eq!(Report::read(&[0; 14]), None);
}

#[test]
fn the_words_of_a_report_say_whether_it_arrived_and_whether_more_comes() {
    for case in cases("cmpp.report_stats") {
        let verdict = verdict(word(&case, "stat"));
        assert_eq!(verdict.is_final(), case["final"] == true, "{case}");
        assert_eq!(verdict == Verdict::Delivered, case["delivered"] == true, "{case}");
    }
    assert_eq!(verdict("ML:0012"), Verdict::Waiting);
    assert_eq!(verdict("MK:0001"), Verdict::Refused);
    assert_eq!(verdict("MK:0012"), Verdict::Failed);
}

#[test]
fn message_ids_are_eight_bytes_with_a_hint() {
    for case in cases("cmpp.msg_ids") {
        let id = MsgId(word(&case, "decimal").parse().unwrap());
        assert_eq!(id.to_string(), word(&case, "hex"));
        assert_eq!(serde_json::to_value(id.parts()).unwrap(), case["expect"], "{case}");
        assert_eq!(id.digits(), word(&case, "text"));
    }
    let id = |month: u64, day: u64, hour: u64| MsgId(month << 60 | day << 55 | hour << 50);
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let now = at("2026-01-01T10:00:00+08:00");
    // Of last year, across New Year; too old; in the future; a month that is none.
    assert_eq!(id(12, 31, 20).time_before(now), Some(at("2025-12-31T20:00:00+08:00")));
    assert_eq!(id(12, 20, 20).time_before(now), None);
    assert_eq!(id(1, 1, 12).time_before(now), None);
    assert_eq!(id(15, 1, 9).time_before(now), None);
}

#[test]
fn what_is_malformed_closes_only_where_the_stream_is_lost() {
    for case in cases("cmpp.malformed") {
        let raw = bytes(&case, "hex");
        let mut framer = Framer::default();
        framer.push(&raw);
        let id = word(&case, "id");
        match id {
            "length-below-header" => assert_eq!(framer.next_frame(), Err(OutOfStep(11))),
            "length-huge" => assert_eq!(framer.next_frame(), Err(OutOfStep(0x7fff_ffff))),
            _ => {
                let whole = framer.next_frame().unwrap().unwrap();
                let read = decode(&whole, Width::Two);
                match id {
                    "unknown-command" => assert_eq!(read, Err(Fault::Unknown(0x77))),
                    "active-test-without-reserved" => {
                        assert_eq!(read.unwrap().pdu, Pdu::ActiveTestResp { reserved: None });
                    }
                    "active-test-answered-by-request" => assert_eq!(read.unwrap().pdu, Pdu::ActiveTest),
                    "deliver-msg-length-overrun" => {
                        let msg_id = MsgId(0xbb21_f101_a195_0201);
                        assert_eq!(read, Err(Fault::Overrun { sequence: 3, msg_id }));
                    }
                    "deliver-ucs2-odd" => assert_eq!(describe(&read.unwrap(), Width::Two)["text"], "你"),
                    "report-short" => {
                        let told = describe(&read.unwrap(), Width::Two);
                        assert_eq!(told["report"]["stat"], "DELIVRD");
                    }
                    other => panic!("{other} is not tried"),
                }
            }
        }
    }
}

#[test]
fn frames_come_out_of_any_chunks() {
    for case in cases("cmpp.stream") {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        for chunk in case["chunks"].as_array().unwrap() {
            framer.push(&hex::decode(chunk.as_str().unwrap()).unwrap());
            while let Some(frame) = framer.next_frame().unwrap() {
                found.push(hex::encode(frame));
            }
        }
        assert_eq!(json!(found), case["frames"]);
    }
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_frames(
        lengths in proptest::collection::vec(12_usize..400, 1..8),
        cuts in proptest::collection::vec(1_usize..60, 1..200),
    ) {
        let frames: Vec<Vec<u8>> = lengths.iter().map(|length| {
            let mut frame = vec![7; *length];
            frame[..4].copy_from_slice(&u32::try_from(*length).unwrap().to_be_bytes());
            frame
        }).collect();
        let stream = frames.concat();
        let (mut framer, mut found, mut rest, mut cuts) = (Framer::default(), Vec::new(), &stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (chunk, more) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            framer.push(chunk);
            while let Some(frame) = framer.next_frame().unwrap() {
                found.push(frame);
            }
            rest = more;
        }
        prop_assert_eq!(found, frames);
    }

    #[test]
    fn any_bytes_are_a_frame_or_a_fault(body in proptest::collection::vec(any::<u8>(), 0..400), command in 0_u32..9, answer in any::<bool>()) {
        let mut raw = vec![0; 12];
        raw.extend(body);
        let length = u32::try_from(raw.len()).unwrap();
        raw[..4].copy_from_slice(&length.to_be_bytes());
        raw[4..8].copy_from_slice(&(command | if answer { 0x8000_0000 } else { 0 }).to_be_bytes());
        for width in [Width::Two, Width::Three] {
            if let Ok(read) = decode(&raw, width) {
                describe(&read, width);
            }
            width_of(&raw);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        text in "[a-z0-9]{0,6}", number in "[0-9]{11}", raw in proptest::collection::vec(any::<u8>(), 0..140), three in any::<bool>(), sequence in any::<u32>(),
    ) {
        let width = if three { Width::Three } else { Width::Two };
        let tail = vec![0; width.tail()];
        for pdu in [
            Pdu::Submit(Box::new(Submit {
                msg_src: text.clone(), dest_terminal_ids: vec![number.clone()], content: raw.clone(), tail: tail.clone(), ..Submit::default()
            })),
            Pdu::Deliver(Box::new(Deliver { src_terminal_id: number, content: raw, tail, ..Deliver::default() })),
        ] {
            let written = encode(sequence, &pdu, width);
            prop_assert_eq!(decode(&written, width), Ok(Frame { sequence, pdu }));
            prop_assert!(width_of(&written).is_none_or(|guessed| guessed == width));
        }
    }
}
