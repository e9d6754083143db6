//! The collected facts about WeCom's codecs, driven as tables. Where each comes from stands in its `source`.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use zhishou_adapters::wecom::codec::app_event::{AppWhat, HeardApp, read};
use zhishou_adapters::wecom::codec::crypto::{CallbackKeys, KeyError, decrypt_media, media_key};
use zhishou_adapters::wecom::codec::envelope::{Form, ciphertext, read_query, reply};
use zhishou_adapters::wecom::codec::errcode::{self, Class};
use zhishou_adapters::wecom::codec::split::{Dialect, pieces, prefix};

fn vectors(section: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../vectors/wecom.json")).unwrap();
    all[section].clone()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().filter(|cases| !cases.is_empty()).expect("a list of cases")
}

fn str_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{}: {key}", value["id"]))
}

/// Any key: where a case is only about signatures.
const ANY_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn random(case: &Value) -> [u8; 16] {
    str_of(case, "random16").as_bytes().try_into().unwrap()
}

#[test]
fn keys_are_read_as_the_platform_reads_them_and_faults_are_named() {
    for case in list(&vectors("encoding_aes_key")) {
        let (id, key) = (str_of(case, "id"), str_of(case, "key"));
        // The sheet calls a key with white space around invalid as it stands: it is trimmed first, as its note says.
        if id == "whitespace-around" {
            CallbackKeys::new("t", key, "").unwrap();
            continue;
        }
        let made = CallbackKeys::new("t", key, "");
        assert_eq!(made.is_ok(), case["valid"] == true, "{id}: {made:?}");
        if let Some(hex) = case["key_hex"].as_str() {
            assert_eq!(hex::encode(media_key(key).unwrap()), hex, "{id}");
        }
        let fault = match id {
            "empty" => KeyError::Empty,
            "len-42" => KeyError::Length(42),
            "len-44" => KeyError::Length(44),
            "ends-with-equals" => KeyError::EqualsSign,
            "bad-character" => KeyError::Symbol(43),
            _ => continue,
        };
        assert_eq!(made.unwrap_err(), fault, "{id}");
    }
}

#[test]
fn signatures_are_made_and_checked() {
    for case in list(&vectors("signature")) {
        let keys = CallbackKeys::new(str_of(case, "token"), ANY_KEY, "").unwrap();
        let given = str_of(case, "msg_signature");
        let (at, nonce, text) = (str_of(case, "timestamp"), str_of(case, "nonce"), str_of(case, "encrypt"));
        assert_eq!(keys.verify(given, at, nonce, text), case["matches"] == true, "{}", case["id"]);
        assert_eq!(keys.signature(at, nonce, text) == given.to_lowercase(), case["matches"] == true, "{}", case["id"]);
    }
}

#[test]
fn what_others_encrypted_is_decrypted_for_its_receiver_alone() {
    for case in list(&vectors("decrypt")) {
        let (key, text) = (str_of(case, "encoding_aes_key"), str_of(case, "encrypt"));
        let keys = CallbackKeys::new("t", key, str_of(case, "receive_id")).unwrap();
        assert_eq!(String::from_utf8(keys.decrypt(text).unwrap()).unwrap(), str_of(case, "msg"), "{}", case["id"]);
        let stranger = CallbackKeys::new("t", key, "ww0000000000000000").unwrap();
        assert!(stranger.decrypt(text).is_err(), "{}", case["id"]);
        // With its own random bytes the same text comes out again.
        if case["random16"].is_string() {
            let again = keys.encrypt(str_of(case, "msg").as_bytes(), random(case));
            assert_eq!(again, text, "{}", case["id"]);
        }
    }
}

#[test]
fn broken_ciphertexts_are_refused() {
    for case in list(&vectors("decrypt_must_fail")) {
        let keys = CallbackKeys::new("t", str_of(case, "encoding_aes_key"), "").unwrap();
        assert!(keys.decrypt(str_of(case, "encrypt")).is_err(), "{}", case["id"]);
    }
}

#[test]
fn messages_are_encrypted_as_the_platform_would() {
    for case in list(&vectors("encrypt")) {
        let keys = CallbackKeys::new("t", str_of(case, "encoding_aes_key"), str_of(case, "receive_id")).unwrap();
        let sealed = keys.encrypt(str_of(case, "msg").as_bytes(), random(case));
        assert_eq!(sealed, str_of(case, "encrypt"), "{}", case["id"]);
        assert_eq!(keys.decrypt(&sealed).unwrap(), str_of(case, "msg").as_bytes(), "{}", case["id"]);
    }
}

