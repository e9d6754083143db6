//! What is said to the application over HTTP: stored, then answered; everything else refused.

use zhishou_adapters::wecom::app::UploadKind;
use zhishou_fakes::wecom::Given;

use super::office::office;
use crate::support::within;

#[tokio::test]
async fn what_is_said_to_it_is_stored_before_it_is_answered() {
    let it = office().await;
    it.desk.fail(1);
    let Given { id, statuses, .. } = it.wecom.say_to_app("ZhangGong", "认领 3 <b>&amp;").await;
    assert_eq!(statuses, [503, 200], "the same bytes again, and now they are welcome");
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.sender_name.as_str()), ("认领 3 <b>&amp;", "张工"));
    assert_eq!((heard.external_id, heard.addressed), (format!("msg:{id}"), true));
    let replayed = it.wecom.replay(&id).await;
    assert!(replayed.statuses.iter().all(|status| *status == 403), "{replayed:?}");
    assert_eq!(it.desk.messages().len(), 1);
    let counts = it.app.counts().unwrap();
    assert_eq!((counts.accepted, counts.unavailable, counts.repeated > 0), (1, 1, true));
}

#[tokio::test]
async fn a_picture_is_fetched_while_it_lives_and_a_lost_one_loses_no_message() {
    let it = office().await;
    let png = b"\x89PNG\r\n\x1a\n0123456789abcdef";
    let media = it.app.upload(UploadKind::Image, "shot.png", png).await.unwrap();
    let image = |id: &str, media: &str| {
        format!(
            "<xml><ToUserName><![CDATA[wwc0ffee0000000001]]></ToUserName><FromUserName><![CDATA[ZhangGong]]></FromUserName>\
             <CreateTime>1772413200</CreateTime><MsgType><![CDATA[image]]></MsgType><MediaId><![CDATA[{media}]]></MediaId>\
             <MsgId>{id}</MsgId><AgentID>1000012</AgentID></xml>"
        )
    };
    assert_eq!(it.post(&image("1", &media)).await, 200);
    let heard = it.desk.next_message().await;
    let attachment = &heard.attachments[0];
    assert_eq!((attachment.kind.as_str(), attachment.stored.as_deref()), ("image/png", Some("hash-1")));
    assert_eq!(it.desk.kept(), [png.to_vec()]);
    assert_eq!(it.post(&image("2", "gone")).await, 200);
    let heard = it.desk.next_message().await;
    assert!(heard.attachments[0].stored.is_none() && heard.attachments[0].problem.is_some(), "{heard:?}");
    let unknown = image("3", "x").replace("[image]", "[some_future_type]");
    assert_eq!(it.post(&unknown).await, 200);
    assert!(it.desk.next_message().await.attachments[0].problem.as_deref().unwrap().contains("改发文字"));
    let foreign = image("4", "x").replace("1000012", "1000099");
    assert_eq!(it.post(&foreign).await, 200);
    assert_eq!(it.desk.messages().len(), 3, "another application's message is nobody's");
    assert_eq!(it.post("<xml><broken>").await, 400);
}

#[tokio::test]
async fn a_warning_that_the_application_will_be_stopped_is_shown() {
    let it = office().await;
    it.wecom.app_event("sys", "inactive_alert", "").await;
    assert!(it.app.health().unwrap_err().contains("不活跃"));
    it.wecom.app_event("sys", "reopen_inactive_agent", "").await;
    it.app.health().unwrap();
    it.wecom.app_event("ZhangGong", "enter_agent", "").await;
    assert_eq!(it.desk.messages(), []);
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_refused_and_counted() {
    let it = office().await;
    let client = reqwest::Client::new();
    let query = it.wecom.seal_for_app("<xml/>").query;
    let body = vec![b'x'; 1024 * 1024 + 1];
    let response = within(client.post(format!("{}?{query}", it.url)).body(body).send()).await.unwrap();
    assert_eq!(response.status().as_u16(), 413);
    assert_eq!(it.app.counts().unwrap().malformed, 1);
}
