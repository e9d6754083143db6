//! What is no command: requests, questions, follow-ups and talk, told apart by words and context.

use crate::world::{agree, asked_to_confirm, engineer, entries, faq, lexicon, requester, waiting, working};
use zhishou_intents::{Band, Context, FaqIndex, FollowUp, Intent, Place, Speaker, route};

fn read(text: &str, context: &Context<'_>) -> Intent {
    route(text, context, &lexicon(), Some(&faq())).intent
}

#[test]
fn work_is_seen_however_it_is_said() {
    let mut wrong: Vec<String> = Vec::new();
    for text in [
        "又转不过去了 麻烦看下",
        "登记系统打不开了",
        "抵押进银行点提交就报错",
        "电子证照下载不下来",
        "3楼的打印机坏了",
        "大厅叫号机黑屏了",
        "工改系统里材料传不上去",
        "交换平台订阅审批一直转圈",
        "公文传输收不到文",
        "低保审核的时候提示超时",
        "权利人姓名录错了，麻烦后台改一下",
        "帮忙给新来的小王开个账号",
        "登簿失败，日志上报没成功",
        "会议通知发不出去",
        "云盘里的文件不见了",
        "群众排队呢，系统卡死了",
        "受理号202403150012 转错件了 帮忙退回来",
        "电脑开不了机",
        "婚姻登记查不到历史数据",
        "OFD打开是乱码",
        "住房系统那边数据推不过来",
        "图审材料上传失败",
        "建议列表加一列办结时间",
        "全市所有单位都登不上OA",
        "网站被黑了，首页变了",
        "目录审核提交以后一直在审核中 过不去",
        "竣工验收的材料传了三遍都显示处理中",
        "低保名单导出来少了好多人",
        "日程提醒不弹了",
        "帮忙把3月份的办件量拉出来",
        "张三的用户被禁用了",
        "这个件退不回去",
        "合同备案环节没有人可选",
        "首页公告发错了 麻烦撤一下",
        "您好，我是住建局的小刘，我们这边审批系统提交不了",
        "省厅那边说我们数据没上报",
        "在吗，登记系统打不开",
    ] {
        agree(&mut wrong, &format!("{:?}", read(text, &requester())), "Request", text);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn another_thing_is_another_request() {
    for text in ["另外电子证照也下载不了", "还有个问题，扫描仪扫不出来", "还有我隔壁那台打印机也连不上"]
    {
        assert_eq!(read(text, &waiting()), Intent::Request, "{text}");
    }
}

#[test]
fn questions_are_questions() {
    for text in [
        "怎么重置密码",
        "OFD阅读器怎么装",
        "目录怎么发布",
        "施工许可证怎么变更建设单位",
        "低保退回来了怎么再提交",
        "密码忘了咋办",
    ] {
        let routing = route(text, &requester(), &lexicon(), Some(&faq()));
        assert_eq!(routing.intent, Intent::Question, "{text}");
        assert_ne!(routing.faq_band, Band::None, "{text}");
    }
    let routing = route("怎么重置密码", &requester(), &lexicon(), Some(&faq()));
    assert_eq!((routing.faq_band, routing.faq[0].id.as_str(), routing.speak), (Band::Answer, "f1", true));
}

#[test]
fn what_the_base_does_not_know_is_not_answered() {
    let mut wrong: Vec<String> = Vec::new();
    for size in [1, 2, 3, 5] {
        let index = FaqIndex::build(&entries()[..size]);
        for text in [
            "食堂今天吃什么",
            "公积金怎么提取",
            "社保卡丢了怎么补",
            "怎么申请年休假",
            "停车位怎么办理",
            "打印机怎么加墨",
            "公章怎么申请",
            "房产税怎么申报",
            "电脑太慢怎么办",
            "许可证在哪里",
            "系统什么时候升级",
            "目录在哪里",
            "密码",
            "怎么安装打印机",
            "系统怎么用",
            "退回",
            "如何提交",
            "怎么变更手机号",
        ] {
            let hits = index.search(text, 3, &|_| true);
            if index.band(text, &hits) == Band::Answer {
                wrong.push(format!("{text} with {size}: {}", index.explain(text, &hits)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_entry_is_found_by_its_own_words() {
    let index = faq();
    for entry in entries() {
        for wording in std::iter::once(&entry.question).chain(&entry.similar) {
            let hits = index.search(wording, 3, &|_| true);
            assert_eq!(
                (hits[0].id.as_str(), index.band(wording, &hits)),
                (entry.id.as_str(), Band::Answer),
                "{wording}"
            );
        }
    }
}

#[test]
fn an_edit_of_the_base_is_live_at_once() {
    let mut index = faq();
    let mut entry = entries().remove(0);
    entry.question = "如何打印无房证明".into();
    entry.similar.clear();
    index.insert(entry);
    assert_eq!(index.len(), 5);
    assert_eq!(index.search("无房证明怎么打", 1, &|_| true)[0].id, "f1");
    assert!(index.remove("f1"));
    assert!(!index.remove("f1"));
    assert!(index.search("无房证明", 3, &|_| true).iter().all(|hit| hit.id != "f1"));
    let only = |place: usize| index.entry(place).is_some_and(|entry| entry.id == "f3");
    assert!(index.search("如何提交", 3, &only).iter().all(|hit| hit.id == "f3"));
}

#[test]
fn a_message_inside_a_ticket_wants_one_of_five_things() {
    let mut wrong: Vec<String> = Vec::new();
    let supply = Context { open_tickets: 1, awaits_supply: true, ..Context::default() };
    for (text, context, wanted) in [
        ("还没好吗", waiting(), FollowUp::Urge),
        ("进展如何", waiting(), FollowUp::Urge),
        ("好了没", waiting(), FollowUp::Urge),
        ("什么时候能修好啊", waiting(), FollowUp::Urge),
        ("早上报的那个处理了吗", waiting(), FollowUp::Urge),
        ("还要等多久", waiting(), FollowUp::Urge),
        ("可以了谢谢", asked_to_confirm(), FollowUp::Confirm),
        ("好了，谢谢", asked_to_confirm(), FollowUp::Confirm),
        ("现在正常了", asked_to_confirm(), FollowUp::Confirm),
        ("解决了 辛苦", asked_to_confirm(), FollowUp::Confirm),
        ("已经恢复了", asked_to_confirm(), FollowUp::Confirm),
        ("还是不行", asked_to_confirm(), FollowUp::Deny),
        ("还是打不开", asked_to_confirm(), FollowUp::Deny),
        ("又不行了", asked_to_confirm(), FollowUp::Deny),
        ("试过了，没用", asked_to_confirm(), FollowUp::Deny),
        ("受理号202403150012", waiting(), FollowUp::Append),
        ("我电话是3316", waiting(), FollowUp::Append),
        ("是昨天下午开始的", waiting(), FollowUp::Append),
        ("急", waiting(), FollowUp::Append),
        ("用的是360", waiting(), FollowUp::Append),
        ("我们科室三个人都这样", waiting(), FollowUp::Append),
        ("他的电话是13800000001", waiting(), FollowUp::Append),
        ("可以了", waiting(), FollowUp::Confirm),
        ("嗯 好了", asked_to_confirm(), FollowUp::Confirm),
        ("不行 还报错", asked_to_confirm(), FollowUp::Deny),
        ("领导在催 麻烦快点", waiting(), FollowUp::Urge),
        ("[图片]", waiting(), FollowUp::Append),
        ("[图片]", supply.clone(), FollowUp::Supply),
        ("工号是3021", supply, FollowUp::Supply),
    ] {
        agree(&mut wrong, &format!("{:?}", read(text, &context)), &format!("{:?}", Intent::FollowUp(wanted)), text);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn people_talk_and_the_desk_is_silent() {
    let mut wrong: Vec<String> = Vec::new();
    for (text, context) in [
        ("好的收到", requester()),
        ("好的", waiting()),
        ("嗯嗯", requester()),
        ("谢谢", requester()),
        ("辛苦了", waiting()),
        ("收到，谢谢", waiting()),
        ("[强][强]", requester()),
        ("👍", requester()),
        ("哈哈哈", requester()),
        ("中午吃啥", requester()),
        ("新年快乐", requester()),
        ("各位领导早上好", requester()),
        ("大家把上周的巡检表交一下", requester()),
        ("通知：下午三点二楼会议室开周例会", requester()),
        ("@张工 到我办公室来一下", requester()),
        ("@所有人 请于今天下班前更新杀毒软件", requester()),
        ("今晚六点升级，大家提前保存", requester()),
        ("我把中间件重启了一遍", engineer()),
        ("日志看了没问题 应该是网络抖动", engineer()),
        ("补丁已经打到测试环境", engineer()),
        ("我去机房看看", engineer()),
        ("预计明天上线", engineer()),
        ("这个我知道 上次也是这样弄的", engineer()),
        ("备份昨晚跑完了", engineer()),
        ("数据库连接池我调大了", engineer()),
        ("今天巡检没发现异常", engineer()),
        ("磁盘满了 我在清", engineer()),
        ("日志里报空指针，研发在看", engineer()),
        ("这个功能挺好用", requester()),
        ("我问下领导", requester()),
        ("各单位请于周五前报送名单", requester()),
        ("你好", requester()),
        ("在吗", requester()),
        ("登记系统打不开了", working()),
        ("", requester()),
        ("。。。", requester()),
    ] {
        let routing = route(text, &context, &lexicon(), Some(&faq()));
        agree(
            &mut wrong,
            &format!("{} {}", routing.route(), routing.speak),
            "chitchat false",
            &format!("{text}: {:?}", routing.why),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn small_talk_has_its_kinds() {
    assert_eq!(read("你好", &requester()), Intent::Greeting);
    assert_eq!(read("在吗？", &requester()), Intent::Greeting);
    assert_eq!(read("谢谢", &requester()), Intent::Thanks);
    assert_eq!(read("我把中间件重启了一遍", &engineer()), Intent::NotForUs);
    let called = Context { addressed: true, ..requester() };
    assert!(route("你好", &called, &lexicon(), None).speak);
    assert!(!route("谢谢", &called, &lexicon(), None).speak);
}

#[test]
fn engineers_who_call_the_desk_are_heard() {
    let called = Context { speaker: Speaker::Engineer, place: Place::Engineers, addressed: true, ..Context::default() };
    assert_eq!(read("怎么重置密码", &called), Intent::Question);
    assert_eq!(read("登记系统打不开了 帮忙报一下", &called), Intent::Request);
}

#[test]
fn what_the_desk_asked_is_answered_briefly() {
    let choosing = Context { choices: 3, ..requester() };
    for (text, wanted) in [("2", 2), ("２", 2), ("选2", 2), ("第二个", 2), ("②", 2), ("3.", 3)] {
        assert_eq!(read(text, &choosing), Intent::Choice(wanted), "{text}");
    }
    assert!(!matches!(read("4", &choosing), Intent::Choice(_)));
    assert_eq!(read("都不是", &choosing), Intent::Request);
    let proposing = Context { confirm_reply: true, ..engineer() };
    for text in ["是", "对", "。", "确认", "嗯"] {
        assert_eq!(read(text, &proposing), Intent::AcceptSuggestion, "{text}");
    }
    assert_ne!(read("不是", &proposing), Intent::AcceptSuggestion);
}

#[test]
fn the_worst_severity_that_is_not_denied_holds() {
    for (text, wanted) in [
        ("全市都打不开登记系统", Some("A")),
        ("登记系统崩溃了", Some("A")),
        ("没有崩溃，就是窗口很慢", Some("B")),
        ("不影响全市，只是部分功能打不开", Some("C")),
        ("系统没有瘫痪", None),
        ("崩溃预案演练今天下午做", None),
        ("帮我安装一下驱动", Some("D")),
        ("安装以后崩溃", Some("A")),
        ("打不开", None),
    ] {
        let routing = route(text, &requester(), &lexicon(), None);
        assert_eq!(routing.severity.as_ref().map(|guess| guess.id.as_str()), wanted, "{text}: {:?}", routing.severity);
    }
    let routing = route("全市都打不开登记系统", &requester(), &lexicon(), None);
    assert_eq!(routing.severity.map(|guess| guess.words), Some(vec!["全市".to_owned(), "打不开".to_owned()]));
}

#[test]
fn systems_are_known_by_habit_and_categories_by_words() {
    for (text, system, category) in [
        ("登记平台报错", Some("register"), Some("bug")),
        ("抵押进银行推送失败", Some("mortgage"), Some("interface")),
        ("电子证照里名字录错了", Some("licence"), Some("data")),
        ("oa打不开", Some("oa"), Some("bug")),
        ("打印机没墨了", None, None),
    ] {
        let routing = route(text, &requester(), &lexicon(), None);
        assert_eq!((routing.system.as_deref(), routing.category.as_deref()), (system, category), "{text}");
    }
}

#[test]
fn reasons_are_given() {
    let routing = route("登记系统打不开了，麻烦看下", &requester(), &lexicon(), None);
    insta::assert_snapshot!(routing.why.join(" / "), @"系统：登记系统 / 故障说法「打不开」 / 请人帮忙「麻烦看」");
    assert!(routing.new_object);
    assert!(routing.second.is_some());
}
