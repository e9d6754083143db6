//! What is written as a letter: a line that says what it is about, an empty line, and below it the matter with the forms of
//! politeness around it.

use zhishou_adapters::Attachment;

/// Name under which a channel attaches a whole letter as it came.
pub(super) const ORIGINAL: &str = "原始邮件.eml";

/// Shortest line that says something, in characters.
const SHORTEST: usize = 4;
/// Lines that say nothing about the matter, as people put them above a letter.
const EMPTY: [&str; 17] = [
    "你好",
    "您好",
    "求助",
    "求助！",
    "求助信",
    "无主题",
    "(无主题)",
    "（无主题）",
    "no subject",
    "(no subject)",
    "hello",
    "hi",
    "紧急",
    "问题",
    "邮件",
    "来自手机",
    "新邮件",
];
/// Words of which a line of courtesy is made.
const COURTESY: [&str; 22] = [
    "谢谢",
    "感谢",
    "多谢",
    "辛苦",
    "收到",
    "已阅",
    "知悉",
    "知道",
    "明白",
    "了解",
    "好的",
    "麻烦",
    "各位",
    "老师",
    "您",
    "你",
    "们",
    "已",
    "了",
    "啊",
    "thanks",
    "thank you",
];
/// How the first line of a letter ends that only names whom it is for.
const SALUTES: [&str; 6] = ["：", ":", "，", ",", "！", "!"];

/// Pictures and files that somebody sent, without the letter itself.
pub(super) fn enclosed(attachments: &[Attachment]) -> impl Iterator<Item = &Attachment> {
    attachments.iter().filter(|a| a.name != ORIGINAL)
}

/// Most problems that are told; more of them say the same.
const PROBLEMS: usize = 5;

/// What could not be taken of what came with a message, a phrase each.
pub(super) fn problems(attachments: &[Attachment]) -> Vec<String> {
    let told = |a: &Attachment| {
        let problem = a.problem.as_ref()?;
        Some(if a.name == ORIGINAL {
            problem.clone()
        } else {
            format!("附件「{}」没有收下：{problem}", a.name)
        })
    };
    attachments.iter().filter_map(told).take(PROBLEMS).collect()
}

/// Why a whole letter could not be read, where that is so.
pub(super) fn unreadable(attachments: &[Attachment]) -> Option<&str> {
    attachments.iter().find(|a| a.name == ORIGINAL)?.problem.as_deref()
}

/// The line above and what stands below it; `None` where the text is no letter.
pub(super) fn parts(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.trim_start().split_once('\n')?;
    let (blank, body) = rest.split_once('\n')?;
    (!first.trim().is_empty() && blank.trim().is_empty() && !body.trim().is_empty())
        .then(|| (first.trim(), body.trim()))
}

/// What a letter is about: the line above it, or where that says nothing the first line of the matter. `None` where the
/// text is no letter.
pub(super) fn title(text: &str) -> Option<&str> {
    let (above, body) = parts(text)?;
    if says_something(above) {
        return Some(above);
    }
    body.lines().map(str::trim).find(|line| says_something(line) && !is_salute(line)).or(Some(above))
}

/// Whether a text is thanks or a receipt and nothing else.
pub(super) fn is_courtesy(text: &str) -> bool {
    let mut rest = text.to_lowercase();
    for word in COURTESY {
        rest = rest.replace(word, "");
    }
    !rest.chars().any(char::is_alphanumeric)
}

fn says_something(line: &str) -> bool {
    line.chars().count() >= SHORTEST && !EMPTY.iter().any(|empty| line.eq_ignore_ascii_case(empty))
}

/// 尊敬的王老师：您好！ and the like: short, and nothing after the greeting.
fn is_salute(line: &str) -> bool {
    let greets =
        line.contains("您好") || line.contains("你好") || line.starts_with("尊敬的") || line.starts_with("Dear");
    line.chars().count() <= 20 && SALUTES.iter().any(|end| line.ends_with(end)) || greets && line.chars().count() <= 12
}

#[cfg(test)]
mod tests {
    use super::{is_courtesy, parts, title};

    #[test]
    fn thanks_are_courtesy_and_a_matter_is_not() {
        for text in ["收到，谢谢！", "好的，辛苦各位老师了。", "Thanks!", "已收到", "……"] {
            assert!(is_courtesy(text), "{text}");
        }
        for text in ["谢谢，但是三楼还不行", "收到，截图见附件", "好的，编号是 12", "可以了，谢谢"]
        {
            assert!(!is_courtesy(text), "{text}");
        }
    }

    #[test]
    fn a_letter_is_named_by_its_subject_and_never_by_its_forms_of_politeness() {
        for (text, named) in [
            ("登记系统打不开\n\n王老师：\n您好！今天上午打不开。\n此致\n敬礼", Some("登记系统打不开")),
            ("您好\n\n尊敬的运维老师：\n您好！\n抵押登记查不到数据。\n谢谢！", Some("抵押登记查不到数据。")),
            ("(无主题)\n\n登记窗口打印机卡纸", Some("登记窗口打印机卡纸")),
            ("求助\n\n你好！", Some("求助")),
            ("登记系统打不开了", None),
            ("登记系统打不开了\n从早上开始", None),
            ("登记系统打不开了\n\n", None),
            ("", None),
        ] {
            assert_eq!(title(text), named, "{text}");
        }
        assert_eq!(parts("\n主题\n \n正文\n"), Some(("主题", "正文")));
    }
}
