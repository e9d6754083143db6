//! The way out through an agency's HTTP proxy: everything takes it or nothing does.

use secrecy::SecretString;
use zhishou_adapters::wecom::app::AppConfig;
use zhishou_adapters::wecom::robot::RobotConfig;
use zhishou_adapters::wecom::{BotMode, WeComConfig};
use zhishou_adapters::{Channel as _, Outgoing, Proxy, SendError};
use zhishou_fakes::proxy::HttpProxy;
use zhishou_fakes::wecom::{By, FakeWeCom, Sent};

use super::support::{MemoryShelf, only, platform, serve, socket_bot};
use crate::support::{outgoing, within};

const GROUP: &str = "group:wrGROUP0001";
const KEY: &str = "693a91f6-0000-4bc4-97a0-0ec2f0000001";
/// Exists nowhere, so that it is reached through the proxy or not at all.
const NOWHERE: &str = "wecom.invalid";

/// All surfaces at an address that only a proxy can reach.
fn beyond(wecom: &FakeWeCom, proxy: Option<&Proxy>) -> WeComConfig {
    let there = |address: &str| address.replace("127.0.0.1", NOWHERE);
    let mut bot = socket_bot(wecom);
    if let BotMode::Socket { url, .. } = &mut bot.mode {
        *url = there(url);
    }
    bot.proxy = proxy.cloned();
    let setup = wecom.setup();
    let own = setup.app();
    let mut app = AppConfig::new(&setup.corp_id, own.agent_id, SecretString::from(own.secret.clone()));
    app.api_base = there(&wecom.api_base());
    app.proxy = proxy.cloned();
    let mut robot = RobotConfig::new(&there(&wecom.robot_url(KEY)), GROUP).unwrap();
    robot.proxy = proxy.cloned();
    WeComConfig { app: Some(app), robots: vec![robot], ..only(bot) }
}

async fn world() -> (FakeWeCom, crate::support::HandClock, HttpProxy) {
    let (wecom, clock) = platform().await;
    wecom.group("wrGROUP0001", &[("ZhangGong", "张工"), ("WangKeZhang", "王科长")]);
    wecom.robot(KEY, "wrGROUP0001");
    wecom.has_been_spoken_to(GROUP);
    let to = wecom.api_base().strip_prefix("http://").unwrap().parse().unwrap();
    let proxy = HttpProxy::start(to, "desk:s3cret").await;
    (wecom, clock, proxy)
}

#[tokio::test]
async fn line_application_robot_and_files_all_go_out_through_the_proxy() {
    let (wecom, clock, proxy) = world().await;
    let way = Proxy::parse(&format!("http://desk:s3cret@{}", proxy.address())).unwrap();
    assert!(!format!("{way:?}").contains("s3cret"), "{way:?}");
    let served = serve(beyond(&wecom, Some(&way)), MemoryShelf::new(clock.clone()), &clock).await;
    within(served.channel.connected()).await;
    served.send(&outgoing("k1", GROUP, "工单 #1 已受理")).await.unwrap();
    let ring = Outgoing { mentions: vec!["ZhangGong".to_owned()], ..outgoing("k2", GROUP, "请认领 #1") };
    served.send(&ring).await.unwrap();
    served.send(&outgoing("k3", "user:ZhangGong", "请认领 #1")).await.unwrap();
    assert_eq!(wecom.shows(GROUP, "已受理").await.by, By::Bot);
    assert!(matches!(wecom.shows(GROUP, "请认领").await.by, By::Robot(_)));
    assert!(matches!(wecom.shows("user:ZhangGong", "请认领").await.by, By::App(_)));
    let screen = Sent { kind: "image", name: "a.png", bytes: b"\x89PNG\r\n\x1a\n what stood there" };
    wecom.say_with_images("wrGROUP0001", "WangKeZhang", "打不开了", &[screen]).await;
    let port = wecom.api_base().rsplit_once(':').unwrap().1.to_owned();
    proxy.was_asked(&format!("GET 127.0.0.1:{port}")).await;
    let beyond = format!("GET {NOWHERE}:{port}");
    assert!(proxy.asked().iter().filter(|asked| **asked == beyond).count() >= 2, "{:?}", proxy.asked());
    assert!(proxy.asked().iter().any(|asked| asked.starts_with("POST ")), "{:?}", proxy.asked());
    served.stop().await;
}

#[tokio::test]
async fn nothing_is_reached_without_the_proxy_or_with_a_wrong_password() {
    let (wecom, clock, proxy) = world().await;
    let wrong = Proxy::parse(&format!("http://desk:guess@{}", proxy.address())).unwrap();
    for way in [None, Some(&wrong)] {
        let served = serve(beyond(&wecom, way), MemoryShelf::new(clock.clone()), &clock).await;
        let sent = served.send(&outgoing("k1", GROUP, "工单 #1 已受理")).await;
        assert!(matches!(sent, Err(SendError::Unreachable(_))), "{way:?}: {sent:?}");
        assert!(served.channel.health().is_err(), "{way:?}");
        served.stop().await;
    }
    assert!(
        !proxy.asked().is_empty() && proxy.asked().iter().all(|asked| asked.ends_with(" 407")),
        "{:?}",
        proxy.asked()
    );
}

#[tokio::test]
async fn what_is_encrypted_goes_through_a_tunnel() {
    let (wecom, clock, proxy) = world().await;
    let way = Proxy::parse(&format!("http://desk:s3cret@{}", proxy.address())).unwrap();
    let mut bot = socket_bot(&wecom);
    if let BotMode::Socket { url, .. } = &mut bot.mode {
        *url = format!("wss://{NOWHERE}");
    }
    bot.proxy = Some(way);
    let served = serve(only(bot), MemoryShelf::new(clock.clone()), &clock).await;
    proxy.was_asked(&format!("CONNECT {NOWHERE}:443")).await;
    served.stop().await;
}

#[test]
fn a_proxy_that_cannot_be_one_is_named() {
    for given in ["10.0.0.8:3128", "socks5://10.0.0.8:1080", "https://10.0.0.8:3128", "http://10.0.0.8/path", ""] {
        let why = Proxy::parse(given).unwrap_err();
        assert!(why.contains("http://主机:端口"), "{given}: {why}");
    }
}
