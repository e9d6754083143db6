//! HTTP: signed events in, calls out.

use secrecy::SecretString;
use std::collections::HashSet;
use zhishou_adapters::qq::onebot::Transport;
use zhishou_adapters::{Channel as _, Retry};
use zhishou_fakes::onebot::{Behaviour, Dialect, FakeOneBot};

use crate::support::{Running, impatient, outgoing, run, settings, tls, within};

async fn served(qq: &FakeOneBot) -> Running {
    tls();
    let api_url = qq.serve_http("").await;
    let mut config = impatient(Transport::Http { api_url, path: "/onebot/events".to_owned() });
    config.secret = Some(SecretString::from("s3cret-维护群"));
    let it = run(config).await;
    qq.post_events_to(&format!("http://{}/onebot/events", it.address));
    it
}

#[tokio::test]
async fn events_are_posted_and_calls_are_made() {
    for dialect in [Dialect::NapCat, Dialect::GoCqHttp, Dialect::Lagrange, Dialect::LlOneBot] {
        let qq = FakeOneBot::new(dialect).token("t0k").secret("s3cret-维护群");
        qq.group("20001", &[("30001", "王科长")]);
        let it = served(&qq).await;
        let id = qq.say("20001", "30001", "报修 & <坏了>").await;
        let heard = it.desk.next_message().await;
        assert_eq!((heard.text.as_str(), heard.external_id), ("报修 & <坏了>", format!("10001:group:20001:{id}")));
        it.send(&outgoing("k1", "group:20001", "收到")).await.unwrap();
        assert_eq!(qq.next_sent().await.text, "收到");
        assert_eq!(qq.posted(), [204], "{dialect:?}");
        let error = it.send(&outgoing("k2", "group:404", "在")).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Never, "{dialect:?}: {error}");
    }
}

#[tokio::test]
async fn an_event_is_confirmed_only_once_it_is_stored() {
    let qq = FakeOneBot::new(Dialect::GoCqHttp).token("t0k").secret("s3cret-维护群");
    qq.group("20001", &[("30001", "王科长")]);
    let it = served(&qq).await;
    it.desk.fail(1);
    let id = qq.say("20001", "30001", "报修").await;
    qq.repeat(&id).await;
    qq.repeat(&id).await;
    assert_eq!(qq.posted(), [503, 204, 204]);
    assert_eq!(it.desk.messages().len(), 1);
}

#[tokio::test]
async fn unsigned_and_wrongly_signed_events_are_refused() {
    for (qq, status) in [
        (FakeOneBot::new(Dialect::NapCat).token("t0k"), 401),
        (FakeOneBot::new(Dialect::NapCat).token("t0k").secret("another"), 403),
    ] {
        qq.group("20001", &[("30001", "王科长")]);
        let it = served(&qq).await;
        qq.say("20001", "30001", "伪造").await;
        assert_eq!(qq.posted(), [status]);
        assert_eq!(it.desk.messages(), []);
    }
}

#[tokio::test]
async fn a_posted_event_may_carry_its_token_in_the_query() {
    for (query, status) in [("?access_token=t0k", 204), ("?access_token=another", 403), ("", 401)] {
        let qq = FakeOneBot::new(Dialect::NapCat);
        qq.group("20001", &[("30001", "王科长")]);
        tls();
        let api_url = qq.serve_http("").await;
        let it = run(impatient(Transport::Http { api_url, path: "/onebot/events".to_owned() })).await;
        qq.post_events_to(&format!("http://{}/onebot/events{query}", it.address));
        qq.say("20001", "30001", "报修").await;
        assert_eq!(qq.posted(), [status], "{query}");
    }
}

#[tokio::test]
async fn the_same_event_over_two_channels_has_the_same_id() {
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k").secret("s3cret-维护群");
    qq.group("20001", &[("30001", "王科长")]);
    let posted = served(&qq).await;
    let dialled = run(settings(crate::support::reverse())).await;
    qq.dial(&dialled.ws("/ws")).await.unwrap();
    qq.say("20001", "30001", "报修").await;
    let ids = (posted.desk.next_message().await.external_id, dialled.desk.next_message().await.external_id);
    assert_eq!(ids.0, ids.1);
}

#[tokio::test]
async fn a_call_without_answer_is_in_doubt_and_found_again() {
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k").secret("s3cret-维护群");
    qq.group("20001", &[("30001", "王科长")]);
    let it = served(&qq).await;
    qq.was_called("get_status", 1).await;
    qq.behave(&[Behaviour::TakeSilently]);
    let message = outgoing("k1", "group:20001", "已受理");
    assert_eq!(it.send(&message).await.unwrap_err().retry(), Retry::Look);
    let since = jiff::Timestamp::from_second(crate::support::NOON).unwrap();
    assert!(within(it.channel.find(&message, since, &HashSet::new())).await.unwrap().is_some());
}

#[tokio::test]
async fn a_wrong_token_and_an_absent_peer_are_told_apart() {
    let qq = FakeOneBot::new(Dialect::LlOneBot).token("another").secret("s3cret-维护群");
    let it = served(&qq).await;
    let error = it.send(&outgoing("k1", "group:20001", "在")).await.unwrap_err();
    assert!(error.retry() == Retry::Backoff && error.to_string().contains("access_token"), "{error}");
    let gone = Transport::Http { api_url: "http://127.0.0.1:1".to_owned(), path: "/x".to_owned() };
    let it = run(settings(gone)).await;
    let error = it.send(&outgoing("k1", "group:20001", "在")).await.unwrap_err();
    assert!(error.retry() == Retry::Backoff && error.to_string().contains("api_url"), "{error}");
}
