//! Laws of the codec.

use proptest::prelude::*;
use serde_json::{Value, json};
use zhishou_adapters::qq::onebot::codec::{
    Dialect, Heard, Role, Segment, Viewpoint, clean, compose_id, conversation_of, decode_event, message_from_json,
    message_id_of, parse_cq, pieces, print_cq, render,
};
use zhishou_adapters::qq::onebot::session::Session;
use zhishou_adapters::qq::onebot::{InspectKeys, inspect};

fn segment() -> impl Strategy<Value = Segment> {
    let text = any::<String>().prop_filter("an empty text is none", |text| !text.is_empty());
    let word = "[a-z_]{1,8}".prop_filter("text is the other branch", |word| word != "text");
    let code = (word, prop::collection::btree_map("[a-z_]{1,6}", any::<String>(), 0..4));
    prop_oneof![
        text.prop_map(|text| Segment::text(&text)),
        code.prop_map(|(kind, data)| {
            let pairs: Vec<(&str, &str)> = data.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            Segment::new(&kind, &pairs)
        }),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "(message|notice|meta_event|group|private|text|at|reply|image|forward|node|json|all|10001)"
            .prop_map(Value::from),
    ];
    let key = "(post_type|message_type|notice_type|sub_type|message|self_id|user_id|group_id|message_id|type|data|\
               content|text|qq|id|file|sender|time|duration|status|echo|body|headers)";
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..8).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_as_cq_reads_the_same(segments in prop::collection::vec(segment(), 0..6)) {
        // Neighbouring texts are one text.
        let merged = message_from_json(&segments.iter().map(Segment::to_json).collect::<Value>());
        prop_assert_eq!(parse_cq(&print_cq(&merged)), merged);
    }

    #[test]
    fn no_string_upsets_the_cq_reader(source in r"(\[CQ:|[\[\],=&;]|&#9[13];|&amp;|[a-z工单 ]){0,40}") {
        let read = parse_cq(&source);
        prop_assert_eq!(parse_cq(&print_cq(&read)), read);
    }

    #[test]
    fn text_never_becomes_a_code(text in any::<String>()) {
        let read = parse_cq(&print_cq(&[Segment::text(&format!("[CQ:at,qq=all]{text}"))]));
        prop_assert!(read.iter().all(|segment| segment.kind == "text"));
    }

    #[test]
    fn no_event_upsets_the_reader(mut event in json_value(), post_type in "(message|notice|meta_event|request)") {
        if let Some(event) = event.as_object_mut() {
            event.insert("post_type".to_owned(), post_type.into());
            for key in ["self_id", "user_id", "message_id", "group_id"] {
                event.entry(key).or_insert(json!(7));
            }
        }
        if let Ok(Heard::Message(message) | Heard::Own(message)) = decode_event(&event) {
            render(&message, &Viewpoint::default());
        }
        inspect(&event, InspectKeys::default());
    }

    #[test]
    fn no_frame_upsets_the_session(frames in prop::collection::vec(json_value(), 1..8)) {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let mut session = Session::new(None);
        session.attach(1, Role::Universal, None, now);
        for frame in frames {
            session.call("get_status", &Value::Null, None);
            if let Ok(heard) = decode_event(&frame) {
                session.observe(&heard, now);
            }
            session.frame(1, frame, now);
        }
    }

    #[test]
    fn an_id_can_be_taken_apart_again(account in "[0-9]{5,11}", group in "[0-9]{5,11}", message in "-?[0-9a-z:]{1,12}") {
        for conversation in [format!("group:{group}"), format!("user:{group}")] {
            let id = compose_id(&account, &conversation, &message);
            prop_assert_eq!(message_id_of(&id), &message);
            prop_assert_eq!(conversation_of(&id), Some(conversation));
        }
    }

    #[test]
    fn no_piece_is_too_long_and_no_line_is_lost(lines in prop::collection::vec("[a-z工单。 ]{1,400}", 1..40)) {
        let text = lines.join("\n");
        let cut = pieces(&text);
        let mut joined = String::new();
        for piece in &cut {
            prop_assert!(piece.chars().count() <= 1500);
            joined.push_str(if cut.len() == 1 { piece } else { piece.split_once('\n').unwrap().1 });
        }
        let squeeze = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(squeeze(&joined), squeeze(&text));
    }

    #[test]
    fn cleaning_twice_is_cleaning_once(text in any::<String>()) {
        let once = clean(&text);
        prop_assert!(!once.contains('\0') && !once.contains('\r'));
        prop_assert_eq!(clean(&once), once);
    }
}

