//! Callbacks over HTTP: what is genuine is stored and answered, everything else is refused, counted and not stored.

use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse as _;
use jiff::Timestamp;
use serde_json::Value;
use zhishou_adapters::Shelf;
use zhishou_adapters::wecom::callback::{Callback, Form, MAX_BODY, Refused};
use zhishou_adapters::wecom::codec::crypto::CallbackKeys;
use zhishou_adapters::wecom::codec::envelope;

use super::support::{MemoryShelf, now_of};
use crate::support::HandClock;

const TOKEN: &str = "deskToken2026";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const CORP_ID: &str = "wwc0ffee0000000001";
const HOUR: Duration = Duration::from_hours(1);

struct Door {
    callback: Callback,
    keys: CallbackKeys,
    shelf: Arc<MemoryShelf>,
    clock: HandClock,
}

impl Door {
    fn new() -> Self {
        let clock = HandClock::noon();
        let shelf = MemoryShelf::new(clock.clone());
        let keys = CallbackKeys::new(TOKEN, KEY, CORP_ID).unwrap();
        let callback = Callback::new(keys.clone(), shelf.clone(), now_of(&clock), "app");
        Self { callback, keys, shelf, clock }
    }

    /// Query and body as WeCom posts them.
    fn sealed(&self, message: &str, nonce: &str) -> (String, String) {
        self.sealed_at(message, nonce, &self.clock.now().as_second().to_string())
    }

    fn sealed_at(&self, message: &str, nonce: &str, at: &str) -> (String, String) {
        let sealed = self.keys.encrypt(message.as_bytes(), *b"0123456789abcdef");
        let signature = self.keys.signature(at, nonce, &sealed);
        (
            format!("msg_signature={signature}&timestamp={at}&nonce={nonce}"),
            format!("<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"),
        )
    }

    async fn open(&self, (query, body): &(String, String)) -> Result<Vec<u8>, Refused> {
        let opened = self.callback.open(query, body.as_bytes(), Form::Xml).await?;
        self.callback.accepted(&opened).await;
        Ok(opened.message)
    }
}

async fn answer(response: axum::response::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), MAX_BODY).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn addresses_are_verified_as_the_console_asks() {
    let all: Value = serde_json::from_str(include_str!("../../vectors/wecom.json")).unwrap();
    for case in all["verify_url"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let query = text("request_target").split_once('?').unwrap().1;
        let at = envelope::read_query(query).unwrap().timestamp.parse().unwrap();
        let at = Timestamp::from_second(at).unwrap();
        let keys = CallbackKeys::new(text("token"), text("encoding_aes_key"), text("receive_id")).unwrap();
        let shelf = MemoryShelf::new(HandClock::noon());
        let callback = Callback::new(keys, shelf, Arc::new(move || at), "app");
        let mut queries = vec![query.to_owned()];
        if text("id") == "plus-left-unescaped" {
            queries.push(query.replace("%2B", "+"));
        }
        for query in queries {
            let (status, body) = answer(callback.verify_url(&query).await).await;
            let outcome = callback.counts().verified.unwrap().outcome;
            if case["status"] == 200 {
                assert_eq!((status, body.as_str()), (200, text("body")), "{}", case["id"]);
                assert_eq!(outcome, Ok(()));
            } else {
                assert!((400..500).contains(&status), "{}: {status}", case["id"]);
                assert!(outcome.is_err());
            }
        }
    }
}

#[tokio::test]
async fn a_genuine_callback_is_opened_once() {
    let door = Door::new();
    let post = door.sealed("<xml/>", "n1");
    assert_eq!(door.open(&post).await.unwrap(), b"<xml/>");
    // Another nonce is another delivery, even of the same words.
    assert_eq!(door.open(&door.sealed("<xml/>", "n2")).await.unwrap(), b"<xml/>");
    assert_eq!(door.open(&post).await.unwrap_err(), Refused::Repeated);
    assert_eq!(door.callback.counts().accepted, 2);
    assert_eq!(door.callback.counts().repeated, 1);
}

