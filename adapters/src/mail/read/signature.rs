//! Signatures, the lines that clients add, disclaimers and the footers of lists.

use std::sync::LazyLock;

use regex::Regex;

/// Lines behind `--` that can be a signature; behind more it is a line that divides a text.
const LONGEST_SIGNATURE: usize = 20;

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("compiled by a test")
}

/// What phones and programs add, as whole lines.
static CLIENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^[\s\u{A0}]*(?:
            (?:发自|發自|寄自)\s*(?:我的?|.{0,16}(?:手机|手機|邮箱|客户端|iphone|ipad|android|大师|微信|outlook|foxmail|mail)).{0,24}
          | (?:来自|來自)\s*(?:我的)?.{0,16}(?:手机|手機|iphone|ipad|android|客户端)\s*(?:发送|的邮件)?
          | (?:从|從)\s*(?:我的.{0,20}|windows.{0,12})(?:发送|傳送|发出)
          | 获取\s*(?:适用于\s*)?outlook.{0,30} | 使用.{1,20}(?:邮件|mail|邮箱)\s*发送
          | sent\ (?:from|via|using)\ (?:my|outlook|mail|yahoo|gmail|samsung|android|a|proton|mobile|iphone|ipad|blackberry|windows|aol|hotmail)\b(?:\s+[^\s,]+){0,6}(?:[,.]\s*(?:please\ )?(?:excuse|pardon|forgive|sorry|apolog).{0,80})?
          | sent\ from\ [^,]{1,30}(?:phone|iphone|ipad|mobile|handset|device|blackberry|app|mailbox|tablet|outlook)
          | get\ outlook\ for\ .{1,60}
          | (?:von|mit)\ mein\w{0,2}\ .{0,30}(?:iphone|ipad|handy|smartphone|samsung|android|tablet|mobil|blackberry|galaxy).{0,30}
          | gesendet\ (?:mit|von|aus|über)\ .{1,60} | diese\ nachricht\ wurde\ von\ meinem\ .{1,60}\ gesendet
          | envoyé\ (?:de|depuis|à\ partir\ de)\ (?:mon|ma|l['’]|outlook|yahoo).{0,60} | enviado\ (?:desde|do|a\ partir\ do|de)\ (?:mi|meu|outlook|yahoo).{0,60}
          | inviato\ da(?:l)?\ (?:mio|iphone|ipad|outlook|yahoo|libero).{0,60} | verzonden\ (?:vanaf|met)\ (?:mijn|outlook|mail|yahoo).{1,60} | skickat\ från\ (?:min|outlook|yahoo).{1,60}
          | sendt\ fra\ (?:min|outlook|yahoo).{1,60} | wysłan[eoy]\ z\ .{1,60} | отправлено\ (?:с|из)\ .{1,60} | lähetetty\ .{1,40}(?:sta|stä|iphonesta)\b.{0,20}
          | iphone(?:から|より)送信 | 나의\ iphone에서\ 보냄
        )[.。]?(?:\s*[(<]https?://[^\s>)]*[>)])?\s*$",
    )
});

/// How a disclaimer begins.
static DISCLAIMER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^[\s\u{A0}]*(?:[\#/*=\-]{2,}\s*)?(?:
            本(?:电子)?邮件及其(?:所有)?附件(?:含有|具有|可能含有|中的信息|均) | 信息安全声明[:：] | 本邮件(?:及附件)?(?:具有|含有|包含).{0,12}(?:保密|机密) | 免责声明[:：]
          | this\ (?:e-?mail|message|communication|electronic\ mail).{0,60}(?:confidential|intended\ (?:only|solely|for\ the\ (?:use|sole|exclusive|named|addressee|individual|person))|privileged)
          | (?:confidentiality|legal)\ (?:notice|disclaimer)\b | disclaimer\s*:
          | the\ information\ (?:contained\ )?in\ this\ (?:e-?mail|message|communication).{0,80}(?:confidential|intended)
          | diese\ e-?mail\ (?:enthält|kann).{0,40}vertraulich | ce\ (?:message|courriel).{0,60}confidentiel
        )",
    )
});

/// `-Anna` as the last line.
static DASHED_NAME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*[-–—]{1,2}\s?\p{Lu}[\p{L}.'’]*(?:\s\p{Lu}[\p{L}.'’]*){0,2}\s*$"));

/// A stretch of lines without the signature at its end, the lines that clients add, and disclaimers.
pub(super) fn without<'a>(lines: &[&'a str], answers: bool) -> Vec<&'a str> {
    let visible = |from: usize| lines[from.min(lines.len())..].iter().filter(|line| !line.trim().is_empty()).count();
    let all = visible(0);
    // Visible lines in front of each line and behind it, so that the lines are counted once.
    let mut before = 0;
    let mut end = lines.len();
    let mut gone = vec![false; lines.len()];
    for (at, line) in lines.iter().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let after = all - before - 1;
        let first = before == 0;
        before += 1;
        if line.len() > 600 {
            continue;
        }
        if !first && (delimits(lines, at, after, answers) || DISCLAIMER.is_match(line)) {
            end = at;
            break;
        }
        if CLIENT.is_match(line) {
            // Somebody's name may stand below it; more than that is text that goes on.
            if after <= 3 && !first {
                end = at;
                break;
            }
            gone[at] = after > 0 || !first;
        }
    }
    // A name behind a dash, as the last thing that is left.
    if let Some(at) = lines[..end].iter().rposition(|line| !line.trim().is_empty()).filter(|at| *at > 0)
        && lines[at].len() <= 100
        && DASHED_NAME.is_match(lines[at])
        && !lines[..at].iter().any(|line| bullet(line))
        && lines[..at].iter().any(|line| !line.trim().is_empty())
    {
        end = at;
    }
    lines[..end].iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(line, _)| *line).collect()
}

fn bullet(line: &str) -> bool {
    line.trim_start().starts_with(['-', '–', '—', '*', '•'])
}

/// Whether a signature or a list's footer begins at this line, with `after` visible lines behind it.
fn delimits(lines: &[&str], at: usize, after: usize, answers: bool) -> bool {
    let line = lines[at];
    let bare = line.trim();
    match bare {
        // Where the blank behind it is still there nothing else can be meant.
        "--" => line == "-- " || after <= LONGEST_SIGNATURE,
        "__" | "—" | "– –" | "——" => after <= 8,
        _ if bare.len() >= 10 && bare.chars().all(|c| c == '_') => {
            after <= 8 && lines[at..].iter().any(|line| line.contains("http") || line.contains('@'))
        }
        // QQ Mail puts eighteen between an answer and its signature.
        _ if answers && bare.len() == 18 && bare.chars().all(|c| c == '-') => after <= 8,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in [&CLIENT, &DISCLAIMER, &DASHED_NAME] {
            assert!(!pattern.as_str().is_empty());
        }
    }
}
