//! Forward WebSocket: we dial, and dial again.

use std::time::Duration;

use zhishou_adapters::qq::onebot::Transport;
use zhishou_adapters::{Channel as _, ChannelError};
use zhishou_fakes::onebot::{Dialect, FakeOneBot};

use crate::support::{outgoing, run, settings, within};

async fn served(qq: &FakeOneBot) -> Transport {
    Transport::ForwardWs { url: qq.serve_ws().await }
}

#[tokio::test]
async fn we_dial_hear_answer_and_dial_again() {
    let qq = FakeOneBot::new(Dialect::LlOneBot).token("t0k");
    qq.group("20001", &[("30001", "王科长")]);
    let it = run(settings(served(&qq).await)).await;
    it.desk.bind("group:20001");
    within(it.channel.connected()).await;
    qq.say("20001", "30001", "报修").await;
    assert_eq!(it.desk.next_message().await.external_id.split(':').next(), Some("10001"));
    it.send(&outgoing("k1", "group:20001", "收到")).await.unwrap();
    assert_eq!(qq.next_sent().await.text, "收到");
    qq.disconnect();
    qq.say_unheard("20001", "30001", "断线时说的");
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.recovered), ("断线时说的", true));
    it.stop.cancel();
    within(it.listening).await.unwrap().unwrap();
    qq.has_connections(0).await;
}

#[tokio::test]
async fn a_refused_token_is_reported_and_not_hammered() {
    for dialect in [Dialect::NapCat, Dialect::LlOneBot, Dialect::GoCqHttp, Dialect::Lagrange] {
        let qq = FakeOneBot::new(dialect).token("another");
        let it = run(settings(served(&qq).await)).await;
        within(async {
            while !it.channel.health().is_err_and(|line| line.contains("拒绝了 access_token")) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(qq.upgrades(), 1, "{dialect:?}: once, then a long pause");
        let error = it.send(&outgoing("k1", "group:20001", "在")).await.unwrap_err();
        assert!(error.to_string().contains("access_token"), "{dialect:?}: {error}");
    }
}

#[tokio::test]
async fn an_address_that_can_never_work_is_a_configuration_error() {
    for url in ["wss://127.0.0.1:1/", "http://127.0.0.1:1/", "nonsense"] {
        let it = run(settings(Transport::ForwardWs { url: url.to_owned() })).await;
        let error = within(it.listening).await.unwrap().unwrap_err();
        let ChannelError::Misconfigured(text) = error;
        assert!(text.contains("url"), "{url}: {text}");
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_yet_is_waited_for() {
    let spare = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/?access_token=t0k", spare.local_addr().unwrap());
    drop(spare);
    let mut config = settings(Transport::ForwardWs { url });
    config.timing.reconnect = Duration::from_millis(1);
    let it = run(config).await;
    let line = it.channel.health().unwrap_err();
    assert!(line.contains("连不上 OneBot 实现") && !line.contains("t0k"), "{line}");
    it.stop.cancel();
    within(it.listening).await.unwrap().unwrap();
}

#[test]
fn tokens_never_show_in_settings_that_are_printed() {
    for transport in [
        Transport::ForwardWs { url: "ws://127.0.0.1:1/?access_token=t0k".to_owned() },
        Transport::Http { api_url: "http://127.0.0.1:1?access_token=t0k".to_owned(), path: "/x".to_owned() },
    ] {
        let printed = format!("{:?}", settings(transport));
        assert!(!printed.contains("t0k") && printed.contains("127.0.0.1"), "{printed}");
    }
}
