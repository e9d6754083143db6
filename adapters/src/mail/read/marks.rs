//! The lines by which clients announce what is quoted: attributions, separators, blocks of header fields.
//!
//! Which clients write which is told in section 6 of the mail sheet; the forms of other European and East Asian languages
//! stand beside the Chinese and English ones.

use std::sync::LazyLock;

use regex::Regex;

use super::lines::Line;

/// Longest line that can be one of these, in bytes: names and addresses are not longer.
const LONGEST_MARK: usize = 600;

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("compiled by a test")
}

/// The verb of an attribution at its end.
static WROTE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)(?:
          写道|写到|写信|寫道|寫到|来信|來信|撰写|撰寫|已写入|さんは書きました|(?:の|から)?メール|님이\s*작성|작성|
          \bwrote|\bwrites|\bhas\ written|\bsaid|
          a\ écrit|ecrit|écrivait|schrieb(?:en)?(?:\ folgendes)?|geschrieben|geschreven|escribió|escribio|va\ escriure|escreveu|
          ha\ scritto|schreef(?:\ het\ volgende)?|skrev(?:\ følgende|\ följande)?|kirjoitti|napisał(?:a|\(a\))?|pisze|
          napsal(?:a|\(a\))?|napísal(?:a|\(a\))?|пишет|написал(?:а|\(а\))?|пише|έγραψε|a\ scris|ezt\ írta.{0,80}|írta.{0,80}|
          şunu\ yazdı|yazdı|đã\ viết|menulis|je\ napisao(?:/la)?|napisal(?:a)?
        )\s*(?:[:：]|[-—]{2,})\s*$",
    )
});

/// German and Dutch put the verb before the name, or the date behind the verb.
static WROTE_INSIDE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^\W{0,4}(?:
            (?:am|op|den|il|em|on)\b.*\d.*\b(?:schrieb|schreef|skrev|ha\ scritto|escreveu|wrote)\b.{1,200}[:：]
          | .{1,200}(?:\bschrieb|\bschreef|\bskrev|\bwrote|\bkirjoitti)\s+(?:am|op|den|on|at|um|\(|\d).*\d.*[:：]
        )\s*$",
    )
});

/// How an attribution begins.
static STARTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^[-\s]*(?:
          (?:on|at|le|am|op|el|il|em|den|dne|dňa|w\ dniu|la\ data\ de|a\ las|pe|på|em)\s+\S
          |在\s*\S|于\s*\d|於\s*\S
          |\d{4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]
        )",
    )
});

/// A day of a calendar.
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)(?:
            \b(?:19|20)\d\d\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,2}
          | \b\d{1,2}[-/.]\s?\d{1,2}[-/.]\s?(?:\d{4}|\d\d)\b
          | \b\d{1,2}(?:st|nd|rd|th)?\.?\s+(?:de\s+)?\p{L}{3,12}\.?,?\s+(?:de\s+)?(?:19|20)\d\d
          | \b\d{1,2}[-.\s]\p{L}{3,9}\.?[-.,\s]+(?:19|20)?\d\d\b
          | \b\p{L}{3,12}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+(?:19|20)\d\d
          | [一二三四五六七八九十]{1,2}月\s*\d{1,2},?\s*\d{4} | \d{1,2}\s*[一二三四五六七八九十]{1,2}月\s*\d{4}
          | (?:19|20)\d\d년\s*\d{1,2}월
        )",
    )
});

/// A time of day.
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b\d{1,2}(?::|h|：)\d{2}\b|\d{1,2}\s*(?:am|pm|uhr)\b|[上下中]午\s*\d|\d\s*[点點時]")
});

/// An address.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^\s<>()@]{1,64}@[^\s<>()@]{1,255}"));

/// `… 2019 г. в 17:48, X <addr>:` and `2019年7月2日(火) 17:48 X <addr>:`: an attribution without a verb.
static NO_VERB: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d{1,2}:\d\d\b.*<[^<>\s]+@[^<>\s]+>\s*[:：]\s*$"));

/// `2013/10/21 X <addr>`: Gmail's of old, only in front of a quote.
static OLD_GMAIL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:19|20)\d\d[/-]\d{1,2}[/-]\d{1,2}\s.{1,100}<[^<>\s]+@[^<>\s]+>\s*[:：]?\s*$"));

/// `---- X wrote ----`: rules on both sides, as no person writes.
static RULED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^\s*-{3,}.{1,200}(?:wrote|写道|撰写|schrieb|a écrit)\s*-{3,}\s*$"));

