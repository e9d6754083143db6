//! The nearest command to a word that is none.

use crate::command::CommandName;
use crate::grammar::Grammar;
use crate::normalise::is_han;
use crate::ticket::ticket_at;

/// Characters that sound alike in the commands' words: a slip of the pinyin keyboard.
const SOUNDS: &[&str] = &[
    "领令邻岭龄零玲铃灵",
    "认人任仁忍",
    "接街阶结节截姐",
    "单担丹胆",
    "解姐节接结",
    "决绝觉诀",
    "挂瓜刮卦",
    "起其期启齐气器",
    "进近尽劲金今",
    "展占站战斩",
    "转专砖赚",
    "派拍牌排",
    "关官管观",
    "闭毕必笔比",
    "恢灰挥回辉",
    "复付负副富",
    "撤车彻",
    "回会汇",
    "催崔翠",
    "办半伴版",
    "评平凭",
    "价加架驾",
    "改该",
    "级及急机几集",
    "类累泪",
    "合和盒河",
    "并病饼",
    "确却",
    "支只知之",
    "援元园员",
    "升生声",
    "指之只止",
    "协写谢鞋",
    "值直职",
    "班般搬版",
    "换欢还环",
    "巡寻训",
    "检捡减简",
    "重从虫",
    "开凯",
    "绑帮邦",
    "定订丁",
];

/// Whether the head of a text has the form of a command and is none: bytes of the word, and the nearest.
///
/// A word of two to four characters is taken for a slip only where a number follows it (or a slash
/// stands before it, or the desk was called by an engineer): plain sentences must never end here.
pub(crate) fn nearest(
    text: &str,
    slash: bool,
    called: bool,
    grammar: &Grammar,
) -> Option<(usize, Option<CommandName>)> {
    let first = text.chars().next()?;
    let kind = |c: char| if is_han(c) { 1 } else { u8::from(c.is_ascii_alphabetic()) * 2 };
    if kind(first) == 0 {
        return None;
    }
    let word: Vec<char> = text.chars().take_while(|c| kind(*c) == kind(first)).take(13).collect();
    let len: usize = word.iter().map(|c| c.len_utf8()).sum();
    let rest = &text[len..];
    let followed = ticket_at(rest.trim_start_matches([' ', ':']))
        .is_some_and(|found| ends(&rest[rest.len() - rest.trim_start_matches([' ', ':']).len() + found.len..]));
    let alone = rest.trim_matches([' ', '.', '!']).is_empty();
    if !(slash || followed || (called && alone)) {
        return None;
    }
    let typed: String = word.iter().collect();
    if grammar.ordinary.contains(&typed) && !slash {
        return None;
    }
    let mut best: Option<(u32, CommandName)> = None;
    for (known, name) in &grammar.words {
        let Some(cost) = cost(&word, known) else { continue };
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, *name));
        }
    }
    match best {
        // A word that merely shares a character is offered only where a command was certainly meant.
        Some((cost, name))
            if cost <= 10
                || slash
                || first.is_ascii()
                || followed && rest.contains('#')
                || cost <= 20 && word.len() <= 4 =>
        {
            Some((len, Some(name)))
        }
        _ if slash => Some((len, None)),
        _ => None,
    }
}

fn ends(behind: &str) -> bool {
    behind.chars().next().is_none_or(|c| c == ' ' || c == ',' || c == '.' || c == '!' || c == ':')
}

/// How far two words are apart, in tenths of a character; `None` where too far.
fn cost(typed: &[char], known: &[char]) -> Option<u32> {
    let latin = known.first()?.is_ascii();
    if latin != typed.first()?.is_ascii() {
        return None;
    }
    if latin {
        if known.len() < 4 || typed.len() < 4 {
            return None;
        }
        let apart = distance(typed, known);
        let most = if known.len() >= 8 { 2 } else { 1 };
        return (apart <= most).then(|| u32::try_from(apart).unwrap_or(u32::MAX).saturating_mul(10));
    }
    if typed.len() == known.len() && (2..=4).contains(&known.len()) {
        let mut total: u32 = 0;
        for (a, b) in typed.iter().zip(known) {
            if a != b {
                total += if sound_alike(*a, *b) { 5 } else { 15 };
            }
        }
        let same = typed.iter().zip(known).filter(|(a, b)| a == b).count();
        return (total <= 15 && (same > 0 || total <= 10)).then_some(total);
    }
    if known.len() >= 3 && typed.len().abs_diff(known.len()) == 1 && distance(typed, known) == 1 {
        return Some(15);
    }
    None
}

fn sound_alike(a: char, b: char) -> bool {
    SOUNDS.iter().any(|group| group.contains(a) && group.contains(b))
}

/// Damerau-Levenshtein distance of two short words (a swap of neighbours counts one).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut best = (last[j + 1] + 1).min(row[j] + 1).min(last[j] + usize::from(a[i] != b[j]));
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
