//! One channel of several surfaces: which one says what, and what a configuration can and cannot do.

use std::time::Duration;

use secrecy::SecretString;
use zhishou_adapters::wecom::app::{AppCallback, AppConfig};
use zhishou_adapters::wecom::choose::{Surfaces, Way, rings_after, ways};
use zhishou_adapters::wecom::robot::RobotConfig;
use zhishou_adapters::wecom::{Advice, BotMode, WeCom, WeComConfig, explain};
use zhishou_adapters::{Channel as _, ChannelError, Outgoing, SendError};
use zhishou_fakes::wecom::{By, FakeWeCom, Fault};

use super::cards::action;
use super::support::{MemoryShelf, Served, as_shelf, callback_bot, now_of, only, platform, serve, socket_bot};
use crate::support::{HandClock, outgoing, within};

const GROUP: &str = "group:wrGROUP0001";
const USER: &str = "user:ZhangGong";
const KEY: &str = "693a91f6-0000-4bc4-97a0-0ec2f0000001";

fn robot(wecom: &FakeWeCom) -> RobotConfig {
    wecom.robot(KEY, "wrGROUP0001");
    RobotConfig::new(&wecom.robot_url(KEY), GROUP).unwrap()
}

fn app(wecom: &FakeWeCom, hears: bool) -> AppConfig {
    let setup = wecom.setup();
    let own = setup.app();
    let callback = hears.then(|| AppCallback {
        token: SecretString::from(own.token.clone()),
        encoding_aes_key: SecretString::from(own.encoding_aes_key.clone()),
        path: AppCallback::DEFAULT_PATH.to_owned(),
    });
    let secret = SecretString::from(own.secret.clone());
    AppConfig { callback, api_base: wecom.api_base(), ..AppConfig::new(&setup.corp_id, own.agent_id, secret) }
}

async fn all(wecom: &FakeWeCom, clock: &HandClock) -> Served {
    wecom.group("wrGROUP0001", &[("ZhangGong", "张工"), ("WangKeZhang", "王科长")]);
    wecom.has_been_spoken_to(GROUP);
    let config = WeComConfig { app: Some(app(wecom, true)), robots: vec![robot(wecom)], ..only(socket_bot(wecom)) };
    let served = serve(config, MemoryShelf::new(clock.clone()), clock).await;
    wecom.save_app_callback(&format!("{}{}", served.base, AppCallback::DEFAULT_PATH)).await.unwrap();
    within(served.channel.connected()).await;
    served
}

fn ringing(key: &str, text: &str) -> Outgoing {
    Outgoing { mentions: vec!["ZhangGong".to_owned()], ..outgoing(key, GROUP, text) }
}

#[test]
fn each_message_has_its_ways_in_order() {
    let none = Surfaces::default();
    let socket = Surfaces { bot: true, bot_speaks_first: true, ..none };
    let callback = Surfaces { bot: true, ..none };
    let robot = Surfaces { robot: true, ..none };
    let both = Surfaces { robot: true, ..socket };
    let deaf = Surfaces { app: true, ..socket };
    let heard = Surfaces { app_hears: true, ..deaf };
    for (why, conversation, rings, card, there, expected) in [
        ("nothing there", GROUP, false, false, none, &[][..]),
        ("the bot answers where it hears", GROUP, false, false, both, &[Way::Bot, Way::Robot]),
        ("only the robot rings for certain", GROUP, true, false, both, &[Way::Robot, Way::Bot]),
        ("buttons come first, the robot rings after", GROUP, true, true, both, &[Way::Bot, Way::Robot]),
        (
            "no buttons in a group by callback",
            GROUP,
            true,
            true,
            Surfaces { robot: true, ..callback },
            &[Way::Robot, Way::Bot],
        ),
        (
            "an answer by its address, then the robot",
            GROUP,
            false,
            true,
            Surfaces { robot: true, ..callback },
            &[Way::Bot, Way::Robot],
        ),
        ("a group nobody hears", GROUP, false, false, robot, &[Way::Robot]),
        ("a person by the application", USER, false, true, heard, &[Way::App, Way::Bot]),
        ("buttons that nobody would hear", USER, false, true, deaf, &[Way::Bot, Way::App]),
        ("text needs no hearing", USER, false, false, deaf, &[Way::App, Way::Bot]),
        ("a person by the bot alone", USER, true, true, socket, &[Way::Bot]),
    ] {
        assert_eq!(ways(conversation, rings, card, there), expected, "{why}");
    }
    assert!(rings_after(Way::Bot, true, both));
    assert!(!rings_after(Way::Robot, true, both) && !rings_after(Way::Bot, false, both));
    assert!(!rings_after(Way::Bot, true, socket) && !rings_after(Way::Bot, true, Surfaces { robot: true, ..callback }));
}