/// What is sent on, announced. What follows is what the mail is about.
static FORWARD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^[\s>*]*(?:
            [-—‐=_*\s]{2,}\s*(?:begin\s+)?(?:forwarded\s+(?:message|mail|by.*)|weitergeleitete\s+nachricht|message\s+(?:transféré|transmis|réexpédié)
              |mensaje\s+reenviado|mensagem\s+encaminhada|messaggio\s+inoltrato|doorgestuurd\s+bericht|vidarebefordrat\s+(?:brev|meddelande)
              |videresendt\s+(?:besked|melding|e-post)|wiadomość\s+przekazana|пересылаемое\s+сообщение|пересланное\s+сообщение
              |转发(?:的)?(?:邮件|信息|邮件信息|原邮件)|轉寄(?:的)?郵件|轉寄者.*|forwarded)\s*:?\s*[-—‐=_*]*
          | (?:begin\s+forwarded\s+message|anfang\s+der\s+weitergeleiteten\s+(?:nachricht|e-?mail)|début\s+du\s+(?:message|e-?mail)\s+(?:transféré|réexpédié)
              |inicio\s+del\s+mensaje\s+reenviado|início\s+da\s+mensagem\s+(?:reencaminhada|encaminhada)|inizio\s+messaggio\s+inoltrato
              |begin\s+doorgestuurd\s+bericht|vidarebefordrat\s+brev|下面是被转发的邮件|开始转发的邮件|被轉寄的郵件)\s*[:：]
        )\s*$",
    )
});

/// What is answered, announced by a line of its own.
static SEPARATOR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^[\s>*]*[-—–‐_=*]{2,}[\s\u{A0}]*(?:
            original(?:\s+|-)?(?:message|mail|e-?mail|appointment|nachricht)? | ursprüngliche\s+(?:nachricht|e-?mail) | original-?nachricht
          | message\s+d['’]origine | (?:message|courriel)\s+(?:original|initial) | mensaje\s+original | mensagem\s+original | messaggio\s+originale
          | oorspronkelijk(?:e)?\s+(?:bericht|e-?mail) | original(?:t|-)?\s?meddelande | ursprungligt\s+meddelande | opprinnelig\s+melding
          | oprindelig\s+meddelelse | alkuperäinen\s+viesti | (?:wiadomość\s+oryginalna|oryginalna\s+wiadomość) | исходное\s+сообщение | původní\s+zpráva | pôvodná\s+správa
          | eredeti\s+üzenet | orijinal\s+(?:mesaj|ileti) | (?:reply|replied)\s+message | antwort\s+nachricht | quoted\s+(?:message|text)
          | 原始?邮件 | 邮件原件 | 原始信件 | 回复的原?邮件 | 回复邮件 | 原始郵件 | 原郵件 | 来信原文 | 元のメッセージ | 원본\s*메[시세]지
        )[\s\u{A0}]*[-—–‐_=*]{2,}\s*$",
    )
});

/// The line of our own mails, and of other desks', above which an answer is to be written.
static ABOVE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^[\W_]*(?:
            (?:please\s+)?(?:type\s+(?:your\s+)?)?(?:reply|respond|write|answer|antwort\w*)\b.{0,40}\babove\s+(?:(?:this|the)\s+(?:dotted\s+)?line|this\s+(?:text|e-?mail|message|note|separator))\b.{0,60}
          | (?:bitte\s+)?(?:antworten?\s+sie\s+)?(?:nur\s+)?(?:oberhalb|über)\s+dieser\s+(?:linie|zeile).{0,40}
          | (?:veuillez\s+)?répon(?:dre|dez)\b.{0,30}au-dessus\s+de\s+cette\s+ligne.{0,30}
          | .{0,10}请?在此(?:行|线)(?:以上|之上|上方).{0,10} | .{0,4}回复请写在此行之上.{0,6}
        )$",
    )
});

/// The labels of a block of header fields, by what they name.
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^[\s>*|_\u{A0}]*(?:
            (?P<from>from|von|de|da|van|från|fra|od|от|от\ кого|kimden|lähettäjä|feladó|expéditeur|remitente|mittente|afzender|发件人|發件人|寄件者|寄件人|差出人|보낸\ ?사람)
          | (?P<sent>sent(?:\ time)?|date(?:\ sent)?|gesendet|datum|envoyé|enviado(?:\ el|\ em)?|fecha|inviato|data|verzonden|skickat|sendt|dato|wysłano|отправлено|дата|gönderildi|tarih|lähetetty|päivämäärä|发送时间|发送日期|日期|时间|发件时间|寄件日期|傳送時間|發送時間|日付|送信日時|보낸\ ?날짜)
          | (?P<to>to|an|à|a|para|aan|till|til|do|кому|kime|vastaanottaja|收件人|收件者|宛先|받는\ ?사람|cc|copie\ à|copie|kopie|kopi|kopia|cópia|копия|抄送|副本)
          | (?P<subject>subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|тема|konu|aihe|předmět|tárgy|主题|主旨|主題|件名|제목)
        )[\s\u{A0}*]{0,4}(?:[:：]|\|)",
    )
});

