//! Entries of `block_url`: prefixes of URLs. A server may decode and tidy a path in more than one
//! way, so a URL is blocked when any of the ways leads below the prefix.

use super::{Scheme, Target, blocks};
use std::fmt;
use url::{Host, Url};

/// How often a path is decoded; one that still changes then is taken for blocked.
const MAX_DECODINGS: usize = 8;

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UrlPrefix {
    text: String,
    /// `None` is `http` and `https`.
    scheme: Option<Scheme>,
    host: Host<String>,
    /// Whether the names below the host are meant, instead of the host.
    below: bool,
    /// `None` is the scheme's own.
    port: Option<u16>,
    /// Path, and query if there is one, in the last form of [`forms`].
    prefix: Vec<u8>,
}

impl UrlPrefix {
    /// Reads one entry; an error continues "`entry` …".
    pub(super) fn parse(text: &str) -> Result<UrlPrefix, String> {
        let (scheme, rest) = match text.split_once("//") {
            Some(("", rest)) => (None, rest),
            Some((scheme, rest)) => {
                let name = scheme.strip_suffix(':').unwrap_or_default();
                match Scheme::from_name(name) {
                    Some(scheme @ (Scheme::Http | Scheme::Https)) => (Some(scheme), rest),
                    _ => return Err(EXPECTED.to_owned()),
                }
            }
            None => return Err(EXPECTED.to_owned()),
        };
        if rest.contains('#') {
            return Err("has a fragment, which is never requested; leave out the `#`".to_owned());
        }
        let (below, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let parsed_as = scheme.unwrap_or(Scheme::Http);
        let target = Target::parse_url(&format!("{parsed_as}://{rest}"))
            .map_err(|refusal| format!("cannot be read: {}", refusal.reason))?;
        if below && !matches!(target.host, Host::Domain(_)) {
            return Err("has a `*.` that is not followed by a name".to_owned());
        }
        let Some(url) = &target.url else {
            return Err(EXPECTED.to_owned());
        };
        let (mut forms, stable) = forms(url);
        let prefix = forms
            .pop()
            .filter(|_| stable)
            .ok_or("is percent-encoded too many times")?;
        Ok(UrlPrefix {
            text: text.to_owned(),
            scheme,
            host: target.host.clone(),
            below,
            port: url.port(),
            prefix,
        })
    }

    pub(super) fn matches(&self, target: &Target) -> bool {
        if !self.matches_host(&target.host) {
            return false;
        }
        let schemes = match self.scheme {
            Some(scheme) => vec![scheme],
            None => vec![Scheme::Http, Scheme::Https],
        };
        let at_port = |scheme: Scheme| self.port.or(scheme.default_port()) == Some(target.port);
        let Some(url) = &target.url else {
            // Nobody sees what is requested over a bare stream.
            return schemes.into_iter().any(at_port);
        };
        if !schemes.contains(&target.scheme) || !at_port(target.scheme) {
            return false;
        }
        let (forms, stable) = forms(url);
        !stable || forms.iter().any(|form| form.starts_with(&self.prefix))
    }

    fn matches_host(&self, host: &Host<String>) -> bool {
        match (&self.host, host) {
            (Host::Domain(own), Host::Domain(name)) if self.below => name
                .strip_suffix(own.as_str())
                .is_some_and(|head| head.len() > 1 && head.ends_with('.')),
            (Host::Ipv4(own), Host::Ipv6(v6)) => blocks::embedded(*v6).contains(own),
            (Host::Ipv6(own), Host::Ipv4(v4)) => blocks::embedded(*own).contains(v4),
            (own, host) => !self.below && own == host,
        }
    }
}

const EXPECTED: &str = "is no URL to block; expected `https://host/path`, or `//host/path` for \
                        http and https";

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Path and query after each decoding, from none on, and whether the last cannot be decoded
/// further.
fn forms(url: &Url) -> (Vec<Vec<u8>>, bool) {
    let mut path = url.path().as_bytes().to_vec();
    let mut query = url.query().map(|query| query.as_bytes().to_vec());
    let mut forms = Vec::new();
    for _ in 0..=MAX_DECODINGS {
        for slashes_first in [false, true] {
            let mut form = tidy(&path, slashes_first);
            if let Some(query) = &query {
                form.push(b'?');
                form.extend(query);
            }
            forms.push(form);
        }
        let decoded = decode(&path);
        let decoded_query = query.as_deref().map(decode);
        if decoded == path && decoded_query == query {
            return (forms, true);
        }
        path = decoded;
        query = decoded_query;
    }
    (forms, false)
}

fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        let byte = *text.get(at)?;
        char::from(byte).to_digit(16)
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                (high * 16 + low) as u8
            }
            (byte, ..) => byte,
        };
        decoded.push(byte);
        at += 1;
    }
    decoded
}

/// Resolves `.` and `..`, and makes one slash of several. `a//..` is `a/` to those who resolve
/// first, and nothing to those who tidy slashes first.
fn tidy(path: &[u8], slashes_first: bool) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut ends_in_directory = false;
    let path = path.strip_prefix(b"/").unwrap_or(path);
    for part in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        ends_in_directory = matches!(part, b"" | b"." | b"..");
        match part {
            b"." => {}
            b"" if slashes_first => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    let mut tidied = Vec::with_capacity(path.len() + 2);
    for part in &parts {
        tidied.push(b'/');
        tidied.extend(*part);
    }
    if ends_in_directory || parts.is_empty() {
        tidied.push(b'/');
    }
    tidied
}