#[tokio::test]
async fn the_bot_speaks_in_groups_and_the_robot_rings() {
    let (wecom, clock) = platform().await;
    let served = all(&wecom, &clock).await;
    served.send(&outgoing("k1", GROUP, "一条进展")).await.unwrap();
    assert_eq!(wecom.shows(GROUP, "一条进展").await.by, By::Bot);
    served.send(&ringing("k2", "还有 10 分钟到时限")).await.unwrap();
    let rung = wecom.shows(GROUP, "10 分钟").await;
    assert_eq!((rung.by, rung.mentions), (By::Robot(KEY.to_owned()), vec!["ZhangGong".to_owned()]));
    let card =
        Outgoing {
            title: "新工单 #12".to_owned(), actions: vec![action("claim", "认领")], ..ringing("k3", "打不开")
        };
    let task = served.send(&card).await.unwrap().expect("a card");
    assert!(wecom.card(&task).is_some());
    let bell = wecom.until_shown(GROUP, "the bell", |shown| shown.by != By::Bot && shown.text.contains("#12")).await;
    assert_eq!(bell.mentions, ["ZhangGong"]);
    assert_eq!(wecom.shown(GROUP).len(), 4);
}

#[tokio::test]
async fn a_closed_way_leads_to_the_next_but_a_perhaps_does_not() {
    let (wecom, clock) = platform().await;
    let served = all(&wecom, &clock).await;
    for code in [93_006, 45_009] {
        wecom.refuse_next("aibot_send_msg", code, 1);
        served.send(&outgoing("k", GROUP, &format!("经由别处 {code}"))).await.unwrap();
        assert_eq!(wecom.shows(GROUP, &format!("{code}")).await.by, By::Robot(KEY.to_owned()));
    }
    clock.forward(Duration::from_secs(66));
    wecom.misbehave("aibot_send_msg", &[Fault::TakeAndCut]);
    let before = wecom.shown(GROUP).len();
    assert!(matches!(served.send(&outgoing("k3", GROUP, "也许")).await, Err(SendError::Perhaps)));
    assert_eq!(wecom.shown(GROUP).len(), before + 1, "said once, by whomever");
}

#[tokio::test]
async fn of_several_reasons_the_passing_one_counts() {
    let (wecom, clock) = platform().await;
    let served = all(&wecom, &clock).await;
    wecom.refuse_next("aibot_send_msg", 45_009, 1);
    wecom.robot_out(KEY, 93_000);
    let failed = served.send(&outgoing("k", GROUP, "一条")).await;
    assert!(matches!(failed, Err(SendError::Throttled { .. })), "{failed:?}");
}

#[tokio::test]
async fn people_are_told_by_the_application_and_by_the_bot_where_there_is_none() {
    let (wecom, clock) = platform().await;
    let served = all(&wecom, &clock).await;
    let card = Outgoing { actions: vec![action("claim", "认领")], ..outgoing("k1", USER, "新工单 #12") };
    let task = served.send(&card).await.unwrap().expect("a card");
    let shown = wecom.until_shown(USER, "the card", |shown| shown.card.is_some()).await;
    assert!(matches!(shown.by, By::App(_)));
    wecom.press(&task, "claim", "ZhangGong").await.unwrap();
    let press = served.desk.next_message().await.press.unwrap();
    assert_eq!((press.on.as_str(), press.action.as_str()), (task.as_str(), "claim"));
    served.send(&Outgoing { updates: Some(task.clone()), ..outgoing("k2", USER, "张工已认领") }).await.unwrap();
    within(wecom.was_called("message/update_template_card", 1)).await;
    assert!(wecom.card_for(&task, "ZhangGong").unwrap().to_string().contains("张工已认领"));

    let alone = serve(only(socket_bot(&wecom)), served.shelf.another(), &clock).await;
    served.stop().await;
    within(alone.channel.connected()).await;
    wecom.say_single("ZhangGong", "在", None).await;
    alone.desk.next_message().await;
    alone.send(&outgoing("k3", USER, "由机器人")).await.unwrap();
    assert_eq!(wecom.shows(USER, "由机器人").await.by, By::Bot);
}

