//! What is in a file: text with its byte-order mark, or bytes that are no text.

use std::borrow::Cow;
use std::sync::Arc;

const BOM: &str = "\u{feff}";

/// The content of one file. Cloning shares it.
#[derive(Debug, Clone)]
pub enum Content {
    /// UTF-8 text without NUL.
    Text {
        /// The text behind the byte-order mark, line endings as they are.
        text: Arc<str>,
        /// Whether the file begins with a byte-order mark. Editors do not show it, so it takes no
        /// part in comparisons; it stays as it was when a file is written.
        bom: bool,
    },
    /// Anything else. Replaced whole or not at all.
    Binary(Arc<[u8]>),
}

impl Content {
    /// Tells text from binary.
    pub fn from_bytes(bytes: Vec<u8>) -> Content {
        if bytes.contains(&0) {
            return Content::Binary(bytes.into());
        }
        match String::from_utf8(bytes) {
            Ok(text) => match text.strip_prefix(BOM) {
                Some(rest) => Content::Text {
                    text: rest.into(),
                    bom: true,
                },
                None => Content::Text {
                    text: text.into(),
                    bom: false,
                },
            },
            Err(error) => Content::Binary(error.into_bytes().into()),
        }
    }

    /// Text as an editor holds it.
    pub fn from_text(text: Arc<str>) -> Content {
        Content::Text { text, bom: false }
    }

    /// The text; `None` for binary content.
    pub fn text(&self) -> Option<&str> {
        match self {
            Content::Text { text, .. } => Some(text),
            Content::Binary(_) => None,
        }
    }

    /// Whether an editor that holds this content shows that text. Some hide carriage returns.
    pub fn is_shown_as(&self, shown: &str) -> bool {
        self.text()
            .is_some_and(|text| text == shown || text.replace("\r\n", "\n") == shown)
    }

    /// The bytes as they are in a file.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Content::Text { text, bom: false } => Cow::Borrowed(text.as_bytes()),
            Content::Text { text, bom: true } => {
                Cow::Owned([BOM.as_bytes(), text.as_bytes()].concat())
            }
            Content::Binary(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Bytes in a file.
    pub fn len(&self) -> usize {
        match self {
            Content::Text { text, bom } => text.len() + if *bom { BOM.len() } else { 0 },
            Content::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same text with another file's byte-order mark.
    pub(crate) fn with_bom_of(self, other: Option<&Content>) -> Content {
        match (self, other) {
            (Content::Text { text, .. }, Some(Content::Text { bom, .. })) => {
                Content::Text { text, bom: *bom }
            }
            (content, _) => content,
        }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        match (self, other) {
            (Content::Text { text: a, .. }, Content::Text { text: b, .. }) => a == b,
            (Content::Binary(a), Content::Binary(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Content {}
