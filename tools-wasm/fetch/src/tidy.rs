//! Makes of a page what a converter can be trusted with: well-formed, never nested deeply, without
//! scripts and navigation, and with the few tags and attributes that Markdown has words for.
//!
//! Strangers write pages. What they nest, leave open or multiply would else decide how long the
//! conversion takes and how much it holds.

use html5ever::Attribute;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;

/// What is nested deeper is shown on this level.
const MAX_DEPTH: usize = 100;
/// The same for lists and quotes, whose lines Markdown indents by their depth.
const MAX_INDENT: usize = 10;
const MAX_TITLE: usize = 300;
/// Cells that one may take of a table, in each direction.
const MAX_SPAN: usize = 5;
/// Stands for `&` in addresses: the converter would write `\&` there, and an address is copied as it
/// stands. No page means this character.
pub(crate) const AMPERSAND: char = '\u{e000}';

/// What to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Without navigation and what else surrounds the content.
    Content,
    /// All that readers see.
    All,
}

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Html,
    Text,
}

/// What a page was made.
#[derive(Debug, Default)]
pub(crate) struct Tidied {
    pub(crate) title: String,
    pub(crate) body: String,
    /// How much of the body is text.
    pub(crate) letters: usize,
    /// What its tags cost a converter, in bytes of text that cost as much. Measured.
    pub(crate) tags: usize,
    /// Something that was left out did not end.
    pub(crate) open: bool,
}

impl Tidied {
    /// What converting the body costs, in bytes of text that cost as much.
    pub(crate) fn cost(&self) -> usize {
        self.body.len() + self.tags
    }
}

/// Reads a page once from its begin to its end.
pub(crate) fn tidy(html: &str, keep: Keep, form: Form) -> Tidied {
    let page = Page {
        keep,
        form,
        out: Tidied::default(),
        open: Vec::new(),
        skipped: None,
        content: 0,
        in_title: false,
        titled: false,
    };
    let tokenizer = Tokenizer::new(Sink(RefCell::new(page)), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let mut page = tokenizer.sink.0.into_inner();
    while page.close_last() {}
    page.out.open = page.skipped.is_some();
    page.out.title = page
        .out
        .title
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    page.out
}

struct Sink(RefCell<Page>);

struct Page {
    keep: Keep,
    form: Form,
    out: Tidied,
    /// Tags of `out.body` that have no end yet.
    open: Vec<&'static str>,
    /// What is left out, and how many of that name are open.
    skipped: Option<(String, usize)>,
    /// How many `main` and `article` are open.
    content: usize,
    in_title: bool,
    titled: bool,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => page.text(&text),
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                page.start(&tag);
                return reading(&tag.name);
            }
            Token::TagToken(tag) => page.end(&tag.name),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// How what follows a tag is read.
fn reading(name: &str) -> TokenSinkResult<()> {
    match name {
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
            TokenSinkResult::RawData(RawKind::Rawtext)
        }
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

/// What nobody reads, wherever it stands.
fn is_machinery(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "template"
            | "noscript"
            | "iframe"
            | "noembed"
            | "noframes"
            | "svg"
            | "object"
            | "canvas"
            | "audio"
            | "video"
            | "textarea"
    )
}

/// The tag that stands for a tag of a page, if one does.
fn word(name: &str) -> Option<&'static str> {
    Some(match name {
        "h1" => "h1",
        "h2" => "h2",
        "h3" => "h3",
        "h4" => "h4",
        "h5" => "h5",
        "h6" => "h6",
        "p" => "p",
        "div" | "section" | "article" | "main" | "header" | "footer" | "nav" | "aside"
        | "center" | "address" | "details" | "summary" | "fieldset" | "legend" | "form"
        | "figure" | "figcaption" | "dialog" | "hgroup" | "search" => "div",
        "ul" | "menu" | "dir" => "ul",
        "ol" => "ol",
        "li" => "li",
        "dl" => "dl",
        "dt" => "dt",
        "dd" => "dd",
        "blockquote" => "blockquote",
        "pre" | "xmp" | "listing" | "plaintext" => "pre",
        "hr" => "hr",
        "br" => "br",
        "table" => "table",
        "caption" => "caption",
        "thead" => "thead",
        "tbody" => "tbody",
        "tfoot" => "tfoot",
        "tr" => "tr",
        "th" => "th",
        "td" => "td",
        "a" => "a",
        "img" => "img",
        "strong" | "b" => "strong",
        "em" | "i" => "em",
        "del" | "s" | "strike" => "del",
        "code" | "kbd" | "samp" | "tt" => "code",
        "sup" => "sup",
        "sub" => "sub",
        _ => return None,
    })
}