#[test]
fn media_are_decrypted_with_their_own_key() {
    for case in list(&vectors("media")) {
        use base64::Engine as _;
        let sealed = base64::engine::general_purpose::STANDARD.decode(str_of(case, "cipher_b64")).unwrap();
        let bare = case["aeskey_without_padding"].as_str().unwrap_or(str_of(case, "aeskey"));
        for key in [str_of(case, "aeskey"), bare] {
            let plain = decrypt_media(&media_key(key).unwrap(), &sealed).unwrap();
            assert_eq!(plain.len() as u64, case["plain_len"].as_u64().unwrap(), "{}", case["id"]);
            assert_eq!(hex::encode(Sha256::digest(&plain)), str_of(case, "plain_sha256"), "{}", case["id"]);
        }
    }
}

#[test]
fn posted_xml_is_opened_and_read() {
    for case in list(&vectors("post_xml")) {
        let id = str_of(case, "id");
        let keys = CallbackKeys::new(str_of(case, "token"), str_of(case, "encoding_aes_key"), str_of(case, "corp_id"))
            .unwrap();
        let query = read_query(str_of(case, "request_target").split_once('?').unwrap().1).unwrap();
        let sealed = ciphertext(str_of(case, "body").as_bytes(), Form::Xml).unwrap();
        assert!(keys.verify(&query.signature, &query.timestamp, &query.nonce, &sealed), "{id}");
        let inner = keys.decrypt(&sealed).unwrap();
        assert_eq!(String::from_utf8(inner.clone()).unwrap(), str_of(case, "inner"), "{id}");
        let heard = read(&inner).unwrap();
        assert_eq!(heard.key, str_of(case, "dedupe_key"), "{id}");
        let told = told(&heard);
        for (key, expected) in case["expect"].as_object().unwrap() {
            assert_eq!(&told[key], expected, "{id}: {key} of {told}");
        }
    }
}

/// What was read, under the names the sheet uses.
fn told(heard: &HeardApp) -> Value {
    let (kind, more) = match &heard.what {
        AppWhat::Text(text) => ("text", json!({ "content": text })),
        AppWhat::Image { pic_url, media_id } => ("image", json!({ "pic_url": pic_url, "media_id": media_id })),
        AppWhat::Voice { media_id, format } => ("voice", json!({ "media_id": media_id, "format": format })),
        AppWhat::Video { media_id } => ("video", json!({ "media_id": media_id })),
        AppWhat::File { media_id, name } => ("file", json!({ "media_id": media_id, "name": name })),
        AppWhat::Location { latitude, longitude, scale, label } => {
            ("location", json!({ "latitude": latitude, "longitude": longitude, "scale": scale, "label": label }))
        }
        AppWhat::Link { title, url } => ("link", json!({ "title": title, "url": url })),
        AppWhat::Card(press) => (
            "event",
            json!({
                "event": press.event, "event_key": press.key, "task_id": press.task_id, "card_type": press.card_type,
                "response_code": press.response_code,
                "selected": press.selected.iter().cloned().map(|(q, a)| (q, json!(a))).collect::<Map<_, _>>(),
            }),
        ),
        AppWhat::Contact { change, user_id, new_user_id } => (
            "event",
            json!({ "event": "change_contact", "change_type": change, "user_id": user_id, "new_user_id": new_user_id }),
        ),
        AppWhat::Kf { token, open_kf_id } => {
            ("event", json!({ "event": "kf_msg_or_event", "token": token, "open_kf_id": open_kf_id }))
        }
        AppWhat::Event { name, key } => ("event", json!({ "event": name, "event_key": key })),
        AppWhat::Unknown(kind) => (kind.as_str(), json!({})),
    };
    let mut told = more;
    told["msg_type"] = kind.into();
    told["to_user"] = heard.corp_id.clone().into();
    told["from_user"] = heard.from.clone().into();
    told["create_time"] = heard.created.into();
    told["agent_id"] = heard.agent_id.into();
    told["msg_id"] = heard.key.strip_prefix("msg:").into();
    told
}

