//! Greetings, thanks, marks of pictures and faces, and mentions: what surrounds the words of a message.

use crate::lexicon::Lexicon;

/// A greeting and nothing else.
pub(crate) fn greets(bare: &str) -> bool {
    let words = [
        "你好",
        "您好",
        "在吗",
        "在么",
        "在不在",
        "有人吗",
        "有人在吗",
        "hi",
        "hello",
        "哈喽",
        "嗨",
        "早",
        "早上好",
        "上午好",
        "中午好",
        "下午好",
        "晚上好",
        "大家好",
        "各位好",
        "老师好",
        "你好啊",
        "您好啊",
        "有人么",
        "在不",
        "喂",
        "早安",
    ];
    bare.split(',').all(|part| words.contains(&part.trim_end_matches(['?', '呀', '啊', '!']))) && !bare.is_empty()
}

/// Thanks and nothing else.
pub(crate) fn thanks(bare: &str) -> bool {
    let words = [
        "谢谢",
        "多谢",
        "感谢",
        "谢了",
        "谢啦",
        "辛苦",
        "辛苦了",
        "麻烦了",
        "谢谢您",
        "谢谢你",
        "谢谢大家",
        "非常感谢",
        "感谢感谢",
        "谢谢老师",
        "3q",
        "thanks",
        "thx",
        "谢谢啊",
        "辛苦啦",
        "谢谢谢谢",
        "多谢多谢",
    ];
    bare.split(',').all(|part| words.contains(&part)) && !bare.is_empty()
}

/// The text without the marks of pictures and faces: `[图片]`, `[强]`, `[cq:face,id=1]`. A file's name stays.
pub(crate) fn without_marks(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len());
    let mut rest = plain;
    while let Some(open) = rest.find('[') {
        let (before, from) = rest.split_at(open);
        out.push_str(before);
        let inside = &from[1..];
        // A mark is short; looking further would make a text of brackets cost its square.
        let mark = crate::cues::head(inside, 400).find(']').filter(|end| {
            let inside = &inside[..*end];
            inside.starts_with("cq:") || (inside.chars().count() <= 4 && inside != "文件" && inside != "通知")
        });
        if let Some(end) = mark {
            rest = &inside[end + 1..];
        } else {
            out.push('[');
            rest = inside;
        }
    }
    out.push_str(rest);
    out
}

/// The text without mentions, and whether somebody else than the desk was mentioned.
pub(crate) fn without_mentions(plain: &str, lexicon: &Lexicon) -> (String, bool) {
    if !plain.contains('@') {
        let called = lexicon.begins_with_person(plain).is_some();
        return (plain.to_owned(), called);
    }
    let mut out = String::with_capacity(plain.len());
    let mut other = false;
    for (i, part) in plain.split('@').enumerate() {
        if i == 0 {
            out.push_str(part);
            continue;
        }
        let (name, rest) = part.split_once([' ', ',', ':']).unwrap_or((part, ""));
        if out.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            // A mail address.
            out.push('@');
            out.push_str(part);
            continue;
        }
        if matches!(name, "所有人" | "全体成员" | "all") {
            out.push('@');
            out.push_str(name);
            out.push(',');
            other = true;
        } else if lexicon.is_person(name) || named_like_a_person(name) {
            other = true;
        }
        out.push_str(rest);
    }
    (out.trim().to_owned(), other)
}

/// 张工, 李科长, 王主任: a surname and a title. The desk's own names and 运维 are not.
fn named_like_a_person(name: &str) -> bool {
    ["工", "科", "科长", "主任", "处长", "局长", "老师", "总", "经理", "哥", "姐", "队"]
        .iter()
        .any(|title| name.ends_with(title))
        && name.chars().count() <= 5
}
