//! Our encryption of callbacks against somebody else's: wechatpy's, in both directions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use zhishou_adapters::wecom::codec::crypto::CallbackKeys;
use zhishou_adapters::wecom::codec::envelope::{Form, ciphertext, reply};
use zhishou_adapters::wecom::codec::xml::Element;

const TOKEN: &str = "deskToken2026";
const CORP_ID: &str = "wwc0ffee0000000001";
const NONCE: &str = "n00020";
const AT: i64 = 1_790_812_820;

/// The peer's process; it ends when its input does.
struct Peer {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Self {
        let python = std::env::var("ZHISHOU_PEERS").expect(
            "ZHISHOU_PEERS must name a Python that has adapters/tests/peers/requirements.txt installed; scripts/test.sh \
             makes one and sets it",
        );
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/wechatpy_crypto.py");
        let mut child = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{python}: {error}"));
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.to.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).expect("the peer answers every line with JSON");
        assert_eq!(answer["error"], Value::Null, "{question}");
        answer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.to.take());
        // The test's outcome stands already.
        let _ = self.child.wait();
    }
}

/// Numbers that look random and are the same in every run: a failure can be looked at again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn text(&mut self, bytes: usize) -> String {
        const LETTERS: [char; 12] = ['a', 'Z', '7', ' ', '\n', '<', '&', ']', 'é', '修', '，', '😀'];
        let mut text = String::new();
        while text.len() < bytes {
            let letter = LETTERS[self.roll(LETTERS.len())];
            text.push(if text.len() + letter.len_utf8() <= bytes { letter } else { 'x' });
        }
        text
    }

    fn random(&mut self) -> [u8; 16] {
        std::array::from_fn(|_| u8::try_from(self.roll(256)).unwrap())
    }

    /// 43 characters, the last with stray bits as often as not.
    fn key(&mut self) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..43).map(|_| char::from(LETTERS[self.roll(LETTERS.len())])).collect()
    }
}

#[test]
fn a_thousand_messages_of_every_length_go_both_ways_between_us_and_wechatpy() {
    let mut peer = Peer::start();
    let mut dice = Dice(2026);
    let mut lengths = [0_u32; 32];
    for round in 0..1000 {
        let key = dice.key();
        let keys = CallbackKeys::new(TOKEN, &key, CORP_ID).unwrap();
        let length = round % 32 + 32 * dice.roll(20);
        let message = dice.text(length);
        assert_eq!(message.len(), length);
        lengths[length % 32] += 1;
        let at = AT.to_string();
        let question =
            |op: &str| json!({ "op": op, "token": TOKEN, "key": key, "id": CORP_ID, "nonce": NONCE, "timestamp": at });

        let mut theirs = question("encrypt");
        theirs["message"] = message.as_str().into();
        let posted = peer.ask(&theirs)["body"].as_str().unwrap().to_owned();
        let sealed = ciphertext(posted.as_bytes(), Form::Xml).unwrap();
        let envelope = Element::parse(posted.as_bytes()).unwrap();
        assert!(keys.verify(envelope.text_of("MsgSignature").unwrap(), &at, NONCE, &sealed), "round {round}");
        assert_eq!(keys.decrypt(&sealed).unwrap(), message.as_bytes(), "round {round}, {length} bytes, from them");

        let sealed = keys.encrypt(message.as_bytes(), dice.random());
        let signature = keys.signature(&at, NONCE, &sealed);
        let mut ours = question("decrypt");
        ours["body"] = reply(&sealed, &signature, AT, NONCE, Form::Xml).into();
        ours["signature"] = signature.into();
        assert_eq!(peer.ask(&ours)["message"], message.as_str(), "round {round}, {length} bytes, to them");
    }
    assert!(lengths.iter().all(|&times| times >= 30), "{lengths:?}");
}
