//! What an app hears: the inner XML of its callback (wecom.md 4.8). 1:1 only: no groups, no quotes, no mentions.

use super::xml::{Element, XmlError};

/// One message or event.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardApp {
    /// CorpID (`ToUserName`).
    pub corp_id: String,
    /// Userid of the writer; `sys` for changes of the contact book, empty for customer service.
    pub from: String,
    /// Seconds since 1970, by the platform's clock.
    pub created: Option<i64>,
    /// Missing in contact events.
    pub agent_id: Option<i64>,
    /// What repeats of it are recognised by (`msg:…`, `card:…`, `event:…`).
    pub key: String,
    /// What it says.
    pub what: AppWhat,
}

/// Kinds of messages and events.
#[derive(Debug, Clone, PartialEq)]
pub enum AppWhat {
    /// `Content`.
    Text(String),
    /// A picture: its temporary address and its media id.
    Image {
        /// Needs no token, but lives shortly.
        pic_url: String,
        /// For `media/get`, three days.
        media_id: String,
    },
    /// A recording; no recognised words.
    Voice {
        /// For `media/get`.
        media_id: String,
        /// `amr`.
        format: String,
    },
    /// A film.
    Video {
        /// For `media/get`.
        media_id: String,
    },
    /// A file: seen, though not documented.
    File {
        /// For `media/get`.
        media_id: String,
        /// `FileName` or `Title`, where there is one.
        name: String,
    },
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// Zoom of the map.
        scale: Option<i64>,
        /// Its name.
        label: String,
    },
    /// A shared page.
    Link {
        /// Heading.
        title: String,
        /// Where it leads.
        url: String,
    },
    /// A card's button, submit button or corner menu.
    Card(CardPress),
    /// The contact book changed.
    Contact {
        /// `create_user`, `update_user`, …
        change: String,
        /// Before the change.
        user_id: String,
        /// After it, where it changed.
        new_user_id: Option<String>,
    },
    /// Customer service has something to fetch.
    Kf {
        /// For `kf/sync_msg`, ten minutes.
        token: String,
        /// Which account.
        open_kf_id: String,
    },
    /// Any other event: its name and key.
    Event {
        /// `enter_agent`, `subscribe`, …
        name: String,
        /// `EventKey`, often empty.
        key: String,
    },
    /// A message type nobody has described.
    Unknown(String),
}

/// A press on a card of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardPress {
    /// `template_card_event` or `template_card_menu_event`.
    pub event: String,
    /// Key of the button or of the submit button.
    pub key: String,
    /// The card.
    pub task_id: String,
    /// `button_interaction`, …
    pub card_type: String,
    /// For one update within 72 h.
    pub response_code: String,
    /// Question and chosen options, in order.
    pub selected: Vec<(String, Vec<String>)>,
}

/// Reads the decrypted XML.
pub fn read(xml: &[u8]) -> Result<HeardApp, XmlError> {
    let root = Element::parse(xml)?;
    let text = |name: &str| root.text_of(name).unwrap_or_default().trim().to_owned();
    let number = |name: &str| root.text_of(name).and_then(|text| text.trim().parse::<i64>().ok());
    let from = text("FromUserName");
    let created = number("CreateTime");
    let kind = text("MsgType");
    let what = match kind.as_str() {
        "text" => AppWhat::Text(root.text_of("Content").unwrap_or_default().to_owned()),
        "image" => AppWhat::Image { pic_url: text("PicUrl"), media_id: text("MediaId") },
        "voice" => AppWhat::Voice { media_id: text("MediaId"), format: text("Format") },
        "video" => AppWhat::Video { media_id: text("MediaId") },
        "file" if root.text_of("MediaId").is_some_and(|id| !id.is_empty()) => {
            let name = [text("FileName"), text("Title")].into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            AppWhat::File { media_id: text("MediaId"), name }
        }
        "location" => AppWhat::Location {
            latitude: text("Location_X").parse().unwrap_or_default(),
            longitude: text("Location_Y").parse().unwrap_or_default(),
            scale: number("Scale"),
            label: text("Label"),
        },
        "link" => AppWhat::Link { title: text("Title"), url: text("Url") },
        "event" => event(&root, &text("Event")),
        _ => AppWhat::Unknown(kind),
    };
    let key = key(&text("MsgId"), &from, created, &what);
    Ok(HeardApp { corp_id: text("ToUserName"), from, created, agent_id: number("AgentID"), key, what })
}

fn event(root: &Element, name: &str) -> AppWhat {
    let text = |name: &str| root.text_of(name).unwrap_or_default().trim().to_owned();
    match name {
        "template_card_event" | "template_card_menu_event" => AppWhat::Card(CardPress {
            event: name.to_owned(),
            key: text("EventKey"),
            task_id: text("TaskId"),
            card_type: text("CardType"),
            response_code: text("ResponseCode"),
            selected: root.child("SelectedItems").map(selected).unwrap_or_default(),
        }),
        "change_contact" => AppWhat::Contact {
            change: text("ChangeType"),
            user_id: text("UserID"),
            new_user_id: Some(text("NewUserID")).filter(|id| !id.is_empty()),
        },
        "kf_msg_or_event" => AppWhat::Kf { token: text("Token"), open_kf_id: text("OpenKfId") },
        _ => AppWhat::Event { name: name.to_owned(), key: text("EventKey") },
    }
}

fn selected(items: &Element) -> Vec<(String, Vec<String>)> {
    let items = items.children.iter().filter(|item| item.name == "SelectedItem");
    let chosen = |item: &Element| {
        let options = item.child("OptionIds").map(|ids| ids.children.iter());
        let options = options.into_iter().flatten().filter(|id| id.name == "OptionId");
        options.map(|id| id.text.trim().to_owned()).collect()
    };
    items.map(|item| (item.text_of("QuestionKey").unwrap_or_default().trim().to_owned(), chosen(item))).collect()
}

/// Events have no id: writer and second, as documented, and enough of the event to keep two of one second apart.
fn key(msg_id: &str, from: &str, created: Option<i64>, what: &AppWhat) -> String {
    if !msg_id.is_empty() {
        return format!("msg:{msg_id}");
    }
    let at = created.unwrap_or_default();
    match what {
        AppWhat::Card(press) => format!("card:{}:{}:{from}:{at}", press.task_id, press.key),
        AppWhat::Contact { change, user_id, .. } => format!("event:{from}:{at}:change_contact:{change}:{user_id}"),
        AppWhat::Kf { token, open_kf_id } => format!("kf:{open_kf_id}:{token}"),
        AppWhat::Event { name, key } => format!("event:{from}:{at}:{name}:{key}"),
        AppWhat::Text(_)
        | AppWhat::Image { .. }
        | AppWhat::Voice { .. }
        | AppWhat::Video { .. }
        | AppWhat::File { .. }
        | AppWhat::Location { .. }
        | AppWhat::Link { .. }
        | AppWhat::Unknown(_) => format!("msg:{from}:{at}"),
    }
}