#[tokio::test]
async fn a_signature_written_in_capitals_opens_no_second_door() {
    let door = Door::new();
    let (query, body) = door.sealed("<xml/>", "n1");
    door.open(&(query.clone(), body.clone())).await.unwrap();
    let (head, rest) = query.split_once('&').unwrap();
    let (name, signature) = head.split_once('=').unwrap();
    let shouted = format!("{name}={}&{rest}", signature.to_uppercase());
    assert_eq!(door.open(&(shouted, body)).await.unwrap_err(), Refused::Repeated);
}

#[tokio::test]
async fn what_was_not_stored_may_come_again() {
    let door = Door::new();
    let post = door.sealed("<xml/>", "n1");
    let opened = door.callback.open(&post.0, post.1.as_bytes(), Form::Xml).await.unwrap();
    assert_eq!(door.callback.unavailable().into_response().status().as_u16(), 503);
    drop(opened);
    door.open(&post).await.unwrap();
    assert_eq!(door.callback.counts().unavailable, 1);
}

#[tokio::test]
async fn forged_old_and_malformed_callbacks_are_refused_with_their_status_and_only_counted() {
    let door = Door::new();
    let (query, body) = door.sealed("<xml/>", "n1");
    let now = door.clock.now();
    let at = |by: i64| (now.as_second() + by).to_string();
    let two_hours = 2 * 3600;
    let old = door.sealed_at("<xml/>", "n2", &at(-two_hours - 1));
    let ahead = door.sealed_at("<xml/>", "n3", &at(two_hours + 1));
    let no_time = door.sealed_at("<xml/>", "n4", "noon");
    let stranger = CallbackKeys::new("another-token", KEY, CORP_ID).unwrap();
    let sealed = stranger.encrypt(b"<xml/>", [7; 16]);
    let forged = stranger.signature(&at(0), "n5", &sealed);
    let forged = format!("msg_signature={forged}&timestamp={}&nonce=n5", at(0));
    let foreign = CallbackKeys::new(TOKEN, KEY, "ww0000000000000000").unwrap();
    let foreign_text = foreign.encrypt(b"<xml/>", [7; 16]);
    let foreign_query =
        format!("msg_signature={}&timestamp={}&nonce=n6", foreign.signature(&at(0), "n6", &foreign_text), at(0));
    let garbled = "AAAA";
    let garbled_query =
        format!("msg_signature={}&timestamp={}&nonce=n7", door.keys.signature(&at(0), "n7", garbled), at(0));
    let wrap = |text: &str| format!("<xml><Encrypt>{text}</Encrypt></xml>");
    let huge = "x".repeat(MAX_BODY + 1);
    for (why, query, body, status) in [
        ("another token", forged.as_str(), wrap(&sealed), 403),
        ("one bit of the ciphertext", &query, body.replacen("<Encrypt><![CDATA[", "<Encrypt><![CDATA[A", 1), 403),
        ("no signature", "timestamp=1&nonce=2", body.clone(), 400),
        ("no query", "", body.clone(), 400),
        ("signed two hours and a second ago", &old.0, old.1.clone(), 403),
        ("signed two hours and a second ahead", &ahead.0, ahead.1.clone(), 403),
        ("a timestamp that is none", &no_time.0, no_time.1.clone(), 400),
        ("another corp", &foreign_query, wrap(&foreign_text), 403),
        ("no ciphertext", &garbled_query, wrap(garbled), 400),
        ("not XML", &query, "hello".to_owned(), 400),
        ("JSON at the app's address", &query, "{\"encrypt\":\"x\"}".to_owned(), 400),
        ("an entity", &query, "<!DOCTYPE x [<!ENTITY a \"b\">]><xml><Encrypt>&a;</Encrypt></xml>".to_owned(), 400),
        ("nothing", &query, String::new(), 400),
        ("too much", &query, huge, 413),
    ] {
        let refused = door.open(&(query.to_owned(), body)).await.unwrap_err();
        assert_eq!(refused.into_response().status().as_u16(), status, "{why}");
    }
    let counts = door.callback.counts();
    assert_eq!((counts.accepted, counts.repeated), (0, 0));
    assert_eq!((counts.bad_signature, counts.stale, counts.malformed), (3, 2, 9));
    assert_eq!(door.shelf.keys(), Vec::<String>::new(), "nothing is kept of what was refused");
    // Just inside the window is in time.
    let late = door.sealed_at("<xml/>", "n8", &at(-two_hours));
    door.open(&late).await.unwrap();
}