fn is_empty(word: &str) -> bool {
    matches!(word, "hr" | "br" | "img")
}

fn is_inline(word: &str) -> bool {
    matches!(
        word,
        "a" | "strong" | "em" | "del" | "code" | "sup" | "sub" | "img" | "br"
    )
}

/// What a tag ends that was left open, and where looking for that stops.
fn ends(word: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match word {
        "li" => (&["li"], &["ul", "ol", "td", "th"]),
        "dt" | "dd" => (&["dt", "dd"], &["dl", "td", "th"]),
        "td" | "th" => (&["td", "th", "caption"], &["table", "tr"]),
        "tr" => (&["tr", "caption"], &["table"]),
        "thead" | "tbody" | "tfoot" => (&["thead", "tbody", "tfoot", "caption"], &["table"]),
        _ => (&[], &[]),
    }
}

impl Page {
    fn text(&mut self, text: &str) {
        if self.in_title {
            let room = MAX_TITLE.saturating_sub(self.out.title.chars().count());
            self.out.title.extend(text.chars().take(room));
            return;
        }
        if self.skipped.is_some() {
            return;
        }
        self.out.letters += text.chars().filter(|char| !char.is_whitespace()).count();
        if self.form == Form::Text {
            let begins = self.out.body.ends_with('\n');
            let text = if begins { text.trim_start() } else { text };
            self.out.body.push_str(text);
            return;
        }
        escape(text, &mut self.out.body);
    }

