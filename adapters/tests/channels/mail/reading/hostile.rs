//! No bytes make reading panic, hang or grow: random ones, mutated mails, and mails made to hurt.
//!
//! `ZHISHOU_FUZZ_SECONDS` sets how long the mutations go on; without it a fixed number is tried.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use zhishou_adapters::mail::read::{content_key, read};

fn fixtures() -> Vec<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails"));
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// What holds for every mail.
fn laws(raw: &[u8]) {
    let mail = read(raw);
    assert_eq!(mail, read(raw), "the same bytes are the same mail");
    assert!(mail.reply.trim().is_empty() == mail.text.trim().is_empty(), "something is left, if there was anything");
    assert!(mail.subject.chars().count() <= 1000);
    assert!(mail.attachments.len() <= 101, "{}", mail.attachments.len());
    for text in [&mail.text, &mail.reply, &mail.subject] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
    }
    for part in &mail.attachments {
        assert!(!part.name.contains(['/', '\\', '\n', '\0']), "{:?}", part.name);
    }
    assert!(mail.bounce.as_ref().is_none_or(|bounce| bounce.why.chars().count() <= 500));
    assert!(mail.bounce.is_none() || mail.auto.is_some());
    assert_eq!(content_key(raw).len(), 64);
}

/// A generator that needs no state but its seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % below.max(1) as u64).unwrap()
    }
}

