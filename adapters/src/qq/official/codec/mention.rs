//! Mentions in texts, in and out (qq-official.md 3.3, 4.2).

/// Somebody named in a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mention {
    /// Openid; the platform writes it under three names.
    pub id: String,
    /// Shown name, where it is told.
    pub name: String,
    /// Whether it is this robot.
    pub own: bool,
}

/// Takes the robot's own mention out of a text and writes those of others as `@name`. `robot_called` says that the event
/// itself means the robot was mentioned: then a leading `<@…>` that is in no list is the robot's.
pub fn read(content: &str, mentions: &[Mention], robot_called: bool) -> String {
    let known_own = mentions.iter().any(|mention| mention.own);
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.find(['<', '[']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((id, shown, length)) = tag(rest).or_else(|| link(rest)) else {
            let mut chars = rest.chars();
            out.extend(chars.next());
            rest = chars.as_str();
            continue;
        };
        let of = mentions.iter().find(|mention| !mention.id.is_empty() && mention.id == id);
        let own = of.map_or(robot_called && !known_own && out.trim().is_empty(), |mention| mention.own);
        if !own {
            let named = of.map(|mention| mention.name.as_str()).filter(|name| !name.is_empty()).unwrap_or(shown);
            out.push('@');
            out.push_str(if named.is_empty() { "某人" } else { named });
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    out.trim().to_owned()
}

/// `<@OPENID>`, `<@!OPENID>` or `<qqbot-at-user id="OPENID"/>`: id, nothing shown, bytes.
fn tag(text: &str) -> Option<(&str, &str, usize)> {
    let end = text.find('>')?;
    let inner = &text[1..end];
    let id = match inner.strip_prefix('@') {
        Some(id) => id.trim_start_matches('!'),
        None => inner.strip_prefix("qqbot-at-user id=\"")?.split('"').next()?,
    };
    (text.starts_with('<') && !id.is_empty() && !id.contains(char::is_whitespace)).then_some((id, "", end + 1))
}

/// `[@name](mqqapi://markdown/mention?at_type=1&at_tinyid=OPENID)`: id, name, bytes.
fn link(text: &str) -> Option<(&str, &str, usize)> {
    let name_end = text.find("](mqqapi://markdown/mention?")?;
    let name = text.strip_prefix("[@")?.get(..name_end.checked_sub(2)?)?;
    if name.contains([']', '\n']) {
        return None;
    }
    let end = name_end + text[name_end..].find(')')?;
    let query = text[name_end..end].split_once('?')?.1;
    let id = query.split('&').find_map(|pair| pair.strip_prefix("at_tinyid="))?;
    Some((id, name, end + 1))
}

/// A text that mentions nobody, whatever stands in it: what would read as a tag of the platform is made to look like one
/// only.
pub fn harmless(text: &str) -> String {
    text.replace("<@", "＜@").replace("<qqbot-", "＜qqbot-").replace("](mqqapi://", "](mqqapi：//")
}

/// The tag that mentions a member of a group, and a space; `None` for what is no openid.
pub fn of(account: &str) -> Option<String> {
    let openid =
        !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    openid.then(|| format!("<qqbot-at-user id=\"{account}\"/> "))
}