    fn start(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth += usize::from(skipped == name && !tag.self_closing);
            return;
        }
        if name == "title" {
            self.in_title = !self.titled;
            if self.titled {
                self.skipped = Some((name.to_owned(), 1));
            }
            self.titled = true;
            return;
        }
        if self.leaves_out(name) {
            let ended = tag.self_closing && name == "svg";
            self.skipped = (!ended).then(|| (name.to_owned(), 1));
            return;
        }
        self.content += usize::from(matches!(name, "main" | "article"));
        if let Some(word) = word(name) {
            self.open(word, &tag.attrs);
        }
    }

    fn leaves_out(&self, name: &str) -> bool {
        if is_machinery(name) {
            return true;
        }
        self.keep == Keep::Content
            && match name {
                "nav" | "button" | "select" | "dialog" => true,
                // Those of an article have its title, its notes.
                "header" | "footer" | "aside" => self.content == 0,
                _ => false,
            }
    }

    fn end(&mut self, name: &str) {
        if name == "title" && self.in_title {
            self.in_title = false;
            return;
        }
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth -= usize::from(skipped == name);
            if *depth == 0 {
                self.skipped = None;
            }
            return;
        }
        if matches!(name, "main" | "article") {
            self.content = self.content.saturating_sub(1);
        }
        let Some(word) = word(name) else {
            return;
        };
        if self.breaks_code(word) {
            return;
        }
        // A cell's content does not end what the table is in.
        let of_table = !ends(word).0.is_empty() || word == "table";
        let stop: &[&str] = if of_table { &["table"] } else { &["td", "th"] };
        self.close(&[word], stop);
    }

    fn open(&mut self, word: &'static str, attrs: &[Attribute]) {
        if self.breaks_code(word) {
            return;
        }
        if !is_inline(word) {
            // A paragraph ends where another block begins.
            self.close(
                &["p"],
                &["li", "dd", "td", "th", "div", "blockquote", "table"],
            );
        }
        let (ended, stop) = ends(word);
        self.close(ended, stop);
        if word == "a" {
            self.close(&["a"], &[]);
        }
        let indents = |word: &str| matches!(word, "ul" | "ol" | "blockquote");
        let indent = self.open.iter().filter(|word| indents(word)).count();
        if indents(word) && indent >= MAX_INDENT {
            return;
        }
        let again = is_inline(word) && self.open.contains(&word);
        if again || (self.open.len() >= MAX_DEPTH && !is_empty(word)) {
            return;
        }
        self.out.tags += 40 + 10 * indent;
        if self.form == Form::Text {
            self.line(word);
        } else if !self.tag(word, attrs) {
            return;
        }
        if !is_empty(word) {
            self.open.push(word);
        }
    }

    /// Whether a tag is but the begin or the end of a line of code, and if so, writes that.
    fn breaks_code(&mut self, word: &str) -> bool {
        let around = |open: &&&str| matches!(**open, "pre" | "td" | "th" | "table");
        let in_code = self.open.iter().rev().find(around) == Some(&"pre");
        let breaks = matches!(word, "div" | "p" | "br" | "ul" | "ol" | "li");
        if !in_code || !breaks {
            return false;
        }
        let body = &self.out.body;
        let last_tag = body.rfind('<').map(|at| &body[at..]).unwrap_or_default();
        let begins = body.ends_with('\n') || (body.ends_with('>') && !last_tag.starts_with("</"));
        if word == "br" || !begins {
            self.out.body.push('\n');
        }
        true
    }

    /// Ends the innermost of these, and what is in it; nothing when none is open before `stop`.
    fn close(&mut self, words: &[&str], stop: &[&str]) {
        for at in (0..self.open.len()).rev() {
            if words.contains(&self.open[at]) {
                while self.open.len() > at {
                    self.close_last();
                }
                return;
            }
            if stop.contains(&self.open[at]) {
                return;
            }
        }
    }

    fn close_last(&mut self) -> bool {
        let Some(word) = self.open.pop() else {
            return false;
        };
        match self.form {
            Form::Text => self.line(word),
            Form::Html => self.out.body.extend(["</", word, ">"]),
        }
        true
    }

    /// Blocks are lines of plain text.
    fn line(&mut self, word: &str) {
        let breaks = word == "br" || !is_inline(word);
        if breaks && !self.out.body.ends_with('\n') {
            self.out.body.push('\n');
        }
    }

    /// Writes a tag with the attributes that Markdown can tell of; not one that would tell nothing.
    fn tag(&mut self, word: &str, attrs: &[Attribute]) -> bool {
        let value = |name: &str| {
            let attr = attrs.iter().find(|attr| &*attr.name.local == name);
            attr.map(|attr| attr.value.trim()).unwrap_or_default()
        };
        let span = |name: &str| {
            let span = value(name).parse::<usize>().unwrap_or(1);
            span.clamp(1, MAX_SPAN)
        };
        let mut kept = Vec::new();
        match word {
            "a" => match address(value("href")) {
                Some(href) => kept.push(("href", href)),
                None => return false,
            },
            "img" => {
                let (alt, src) = (value("alt"), address(value("src")));
                if alt.is_empty() {
                    return false;
                }
                kept.push(("alt", alt.to_owned()));
                kept.push(("src", src.unwrap_or_default()));
            }
            "code" => {
                let mut classes = value("class").split_ascii_whitespace();
                let language = classes.find(|class| class.starts_with("language-"));
                kept.extend(language.map(|class| ("class", class.to_owned())));
            }
            "ol" => {
                let start = value("start").parse::<u32>();
                kept.extend(start.ok().map(|start| ("start", start.to_string())));
            }
            "td" | "th" => {
                let (columns, rows) = (span("colspan"), span("rowspan"));
                self.out.tags += 8 * (columns * rows - 1);
                kept.push(("colspan", columns.to_string()));
                kept.push(("rowspan", rows.to_string()));
                let align = value("align").to_ascii_lowercase();
                if matches!(align.as_str(), "left" | "center" | "right") {
                    kept.push(("align", align));
                }
            }
            _ => {}
        }
        kept.retain(|(name, value)| !(name.ends_with("span") && value == "1"));
        self.out.body.extend(["<", word]);
        for (name, value) in kept {
            self.out.body.extend([" ", name, "=\""]);
            escape(&value, &mut self.out.body);
            self.out.body.push('"');
        }
        self.out.body.push('>');
        true
    }
}

/// An address that can be fetched; a place on the same page, a script or a whole picture is none.
fn address(text: &str) -> Option<String> {
    let scheme = text.split([':', '/', '?', '#']).next().unwrap_or_default();
    let colon = text.as_bytes().get(scheme.len()) == Some(&b':');
    let known = ["http", "https", "mailto", "ftp"];
    let fetched = !colon || known.iter().any(|own| own.eq_ignore_ascii_case(scheme));
    let fetched = fetched && !text.is_empty() && !text.starts_with('#');
    fetched.then(|| text.replace('&', AMPERSAND.encode_utf8(&mut [0; 4])))
}

fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            char => out.push(char),
        }
    }
}
