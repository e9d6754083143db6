//! The grammar of the commands: what is one, with which arguments, and what is none.

use crate::world::{agree, asked_to_confirm, engineer, lead, lexicon, requester, waiting, working};
use zhishou_intents::{Command, CommandName, Context, FollowUp, Intent, route};

fn read(text: &str, context: &Context<'_>) -> Intent {
    route(text, context, &lexicon(), None).intent
}

fn command(text: &str, context: &Context<'_>) -> Command {
    match read(text, context) {
        Intent::Command(command) => command,
        other => panic!("{text}: {other:?}"),
    }
}

/// A command in short: `claim 3`, `merge 12 13`.
fn short(intent: &Intent) -> String {
    match intent {
        Intent::Command(command) => {
            let mut short = command.name.id().to_owned();
            for ticket in command.ticket.iter().chain(&command.more) {
                short.push(' ');
                short.push_str(ticket.to_string().trim_start_matches('#'));
            }
            short
        }
        Intent::Unknown { suggestion: Some(nearest), .. } => format!("? {}", short(&Intent::Command(nearest.clone()))),
        Intent::Unknown { suggestion: None, .. } => "?".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_command_of_the_manual_is_understood() {
    let mut wrong = Vec::new();
    for (typed, wanted) in [
        ("帮助", "help"),
        ("查询 3", "status 3"),
        ("转人工", "human"),
        ("评价 3 5 很好", "evaluate 3"),
        ("催办 3", "urge 3"),
        ("撤回 3", "withdraw 3"),
        ("绑定 AB12CD", "bind"),
        ("认领 3", "claim 3"),
        ("转派 3 @张工", "assign 3"),
        ("协办 3 @李工", "assist 3"),
        ("进展 3 已定位到接口超时", "progress 3"),
        ("挂起 3 等用户提供截图", "suspend 3"),
        ("恢复 3", "resume 3"),
        ("改级 3 A", "severity 3"),
        ("改类 3 接口", "category 3"),
        ("上门 3", "visit 3"),
        ("到场 3", "arrive 3"),
        ("离场 3", "leave 3"),
        ("支援 3", "support 3"),
        ("第三方 3 数源科技", "third_party 3"),
        ("解决 3 重启中间件后恢复", "resolve 3"),
        ("关闭 3", "close 3"),
        ("重开 3", "reopen 3"),
        ("合并 3 4", "merge 3 4"),
        ("关联 3 4", "link 3 4"),
        ("代报 市住建局 王科长 13800000001 登记系统打不开", "on_behalf"),
        ("我的", "mine"),
        ("待办", "todo"),
        ("值班", "duty"),
        ("换班 @李工 10月3日", "swap"),
        ("收到", "ack"),
        ("巡检", "inspection"),
        ("完成任务 D7 各项正常", "finish_duty"),
        ("收录 3", "harvest 3"),
        ("不是问题 3", "not_problem 3"),
        ("确认 3", "confirm 3"),
        ("指派 3 @张工", "dispatch 3"),
        ("暂停提醒 3 2小时", "mute 3"),
        ("周报", "weekly"),
        ("月报", "monthly"),
        ("播报 今晚八点维护", "broadcast"),
        ("升级 3 开始", "upgrade 3"),
        ("需求确认 3", "confirm_need 3"),
        ("变更 3", "change 3"),
        ("谁会被通知 3", "escalation 3"),
        ("维护窗口 今晚20:00-22:00 登记系统", "maintenance"),
    ] {
        let context = Context { addressed: true, ..lead() };
        agree(&mut wrong, &short(&read(typed, &context)), wanted, typed);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn commands_are_forgiven_their_form() {
    let mut wrong = Vec::new();
    for (why, typed, wanted) in [
        ("no space", "认领3", "claim 3"),
        ("hash", "认领#3", "claim 3"),
        ("full width", "认领＃３", "claim 3"),
        ("full width digit and space", "１号　认领", "claim 1"),
        ("number first", "#3接单", "claim 3"),
        ("word first", "接单#3", "claim 3"),
        ("number first with a space", "3 认领", "claim 3"),
        ("traditional", "認領 3", "claim 3"),
        ("slash", "/认领 3", "claim 3"),
        ("slash and full width", "／认领３", "claim 3"),
        ("English", "claim 3", "claim 3"),
        ("English in capitals", "CLAIM #3", "claim 3"),
        ("English glued", "claim3", "claim 3"),
        ("invisible characters", "认\u{200b}领 3", "claim 3"),
        ("trailing mark", "认领 3。", "claim 3"),
        ("code of the contract", "认领 YL-3", "claim YL-3"),
        ("code in small letters", "yl-3 认领", "claim YL-3"),
        ("word for ticket", "认领工单3", "claim 3"),
        ("接了", "接了 3", "claim 3"),
        ("plain", "3号我来", "claim 3"),
        ("plain, no 号", "3我来处理", "claim 3"),
        ("plain with politeness", "3号单我来跟进吧", "claim 3"),
        ("plain, other order", "我来接 #91", "claim 91"),
        ("plain, softly", "我来处理一下 #5", "claim 5"),
        ("resolve in plain words", "#91 已处理，关闭", "resolve 91"),
        ("搞定", "搞定 3 换了网线", "resolve 3"),
        ("number first, done", "3 解决了", "resolve 3"),
        ("number first with text", "1023 关单 已重启服务", "close 1023"),
        ("更新", "更新 3 备件已发出", "progress 3"),
        ("note by number", "#77 备注：已联系用户", "progress 77"),
        ("hold", "hold 3 等厂商", "suspend 3"),
        ("暂停", "暂停 3 等厂商", "suspend 3"),
        ("延期到", "1050 延期到周五 等配件", "suspend 1050"),
        ("继续", "继续 3", "resume 3"),
        ("定级", "定级 3 B", "severity 3"),
        ("把…改成", "把1044改成B级", "severity 1044"),
        ("升级 with a level is 改级", "升级 #45 为A级", "severity 45"),
        ("把…转给", "把#45转给刘主任", "assign 45"),
        ("转给 by number", "#1023 转给李工", "assign 1023"),
        ("派单", "派单 T0231 给张伟", "assign 231"),
        ("归类为", "#1052 归类为 数据更正", "category 1052"),
        ("重新打开", "重新打开 1019", "reopen 1019"),
        ("取消", "/取消 1051", "withdraw 1051"),
        ("merge with hashes", "合并 #12 #13", "merge 12 13"),
        ("merge three", "合并 12,13、14", "merge 12 13 14"),
        ("merge with 到", "合并 12 到 13", "merge 12 13"),
        ("status by case", "查工单 3", "status 3"),
        ("the desk's name in front", "小维 认领 3", "claim 3"),
        ("the desk mentioned", "@值守 认领 3", "claim 3"),
        ("person in front", "@张工 转派 3", "assign 3"),
        ("on duty", "今天谁值班？", "duty"),
        ("my tickets", "我的工单", "mine"),
        ("open ones", "今日待办", "todo"),
        ("a quoted card and a word", "「小值：#3 登记系统打不开」\n- - - - -\n认领", "claim"),
        ("quoted lines and a word", "> #3 登记系统打不开\n认领", "claim"),
        ("silence", "/静默 30分钟", "mute"),
        ("接 alone", "接3", "claim 3"),
        ("给我", "3给我吧", "claim 3"),
        ("转 without 给", "3 转张工", "assign 3"),
        ("a look", "查 3", "status 3"),
        ("done in plain words", "3 已经好了", "resolve 3"),
        ("there", "3到了", "arrive 3"),
        ("a comma behind the number", "挂起3，等用户回复", "suspend 3"),
        ("a colon behind the number", "解决 #3：重启", "resolve 3"),
        ("softened", "认领一下3", "claim 3"),
        ("number alone", "#3", "status 3"),
    ] {
        agree(&mut wrong, &short(&read(typed, &engineer())), wanted, &format!("{why}: {typed}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_number_may_be_left_out() {
    let mut wrong = Vec::new();
    for (why, typed, wanted) in [
        ("bare claim", "认领", "claim"),
        ("progress with text", "进展 已联系厂家，明天到", "progress"),
        ("progress with a colon", "进展：已联系厂家", "progress"),
        ("resolve with text", "解决 重启后正常", "resolve"),
        ("suspend with text", "挂起 等用户提供截图", "suspend"),
        ("assign with a person", "转派 @张工", "assign"),
        ("assign glued to a person", "转派@张工", "assign"),
        ("a known person without @", "转给李工", "assign"),
        ("bare resume", "恢复", "resume"),
        ("bare arrival", "到场", "arrive"),
        ("bare visit", "上门", "visit"),
    ] {
        agree(&mut wrong, &short(&read(typed, &working())), wanted, &format!("{why}: {typed}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_requester_with_a_ticket_may_leave_the_number_out_too() {
    for (typed, wanted) in
        [("查询", "status"), ("催办", "urge"), ("撤回", "withdraw"), ("评价 5 很好", "evaluate"), ("转人工", "human")]
    {
        assert_eq!(short(&read(typed, &waiting())), wanted, "{typed}");
    }
}

#[test]
fn plain_sentences_are_no_commands() {
    let mut wrong = Vec::new();
    for (why, typed, context) in [
        ("a floor", "3楼的打印机坏了", requester()),
        ("a floor, from staff", "3楼的打印机坏了", engineer()),
        ("a window", "3号窗口高拍仪黑屏", requester()),
        ("a window, from staff", "3号窗口我来处理", engineer()),
        ("a claim in plain words from a requester", "3我来处理", requester()),
        ("a date", "12月报表打不开", requester()),
        ("a noun that begins like a command", "查询一体机没有纸出来", requester()),
        ("cannot", "解决不了登录问题", requester()),
        ("closing a page", "关闭页面的时候报错", requester()),
        ("my account", "我的账号登不上", requester()),
        ("the duty phone", "值班电话多少", requester()),
        ("restored", "恢复了", waiting()),
        ("a wish to restore", "恢复3楼的网络", requester()),
        ("upgrade talk", "升级之后就打不开了", requester()),
        ("an evaluation system", "评价器坏了", requester()),
        ("to do list missing", "待办看不到了", requester()),
        ("merge of parcels", "合并宗地的时候报错", requester()),
        ("somebody's words", "「认领 3」", engineer()),
        ("in quotation marks", "“关闭 3”是什么意思", engineer()),
        ("a quoted line alone", "> 认领 3", engineer()),
        ("told to somebody else", "@张工 认领 3", engineer()),
        ("an English word", "closely 3", engineer()),
        ("times", "重启 3 次了还不行", requester()),
        ("house number", "3-201应该是3-210", requester()),
        ("case number", "受理号202403150012", waiting()),
        ("politeness of a requester", "收到", requester()),
        ("more than 收到", "收到 谢谢", engineer()),
        ("people", "3个人都进不去", requester()),
        ("hours", "2小时了还没好", waiting()),
        ("ordinary work word and number", "重启 3", requester()),
        ("visit", "上门看一下吧", requester()),
        ("done?", "解决了吗", waiting()),
        ("done", "解决了", waiting()),
        ("cancel in a sentence", "取消订单的时候报错", requester()),
        ("confirm in a sentence", "确认按钮点不了", requester()),
        ("a question mark", "？", requester()),
        ("a server's number", "5号服务器重启一下", engineer()),
        ("a month", "3月巡检报告写完了", engineer()),
        ("a building", "3号楼断网了", requester()),
        ("minutes", "5分钟前还好好的", requester()),
        ("visit service", "上门服务预约不了", requester()),
    ] {
        let intent = read(typed, &context);
        let is_command = matches!(intent, Intent::Command(_) | Intent::Unknown { .. });
        agree(&mut wrong, if is_command { "a command" } else { "none" }, "none", &format!("{why}: {typed}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_slip_does_nothing_and_offers_the_nearest() {
    let mut wrong = Vec::new();
    for (typed, wanted) in [
        ("认令 3", "? claim 3"),
        ("认邻3", "? claim 3"),
        ("任领 3", "? claim 3"),
        ("resovle 3", "? resolve 3"),
        ("cliam 3", "? claim 3"),
        ("挂其 2", "? suspend 2"),
        ("挂启2 等用户截图", "? suspend 2"),
        ("转排 3 @张工", "? assign 3"),
        ("解觉 3 已重启", "? resolve 3"),
        ("进站 3 已联系厂家", "? progress 3"),
        ("/认令", "? claim"),
        ("/不存在的命令 3", "?"),
        ("/统计 本周", "?"),
    ] {
        agree(&mut wrong, &short(&read(typed, &engineer())), wanted, typed);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let Intent::Unknown { suggestion: Some(nearest), typed } = read("转排 3 @张工", &engineer()) else { panic!() };
    assert_eq!((nearest.people.as_slice(), typed.as_str()), (["张工".to_owned()].as_slice(), "转排 3 @张工"));
}

#[test]
fn an_engineers_words_behind_a_number_are_asked_about() {
    // They would reach the requester as progress; a guess is not enough.
    assert_eq!(short(&read("#3 已联系厂家，明天到", &engineer())), "? progress 3");
}

#[test]
fn a_question_about_a_ticket_is_no_command() {
    for typed in ["#1023 现在到哪了", "3号好了吗", "#3 解决了吗", "#3进展如何"] {
        let routing = route(typed, &waiting(), &lexicon(), None);
        assert_eq!(routing.intent, Intent::FollowUp(FollowUp::Urge), "{typed}");
        assert!(routing.ticket.is_some_and(|ticket| [3, 1023].contains(&ticket.number)), "{typed}");
    }
}

#[test]
fn a_right_is_the_desks_affair() {
    let mut wrong = Vec::new();
    // Recognised from anybody, so that the desk can refuse it.
    for (typed, wanted) in [
        ("认领 3", "claim 3"),
        ("指派 3 @张工", "dispatch 3"),
        ("改级 3 A", "severity 3"),
        ("播报 今晚停机", "broadcast"),
    ] {
        agree(&mut wrong, &short(&read(typed, &requester())), wanted, typed);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn confirming_means_two_things_and_the_desk_knows_which() {
    assert_eq!(short(&read("确认 3", &lead())), "confirm 3");
    assert_eq!(short(&read("确认", &asked_to_confirm())), "confirm");
}

#[test]
fn arguments_are_taken_apart() {
    let assign = command("转派 3 @张工 数据库的事", &engineer());
    assert_eq!((assign.people, assign.text), (vec!["张工".to_owned()], "数据库的事".to_owned()));

    let two = command("协办 3 @张工 @李工", &engineer());
    assert_eq!(two.people, ["张工", "李工"]);

    let progress = command("进展 3 点审核通过报“系统异常”，已定位", &engineer());
    assert_eq!(progress.text, "点审核通过报“系统异常”，已定位");

    for (typed, word) in [
        ("改级 3 A", "A"),
        ("改级 3 a级", "A"),
        ("改级3为B级", "B"),
        ("3 改级 C", "C"),
        ("升级 3 A", "A"),
        ("3改成B级", "B"),
    ] {
        let severity = command(typed, &engineer());
        assert_eq!((severity.name, severity.word.as_deref()), (CommandName::Severity, Some(word)), "{typed}");
    }
    for (typed, word) in [("升级 3 开始", "start"), ("升级 3 完成", "finish"), ("升级3开始", "start")] {
        let upgrade = command(typed, &engineer());
        assert_eq!((upgrade.name, upgrade.word.as_deref()), (CommandName::Upgrade, Some(word)), "{typed}");
    }
    assert_eq!(command("改类 3 系统缺陷", &engineer()).word.as_deref(), Some("bug"));
    assert_eq!(command("暂停提醒 3 2小时", &lead()).word.as_deref(), Some("2小时"));
    assert_eq!(command("暂停提醒 2小时", &lead()).ticket, None);

    for (typed, word) in [
        ("换班 李工 明天", "明天"),
        ("换班 李工 周六", "周六"),
        ("换班 李工 2026-10-15", "2026-10-15"),
        ("换班 10月3日 李工", "10月3日"),
    ] {
        let swap = command(typed, &engineer());
        assert_eq!((swap.people, swap.word.as_deref()), (vec!["李工".to_owned()], Some(word)), "{typed}");
    }
    assert_eq!(command("值班 明天", &engineer()).word.as_deref(), Some("明天"));
    assert_eq!(command("明天谁值班", &engineer()).word.as_deref(), Some("明天"));
    assert_eq!(command("换班 李工", &engineer()).word, None);
    let swap = command("换班 @李工 10月3日", &engineer());
    assert_eq!((swap.people, swap.word.as_deref()), (vec!["李工".to_owned()], Some("10月3日")));

    let vendor = command("第三方 3 数源科技 接口侧超时", &engineer());
    assert_eq!((vendor.word.as_deref(), vendor.text.as_str()), (Some("数源科技"), "接口侧超时"));

    assert_eq!(command("绑定 Ab12-cd", &requester()).word.as_deref(), Some("Ab12-cd"));

    let duty = command("完成任务 D7 各项正常", &engineer());
    assert_eq!((duty.word.as_deref(), duty.text.as_str()), (Some("D7"), "各项正常"));
}

#[test]
fn a_phone_call_is_taken_down() {
    for (typed, unit, reporter, phone, text) in [
        (
            "代报 市住建局 王科长 13800000001 登记系统打不开",
            Some("市住建局"),
            Some("王科长"),
            Some("13800000001"),
            "登记系统打不开",
        ),
        (
            "代报 民政局 李敏 0760-88880000 低保 审核报错",
            Some("民政局"),
            Some("李敏"),
            Some("0760-88880000"),
            "低保 审核报错",
        ),
        ("代报 王科长 13800000001 登记系统打不开", None, Some("王科长"), Some("13800000001"), "登记系统打不开"),
        ("代报 市住建局 13800000001 打不开", Some("市住建局"), None, Some("13800000001"), "打不开"),
        ("代报 市住建局 王科长 登记系统打不开", Some("市住建局"), Some("王科长"), None, "登记系统打不开"),
    ] {
        let call = command(typed, &engineer());
        assert_eq!(
            (call.unit.as_deref(), call.reporter.as_deref(), call.phone.as_deref(), call.text.as_str()),
            (unit, reporter, phone, text),
            "{typed}"
        );
    }
}

#[test]
fn marks_are_read_in_every_form() {
    for (typed, ticket, score, text) in [
        ("评价 3 5 很好", Some(3), Some(5), "很好"),
        ("评价 3 5分 处理及时", Some(3), Some(5), "处理及时"),
        ("评价 5 很好", None, Some(5), "很好"),
        ("评价 #3 4", Some(3), Some(4), ""),
        ("评价 12 满意", Some(12), Some(5), ""),
        ("评价 五星 辛苦了", None, Some(5), "辛苦了"),
    ] {
        let mark = command(typed, &asked_to_confirm());
        assert_eq!(
            (mark.ticket.map(|ticket| ticket.number), mark.score, mark.text.as_str()),
            (ticket, score, text),
            "{typed}"
        );
    }
    for (typed, score, text) in
        [("5分 很好", 5, "很好"), ("给个五星", 5, ""), ("打3分，有点慢", 3, "有点慢"), ("非常满意", 5, "")]
    {
        assert_eq!(read(typed, &asked_to_confirm()), Intent::Evaluation { score, text: text.to_owned() }, "{typed}");
    }
    for typed in ["3分钟了还没好", "5分部打不开"] {
        assert!(!matches!(read(typed, &waiting()), Intent::Evaluation { .. }), "{typed}");
    }
}

#[test]
fn names_ids_and_rights_agree() {
    for name in CommandName::ALL {
        assert_eq!(CommandName::from_id(name.id()), Some(*name));
    }
    insta::assert_snapshot!(
        CommandName::ALL.iter().map(|name| format!("{} {:?}", name.zh(), name.who())).collect::<Vec<_>>().join(" · "),
        @"帮助 Anyone · 查询 Anyone · 转人工 Anyone · 评价 Anyone · 催办 Anyone · 撤回 Anyone · 绑定 Anyone · 认领 Engineer · 转派 Engineer · 协办 Engineer · 进展 Engineer · 挂起 Engineer · 恢复 Engineer · 改级 Engineer · 改类 Engineer · 上门 Engineer · 到场 Engineer · 离场 Engineer · 支援 Engineer · 第三方 Engineer · 解决 Engineer · 关闭 Engineer · 重开 Engineer · 合并 Engineer · 关联 Engineer · 代报 Engineer · 我的 Engineer · 待办 Engineer · 值班 Engineer · 换班 Engineer · 收到 Engineer · 巡检 Engineer · 完成任务 Engineer · 收录 Engineer · 不是问题 Engineer · 确认 Anyone · 指派 Lead · 暂停提醒 Lead · 周报 Lead · 月报 Lead · 播报 Lead · 升级 Engineer · 需求确认 Engineer · 变更 Engineer · 谁会被通知 Engineer · 维护窗口 Lead"
    );
}
