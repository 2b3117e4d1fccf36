//! The keys of the dialogue: what each does, and which of them make sense at a hunk.

use std::fmt::Write;

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Accept,
    Reject,
    AcceptFile,
    RejectFile,
    AcceptAll,
    AcceptGroup,
    RejectGroup,
    Split,
    Edit,
    Comment,
    Next,
    Previous,
    Search,
    Print,
    Quit,
    Help,
}

/// Every key, in the order in which they are offered.
const KEYS: &[(Key, char, &str)] = &[
    (Key::Accept, 'y', "accept this hunk"),
    (Key::Reject, 'n', "reject this hunk"),
    (
        Key::AcceptFile,
        'a',
        "accept this hunk and the rest of the file",
    ),
    (
        Key::RejectFile,
        'd',
        "reject this hunk and the rest of the file",
    ),
    (
        Key::AcceptAll,
        'A',
        "accept this hunk and everything behind it",
    ),
    (
        Key::AcceptGroup,
        'g',
        "accept this hunk and all others of the same tool call",
    ),
    (
        Key::RejectGroup,
        'G',
        "reject this hunk and all others of the same tool call",
    ),
    (Key::Split, 's', "split this hunk into smaller ones"),
    (
        Key::Edit,
        'e',
        "edit the proposed text in your editor, and accept it so",
    ),
    (Key::Comment, 'c', "reject this hunk and tell the model why"),
    (
        Key::Next,
        'j',
        "go to the next hunk, leave this one undecided",
    ),
    (
        Key::Previous,
        'k',
        "go to the previous hunk, leave this one undecided",
    ),
    (Key::Search, '/', "go to the next hunk that has a text"),
    (Key::Print, 'p', "print this hunk again"),
    (Key::Quit, 'q', "quit; what is not decided stays pending"),
    (Key::Help, '?', "print help"),
];

/// What is true of a hunk and of its place among the others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) is_conflicted: bool,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    /// Others of the same tool call wait too.
    pub(super) has_group: bool,
    pub(super) can_split: bool,
    pub(super) can_edit: bool,
}

impl Place {
    /// Why a key does nothing here; `None` when it does something.
    pub(super) fn refuses(&self, key: Key) -> Option<&'static str> {
        let reason = |refused: bool, reason| refused.then_some(reason);
        match key {
            Key::Accept | Key::AcceptFile | Key::AcceptAll => reason(
                self.is_conflicted,
                "your text changed here: edit the hunk, or reject it",
            ),
            Key::AcceptGroup if self.is_conflicted => self.refuses(Key::Accept),
            Key::AcceptGroup | Key::RejectGroup => {
                reason(!self.has_group, "no other hunk of the same tool call waits")
            }
            Key::Split => reason(!self.can_split, "this hunk cannot be split"),
            Key::Edit => reason(!self.can_edit, "this hunk has no text to edit"),
            Key::Next => reason(self.is_last, "this is the last hunk"),
            Key::Previous => reason(self.is_first, "this is the first hunk"),
            Key::Search => reason(self.is_first && self.is_last, "there is no other hunk"),
            Key::Reject | Key::RejectFile | Key::Comment | Key::Print | Key::Quit | Key::Help => {
                None
            }
        }
    }

    /// The question, with the keys that make sense.
    pub(super) fn question(&self) -> String {
        let offered = KEYS.iter().filter(|(key, ..)| self.refuses(*key).is_none());
        let offered: Vec<String> = offered.map(|(_, name, _)| name.to_string()).collect();
        let what = match self.is_conflicted {
            true => "Your text changed here; what of this hunk",
            false => "Accept this hunk",
        };
        format!("{what} [{}]? ", offered.join(","))
    }
}

/// The key of an answer, with what stands behind it. Words that mean yes and no are understood.
pub(super) fn parse(answer: &str) -> Option<(Key, &str)> {
    let answer = answer.trim();
    if let Some(text) = answer.strip_prefix('/') {
        return Some((Key::Search, text));
    }
    let name = match answer {
        "Y" | "yes" => 'y',
        "N" | "no" => 'n',
        "Q" | "quit" => 'q',
        _ => {
            let mut chars = answer.chars();
            chars.next().filter(|_| chars.next().is_none())?
        }
    };
    let key = KEYS.iter().find(|(_, known, _)| *known == name)?;
    Some((key.0, ""))
}

/// What every key does; those that do nothing here say so.
pub(super) fn help(place: &Place) -> String {
    let mut text = String::new();
    for (key, name, what) in KEYS {
        let here = match place.refuses(*key) {
            None => "",
            Some(_) => " (not here)",
        };
        let _ = writeln!(text, "{name} - {what}{here}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_meaning() {
        for (at, (key, name, _)) in KEYS.iter().enumerate() {
            assert_eq!(parse(&name.to_string()), Some((*key, "")));
            let same = |(other, known, _): &(Key, char, &str)| other == key || known == name;
            assert!(!KEYS[at + 1..].iter().any(same), "{name}");
        }
        assert_eq!(parse(" yes\n"), Some((Key::Accept, "")));
        assert_eq!(parse("/ a b"), Some((Key::Search, " a b")));
        assert_eq!(parse("maybe"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn only_keys_that_make_sense_are_offered() {
        let check = |place: Place, expect: &str| assert_eq!(place.question(), expect);
        let alone = Place {
            is_first: true,
            is_last: true,
            ..Place::default()
        };
        check(alone, "Accept this hunk [y,n,a,d,A,c,p,q,?]? ");
        let everything = Place {
            has_group: true,
            can_split: true,
            can_edit: true,
            ..Place::default()
        };
        check(
            everything,
            "Accept this hunk [y,n,a,d,A,g,G,s,e,c,j,k,/,p,q,?]? ",
        );
        let conflicted = Place {
            is_conflicted: true,
            can_split: false,
            ..everything
        };
        check(
            conflicted,
            "Your text changed here; what of this hunk [n,d,G,e,c,j,k,/,p,q,?]? ",
        );
        assert!(
            help(&alone)
                .contains("k - go to the previous hunk, leave this one undecided (not here)\n")
        );
    }
}