/// A group message with these segments, read knowing who wrote what it quotes.
fn read(segments: &Value, quoted_author: Option<&str>) -> zhishou_adapters::qq::onebot::codec::Rendered {
    let event = json!({
        "post_type": "message", "message_type": "group", "self_id": 10001, "user_id": 20002, "group_id": 30003,
        "message_id": 5, "message": segments,
    });
    let Ok(Heard::Message(message)) = decode_event(&event) else { panic!("a message") };
    let names = [("40004".to_owned(), "李工".to_owned())].into();
    render(&message, &Viewpoint { quoted_author: quoted_author.map(str::to_owned), names })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "data": { "text": text } })
}

fn at(account: &str) -> Value {
    json!({ "type": "at", "data": { "qq": account } })
}

fn reply() -> Value {
    json!({ "type": "reply", "data": { "id": "-9" } })
}

#[test]
fn mentions_and_quotations_become_what_the_desk_understands() {
    let named = json!({ "type": "at", "data": { "qq": "50005", "name": "@张工" } });
    for (why, segments, author, expected, mentions, addressed) in [
        ("we are called", json!([at("10001"), text(" 帮助")]), None, "帮助", vec![], true),
        ("another, name known", json!([text("转派 3"), at("40004")]), None, "转派 3 @李工", vec!["40004"], false),
        (
            "another, name told",
            json!([text("转派 3 "), named, text("吧")]),
            None,
            "转派 3 @张工 吧",
            vec!["50005"],
            false,
        ),
        ("another, name unknown", json!([at("6"), text("看")]), None, "@6 看", vec!["6"], false),
        ("our message quoted", json!([reply(), text("好了")]), Some("10001"), "好了", vec![], true),
        (
            "our message quoted with the client's mention",
            json!([reply(), at("10001"), text(" 好")]),
            Some("10001"),
            "好",
            vec![],
            true,
        ),
        (
            "another's message quoted",
            json!([reply(), at("40004"), text(" 接单")]),
            Some("40004"),
            "接单",
            vec![],
            false,
        ),
        (
            "quoted one, mentioned another",
            json!([reply(), at("6"), text(" 看")]),
            Some("40004"),
            "@6 看",
            vec!["6"],
            false,
        ),
        ("author unknown", json!([reply(), at("6"), text(" 看")]), None, "看", vec!["6"], false),
        ("everybody", json!([at("all"), text(" 停机通知")]), None, "停机通知", vec![], false),
        ("control characters", json!([text("a\u{0}b\u{7}\r\nc\u{202e}d")]), None, "ab\ncd", vec![], false),
        ("only a face", json!([{ "type": "face", "data": { "id": "1" } }]), None, "[表情]", vec![], false),
        (
            "only something new",
            json!([{ "type": "miniapp", "data": null }]),
            None,
            "[不支持的消息: miniapp]",
            vec![],
            false,
        ),
    ] {
        let read = read(&segments, author);
        assert_eq!((read.text.as_str(), read.addressed), (expected, addressed), "{why}");
        assert_eq!(read.mentions, mentions, "{why}");
        let quotes = segments[0]["type"] == "reply";
        assert_eq!(read.quotes.as_deref(), quotes.then_some("10001:group:30003:-9"), "{why}");
    }
}

#[test]
fn cards_and_forwards_are_read_as_text() {
    let card = json!({ "prompt": "[QQ小程序]报修", "meta": { "detail": { "title": "报修", "desc": "三楼", "url": "https://x/" } } });
    let forward = json!([
        { "sender": { "nickname": "王科长" }, "message": [text("系统打不开")] },
        { "type": "node", "data": { "nickname": "小李", "content": "[CQ:face,id=1]我也是" } },
    ]);
    for (segments, expected) in [
        (
            json!([{ "type": "json", "data": { "data": card.to_string() } }]),
            "[卡片] [QQ小程序]报修 报修 三楼 https://x/",
        ),
        (json!([{ "type": "json", "data": { "data": "{" } }]), "[卡片]"),
        (json!([{ "type": "share", "data": { "title": "通知", "url": "https://y/" } }]), "[链接] 通知 https://y/"),
        (json!([{ "type": "xml", "data": { "data": "<msg brief=\"[分享]\"/>" } }]), "[卡片] [分享]"),
        (
            json!([{ "type": "forward", "data": { "id": "f", "content": forward } }]),
            "[合并转发]\n王科长：系统打不开\n小李：我也是",
        ),
    ] {
        assert_eq!(read(&segments, None).text, expected);
    }
}

#[test]
fn dialects_are_known_by_part_of_their_name() {
    for (name, dialect) in [
        ("NapCat.Onebot", Dialect::NapCat),
        ("go-cqhttp", Dialect::GoCqHttp),
        ("Lagrange.OneBot", Dialect::Lagrange),
        ("LLOneBot", Dialect::LlOneBot),
        ("llonebot", Dialect::LlOneBot),
        ("SomethingNew", Dialect::Unknown),
        ("", Dialect::Unknown),
    ] {
        assert_eq!(Dialect::detect(name), dialect, "{name}");
    }
}
