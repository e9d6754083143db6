//! The mention of the bot inside a group's text (wecom.md 5.3): it comes as typed, anywhere in the text.

/// Takes the mention of the bot out. `bot_name` is the display name from the configuration, where there is one; in a
/// group a leading `@word` is taken for the bot where its name was not found, since nothing else would have been delivered.
pub fn strip_mention(content: &str, bot_name: Option<&str>, in_group: bool) -> String {
    let name = bot_name.map(str::trim).filter(|name| !name.is_empty());
    if let Some(name) = name
        && let Some(stripped) = strip_exact(content, name)
    {
        return stripped;
    }
    let text = content.trim_matches(is_space);
    let Some(rest) = text.strip_prefix('@').filter(|_| in_group) else { return text.to_owned() };
    if let Some(end) = rest.find(is_space) {
        return rest[end..].trim_matches(is_space).to_owned();
    }
    // One word only: without its end marked, only the configured name says where the mention ends.
    match name {
        Some(name) => rest.strip_prefix(name).map_or(text, |rest| rest.trim_matches(is_space)).to_owned(),
        None => String::new(),
    }
}

/// Removes every free-standing `@name`; `None` where there is none.
fn strip_exact(content: &str, name: &str) -> Option<String> {
    let mut kept = String::with_capacity(content.len());
    let mut rest = content;
    let mut found = false;
    while let Some(at) = rest.find('@') {
        let (before, from) = rest.split_at(at);
        kept.push_str(before);
        let free = kept.chars().next_back().is_none_or(is_space);
        if let Some(after) = from[1..].strip_prefix(name).filter(|after| free && ends_word(after)) {
            found = true;
            rest = after.trim_start_matches(is_space);
            let length = kept.trim_end_matches(is_space).len();
            kept.truncate(length);
            // A mention in the middle leaves one blank; before punctuation and at the ends none.
            if !kept.is_empty() && rest.chars().next().is_some_and(|next| !is_mark(next)) {
                kept.push(' ');
            }
        } else {
            kept.push('@');
            rest = &from[1..];
        }
    }
    kept.push_str(rest);
    found.then(|| kept.trim_matches(is_space).to_owned())
}

fn ends_word(after: &str) -> bool {
    after.chars().next().is_none_or(|next| is_space(next) || is_mark(next))
}

/// White space as clients put it after a mention: U+2005 among others, which [`char::is_whitespace`] covers, and the
/// zero-width ones, which it does not.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{200c}' | '\u{feff}')
}

fn is_mark(c: char) -> bool {
    (c.is_ascii_punctuation() && !matches!(c, '@' | '_' | '-'))
        || matches!(
            c,
            '，' | '。' | '、' | '：' | '；' | '！' | '？' | '（' | '）' | '“' | '”' | '…' | '～' | '《' | '》'
        )
}
