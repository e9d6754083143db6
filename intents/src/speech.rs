//! What the speaker said, apart from what they quote and whom they call.

/// A message without quotations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Speech {
    /// The speaker's own words.
    pub text: String,
    /// Something was quoted.
    pub quoted: bool,
}

/// Takes out quotations: lines that begin with `>`, a block in corner brackets at the head (as
/// WeChat writes a quotation), and reply marks of QQ.
pub(crate) fn speech(text: &str) -> Speech {
    let mut rest = text;
    let mut quoted = false;
    loop {
        let head = rest.trim_start();
        if let Some(after) = head.strip_prefix("[CQ:reply").and_then(|after| after.split_once(']')) {
            rest = after.1;
            quoted = true;
        } else if head.starts_with('「') || head.starts_with('『') {
            // The block ends at the bracket before a line's end; nested brackets stay inside it.
            let end = [("」\n", '」'), ("』\n", '』')]
                .iter()
                .filter_map(|(mark, _)| head.find(mark).map(|at| at + mark.len()))
                .min();
            let Some(end) = end else { break };
            rest = head[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '-' || c == '—');
            quoted = true;
        } else {
            break;
        }
    }
    let is_quotation = |line: &str| {
        let line = line.trim_start();
        line.starts_with('>') || line.starts_with('＞') || line.starts_with("&gt;")
    };
    if rest.lines().any(is_quotation) {
        let own: Vec<&str> = rest.lines().filter(|line| !is_quotation(line)).collect();
        return Speech { text: own.join("\n"), quoted: true };
    }
    Speech { text: rest.to_owned(), quoted }
}

/// Whether a text begins inside quotation marks: somebody else's words, whatever they say.
pub(crate) fn begins_quoted(text: &str) -> bool {
    text.trim_start().starts_with(['「', '『', '“', '"', '《', '‘', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_not_the_speakers_words() {
        for (why, text, own, quoted) in [
            ("plain", "认领 3", "认领 3", false),
            ("mail style", "> 认领 3\n好的", "好的", true),
            ("WeChat", "「小值：#3 登记系统打不开」\n- - - - - -\n认领", "认领", true),
            ("QQ", "[CQ:reply,id=12]认领", "认领", true),
            ("brackets alone are words", "「认领 3」", "「认领 3」", false),
        ] {
            assert_eq!(speech(text), Speech { text: own.to_owned(), quoted }, "{why}");
        }
    }
}
