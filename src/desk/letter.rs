//! What is written as a letter: a line that says what it is about, an empty line, and below it the matter with the forms of
//! politeness around it.

/// Shortest line that says something, in characters.
const SHORTEST: usize = 4;
/// Lines that say nothing about the matter, as people put them above a letter.
const EMPTY: [&str; 17] = [
    "你好", "您好", "求助", "求助！", "求助信", "无主题", "(无主题)", "（无主题）", "no subject", "(no subject)", "hello",
    "hi", "紧急", "问题", "邮件", "来自手机", "新邮件",
];
/// How the first line of a letter ends that only names whom it is for.
const SALUTES: [&str; 6] = ["：", ":", "，", ",", "！", "!"];

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

fn says_something(line: &str) -> bool {
    line.chars().count() >= SHORTEST && !EMPTY.iter().any(|empty| line.eq_ignore_ascii_case(empty))
}

/// 尊敬的王老师：您好！ and the like: short, and nothing after the greeting.
fn is_salute(line: &str) -> bool {
    let greets = line.contains("您好") || line.contains("你好") || line.starts_with("尊敬的") || line.starts_with("Dear");
    line.chars().count() <= 20 && SALUTES.iter().any(|end| line.ends_with(end))
        || greets && line.chars().count() <= 12
}

#[cfg(test)]
mod tests {
    use super::{parts, title};

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