/// Labels for a day that forms have as well.
static DAY_LABEL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^[\s>*|_]*(?:date|datum|data|dato|fecha|tarih|дата|日期|时间|日付)\b"));

/// `Original`, alone on its line above a block of fields (QQ Mail, new editor).
static ALONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^[\s\u{A0}]*(?:original|原始邮件|原邮件)[\s\u{A0}:：]*$"));

/// A line that only divides.
static RULE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[\s>]*[-_—–=*]{3,}\s*$"));

/// What begins at a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// The quote follows, each line marked; these lines announce it.
    Attribution { from: usize, behind: usize },
    /// All from here on is the quoted mail, unless its lines are marked as quoted.
    Block { from: usize, behind: usize },
    /// All from here on is sent on.
    Forward { from: usize },
    /// All from here on is our own mail.
    Above { from: usize },
}

fn short(text: &str) -> bool {
    text.len() <= LONGEST_MARK
}

/// Whether this line is quoted by a `>` of its own.
pub(super) fn angled(text: &str) -> bool {
    let text = text.trim_start_matches([' ', '\u{A0}']);
    text.starts_with('>') || text.starts_with('＞')
}

/// Whether the line only divides.
pub(super) fn rule(text: &str) -> bool {
    short(text) && RULE.is_match(text)
}

/// What, if anything, begins at line `at`. `answers` says that the mail is an answer by its fields: then weaker signs do.
pub(super) fn begins(lines: &[Line], at: usize, answers: bool) -> Option<Begins> {
    let text = lines[at].text.as_str();
    if !short(text) || lines[at].blank() {
        return None;
    }
    let rules =
        text.trim_start_matches([' ', '>', '*', '\t', '\u{A0}']).starts_with(['-', '—', '–', '‐', '_', '=', '*'])
            || text.trim_start().starts_with('*');
    let ends = ends_like_mark(text);
    if (rules || ends) && FORWARD.is_match(text) {
        return Some(Begins::Forward { from: at });
    }
    if mentions_above(text) && ABOVE.is_match(text) {
        return Some(Begins::Above { from: at });
    }
    if rules && SEPARATOR.is_match(text) {
        let behind = header_block(lines, at + 1).unwrap_or(at + 1);
        return Some(Begins::Block { from: at, behind });
    }
    if text.len() <= 40
        && ALONE.is_match(text)
        && let Some(next) = (at + 1..lines.len().min(at + 4)).find(|next| !lines[*next].blank())
        && label(&lines[next].text) == Some("from")
    {
        return Some(Begins::Block { from: at, behind: header_block(lines, next).unwrap_or(next) });
    }
    if let Some((from, behind)) = fields(lines, at, answers) {
        return Some(Begins::Block { from, behind });
    }
    attribution(lines, at, answers)
}

fn label(text: &str) -> Option<&'static str> {
    if !short(text) {
        return None;
    }
    if !text.contains([':', '：', '|']) {
        return None;
    }
    let found = LABEL.captures(text)?;
    ["from", "sent", "to", "subject"].into_iter().find(|name| found.name(name).is_some())
}

/// Behind which line a block of fields ends that may begin here, however weak.
fn header_block(lines: &[Line], at: usize) -> Option<usize> {
    let mut behind = None;
    for (number, line) in lines.iter().enumerate().skip(at).take(10) {
        if label(&line.text).is_some() {
            behind = Some(number + 1);
        } else if !line.blank() && behind.is_some() {
            break;
        }
    }
    behind
}

