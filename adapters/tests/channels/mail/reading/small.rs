//! The charset table of the mail sheet, header values, keys, names: each by itself.

use zhishou_adapters::mail::read::{Part, content_key, decoration, read};

fn gbk(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

fn body(content_type: &str, body: &[u8]) -> String {
    let head = format!("From: a@corp.example\r\nSubject: x\r\nContent-Type: {content_type}\r\n\r\n");
    read(&[head.as_bytes(), body].concat()).text
}

#[test]
fn every_label_that_means_chinese_is_read_as_such() {
    let text = "您好，𠮷田机房的网络断了三天";
    for label in [
        "gb2312",
        "GBK",
        "x-gbk",
        "gb18030",
        "cp936",
        "936",
        "GB_2312-80",
        "euc-cn",
        "chinese",
        "chinesegb2312",
        "\"gb2312;\"",
        "'gb2312'",
        "unknown-8bit",
        "default_charset",
        "utf8",
        "x-no-such-thing",
    ] {
        assert_eq!(body(&format!("text/plain; charset={label}"), &gbk(text)), text, "{label}");
    }
    // A label of the West, or none: the bytes decide. Four-byte characters are no pairs, so here without them.
    let text = "您好，机房的网络断了三天";
    for content_type in ["text/plain", "text/plain; charset=us-ascii", "text/plain; charset=iso-8859-1"] {
        assert_eq!(body(content_type, &gbk(text)), text, "{content_type}");
    }
}

#[test]
fn utf8_is_read_as_such_whatever_the_label() {
    for label in ["gb2312", "us-ascii", "iso-8859-1", "big5", "utf-8", "unknown-8bit"] {
        assert_eq!(body(&format!("text/plain; charset={label}"), "故障".as_bytes()), "故障", "{label}");
    }
}

#[test]
fn other_languages_keep_their_labels() {
    assert_eq!(body("text/plain; charset=iso-8859-1", b"gr\xFC\xDFe, d\xE9j\xE0 vu"), "grüße, déjà vu");
    assert_eq!(body("text/plain; charset=koi8-r", b"\xF0\xD2\xC9\xD7\xC5\xD4"), "Привет");
    assert_eq!(body("text/plain; charset=iso-2022-jp", b"\x1B$B$3$s\x1B(B"), "こん");
    assert_eq!(body("text/plain; charset=utf-7", b"+ZzpiPw-."), "机房.");
    assert_eq!(body("text/plain; charset=iso-2022-cn", b"\x1B$)A\x0E;z7?\x0F."), "机房.");
}

#[test]
fn what_cannot_be_made_out_is_told() {
    let mail = read(b"From: a@corp.example\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xE6\x95\x85\xE9\x9A\x9C\xE6\x95\x85\xE9\x9A\x9C\xE6\x95\x85\xE9\x9A\x9C\xE6\x95\x85\xE9\x9A\x9C\xE6\x95\x85\xE9\x9A\x9C\xE6\x95\x85\xE9\x9A\x9C\xE6\x95");
    assert!(mail.text.starts_with("故障故障"), "{}", mail.text);
    assert_eq!(mail.problems.len(), 1, "{:?}", mail.problems);
}

#[test]
fn addresses_are_read_as_people_write_them() {
    for (field, address, name) in [
        ("Liu Min <LiuMin@JW.Example.gov.cn>", "liumin@jw.example.gov.cn", "Liu Min"),
        ("liumin@jw.example.gov.cn (Liu Min)", "liumin@jw.example.gov.cn", "Liu Min"),
        ("\"Liu, Min\" <l@corp.example>", "l@corp.example", "Liu, Min"),
        ("<l@corp.example>", "l@corp.example", ""),
        ("\"a@other.example\" <l@corp.example>", "l@corp.example", "a@other.example"),
        ("=?utf-8?B?5YiY?= =?utf-8?B?5pWP?=<l@corp.example>", "l@corp.example", "刘敏"),
        ("<@relay.example:l@corp.example>", "l@corp.example", ""),
    ] {
        let mail = read(format!("From: {field}\r\nSubject: x\r\n\r\nx").as_bytes());
        let from = mail.from.unwrap_or_else(|| panic!("{field}"));
        assert_eq!((from.address.as_str(), from.name.as_str()), (address, name), "{field}");
    }
    let mail = read(b"From: x <x@corp.example>\r\nTo: staff: a@corp.example, B <b@corp.example>;, c@corp.example\r\nCc: d@corp.example\r\n\r\nx");
    let to: Vec<&str> = mail.to.iter().map(|to| to.address.as_str()).collect();
    assert_eq!(to, ["a@corp.example", "b@corp.example", "c@corp.example"]);
    assert_eq!(mail.cc.len(), 1);
}

#[test]
fn ids_and_dates_and_results_are_read() {
    let mail = read(
        b"Authentication-Results: mx.ours; dmarc=pass\r\nReceived: from a\r\n by b; Wed, 14 Oct 2026 09:00:00 +0800\r\nReceived: from c\r\nAuthentication-Results: evil; dmarc=pass\r\n\
        From: a@corp.example\r\nMessage-ID: <m1@corp.example>\r\nIn-Reply-To: <t1@x> (your mail)\r\nReferences: <r1@x>\r\n <r2@x>\r\nDate: Wed, 14 Oct 2026 09:30:12 +0800\r\n\r\nx",
    );
    assert_eq!(mail.message_id.as_deref(), Some("m1@corp.example"));
    assert_eq!(mail.in_reply_to, ["t1@x"]);
    assert_eq!(mail.references, ["r1@x", "r2@x"]);
    assert_eq!(mail.date.unwrap().to_string(), "2026-10-14T01:30:12Z");
    assert_eq!(mail.authentication, [(0, "mx.ours; dmarc=pass".to_owned()), (2, "evil; dmarc=pass".to_owned())]);
}

#[test]
fn a_mail_is_known_again_whatever_delivery_put_on_top() {
    let mail = "From: a@corp.example\r\nSubject: x\r\n\r\nbody\r\n";
    let key = content_key(mail.as_bytes());
    let delivered = format!(
        "Return-Path: <a@corp.example>\r\nDelivered-To: z@ops\r\nReceived: from a\r\n\tby b;\r\n now\r\n{mail}"
    );
    assert_eq!(content_key(delivered.as_bytes()), key);
    assert_eq!(content_key(mail.replace("\r\n", "\n").as_bytes()), key);
    assert_eq!(content_key(format!("From a Wed Oct 14\n{mail}").as_bytes()), key);
    assert_ne!(content_key(mail.replace("body", "bodz").as_bytes()), key);
    // Below the first field that counts, everything counts.
    assert_ne!(content_key(mail.replace("Subject", "Received: q\r\nSubject").as_bytes()), key);
    assert_ne!(content_key(b""), content_key(b"\r\n"));
}

#[test]
fn names_that_lie_are_told_and_shown_harmlessly() {
    let file = |name: &str, bytes: &[u8]| {
        let head = format!(
            "From: a@corp.example\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\n"
        );
        read(&[head.as_bytes(), bytes].concat()).attachments.remove(0)
    };
    for name in [
        "a.exe",
        "a.EXE",
        "a.pdf.exe",
        "合同.doc.js",
        "a.xlsm",
        "photo.jpg.pdf",
        "a.exe.",
        "a.exe ",
        "x\u{202E}fdp.doc",
        "a.rar",
        "run.html",
    ] {
        assert!(file(name, b"x").danger.is_some(), "{name}");
    }
    for name in ["a.pdf", "报告 v1.2.docx", "backup.tar.gz", "scan.pdf.zip", "log.txt", "README", "2026.10.13.xlsx"] {
        assert_eq!(file(name, b"x").danger, None, "{name}");
    }
    let program = [b"MZ".as_slice(), &[0; 100]].concat();
    assert!(file("a.pdf", &program).danger.is_some());
    assert!(file("a.zip", b"PK\x03\x04 cut off").danger.is_some());
    for (name, shown) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("a\u{202E}b.txt", "ab.txt"),
        ("a?b*.txt", "a_b_.txt"),
    ] {
        assert_eq!(file(name, b"x").name, shown);
    }
    let long = file(&format!("{}.docx", "长".repeat(300)), b"x").name;
    assert!(long.chars().count() == 120 && long.rsplit('.').next() == Some("docx"), "{long}");
}

#[test]
fn small_pictures_in_the_text_decorate() {
    let gif = |width: u8| [b"GIF89a".as_slice(), &[width, 0, 20, 0], &[0; 20]].concat();
    let part = |bytes, inline| Part { kind: "image/gif".to_owned(), bytes, inline, ..Part::default() };
    assert!(decoration(&part(gif(40), true)));
    assert!(!decoration(&part(gif(40), false)), "a file that was attached");
    assert!(!decoration(&part(gif(200), true)), "a screenshot");
}
