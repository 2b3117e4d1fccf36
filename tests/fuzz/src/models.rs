//! What policy should decide, written as simply as can be for inputs that are simple. They share no
//! code with policy, and no library.

/// Whether an entry allows a URL; `None` when either is not simple enough to say: hosts of letters,
/// digits and dashes whose last label begins with a letter, and plain ports.
pub fn allows(entry: &str, url: &str) -> Option<bool> {
    let (entry_scheme, entry_rest) = entry.split_once("://")?;
    let (url_scheme, url_rest) = url.split_once("://")?;
    if !["http", "https", "*"].contains(&entry_scheme) || !["http", "https"].contains(&url_scheme) {
        return None;
    }
    let (entry_host, entry_port) = host_and_port(entry_rest)?;
    let end = url_rest.find('/').unwrap_or(url_rest.len());
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_~".contains(&b);
    if !url_rest[end..].bytes().all(is_plain) {
        return None;
    }
    let (url_host, url_port) = host_and_port(&url_rest[..end])?;
    let default = |scheme: &str| match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    };
    let entry_port = entry_port.or(default(entry_scheme))?;
    let url_port = url_port.or(default(url_scheme))?;
    if url_port == "*" || !is_name(url_host) {
        return None;
    }
    let host_fits = match entry_host.strip_prefix("*.") {
        _ if entry_host == "*" => true,
        Some(name) if is_name(name) => {
            let labels: Vec<&str> = name.split('.').rev().collect();
            let below: Vec<&str> = url_host.split('.').rev().collect();
            below.len() > labels.len() && below[..labels.len()] == labels[..]
        }
        None if is_name(entry_host) => entry_host == url_host,
        _ => return None,
    };
    Some(
        host_fits
            && (entry_scheme == "*" || entry_scheme == url_scheme)
            && (entry_port == "*" || entry_port == url_port),
    )
}

fn host_and_port(text: &str) -> Option<(&str, Option<&str>)> {
    let Some((host, port)) = text.split_once(':') else {
        return Some((text, None));
    };
    let is_simple = port == "*"
        || (!port.starts_with('0')
            && (1..=4).contains(&port.len())
            && port.bytes().all(|b| b.is_ascii_digit()));
    is_simple.then_some((host, Some(port)))
}

fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let begins = label.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        begins
            && label.len() < 20
            && !label.starts_with("xn--")
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    host.len() < 200 && host.split('.').all(is_label)
}

/// The normal form of a path that tools may name.
pub fn path(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let drive = bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    if bytes.len() > 4096 || drive || text.contains('\\') || text.chars().any(char::is_control) {
        return None;
    }
    if matches!(bytes.first(), Some(b'/' | b'~')) {
        return None;
    }
    let mut normal = String::new();
    let mut depth = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = rest.split_once('/').unwrap_or((rest, ""));
        rest = after;
        if part.is_empty() || part == "." {
            continue;
        }
        if part == ".." || part.len() > 255 || is_refused(&part.to_ascii_lowercase()) {
            return None;
        }
        depth += 1;
        if !normal.is_empty() {
            normal.push('/');
        }
        normal.push_str(part);
    }
    (depth <= 256).then_some(normal)
}

/// Names, in lower case, that are git's or a device's.
fn is_refused(part: &str) -> bool {
    for git in [".git", "git~1"] {
        // Dots and spaces at the end, and what follows a colon, are nothing to some file systems.
        if let Some(tail) = part.strip_prefix(git) {
            let tail = tail.split(':').next().unwrap_or_default();
            if tail.bytes().all(|b| b == b'.' || b == b' ') {
                return true;
            }
        }
    }
    let name = part.trim_end_matches(' ');
    let numbered = ["com", "lpt"].iter().any(|device| {
        let number = name.strip_prefix(device);
        number.is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    });
    numbered
        || ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&name)
        || part.contains(":$")
}
