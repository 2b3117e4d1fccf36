//! The knob `commit_author`: whose name a commit bears that the user has made of a proposal.

use std::fmt;

/// Somebody who made a change, as git names people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// For people.
    pub name: String,
    /// Address.
    pub email: String,
}

impl Author {
    /// Reads `Name <address>`.
    ///
    /// # Errors
    /// It is something else; says what it should be.
    pub fn parse(text: &str) -> Result<Author, String> {
        let parts = text.trim().strip_suffix('>');
        let parts = parts.and_then(|text| text.split_once('<'));
        let (name, email) = parts.unwrap_or_default();
        let (name, email) = (name.trim(), email.trim());
        // Git ends names and addresses with these.
        let strange = |c: char| c.is_control() || matches!(c, '<' | '>');
        if name.is_empty() || email.is_empty() || name.contains(strange) || email.contains(strange)
        {
            let text = text.escape_debug();
            return Err(format!("`{text}` is no author; write `Name <address>`"));
        }
        Ok(Author {
            name: name.to_owned(),
            email: email.to_owned(),
        })
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// `git`, which is the repository's user, or an author.
pub(super) fn parse(key: &str, text: &str) -> Result<Option<Author>, String> {
    if text == "git" {
        return Ok(None);
    }
    let author = Author::parse(text).map(Some);
    author.map_err(|reason| format!("`{key}`: {reason}, or git"))
}

pub(super) fn shown(author: Option<&Author>) -> String {
    author.map_or_else(|| "git".to_owned(), Author::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<(&str, &str)>) {
        let author = Author::parse(text);
        let parts = author.as_ref().ok();
        let parts = parts.map(|author| (author.name.as_str(), author.email.as_str()));
        assert_eq!(parts, expect, "{text:?}: {author:?}");
        if let Ok(author) = &author {
            assert_eq!(Author::parse(&author.to_string()), Ok(author.clone()));
        }
    }

    #[test]
    fn authors_are_read() {
        check("Bot <bot@example.com>", Some(("Bot", "bot@example.com")));
        check("  A B  < a@b > ", Some(("A B", "a@b")));
        for wrong in [
            "",
            "Bot",
            "<a@b>",
            "Bot <>",
            "Bot < >",
            "Bot <a@b",
            "Bot a@b>",
            "A <b> <c@d>",
            "A\nB <a@b>",
            "A <a@\nb>",
            "A <a>b>",
        ] {
            check(wrong, None);
        }
    }
}
