//! The knob `otlp_endpoint`: where traces of turns are sent.

use crate::network::Target;
use url::Url;

/// `none`, or the collector's base URL, to which the paths of signals are added.
pub(super) fn parse(text: &str) -> Result<Option<Url>, String> {
    if text == "none" {
        return Ok(None);
    }
    let expected = "expected none or the base URL of a collector, such as http://localhost:4318";
    let target = Target::parse_url(text)
        .map_err(|refusal| format!("`otlp_endpoint`: {refusal}; {expected}"))?;
    match target.url() {
        Some(url) if url.query().is_none() && url.fragment().is_none() => Ok(Some(url.clone())),
        _ => Err(format!("`otlp_endpoint` is `{text}`; {expected}")),
    }
}

pub(super) fn shown(endpoint: Option<&Url>) -> String {
    endpoint.map_or_else(
        || "none".to_owned(),
        |url| url.as_str().trim_end_matches('/').to_owned(),
    )
}
