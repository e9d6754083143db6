//! `zhishou doctor` beside a running desk: what it says of channels and clocks, and that it sees them as the desk does.

use std::path::Path;

use zhishou::clock::{Clock as _, SystemClock};
use zhishou_fakes::onebot::Dialect;

use super::conversation::{AGENCY, WANG, qq};
use super::process::{Running, run, write};
use super::support::{self, within};

const CONFIG: &str = r#"
[console]
listen = "127.0.0.1:0"
[[contract]]
profile = "xian-realestate"
default = true
[[contract]]
profile = "yulin-approval"
[[channel]]
kind = "onebot"
access_token = "t0k"
"#;

/// What it prints on a line that begins so, once it says this there.
async fn says(folder: &Path, beginning: &'static str, words: &'static str) -> String {
    let folder = folder.to_owned();
    let look = move || {
        let output = run(&folder, &["doctor"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    within("doctor says so", async {
        loop {
            let report = tokio::task::spawn_blocking(look.clone()).await.expect("it can be run");
            if report.lines().any(|line| line.contains(beginning) && line.contains(words)) {
                return report;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_of_each_channel_what_the_running_desk_sees_and_of_the_clock_what_the_platforms_say() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path();
    write(place, "zhishou.toml", CONFIG);
    write(place, "people.toml", support::PEOPLE);
    assert!(run(place, &["import", "people.toml"]).status.success());
    says(place, "[需处理] 渠道 qq", "值守没有在运行").await;
    let running = Running::start(place, &[]);
    says(place, "[需处理] 渠道 qq", "还没有 OneBot 实现连接进来").await;
    let qq = qq(Dialect::NapCat);
    qq.dial(&format!("ws://{}/onebot/v11/ws", running.address)).await.expect("it is taken");
    says(place, "[正常] 渠道 qq", "").await;
    says(place, "[正常] 时钟", "还太少").await;
    // The platform is five minutes ahead: that much too late every promise would ring.
    for _ in 0..6 {
        qq.set_time(SystemClock::default().now().as_second() + 300);
        qq.say(AGENCY, WANG, "辛苦了").await;
    }
    says(place, "[需处理] 时钟", "本机比平台慢约 ").await;
    let (status, _, words) = running.ends();
    assert_eq!(status, Some(0), "{words}");
    says(place, "[需处理] 渠道 qq", "值守没有在运行").await;
}
