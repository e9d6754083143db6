//! What a message inside a running ticket wants, and the short answers to what the desk asked.

use crate::arguments::score_at;
use crate::cues::Found;
use crate::intent::{Context, FollowUp, Intent, Speaker};

/// The answer to something the desk has just asked of this speaker.
pub(crate) fn reply(plain: &str, context: &Context<'_>) -> Option<(Intent, &'static str)> {
    let bare = plain.trim_matches([' ', '.', '!', ',', '~']);
    if context.confirm_reply {
        let yes = [
            "是",
            "是的",
            "对",
            "对的",
            "嗯",
            "确认",
            "好",
            "好的",
            "可以",
            "yes",
            "y",
            "ok",
            "没错",
            "就是",
            "对对",
            "是这个",
        ];
        if bare.is_empty() && !plain.is_empty() || yes.contains(&bare) {
            return Some((Intent::AcceptSuggestion, "同意刚才的更正"));
        }
    }
    if context.choices > 0 {
        if let Some(number) = choice(bare)
            && (1..=context.choices).contains(&number)
        {
            return Some((Intent::Choice(number), "选了刚才列出的一项"));
        }
        if ["都不是", "不是", "都不对", "没有", "其他", "都没有", "0", "以上都不是"].contains(&bare)
        {
            return Some((Intent::Request, "刚才列出的都不是"));
        }
    }
    None
}

/// `2`, `选2`, `第二个`, `2号`.
fn choice(bare: &str) -> Option<usize> {
    let rest = ["选择", "选", "第", "是"].iter().find_map(|head| bare.strip_prefix(head)).unwrap_or(bare).trim();
    let rest = ["个", "号", "项", "条", "吧"].iter().fold(rest, |rest, end| rest.strip_suffix(end).unwrap_or(rest));
    let chinese = ["一", "二", "三", "四", "五", "六", "七", "八", "九"];
    if let Some(at) = chinese.iter().position(|one| *one == rest) {
        return Some(at + 1);
    }
    (rest.len() <= 2).then(|| rest.parse().ok())?
}

/// Marks in plain words: "5分 很好", "给个五星", and 满意 where a mark is expected.
pub(crate) fn evaluation(plain: &str, own: &str, context: &Context<'_>) -> Option<Intent> {
    if context.speaker != Speaker::Requester || plain.chars().count() > 60 {
        return None;
    }
    let expected = context.awaits_confirmation || context.quotes_ticket;
    let head = plain.trim_start_matches([' ', ',']);
    let head = ["我给", "给个", "给你们", "给", "打个", "打", "评"]
        .iter()
        .find_map(|start| head.strip_prefix(start))
        .unwrap_or(head)
        .trim_start();
    let (score, len) = score_at(head)?;
    let (mark, behind) = (&head[..len], &head[len..]);
    // "3分钟了还没好" and "5" alone are no marks, nor is 满意 out of the blue.
    if behind.starts_with(['钟', '之', '析', '部', '类', '期', '页', '辨', '发', '机', '局', '行']) {
        return None;
    }
    let starred = mark.contains(['分', '星']) || mark == "好评" || mark == "差评";
    let word = mark.contains("满意") && (expected || behind.is_empty());
    if !(starred || word || (expected && behind.is_empty() && plain.chars().count() == 1 && context.choices == 0)) {
        return None;
    }
    let from = own.char_indices().rev().nth(behind.chars().count().saturating_sub(1)).map_or(0, |(at, _)| at);
    let text = if behind.is_empty() { "" } else { own.get(from..).unwrap_or_default() };
    let text = text.trim_matches([' ', ',', '，', '。', '.', '!', '！', '~']).to_owned();
    Some(Intent::Evaluation { score, text })
}

/// Which of the five a follow-up is.
pub(crate) fn kind(found: &[Found], names: &dyn Fn(&str) -> usize, context: &Context<'_>) -> FollowUp {
    let count = |name: &str| found.get(names(name)).map_or(0, |one| one.count);
    let urges = count("问处理结果");
    let denies = count("说仍然不行");
    let confirms = count("说已经好了");
    if urges > 0 && urges >= confirms && urges >= denies {
        return FollowUp::Urge;
    }
    if denies > 0 && denies >= confirms {
        // Before there is a solution "还是不行" is news about the fault; the desk decides by the ticket's state.
        return FollowUp::Deny;
    }
    if confirms > 0 {
        return if count("故障说法") > 0 { FollowUp::Append } else { FollowUp::Confirm };
    }
    if context.awaits_supply {
        return FollowUp::Supply;
    }
    FollowUp::Append
}