#[tokio::test]
async fn the_application_knows_the_names_that_the_bot_is_not_told() {
    let (wecom, clock) = platform().await;
    let served = all(&wecom, &clock).await;
    for open_ids in [false, true] {
        wecom.bot_sees_open_userids(open_ids);
        wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
        assert_eq!(served.desk.next_message().await.sender_name, "王科长");
    }
    wecom.hide("LiGong");
    wecom.bot_sees_open_userids(false);
    wecom.say_in_group("wrGROUP0001", "LiGong", "报修", None).await;
    assert_eq!(served.desk.next_message().await.sender_name, "");
}

#[tokio::test]
async fn by_callback_the_robot_says_what_the_bot_no_longer_may() {
    let (wecom, clock) = platform().await;
    wecom.group("wrGROUP0001", &[("WangKeZhang", "王科长")]);
    let config = WeComConfig { robots: vec![robot(&wecom)], ..only(callback_bot(&wecom)) };
    let served = serve(config, MemoryShelf::new(clock.clone()), &clock).await;
    wecom.save_bot_callback(&format!("{}{}", served.base, BotMode::DEFAULT_PATH)).await.unwrap();
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    served.desk.next_message().await;
    let answer = Outgoing { reply_to: Some(given.id), ..outgoing("k1", GROUP, "已受理") };
    served.send(&answer).await.unwrap();
    assert_eq!(wecom.shows(GROUP, "已受理").await.by, By::Bot);
    clock.forward(Duration::from_hours(3));
    served.send(&outgoing("k2", GROUP, "已解决")).await.unwrap();
    assert_eq!(wecom.shows(GROUP, "已解决").await.by, By::Robot(KEY.to_owned()));
}

#[tokio::test]
async fn a_conversation_that_nothing_reaches_is_refused_with_what_to_add() {
    let (wecom, clock) = platform().await;
    let config = WeComConfig { id: "wecom".to_owned(), bot: None, app: None, robots: vec![robot(&wecom)] };
    let served = serve(config, MemoryShelf::new(clock.clone()), &clock).await;
    let SendError::Refused { text, .. } = served.send(&outgoing("k", "group:wrOTHER", "x")).await.unwrap_err() else {
        panic!("not refused")
    };
    assert!(text.contains("请添加"), "{text}");
}