#[test]
fn replies_are_sealed_in_the_form_of_their_address() {
    for case in list(&vectors("reply_xml")) {
        let keys =
            CallbackKeys::new(str_of(case, "token"), str_of(case, "encoding_aes_key"), str_of(case, "receive_id"))
                .unwrap();
        let sealed = keys.encrypt(str_of(case, "inner").as_bytes(), random(case));
        let signature = keys.signature(str_of(case, "timestamp"), str_of(case, "nonce"), &sealed);
        let at = str_of(case, "timestamp").parse().unwrap();
        let body = reply(&sealed, &signature, at, str_of(case, "nonce"), Form::Xml);
        let root = zhishou_adapters::wecom::codec::xml::Element::parse(body.as_bytes()).unwrap();
        for (name, expected) in case["expect"].as_object().unwrap() {
            assert_eq!(root.text_of(name), expected.as_str(), "{}: {name}", case["id"]);
        }
    }
    for case in list(&vectors("reply_json")) {
        let keys = CallbackKeys::new(str_of(case, "token"), str_of(case, "encoding_aes_key"), "").unwrap();
        let sealed = keys.encrypt(str_of(case, "inner").as_bytes(), random(case));
        let at = case["timestamp"].as_i64().unwrap();
        let signature = keys.signature(&at.to_string(), str_of(case, "nonce"), &sealed);
        let body: Value =
            serde_json::from_str(&reply(&sealed, &signature, at, str_of(case, "nonce"), Form::Json)).unwrap();
        assert_eq!(body, case["expect"], "{}", case["id"]);
    }
}

#[test]
fn limits_are_counted_in_bytes_and_cuts_fall_between_characters() {
    for case in list(&vectors("byte_limits")) {
        let parts = list(&case["parts"]).iter();
        let text: String =
            parts.map(|p| p[0].as_str().unwrap().repeat(p[1].as_u64().unwrap().try_into().unwrap())).collect();
        let limit = usize::try_from(case["limit"].as_u64().unwrap()).unwrap();
        assert_eq!(text.len() as u64, case["bytes"].as_u64().unwrap(), "{}", case["id"]);
        let longest = prefix(&text, limit);
        assert_eq!(longest.len() as u64, case["longest_prefix_bytes"].as_u64().unwrap(), "{}", case["id"]);
        assert_eq!(longest.chars().count() as u64, case["longest_prefix_chars"].as_u64().unwrap(), "{}", case["id"]);
        let cut = pieces(&text, limit, Dialect::Plain);
        assert_eq!(cut.len() == 1, case["fits"] == true, "{}", case["id"]);
        assert!(cut.iter().all(|part| part.len() <= limit), "{}", case["id"]);
    }
}

#[test]
fn every_error_code_has_its_class_and_an_advice() {
    let section = vectors("errcodes");
    for case in list(&section["list"]) {
        let code = case["errcode"].as_i64().unwrap();
        let class = errcode::class(code);
        let fits = match str_of(case, "class") {
            "ok" => class == Class::Done,
            "retry" => matches!(class, Class::Retry | Class::RetryOnce),
            "token" => class == Class::TokenStale,
            "wait" => class == Class::Throttled,
            "split" => class == Class::TooLong,
            "address" => class == Class::ReceiverClosed,
            "content" => class == Class::Bug,
            "config" => class == Class::Credentials,
            "reconnect" => class == Class::Reconnect,
            "stale" | "lost" => class == Class::PushInstead,
            other => panic!("a class nobody knows: {other}"),
        };
        assert!(fits, "{code}: {class:?}, sheet: {}", case["class"]);
        assert!(!errcode::advice(code).is_empty(), "{code}");
    }
}

proptest! {
    #[test]
    fn what_is_encrypted_is_decrypted_whatever_it_is(
        message in prop::collection::vec(any::<u8>(), 0..200),
        receiver in "[a-z0-9]{0,24}",
        random in any::<[u8; 16]>(),
    ) {
        let keys = CallbackKeys::new("t", ANY_KEY, &receiver).unwrap();
        let sealed = keys.encrypt(&message, random);
        prop_assert_eq!(keys.decrypt(&sealed).unwrap(), message.clone());
        prop_assert_eq!(keys.decrypt_any(&sealed).unwrap(), (message, receiver.into_bytes()));
    }

    #[test]
    fn nothing_that_is_posted_makes_it_panic(text in ".{0,120}", bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let keys = CallbackKeys::new("t", ANY_KEY, "").unwrap();
        let _ = (keys.decrypt(&text), decrypt_media(&[7; 32], &bytes), read(&bytes), read_query(&text), media_key(&text));
        for form in [Form::Xml, Form::Json] {
            let _ = ciphertext(&bytes, form);
        }
    }
}