fn mutated(dice: &mut Dice, mails: &[Vec<u8>]) -> Vec<u8> {
    let mut mail = mails[dice.roll(mails.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(mail.len());
        let lines: Vec<&[u8]> = mail.split_inclusive(|byte| *byte == b'\n').collect();
        mail = match dice.roll(8) {
            0 if !mail.is_empty() => {
                mail[at] ^= 1 << dice.roll(8);
                mail
            }
            1 => mail[..at].to_vec(),
            2 => mail[at..].to_vec(),
            3 if !lines.is_empty() => {
                let line = dice.roll(lines.len());
                let times = dice.roll(50);
                [lines[..line].concat(), lines[line].repeat(times), lines[line..].concat()].concat()
            }
            4 if !lines.is_empty() => {
                let (one, other) = (dice.roll(lines.len()), dice.roll(lines.len()));
                let mut lines = lines.clone();
                lines.swap(one, other);
                lines.concat()
            }
            5 => {
                let other = &mails[dice.roll(mails.len())];
                [&mail[..at], &other[dice.roll(other.len())..]].concat()
            }
            6 => {
                let byte = [0, 0x80, 0xFF, b'<', b'>', b'=', b'"', b'\r'][dice.roll(8)];
                let times = dice.roll(300);
                [&mail[..at], &vec![byte; times], &mail[at..]].concat()
            }
            _ => {
                let words: [&[u8]; 8] = [
                    b"--=_b1\r\n",
                    b"Content-Type: multipart/mixed; boundary==_b1\r\n",
                    b"=?utf-8?B?",
                    b"<blockquote>",
                    b"\n\n",
                    b"On 1/2/2026 10:00, X <a@b.c> wrote:\n",
                    b"From: x\nSent: y\nTo: z\nSubject: w\n",
                    b"filename*0*=utf-8''%",
                ];
                [&mail[..at], words[dice.roll(8)], &mail[at..]].concat()
            }
        };
    }
    mail
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a run that is asked for by its length")]
fn mutated_mails_are_read() {
    let mails = fixtures();
    let asked: Option<u64> = std::env::var("ZHISHOU_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let begun = std::time::Instant::now();
    for seed in 0_u64.. {
        let done = asked.map_or(seed >= 1_500, |seconds| begun.elapsed().as_secs() >= seconds);
        if done {
            break;
        }
        let mail = mutated(&mut Dice(seed), &mails);
        let outcome = std::panic::catch_unwind(|| laws(&mail));
        assert!(outcome.is_ok(), "seed {seed}: {}", String::from_utf8_lossy(&mail));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        laws(&bytes);
    }

    #[test]
    fn random_text_with_a_header_is_read(text in "(\\PC|\n|>|<|=|:|-){0,400}", html in any::<bool>()) {
        let kind = if html { "html" } else { "plain" };
        laws(format!("From: a@corp.example\nIn-Reply-To: <x@y>\nContent-Type: text/{kind}; charset=utf-8\n\n{text}").as_bytes());
    }
}

fn with(content_type: &str, body: &str) -> Vec<u8> {
    format!("From: a@corp.example\r\nSubject: Re: x\r\nContent-Type: {content_type}\r\n\r\n{body}").into_bytes()
}

/// Mails that cost a careless reader quadratic time, its stack or its memory. That they come to an end within the
/// test's time is the point; each is small enough to be instant for a linear reader.
#[test]
fn mails_made_to_hurt_are_read() {
    let many = 40_000;
    let mut parts = String::new();
    for _ in 0..5_000 {
        parts.push_str("--b\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\nx\r\n");
    }
    let mut fonts = String::new();
    for at in 0..many {
        write!(fonts, "<p><font size={at}><b><i>x").unwrap();
    }
    let mut nested = String::new();
    for level in 0..2_000 {
        write!(nested, "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n").unwrap();
    }
    let html = "text/html; charset=utf-8";
    let plain = "text/plain; charset=utf-8";
    let hurting: Vec<(&str, Vec<u8>)> = vec![
        ("messages in messages", "Content-Type: message/rfc822\r\n\r\n".repeat(many).into_bytes()),
        ("boundaries that never come", with("multipart/mixed; boundary=b", &parts)),
        ("multiparts in multiparts", [b"From: a@corp.example\r\n".to_vec(), nested.into_bytes()].concat()),
        ("open tags", with(html, &"<div>".repeat(many))),
        ("quotes in quotes", with(html, &"<blockquote>".repeat(many))),
        ("tables in cells closed outside", with(html, &"<div><table><tr><td></div>".repeat(many / 4))),
        ("formatting", with(html, &fonts)),
        ("comments without end", with(html, &"<!--".repeat(many))),
        ("scripts without end", with(html, &"<script>".repeat(many))),
        ("attributes", with(html, &format!("<p {}>x</p>", "a=b ".repeat(many)))),
        ("half tags", with(html, &"<a href=\"".repeat(many))),
        ("angle brackets", with(html, &"<".repeat(many * 4))),
        ("entities", with(html, &"&amp;&#x4e2d;&lt".repeat(many))),
        (
            "words that open",
            format!("From: a@corp.example\r\nSubject: {}?=\r\n\r\nx", "=?a?".repeat(many)).into_bytes(),
        ),
        (
            "words",
            format!("From: a@corp.example\r\nSubject: {}\r\n\r\nx", "=?utf-8?q?=E6?= ".repeat(many / 4)).into_bytes(),
        ),
        ("parameters", with(&format!("text/plain; {}", "name*0*=utf-8''%41; ".repeat(10_000)), "x")),
        ("header fields", format!("{}\r\n\r\nx", "X-A: b\r\n".repeat(many)).into_bytes()),
        ("references", format!("From: a@corp.example\r\nReferences: {}\r\n\r\nx", "<a@b> ".repeat(many)).into_bytes()),
        (
            "recipients",
            format!("From: a@corp.example\r\nTo: {}\r\n\r\nx", "a@corp.example, ".repeat(many)).into_bytes(),
        ),
        ("comments in addresses", format!("From: {}a@corp.example\r\n\r\nx", "(".repeat(many)).into_bytes()),
        ("one long line", with(plain, &"x> wrote: ".repeat(many * 3))),
        ("deep quotes", with(plain, &format!("{} x\n", ">".repeat(500)).repeat(500))),
        ("attributions", with(plain, &"On 1/2/2026 10:00, X <a@b.c> wrote:\n> a\n".repeat(many / 4))),
        ("field blocks", with(plain, &"From: a@b.c\nSent: 10:00\nTo: x\nSubject: y\n> q\n".repeat(many / 8))),
        ("labels", with(plain, &"From: a@b.c\n".repeat(many))),
        ("blank lines", with(plain, &"\n".repeat(many * 10))),
        ("dashes", with(plain, &"--\n".repeat(many))),
        ("flowed", with("text/plain; format=flowed; delsp=yes", &"> a \n".repeat(many))),
        ("base64 of nothing", with("application/pdf\r\nContent-Transfer-Encoding: base64", &"!".repeat(many * 4))),
        (
            "status groups",
            with("message/delivery-status", &"Action: failed\nFinal-Recipient: rfc822; a@b.c\n\n".repeat(many / 4)),
        ),
        ("reports in words", {
            let mut report = with(plain, &"<a@b.c>: 550 5.1.1 user unknown\nMessage-ID: <x@y>\n".repeat(many / 8));
            report.splice(0..0, *b"X-Failed-Recipients: a@b.c\r\n");
            report
        }),
    ];
    for (name, mail) in hurting {
        assert!(std::panic::catch_unwind(|| laws(&mail)).is_ok(), "{name}");
    }
}

#[test]
fn limits_are_told() {
    let parts = "--b\r\nContent-Type: text/plain; name=a.txt\r\n\r\nx\r\n".repeat(300);
    let mail = read(&with("multipart/mixed; boundary=b", &parts));
    assert_eq!(mail.attachments.len(), 100);
    assert_eq!(mail.problems.len(), 2, "{:?}", mail.problems);
    let page = format!("<p>first</p>{}<p>last</p>", "<p>x</p>".repeat(400_000));
    let mail = read(&with("text/html; charset=utf-8", &page));
    assert!(mail.text.starts_with("first") && !mail.text.ends_with("last"));
    assert_eq!(mail.problems, ["正文太长，只读了前面一部分"]);
}
