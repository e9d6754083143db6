//! Callbacks that are not WeCom's, or not now: refused with the right status, counted, and nothing else.

use serde_json::json;
use zhishou_adapters::wecom::BotMode;
use zhishou_adapters::wecom::app::AppCallback;
use zhishou_fakes::wecom::Sealed;

use super::people::{AGENCY, WANG};
use super::support::{Surfaces, World};

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client needs no more than a TLS provider")
}

/// The count of an event on the page of metrics.
async fn counted(world: &World, event: &str) -> u64 {
    let url = format!("http://{}/metrics", world.up[0].address);
    let page = client().get(url).send().await.expect("it answers").text().await.expect("text");
    let name = format!("zhishou_channel_events_total{{channel=\"wecom\",event=\"{event}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_else(|| panic!("no {event}: {page}"));
    line.parse().expect("a number")
}

async fn posted(world: &World, path: &str, query: &str, body: impl Into<reqwest::Body>) -> u16 {
    let url = format!("http://{}{path}?{query}", world.up[0].address);
    client().post(url).body(body).send().await.expect("it answers").status().as_u16()
}

/// A genuine callback that nobody has posted yet.
fn sealed(world: &World, surfaces: Surfaces, id: &str) -> Sealed {
    if surfaces == Surfaces::App {
        let setup = world.wecom.setup();
        return world.wecom.seal_for_app(&format!(
            "<xml><ToUserName>{}</ToUserName><FromUserName>{WANG}</FromUserName><CreateTime>1</CreateTime>\
             <MsgType>text</MsgType><Content>登记系统打不开了</Content><MsgId>{id}</MsgId><AgentID>{}</AgentID></xml>",
            setup.corp_id,
            setup.app().agent_id
        ));
    }
    world.wecom.seal_for_bot(&json!({
        "msgid": id, "aibotid": "aibDESK01", "chatid": AGENCY, "chattype": "group", "from": { "userid": WANG },
        "msgtype": "text", "text": { "content": "@值守 登记系统打不开了" },
    }))
}

async fn strangers_are_refused(surfaces: Surfaces, path: &str) {
    let world = World::new(surfaces).await;
    let old = sealed(&world, surfaces, "6908741230013001");
    world.forward(3 * 3600);
    let good = sealed(&world, surfaces, "6908741230013002");
    let forged = format!("msg_signature={}&{}", "0".repeat(40), good.query.split_once('&').expect("several").1);
    let other_time = good.query.replace("timestamp=17", "timestamp=18");
    let (middle, swap) = (good.body.len() / 2, |c: &str| if c == "A" { "B" } else { "A" });
    let cut = format!("{}{}{}", &good.body[..middle], swap(&good.body[middle..=middle]), &good.body[middle + 1..]);
    let huge = "x".repeat((1 << 20) + 1);
    for (why, query, body, status, event) in [
        ("a signature of nobody", forged.as_str(), good.body.as_str(), 403, "callback_forged"),
        ("a time that was not signed", other_time.as_str(), good.body.as_str(), 403, "callback_forged"),
        ("a text that was changed on the way", good.query.as_str(), cut.as_str(), 403, "callback_forged"),
        ("an old one", old.query.as_str(), old.body.as_str(), 403, "callback_stale"),
        ("no query", "", good.body.as_str(), 400, "callback_malformed"),
        ("no envelope", good.query.as_str(), "hello", 400, "callback_malformed"),
        ("nothing at all", good.query.as_str(), "", 400, "callback_malformed"),
        ("more than anybody sends", good.query.as_str(), huge.as_str(), 413, "callback_malformed"),
    ] {
        let before = counted(&world, event).await;
        assert_eq!(posted(&world, path, query, body.to_owned()).await, status, "{why}");
        assert_eq!(counted(&world, event).await, before + 1, "{why}");
    }
    let stored = world.store.inbox_account("", 10).await.expect("messages can be read");
    assert_eq!(stored.len(), 0, "nothing is stored");
    let accepted = counted(&world, "callback_accepted").await;
    assert_eq!(posted(&world, path, &good.query, good.body.clone()).await, 200);
    world.settled(1).await;
    assert_eq!(counted(&world, "callback_accepted").await, accepted + 1);
    assert_eq!(posted(&world, path, &good.query, good.body).await, 403, "a known nonce");
    assert_eq!(counted(&world, "callback_repeated").await, 1);
    world.ends(1).await;
}

#[tokio::test]
async fn strangers_at_the_bots_address_are_refused_and_counted() {
    strangers_are_refused(Surfaces::Callback, BotMode::DEFAULT_PATH).await;
}

#[tokio::test]
async fn strangers_at_the_applications_address_are_refused_and_counted() {
    strangers_are_refused(Surfaces::App, AppCallback::DEFAULT_PATH).await;
}