#[tokio::test]
async fn a_replay_is_refused_for_as_long_as_its_timestamp_is_good() {
    let door = Door::new();
    // Signed by a clock that is ahead of ours: good for almost four hours.
    let at = (door.clock.now().as_second() + 2 * 3600).to_string();
    let post = door.sealed_at("<xml/>", "n1", &at);
    door.open(&post).await.unwrap();
    for _ in 0..4 {
        door.clock.forward(Duration::from_secs(3599));
        assert_eq!(door.open(&post).await.unwrap_err(), Refused::Repeated);
    }
    door.clock.forward(HOUR);
    assert_eq!(door.open(&post).await.unwrap_err(), Refused::Stale);
}

#[tokio::test]
async fn while_the_shelf_is_down_the_platform_is_asked_to_come_again() {
    let door = Door::new();
    let post = door.sealed("<xml/>", "n1");
    door.shelf.fail(true);
    assert_eq!(door.open(&post).await.unwrap_err(), Refused::Unavailable);
    door.shelf.fail(false);
    door.open(&post).await.unwrap();
}

#[tokio::test]
async fn the_address_verification_decrypts_no_captured_message() {
    let door = Door::new();
    for (why, message, take_first) in [
        ("a message", "<xml><Content>secret</Content></xml>", false),
        ("JSON", "{\"msgtype\":\"text\"}", false),
        ("a number that was taken", "12345", true),
    ] {
        let post = door.sealed(message, why);
        if take_first {
            door.open(&post).await.unwrap();
        }
        let sealed = envelope::ciphertext(post.1.as_bytes(), Form::Xml).unwrap();
        let echo = sealed.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let (status, body) = answer(door.callback.verify_url(&format!("{}&echostr={echo}", post.0)).await).await;
        assert!((400..500).contains(&status) && !body.contains(message), "{why}: {status} {body}");
    }
    let stale = door.sealed("7420318855120011", "old");
    let sealed = envelope::ciphertext(stale.1.as_bytes(), Form::Xml).unwrap().replace('+', "%2B");
    door.clock.forward(3 * HOUR);
    assert_eq!(answer(door.callback.verify_url(&format!("{}&echostr={sealed}", stale.0)).await).await.0, 403);
}

#[tokio::test]
async fn a_sealed_reply_opens_with_the_same_keys() {
    let door = Door::new();
    let body = door.callback.seal("已受理".as_bytes(), "n9", Form::Json).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let at = body["timestamp"].as_i64().unwrap().to_string();
    let sealed = body["encrypt"].as_str().unwrap();
    assert!(door.keys.verify(body["msgsignature"].as_str().unwrap(), &at, "n9", sealed));
    assert_eq!(door.keys.decrypt(sealed).unwrap(), "已受理".as_bytes());
    let again = door.callback.seal("已受理".as_bytes(), "n9", Form::Json).unwrap();
    assert_ne!(serde_json::from_slice::<Value>(&again).unwrap()["encrypt"], body["encrypt"], "random bytes are random");
    // Nothing of it depends on a shelf.
    assert!(door.shelf.get("seen").await.unwrap().is_none());
}
