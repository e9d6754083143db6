//! The little XML that WeCom speaks: elements with text, no attributes, no document type, no entities of one's own.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Deepest nesting taken: `xml/SelectedItems/SelectedItem/OptionIds/OptionId` is five.
const DEEPEST: usize = 12;
/// Most elements of one document.
const MOST: usize = 2000;

/// An element: its name, its text with CDATA joined, and its children in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Tag name.
    pub name: String,
    /// Text directly inside it.
    pub text: String,
    /// Elements directly inside it.
    pub children: Vec<Element>,
}

/// The document was refused. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed, not UTF-8, or no single root.
    #[error("the XML is not well-formed")]
    Malformed,
    /// A document type or an entity: never sent by WeCom.
    #[error("the XML carries a document type or an entity")]
    Entity,
    /// Too deep or too many elements.
    #[error("the XML is too large")]
    TooLarge,
}

impl Element {
    /// Parses a document and returns its root.
    pub fn parse(bytes: &[u8]) -> Result<Self, XmlError> {
        let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Malformed)?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        let mut seen = 0_usize;
        loop {
            match reader.read_event().map_err(|_| XmlError::Malformed)? {
                event @ (Event::Start(_) | Event::Empty(_)) => {
                    let (Event::Start(tag) | Event::Empty(tag)) = &event else { return Err(XmlError::Malformed) };
                    seen += 1;
                    if seen > MOST || open.len() >= DEEPEST {
                        return Err(XmlError::TooLarge);
                    }
                    if root.is_some() {
                        return Err(XmlError::Malformed);
                    }
                    let name = tag.name().as_ref().to_owned();
                    open.push(Self { name, ..Self::default() });
                    if matches!(event, Event::Empty(_)) {
                        close(&mut open, &mut root)?;
                    }
                }
                Event::End(_) => close(&mut open, &mut root)?,
                Event::Text(words) => add(&mut open, &words.xml10_content())?,
                Event::CData(words) => match open.last_mut() {
                    Some(element) => element.text.push_str(&words.xml10_content()),
                    None => return Err(XmlError::Malformed),
                },
                Event::GeneralRef(reference) => {
                    let resolved = reference.resolve_char_ref().map_err(|_| XmlError::Malformed)?;
                    let name = reference.xml10_content();
                    match (resolved, resolve_predefined_entity(&name)) {
                        (Some(char), _) => add(&mut open, char.encode_utf8(&mut [0; 4]))?,
                        (None, Some(words)) => add(&mut open, words)?,
                        (None, None) => return Err(XmlError::Entity),
                    }
                }
                Event::DocType(_) => return Err(XmlError::Entity),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if open.is_empty() { root.ok_or(XmlError::Malformed) } else { Err(XmlError::Malformed) }
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

/// Text outside the root may only be white space.
fn add(open: &mut [Element], words: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(words),
        None if words.trim().is_empty() => {}
        None => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn close(open: &mut Vec<Element>, root: &mut Option<Element>) -> Result<(), XmlError> {
    let done = open.pop().ok_or(XmlError::Malformed)?;
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
    Ok(())
}

/// Text as CDATA; an end mark inside is split over two sections.
pub fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_that_wecom_never_sends_are_refused() {
        for (why, document, error) in [
            ("nothing", "", XmlError::Malformed),
            ("no end", "<xml><a>", XmlError::Malformed),
            ("crossed", "<xml><a></xml></a>", XmlError::Malformed),
            ("two roots", "<xml/><xml/>", XmlError::Malformed),
            ("words outside", "hello<xml/>", XmlError::Malformed),
            ("a document type", "<!DOCTYPE x [<!ENTITY a \"b\">]><xml>&a;</xml>", XmlError::Entity),
            ("an entity", "<xml>&boom;</xml>", XmlError::Entity),
        ] {
            assert_eq!(Element::parse(document.as_bytes()), Err(error), "{why}");
        }
        let deep = "<a>".repeat(40) + &"</a>".repeat(40);
        assert_eq!(Element::parse(deep.as_bytes()), Err(XmlError::TooLarge));
        let wide = format!("<xml>{}</xml>", "<a/>".repeat(3000));
        assert_eq!(Element::parse(wide.as_bytes()), Err(XmlError::TooLarge));
    }

    #[test]
    fn text_and_cdata_are_joined_and_references_resolved() {
        let root = Element::parse("<xml><C>a &amp; <![CDATA[<b>&amp;</b>]]>&#x4fee;</C></xml>".as_bytes()).unwrap();
        assert_eq!(root.text_of("C"), Some("a & <b>&amp;</b>修"));
    }

    proptest! {
        #[test]
        fn what_is_written_as_cdata_is_read_back(text in "[a-z\\]\\[><&修!]{0,40}") {
            let document = format!("<xml><C>{}</C></xml>", cdata(&text));
            let root = Element::parse(document.as_bytes()).unwrap();
            prop_assert_eq!(root.text_of("C"), Some(text.as_str()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Element::parse(&bytes);
        }
    }
}
