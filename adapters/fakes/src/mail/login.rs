//! SMTP and LMTP by hand, as far as handing a mail over needs it.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Hands `raw` over by SMTP (`EHLO`) or LMTP (`LHLO`). Lines are made CRLF, dots are doubled.
///
/// # Panics
/// Where the server refuses it, with its words.
pub async fn hand_over(port: u16, hello: &str, from: &str, to: &str, raw: &[u8]) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
    let mut stream = BufReader::new(stream);
    expect(&mut stream, '2').await;
    for (command, wanted) in [
        (format!("{hello} localhost"), '2'),
        (format!("MAIL FROM:<{from}>"), '2'),
        (format!("RCPT TO:<{to}>"), '2'),
        ("DATA".to_owned(), '3'),
    ] {
        stream.write_all(format!("{command}\r\n").as_bytes()).await.expect("the server reads");
        expect(&mut stream, wanted).await;
    }
    stream.write_all(&stuffed(raw)).await.expect("the server reads");
    expect(&mut stream, '2').await;
    // Whether it says goodbye is its own affair.
    let _ = stream.write_all(b"QUIT\r\n").await;
}

fn stuffed(raw: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(raw.len() + raw.len() / 40 + 5);
    for line in raw.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

async fn expect(stream: &mut BufReader<TcpStream>, wanted: char) {
    loop {
        let mut line = Vec::new();
        let read = stream.read_until(b'\n', &mut line).await.expect("the server answers");
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        assert!(read > 0 && text.starts_with(wanted), "the server said: {text}");
        if text.as_bytes().get(3) != Some(&b'-') {
            return;
        }
    }
}
