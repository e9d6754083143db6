//! What reading a mail costs: microseconds a mail for the mails of the tests, and that time grows with the length and not
//! faster, from 64 KiB to 8 MiB.
//!
//! `cargo bench -p zhishou-adapters --bench mail` prints a line a measurement.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use zhishou_adapters::mail::read::read;

/// Longest time a measurement goes on for.
const ENOUGH: Duration = Duration::from_millis(600);

/// Seconds a call, over as many calls as fit.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn seconds(mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut calls = 0_u32;
    while calls == 0 || begun.elapsed() < ENOUGH {
        call();
        calls += 1;
    }
    begun.elapsed().as_secs_f64() / f64::from(calls)
}

fn with(content_type: &str, body: &str) -> Vec<u8> {
    format!("From: a@corp.example\r\nSubject: Re: x\r\nContent-Type: {content_type}\r\n\r\n{body}").into_bytes()
}

/// A mail of about this many bytes, of one kind.
fn mail(kind: &str, bytes: usize) -> Vec<u8> {
    let times = |piece: &str| piece.repeat(bytes / piece.len());
    let plain = "text/plain; charset=utf-8";
    match kind {
        "plain text" => {
            with(plain, &times("登记系统从早上八点半开始打不开，提示连接超时。\nThe printer is: broken.\n"))
        }
        "html" => {
            with("text/html; charset=utf-8", &times("<div class=\"x\"><p>登记系统<b>打不开</b> &amp; 很慢</p></div>\n"))
        }
        "deep quotes" => {
            let lines: Vec<String> =
                (1..=50).map(|depth| ">".repeat(depth) + " On 1/2/2026 10:00, X <a@b.c> wrote:\n").collect();
            with(plain, &times(&lines.concat()))
        }
        "one long line" => with(plain, &times("登记系统 wrote: ")),
        "many parts" => {
            let part = "--b\r\nContent-Type: text/plain\r\n\r\n";
            let body = "x ".repeat(bytes.div_ceil(150) / 2);
            with("multipart/mixed; boundary=b", &format!("{part}{body}\r\n").repeat(150))
        }
        // In the header as far as headers are read, in the names of parts beyond that.
        "encoded words" => {
            let word = "=?utf-8?B?5omT5Y2w5py6?= =?gbk?Q?=B4=F2?=\r\n ";
            let part = format!(
                "--b\r\nContent-Type: text/plain; name=\"{}\"\r\n\r\nx\r\n",
                word.repeat(bytes / 150 / word.len())
            );
            with("multipart/mixed; boundary=b", &part.repeat(150))
        }
        _ => with(
            "application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64",
            &times("JVBERi0xLjQKJVBERi0xLjQK\r\n"),
        ),
    }
}

fn main() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails"));
    let mails: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .filter_map(|path| std::fs::read(path).ok())
        .collect();
    let round = seconds(|| mails.iter().for_each(|mail| drop(black_box(read(mail)))));
    println!("{} mails of the tests: {:.0} mails/s on one core", mails.len(), mails.len() as f64 / round);
    for kind in ["plain text", "html", "deep quotes", "one long line", "many parts", "encoded words", "base64"] {
        print!("{kind:>14}:");
        for kib in [64, 512, 2048, 8192] {
            let mail = mail(kind, kib * 1024);
            let took = seconds(|| drop(black_box(read(&mail))));
            print!("  {kib:>5} KiB {:>8.2} ms ({:>6.1} MB/s)", took * 1000.0, mail.len() as f64 / took / 1e6);
        }
        println!();
    }
}
