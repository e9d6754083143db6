//! The containers by which clients say in HTML what is quoted and what is a signature (section 6 of the mail sheet).

use scraper::node::Element;

/// What an element is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    None,
    /// What is in it is quoted, or announces what is quoted.
    Quote,
    /// It and all that follows is the quoted mail.
    Rest,
    Signature,
}

/// What an element says of its content.
pub(super) struct Seen {
    pub(super) role: Role,
    /// It is not shown.
    pub(super) hidden: bool,
    /// A paragraph with room around it.
    pub(super) spaced: bool,
}

const QUOTE_CLASSES: [&str; 22] = [
    "gmail_quote",
    "gmail_attr",
    "moz-cite-prefix",
    "iosymail",
    "protonmail_quote",
    "zmail_extra",
    "ntes-mailmaster-quote",
    "ntes-flashmail-quote",
    "tutanota_quote",
    "front-blockquote",
    "airmail_on",
    "clean_bq",
    "yahoo_quoted",
    "quotedmessage",
    "mailru-blockquote",
    "sh-quoted-content",
    "protonmail_quoted",
    "moz-email-headers-table-reply",
    "bloop_original_html",
    "gmail_quote_container",
    "freshdesk_quote",
    "spark_quote",
];
const REST_CLASSES: [&str; 2] = ["outlookmessageheader", "hmmessage-quote"];
const SIGNATURE_CLASSES: [&str; 12] = [
    "gmail_signature",
    "gmail_signature_prefix",
    "protonmail_signature_block",
    "protonmail_signature_block-user",
    "ntes-signature",
    "moz-signature",
    "qqmail_sign",
    "bloop_sign",
    "tutanota_signature",
    "apple-mail-signature",
    "signature-text",
    "mail_signature",
];
const QUOTE_IDS: [&str; 10] = [
    "olk_src_body_section",
    "mail-editor-reference-message-container",
    "divneteasemailcard",
    "isreplycontent",
    "reply139content",
    "orimsghtmlseperator",
    "origbody",
    "messagereplysection",
    "qt",
    "mailcontent",
];
const REST_IDS: [&str; 6] = ["divrplyfwdmsg", "appendonsend", "replysplit", "divfmreplybody", "zwchr", "stopspelling"];
const SIGNATURE_IDS: [&str; 13] = [
    "signature",
    "imail_signature",
    "_flashsignname",
    "signnamehr",
    "fmsigseperator",
    "_foxfromname",
    "applemailsignature",
    "linebreakatbeginningofsignature",
    "ms-outlook-mobile-signature",
    "ms-outlook-ios-signature",
    "composer_signature",
    "mail-app-auto-default-signature",
    "messagesignaturesection",
];

/// Reads the attributes of an element once.
pub(super) fn look(element: &Element) -> Seen {
    let mut seen = Seen { role: Role::None, hidden: false, spaced: true };
    let name = element.name();
    for (attribute, value) in element.attrs() {
        match attribute {
            "class" => class(value, &mut seen),
            "id" | "name" => {
                let id = value.trim().to_ascii_lowercase();
                // Outlook on the web puts `x_` before the names in what it quotes.
                let id = id.trim_start_matches("x_");
                if REST_IDS.contains(&id) && (id != "zwchr" || name == "hr") {
                    seen.role = Role::Rest;
                } else if QUOTE_IDS.contains(&id) || id == "quote" && attribute == "name" || id.contains("yahoo_quoted")
                {
                    raise(&mut seen, Role::Quote);
                } else if SIGNATURE_IDS.contains(&id) {
                    raise(&mut seen, Role::Signature);
                }
            }
            "type" if name == "blockquote" && value.eq_ignore_ascii_case("cite") => raise(&mut seen, Role::Quote),
            "data-marker" if matches!(value, "__QUOTED_TEXT__" | "__DIVIDER__") => seen.role = Role::Rest,
            "data-marker" if value.starts_with("__SIG_") => raise(&mut seen, Role::Signature),
            "data-smartmail" if value == "gmail_signature" => raise(&mut seen, Role::Signature),
            "style" => {
                let style: String =
                    value.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
                seen.hidden |= style.contains("display:none") || style.contains("mso-hide:all");
                // Outlook's rule above the fields of the mail that is answered.
                let ruled = ["border-top:solid#e1e1e1", "border-top:solid#b5c4df", "border-top-color:rgb(229,229,229)"];
                if ruled.iter().any(|ruled| style.contains(ruled)) {
                    seen.role = Role::Rest;
                }
                seen.spaced &= !style.contains("margin:0") && !style.contains("margin-top:0");
            }
            _ => {}
        }
    }
    if name == "sign" {
        seen.role = Role::Signature;
    }
    seen
}

fn class(value: &str, seen: &mut Seen) {
    for class in value.split_ascii_whitespace() {
        let class = class.to_ascii_lowercase();
        let class = class.trim_start_matches("x_");
        seen.spaced &= !class.starts_with("mso");
        if REST_CLASSES.contains(&class) {
            seen.role = Role::Rest;
        } else if QUOTE_CLASSES.contains(&class) || class.ends_with("yahoo_quoted") {
            raise(seen, Role::Quote);
        } else if SIGNATURE_CLASSES.contains(&class) {
            raise(seen, Role::Signature);
        }
    }
}

/// What ends a mail counts more than what stands in it.
fn raise(seen: &mut Seen, role: Role) {
    if seen.role != Role::Rest {
        seen.role = role;
    }
}
