//! Many mails at the first start: all of them, once, and memory stays flat.

use std::sync::Arc;

use zhishou_fakes::mail::server::MailServer;

use super::support::{ALICE, DESK, Desk, real, run_with};
use crate::support::HandClock;
use crate::wecom::support::MemoryShelf;

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A mail with a file of so many bytes.
fn with_file(number: usize, bytes: usize) -> Vec<u8> {
    let line = format!("{}\r\n", "QUJD".repeat(19));
    let file = line.repeat(bytes / 57);
    format!(
        "From: {ALICE}\r\nTo: {DESK}\r\nSubject: mail {number}\r\nMessage-ID: <{number}.{bytes}@gov.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nmail {number}\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{file}--b--\r\n"
    )
    .into_bytes()
}

/// Set in the process that measures: what other tests keep in memory at the same time is none of its business.
const ALONE: &str = "ZHISHOU_BULK_ALONE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_at_the_first_start_one_by_one() {
    if std::env::var_os(ALONE).is_none() {
        let name = "mail::bulk::thousands_at_the_first_start_one_by_one";
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let output = command.args([name, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    // `ZHISHOU_MAILS=10000` for the whole of it.
    let many: usize = std::env::var("ZHISHOU_MAILS").ok().and_then(|many| many.parse().ok()).unwrap_or(1_000);
    let server = MailServer::start().await;
    // One large mail, fetched in steps, and gone again before memory is looked at.
    server.load(DESK, std::iter::once(with_file(0, 5 << 20)));
    server.load(DESK, (0..many).map(|n| with_file(n, 40_000)));
    let desk = Arc::new(Desk::counting());
    let clock = HandClock::noon();
    let running = run_with(real(&server, DESK, "secret"), desk.clone(), clock.clone(), MemoryShelf::new(clock));
    desk.until(|desk| desk.count() >= many / 5).await;
    let before = resident();
    desk.until(|desk| desk.count() > many).await;
    let grown = resident().saturating_sub(before);
    // To keep the 40 KB of each would take more by far. What the shelf in memory keeps of each mail (its thread, half a
    // KiB) is the test's own.
    let allowed = 16 * 1024 + u64::try_from(many).unwrap() * 2;
    println!("{many} mails, {before} KiB at first, {grown} KiB more at the end");
    assert!(grown < allowed, "{grown} KiB more after {many} mails");
    assert_eq!((desk.count(), desk.repeats()), (many + 1, 0));
    drop(running);
}