#[tokio::test]
async fn health_has_a_line_for_each_surface_and_the_ill_ones_come_first() {
    let (wecom, clock) = platform().await;
    let served = all(&wecom, &clock).await;
    served.send(&ringing("k1", "一条")).await.unwrap();
    let well = served.channel.health().unwrap();
    assert_eq!(well.lines().count(), 3, "{well}");
    assert!(well.lines().next().unwrap().contains("长连接"), "{well}");
    wecom.kick();
    within(wecom.has_no_connection()).await;
    let ill = within(async {
        loop {
            if let Err(ill) = served.channel.health() {
                break ill;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(ill.lines().count() == 3 && ill.starts_with("智能机器人"), "{ill}");
}

#[tokio::test]
async fn capabilities_are_those_of_the_configuration() {
    let (wecom, clock) = platform().await;
    for (why, config, buttons, mentions, speaks_first) in [
        ("socket", only(socket_bot(&wecom)), true, false, true),
        ("callback", only(callback_bot(&wecom)), true, false, false),
        (
            "robot",
            WeComConfig { bot: None, robots: vec![robot(&wecom)], ..only(socket_bot(&wecom)) },
            false,
            true,
            true,
        ),
        (
            "deaf application",
            WeComConfig { bot: None, app: Some(app(&wecom, false)), ..only(socket_bot(&wecom)) },
            false,
            false,
            true,
        ),
        (
            "application",
            WeComConfig { bot: None, app: Some(app(&wecom, true)), ..only(socket_bot(&wecom)) },
            true,
            false,
            true,
        ),
    ] {
        let channel = WeCom::new(config, &as_shelf(&MemoryShelf::new(clock.clone())), &now_of(&clock)).unwrap();
        let can = channel.capabilities();
        assert_eq!((can.buttons, can.mentions, can.speaks_first), (buttons, mentions, speaks_first), "{why}");
        assert!(can.max_chars * 3 <= 2048 && !can.can_look_back, "{why}");
        assert_eq!(can.edits, buttons, "{why}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_named() {
    let (wecom, clock) = platform().await;
    let mut config = callback_bot(&wecom);
    if let BotMode::Callback { encoding_aes_key, .. } = &mut config.mode {
        *encoding_aes_key = SecretString::from("tooshort");
    }
    let made = WeCom::new(only(config), &as_shelf(&MemoryShelf::new(clock.clone())), &now_of(&clock));
    let Err(ChannelError::Misconfigured(why)) = made.map(|_| ()) else { panic!("it was taken") };
    assert!(why.contains("智能机器人") && why.contains("43"), "{why}");
    assert!(!why.contains("tooshort"), "{why}");
}

#[tokio::test]
async fn paths_that_cannot_be_served_are_named_before_anything_is() {
    let (wecom, clock) = platform().await;
    for (path, expected) in [("/wecom/app", "相同"), ("wecom/bot", "以 / 开头"), ("/wecom/{bot}", "特殊字符")]
    {
        let mut bot = callback_bot(&wecom);
        if let BotMode::Callback { path: place, .. } = &mut bot.mode {
            *place = path.to_owned();
        }
        let config = WeComConfig { app: Some(app(&wecom, true)), ..only(bot) };
        let made = WeCom::new(config, &as_shelf(&MemoryShelf::new(clock.clone())), &now_of(&clock));
        let Err(ChannelError::Misconfigured(why)) = made.map(|_| ()) else { panic!("{path} was taken") };
        assert!(why.contains(expected), "{why}");
    }
}

fn told<'a>(advice: &'a [Advice], about: &str) -> &'a Advice {
    advice.iter().find(|advice| advice.about == about).unwrap_or_else(|| panic!("nothing on {about}: {advice:?}"))
}

#[tokio::test]
async fn a_configuration_is_told_what_it_can_and_cannot_do() {
    let (wecom, _) = platform().await;
    let nothing = WeComConfig { id: "wecom".to_owned(), bot: None, app: None, robots: Vec::new() };
    let advice = explain(&nothing);
    assert_eq!((advice.len(), advice[0].ok), (1, false));

    let advice = explain(&only(socket_bot(&wecom)));
    assert!(advice.iter().all(|advice| advice.ok), "{advice:?}");
    assert!(told(&advice, "智能机器人").text.contains("先 @ 它一次"));

    let advice = explain(&only(callback_bot(&wecom)));
    let group = told(&advice, "所有群");
    assert!(!group.ok && group.text.contains("只能听、不能主动说") && group.text.contains("长连接"), "{group:?}");
    assert!(!told(&advice, "单聊").ok);

    let with_robot = WeComConfig { robots: vec![robot(&wecom)], ..only(callback_bot(&wecom)) };
    let advice = explain(&with_robot);
    assert!(told(&advice, GROUP).ok);
    assert!(!told(&advice, "没有配置消息推送机器人的群").ok);

    let only_robot = WeComConfig { bot: None, robots: vec![robot(&wecom), robot(&wecom)], ..with_robot };
    let advice = explain(&only_robot);
    assert!(told(&advice, GROUP).text.contains("只能说、不能听"));
    assert!(advice.iter().any(|advice| advice.text.contains("不止一个")), "{advice:?}");

    let only_app = WeComConfig { app: Some(app(&wecom, true)), ..nothing };
    let advice = explain(&only_app);
    assert!(!told(&advice, "智能机器人").ok && told(&advice, "自建应用").ok);

    let mut wrong = socket_bot(&wecom);
    if let BotMode::Socket { bot_id, .. } = &mut wrong.mode {
        *bot_id = "1000012".to_owned();
    }
    assert!(explain(&only(wrong)).iter().any(|advice| !advice.ok && advice.text.contains("aib")));
}

#[tokio::test]
async fn settings_in_a_log_hold_no_secret() {
    let (wecom, _) = platform().await;
    let config = WeComConfig { app: Some(app(&wecom, true)), robots: vec![robot(&wecom)], ..only(socket_bot(&wecom)) };
    let written = format!("{config:?} {:?}", callback_bot(&wecom));
    let setup = wecom.setup();
    for secret in
        [&setup.bot.secret, &setup.bot.token, &setup.bot.encoding_aes_key, &setup.app().secret, &KEY.to_owned()]
    {
        assert!(!written.contains(secret.as_str()), "{secret} stands in {written}");
    }
}
