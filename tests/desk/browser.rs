//! The sandbox page in a real browser: a first visitor plays a fault through, with the program started as an
//! administrator starts it. Only what a person sees is read, only what a person reaches is pressed.

mod window;

use fantoccini::Locator;
use fantoccini::elements::Element;
use fantoccini::key::Key;
use serde_json::{Value, json};
use window::{Screen, Window};

use crate::peers::process::sandbox;

/// A grave fault under the contract of the sandbox: whole halls wait.
const REPORT: &str = "登记系统打不开了，大厅群众都在等";

/// XPath of a button by its exact words, somewhere in the box with this id.
fn button(id: &str, words: &str) -> String {
    format!("//*[@id='{id}']//button[normalize-space(.) = '{words}']")
}

/// Presses a button under a message.
async fn answer(message: &Element, label: &str) {
    let path = format!(".//button[normalize-space(.) = '{label}']");
    let button = message.find(Locator::XPath(&path)).await.unwrap_or_else(|error| panic!("no button {label}: {error}"));
    button.click().await.unwrap_or_else(|error| panic!("{label} cannot be pressed: {error}"));
}

/// Types into the line of a seat.
async fn writes(page: &Window, seat: &str, keys: &str) {
    let line = page.find(&format!("//*[@id='seat-{seat}']//textarea")).await;
    line.send_keys(keys).await.expect("one can type into it");
}

/// Moves the clock by one of its steps, and waits until all that fell due on the way was said.
async fn forward(page: &Window, step: &str) {
    let step = button("clock-moves", step);
    page.press(&step).await;
    page.find(&format!("{step}[not(@disabled)]")).await;
}

fn enter() -> char {
    Key::Enter.into()
}

/// Every message with its buttons and marks, seat by seat.
async fn record(page: &Window) -> Value {
    let script = "return [...document.querySelectorAll('.seat')].map((seat) =>
        [seat.id, [...seat.querySelectorAll('article')].map((a) =>
            [a.textContent, [...a.querySelectorAll('.pressed')].map((b) => b.textContent)])]);";
    page.answer(script, Vec::new()).await
}

/// Visible controls that stick out of the screen, unless their row can be pushed sideways, or are too small for a finger.
async fn out_of_reach(page: &Window) -> Value {
    let script = "const wide = innerWidth, slides = (node) => node && node !== document.body
            && (['auto', 'scroll'].includes(getComputedStyle(node).overflowX) || slides(node.parentElement));
        return [...document.querySelectorAll('button, textarea, .speaker')].filter((node) => {
            const box = node.getBoundingClientRect();
            if (!node.getClientRects().length || node.closest('.skip')) return false;
            const outside = box.left < 0 || box.right > wide + 0.5;
            return (outside && !slides(node.parentElement)) || box.height < 24 || box.width < 24;
        }).map((node) => `${node.className} ${node.textContent}`);";
    page.answer(script, Vec::new()).await
}