/// A block of header fields at `at`: who sent it comes first, and two more of when, to whom and about what within eight
/// lines; or another field comes first and who sent it is among the next. Rules and `Original` above it belong to it.
fn fields(lines: &[Line], at: usize, answers: bool) -> Option<(usize, usize)> {
    let first = label(&lines[at].text)?;
    let (mut seen, mut behind, mut misses) = (vec![first], at + 1, 0);
    // What a form that somebody filled in does not have: an address, or a client's word for when it was sent with a time.
    let sent = |text: &str| !DAY_LABEL.is_match(text) && TIME.is_match(text);
    let mut evidence = lines[at].text.contains('@') || first == "sent" && sent(&lines[at].text);
    for (number, line) in lines.iter().enumerate().skip(at + 1).take(8) {
        match label(&line.text) {
            Some(name) => {
                seen.push(name);
                behind = number + 1;
                evidence |= line.text.contains('@') || name == "sent" && sent(&line.text);
                misses = 0;
            }
            // A list of recipients goes on over several lines.
            None if !line.blank() => misses += 1,
            None => {}
        }
        if misses > 3 {
            break;
        }
    }
    let has = |name: &str| seen.contains(&name);
    let kinds = ["from", "sent", "to", "subject"].into_iter().filter(|name| has(name)).count();
    let known = has("from") && seen.len() >= 3 && kinds >= 3 && (answers || evidence);
    // Another field first: only where the block cannot be a form that somebody has filled in.
    if !known || first != "from" && (!evidence || kinds != 4 && !answers) {
        return None;
    }
    let mut from = at;
    while from > 0 && (lines[from - 1].blank() || rule(&lines[from - 1].text) || ALONE.is_match(&lines[from - 1].text))
    {
        from -= 1;
    }
    Some((from, behind))
}

/// An attribution that ends or begins at `at`, with the lines it was wrapped into.
fn attribution(lines: &[Line], at: usize, answers: bool) -> Option<Begins> {
    // It may be wrapped into up to four lines; its end says that it is one.
    let mut joined = String::new();
    for end in at..lines.len().min(at + 4) {
        let line = &lines[end];
        // An address may be broken before its closing bracket, which then looks like a quote.
        let closes = end > at && joined.rfind('<') > joined.rfind('>');
        if line.blank() || !short(&line.text) || angled(&line.text) != angled(&lines[at].text) && !closes {
            return None;
        }
        if end > at {
            // A sentence that ends is not a line that was wrapped.
            if lines[end - 1].text.trim_end().ends_with(['.', '。', '！', '!', '？', '?', '；', ':', '：']) {
                return None;
            }
            // A line of its own above an attribution: only `name <address>` is broken before a date.
            if STARTS.is_match(&line.text) && !lines[at].text.trim_end().ends_with('>') {
                return None;
            }
            joined.push(' ');
        }
        joined.push_str(line.text.trim());
        if joined.len() > LONGEST_MARK {
            return None;
        }
        let next = lines[end + 1..].iter().take(3).find(|line| !line.blank());
        let quoted = next.is_some_and(|line| angled(&line.text) || line.indent > lines[at].indent);
        if end == at && (quoted && OLD_GMAIL.is_match(&joined) || ends_like_mark(&joined) && RULED.is_match(&joined)) {
            return Some(Begins::Attribution { from: at, behind: end + 1 });
        }
        if !ends_like_mark(&joined) {
            continue;
        }
        let verb = WROTE.is_match(&joined) || WROTE_INSIDE.is_match(&joined);
        let no_verb = !verb && NO_VERB.is_match(&joined) && DATE.is_match(&joined);
        if !verb && !no_verb {
            continue;
        }
        let (dated, timed, addressed) = (DATE.is_match(&joined), TIME.is_match(&joined), ADDRESS.is_match(&joined));
        let starts = STARTS.is_match(&joined);
        // Several lines only where the first one begins like an attribution, or holds the name and address.
        if end > at && !starts && !ADDRESS.is_match(&lines[at].text) && !DATE.is_match(&lines[at].text) {
            return None;
        }
        // Without an address and without a quote below it could be a sentence, unless the mail is an answer.
        let strong =
            dated && (timed && (answers || quoted) || addressed) || addressed && (timed || starts || end == at);
        let weak = dated || starts && timed || !reads_like_a_sentence(&joined);
        return (strong || quoted && weak).then_some(Begins::Attribution { from: at, behind: end + 1 });
    }
    None
}

/// Whether the line ends as the announcing ones do: cheap, and true for few.
fn ends_like_mark(text: &str) -> bool {
    text.trim_end().ends_with([':', '：', '-', '—', '=', '_', '*'])
}

/// Whether a word of [`ABOVE`] is in the line.
fn mentions_above(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["above", "oberhalb", "über", "au-dessus", "在此"].iter().any(|word| lower.contains(word))
}

/// Whether this reads like a sentence of a person's own rather than `name wrote:`.
fn reads_like_a_sentence(text: &str) -> bool {
    text.split_whitespace().count() > 8 || text.chars().count() > 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in [
            &WROTE,
            &WROTE_INSIDE,
            &STARTS,
            &DATE,
            &TIME,
            &ADDRESS,
            &NO_VERB,
            &DAY_LABEL,
            &OLD_GMAIL,
            &RULED,
            &FORWARD,
            &SEPARATOR,
            &ABOVE,
            &LABEL,
            &ALONE,
            &RULE,
        ] {
            assert!(!pattern.as_str().is_empty());
        }
    }
}