#[tokio::test]
async fn a_first_visitor_plays_a_fault_from_the_report_to_the_evaluation() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = sandbox(folder.path());
    let page = Window::open(Screen::Office, &running.address).await;
    for (seat, title) in [("agency", "机关工作群"), ("engineers", "工程师群"), ("lead", "负责人")] {
        page.sees(&format!("seat-{seat}"), title).await;
    }
    page.sees("board", "还没有工单").await;
    page.sees("guide", "0 / 6").await;
    let (width, height) = Screen::Office.size();
    let inside = "return [...document.querySelectorAll('.seat, #board, #clock-moves button')].map((node) => {
            const box = node.getBoundingClientRect();
            return box.left >= 0 && box.right <= arguments[0] && box.top >= 0 && box.bottom <= arguments[1] && box.width > 0;
        });";
    let seen = page.answer(inside, vec![json!(width), json!(height)]).await;
    assert_eq!(seen, json!(vec![true; 9]), "three seats, the board and five buttons of the clock without scrolling");

    // 报修, by keyboard. Shift and Enter make a line, Enter sends.
    writes(&page, "agency", REPORT).await;
    let shift: char = Key::Shift.into();
    let released: char = Key::Null.into();
    writes(&page, "agency", &format!("{shift}{}{released}三楼也一样{}", enter(), enter())).await;
    let report = page.message("agency", "已建工单 #1").await.text().await.expect("it is there");
    assert!(report.contains(&format!("{REPORT}\n三楼也一样")), "one message of two lines: {report}");
    let opened = page.message("agency", "王科长，您好！您反映的问题已受理，工单 #1。").await;
    let words = opened.text().await.expect("it is there");
    assert!(words.contains("级别：重大紧急事件") && words.contains("反馈时限："), "{words}");
    let escalated = page.message("lead", "重大紧急事件上报：#1").await;
    assert!(escalated.text().await.expect("it is there").contains("尚无人认领。请回复「确认 1」。"));
    for words in ["待认领", "还没人认领", "反馈", "上报", "实时跟踪", "剩 "] {
        page.sees("tickets", words).await;
    }

    // 认领, by the button of the card, as somebody chosen by name.
    page.press("//*[@id='seat-engineers']//label[contains(., '张工')]").await;
    let card = page.message("engineers", "新工单 #1，请认领").await;
    answer(&card, "认领").await;
    page.message("engineers", "（按下「认领」）").await;
    page.message("agency", "工单 #1 已由张工受理，正在处理。").await;
    page.sees("tickets", "处理中").await;
    page.sees("tickets", "张工").await;

    // 进展, typed.
    writes(&page, "engineers", &format!("进展 1 正在重启应用服务{}", enter())).await;
    page.message("agency", "工单 #1 进展：正在重启应用服务").await;

    // The clock: warnings for the engineer, then the lead, then what breaks.
    page.press("//button[@id='to-next' and not(@disabled)]").await;
    page.sees("clock-shift", "已拨快").await;
    forward(&page, "+30 分钟").await;
    let warned = page.message("engineers", "#1 时限提醒").await;
    let words = warned.text().await.expect("it is there");
    assert!(words.contains("私信 → 张工") && words.contains("到期") && words.contains("收到 1"), "{words}");
    page.message("lead", "已用 80%").await;
    forward(&page, "+1 小时").await;
    let broken = page.message("lead", "#1 已超时").await;
    page.sees("tickets", "已超时").await;
    page.sees("guide", "4 / 6").await;

    // The lead's 确认, by keyboard: the button is reached and Enter presses it.
    let confirm = broken.find(Locator::XPath(".//button[. = '确认']")).await.expect("a button");
    confirm.send_keys(&enter().to_string()).await.expect("it takes the focus");
    page.message("lead", "#1 已记录您的确认").await;

    // 解决, by a suggestion; 可以了 and 评价, by button.
    page.press(&button("seat-engineers", "解决 1 重启应用服务后恢复")).await;
    let resolved = page.message("agency", "工单 #1 已处理完毕：重启应用服务后恢复").await;
    answer(&resolved, "可以了").await;
    let survey = page.message("agency", "工单 #1 已关闭（提出人确认已解决）。").await;
    for score in ["4分", "3分", "2分", "1分"] {
        survey.find(Locator::XPath(&format!(".//button[. = '{score}']"))).await.expect(score);
    }
    answer(&survey, "5分").await;
    page.message("agency", "感谢您的评价").await;
    page.sees("tickets", "已关闭").await;
    page.sees("guide", "全部走完").await;

    // The story of the ticket, in words and names; Escape leads back.
    page.press("//*[@id='tickets']//button[contains(., '#1')]").await;
    page.sees("story", "工单 #1 的来龙去脉").await;
    for words in ["王科长 提出", "承诺与时限是怎么算的", "上报超时", "负责人确认", "告知 机关工作群", "评价"]
    {
        page.sees("story", words).await;
    }
    let story = page.reads("#story").await;
    assert!(!story.contains("sandbox:"), "accounts and conversations are called by name: {story}");
    let escape: char = Key::Escape.into();
    page.find("//*[@id='story-title']").await.send_keys(&escape.to_string()).await.expect("it has the focus");
    page.sees("board", "1 张").await;

    // What was said, shown and pressed is there again after a reload.
    let before = record(&page).await;
    let said = before.to_string();
    for words in [REPORT, "正在重启应用服务", "[\"认领\"]", "[\"5分\"]"] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    page.reload().await;
    page.message("agency", "感谢您的评价").await;
    assert_eq!(record(&page).await, before);
    page.sees("guide", "全部走完").await;
    page.close().await;
    running.ends();
}

#[tokio::test]
async fn on_a_phone_everything_is_within_reach_of_a_thumb() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = sandbox(folder.path());
    let page = Window::open(Screen::Phone, &running.address).await;
    let turn = |seat: &'static str| {
        let page = &page;
        async move {
            page.press(&format!("//*[@id='tab-{seat}']")).await;
            page.find(&format!("//*[@id='tab-{seat}' and @aria-selected = 'true']")).await;
            assert_eq!(out_of_reach(page).await, json!([]), "on {seat}");
            let wide = page.answer("return document.documentElement.scrollWidth;", Vec::new()).await;
            assert_eq!(wide, json!(Screen::Phone.size().0), "{seat} is as wide as the phone");
        }
    };
    page.sees("seat-agency", "这是某机关的工作群").await;
    for tab in ["engineers", "lead", "board", "agency"] {
        turn(tab).await;
    }
    assert_eq!(page.reads("#seat-lead").await, "", "one seat at a time");
    page.press(&button("seat-agency", REPORT)).await;
    page.message("agency", "您反映的问题已受理，工单 #1。").await;
    page.sees("tab-engineers", "1").await;
    turn("engineers").await;
    answer(&page.message("engineers", "新工单 #1，请认领").await, "认领").await;
    page.message("engineers", "（按下「认领」）").await;
    page.press(&button("seat-engineers", "进展 1 正在排查数据库连接")).await;
    page.message("engineers", "进展（发给提出人）：正在排查数据库连接").await;
    page.press("//button[@id='to-next' and not(@disabled)]").await;
    page.sees("clock-shift", "已拨快").await;
    for step in ["+5 分钟", "+30 分钟", "+1 小时", "+8 小时"] {
        forward(&page, step).await;
    }
    turn("lead").await;
    answer(&page.message("lead", "#1 已超时").await, "确认").await;
    page.message("lead", "#1 已记录您的确认").await;
    turn("board").await;
    page.sees("tickets", "已超时").await;
    turn("engineers").await;
    page.press(&button("seat-engineers", "解决 1 重启应用服务后恢复")).await;
    page.message("engineers", "#1 已解决，等待提出人确认").await;
    turn("agency").await;
    answer(&page.message("agency", "工单 #1 已处理完毕").await, "可以了").await;
    answer(&page.message("agency", "工单 #1 已关闭").await, "5分").await;
    page.message("agency", "感谢您的评价").await;
    turn("board").await;
    page.press("//*[@id='tickets']//button[contains(., '#1')]").await;
    page.sees("story", "工单 #1 的来龙去脉").await;
    assert_eq!(out_of_reach(&page).await, json!([]), "in the story");
    page.press(&button("story", "← 全部工单")).await;
    page.sees("tickets", "已关闭").await;
    page.close().await;
    running.ends();
}
