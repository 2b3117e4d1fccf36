//! `replay:FILE`: answers from a recording. A request that is another than the recorded one ends the
//! turn with what differs, unless the name ends with `?loose`.

use crate::error::ModelError;
use crate::recording::{FORMAT, Line, Piece, VERSION, asked, difference};
use crate::secrets::Scrubber;
use crate::{Delta, DeltaStream, ModelInfo, Provider, Request};
use boxagnts_protocol::conversation::Price;
use futures::{StreamExt, stream};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest recording, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// What is put behind the file's name to answer whatever is asked.
const LOOSE: &str = "?loose";

pub(crate) struct Replay {
    id: String,
    file: Arc<Played>,
    /// Place of the exchange that comes next.
    next: Arc<Mutex<usize>>,
}

/// A recording that was read.
#[derive(Debug)]
struct Played {
    path: PathBuf,
    loose: bool,
    info: ModelInfo,
    max_output_tokens: u64,
    exchanges: Vec<Exchange>,
}

/// A request and its answer.
#[derive(Debug)]
struct Exchange {
    asked: Value,
    deltas: Vec<Delta>,
    /// How it ended, when not with `Stop`.
    error: Option<ModelError>,
}

impl Replay {
    /// `file` may end with [`LOOSE`].
    pub(crate) fn open(id: &str, base_dir: &Path, file: &str) -> Result<Replay, ModelError> {
        let (file, loose) = match file.strip_suffix(LOOSE) {
            Some(file) => (file, true),
            None => (file, false),
        };
        let path = base_dir.join(file);
        let played = read(&path)
            .and_then(|text| Played::parse(&path, &text, loose))
            .map_err(|reason| ModelError::Recording { path, reason })?;
        Ok(Replay {
            id: id.to_owned(),
            file: Arc::new(played),
            next: Arc::default(),
        })
    }
}

fn read(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if metadata.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

impl Played {
    fn parse(path: &Path, text: &str, loose: bool) -> Result<Played, String> {
        let mut played = Played {
            path: path.to_path_buf(),
            loose,
            info: ModelInfo::default(),
            max_output_tokens: 8192,
            exchanges: Vec::new(),
        };
        let no_recording = "it is no recording; `boxagnts run --record FILE` makes one";
        let mut lines = text.lines().enumerate();
        let head = lines.next().map(|(_, line)| line).unwrap_or_default();
        let head: Value = serde_json::from_str(head).map_err(|_| no_recording)?;
        if head.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(no_recording.to_owned());
        }
        if head.get("version").and_then(Value::as_u64) != Some(VERSION) {
            let version = head.get("version").cloned().unwrap_or_default();
            return Err(format!(
                "it has version {version} of the format and this program reads {VERSION}"
            ));
        }
        let mut places: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |reason: String| format!("line {}: {reason}", at + 1);
            match serde_json::from_str(line).map_err(|error| wrong(error.to_string()))? {
                Line::Head { .. } => return Err(wrong("the beginning of another".to_owned())),
                Line::Request {
                    number,
                    price,
                    model_output_tokens,
                    context_window,
                    asked,
                    ..
                } => {
                    if played.exchanges.is_empty() {
                        played.info.price = price;
                        played.info.context_window = context_window;
                        played.max_output_tokens = model_output_tokens.max(1);
                    }
                    places.insert(number, played.exchanges.len());
                    let error = played.unfinished(number);
                    played.exchanges.push(Exchange {
                        asked,
                        deltas: Vec::new(),
                        error: Some(error),
                    });
                }
                Line::Answer {
                    number,
                    deltas,
                    error,
                    cut_off,
                } => {
                    let place = places.get(&number).copied();
                    let deltas = deltas.into_iter().map(|Piece { delta, .. }| {
                        serde_json::from_value(delta).map_err(|error| wrong(error.to_string()))
                    });
                    let deltas = deltas.collect::<Result<_, _>>()?;
                    let error = match error {
                        Some(message) => Some(ModelError::Recorded { message }),
                        None => cut_off.then(|| played.unfinished(number)),
                    };
                    let exchange = place.and_then(|place| played.exchanges.get_mut(place));
                    let exchange =
                        exchange.ok_or_else(|| wrong(format!("there is no request {number}")))?;
                    exchange.deltas = deltas;
                    exchange.error = error;
                }
            }
        }
        Ok(played)
    }

    fn unfinished(&self, number: u64) -> ModelError {
        self.error(format!("answer {number} was not recorded to its end"))
    }

    fn error(&self, reason: String) -> ModelError {
        ModelError::Recording {
            path: self.path.clone(),
            reason,
        }
    }

    /// The exchange in which this was asked. The next one, unless sessions were recorded together or
    /// one is continued: then the one that it was.
    fn find(&self, asked: &Value, next: usize) -> Result<usize, ModelError> {
        let same = |at: &usize| {
            self.exchanges
                .get(*at)
                .is_some_and(|one| one.asked == *asked)
        };
        let count = self.exchanges.len();
        if let Some(at) = (next..count).chain(0..next.min(count)).find(same) {
            return Ok(at);
        }
        match self.exchanges.get(next) {
            Some(_) if self.loose => Ok(next),
            Some(recorded) => {
                let what = difference(&recorded.asked, asked).unwrap_or_default();
                Err(self.error(format!(
                    "request {} is not the recorded one: {what}. `{LOOSE}` behind the file's name \
                     answers all the same",
                    next + 1
                )))
            }
            None => Err(self.error(format!(
                "it has {count} answers, and this is request {}",
                next + 1
            ))),
        }
    }
}

impl Provider for Replay {
    fn id(&self) -> &str {
        &self.id
    }

    fn price(&self) -> Option<Price> {
        self.file.info.price
    }

    fn max_output_tokens(&self) -> u64 {
        self.file.max_output_tokens
    }

    fn info(&self) -> Option<&ModelInfo> {
        Some(&self.file.info)
    }

    fn stream(&self, request: Request) -> DeltaStream {
        let (file, next) = (Arc::clone(&self.file), Arc::clone(&self.next));
        stream::once(async move {
            let asked = asked(&request, &Scrubber::new());
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let pieces = match file.find(&asked, *next) {
                Err(error) => vec![Err(error)],
                Ok(at) => {
                    *next = at + 1;
                    let exchange = &file.exchanges[at];
                    let deltas = exchange.deltas.iter().cloned().map(Ok);
                    deltas.chain(exchange.error.clone().map(Err)).collect()
                }
            };
            stream::iter(pieces)
        })
        .flatten()
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HEAD: &str = r#"{"line":"head","format":"boxagnts-recording","version":1,"program":"x"}"#;

    fn request(number: u64, text: &str) -> String {
        json!({"line": "request", "number": number, "at_ms": 1, "model": "m", "price": null,
            "model_output_tokens": 7, "max_output_tokens": 7,
            "asked": {"system": "", "messages": [text], "tools": []}})
        .to_string()
    }

    fn answer(number: u64) -> String {
        let said = [json!({"ms": 1, "delta": {"text": format!("answer {number}")}})];
        json!({"line": "answer", "number": number, "deltas": said}).to_string()
    }

    fn parse(lines: &[&str], loose: bool) -> Result<Played, String> {
        Played::parse(Path::new("r.jsonl"), &lines.join("\n"), loose)
    }

    #[test]
    fn files_that_are_no_recordings_are_told_why() {
        let check = |lines: &[&str], part: &str| {
            let reason = parse(lines, false).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        };
        check(&[], "it is no recording");
        check(&["[{}]"], "it is no recording");
        check(
            &["{\"format\":\"boxagnts-recording\",\"version\":2}"],
            "version 2",
        );
        check(&[HEAD, "{"], "line 2: ");
        check(
            &[HEAD, "{\"line\":\"question\"}"],
            "line 2: unknown variant `question`",
        );
        check(&[HEAD, "", &answer(1)], "line 3: there is no request 1");
        let delta = r#"{"line":"answer","number":1,"deltas":[{"ms":1,"delta":{"smell":1}}]}"#;
        check(
            &[HEAD, &request(1, "a"), delta],
            "line 3: unknown variant `smell`",
        );
        assert!(parse(&[HEAD], false).unwrap().exchanges.is_empty());
    }

    #[test]
    fn a_request_finds_its_answer_wherever_it_is() {
        let lines = [
            HEAD,
            &request(1, "a"),
            // Two sessions at once.
            &request(2, "b"),
            &answer(2),
            &answer(1),
            &request(3, "a"),
            &answer(3),
            &request(4, "c"),
        ];
        let check = |loose: bool, text: &str, next: usize, expect: Result<usize, &str>| {
            let played = parse(&lines, loose).unwrap();
            let asked = json!({"system": "", "messages": [text], "tools": []});
            match (played.find(&asked, next), expect) {
                (Ok(at), Ok(expect)) => assert_eq!(at, expect),
                (Err(error), Err(part)) => {
                    let error = error.to_string();
                    assert!(error.contains(part) && error.contains("r.jsonl"), "{error}");
                }
                (got, expect) => panic!("{text}: {got:?}, expected {expect:?}"),
            }
        };
        check(false, "a", 0, Ok(0));
        check(false, "a", 1, Ok(2));
        check(false, "b", 0, Ok(1));
        check(false, "b", 2, Ok(1));
        check(
            false,
            "x",
            2,
            Err("request 3 is not the recorded one: `messages[0]` differs"),
        );
        check(
            false,
            "x",
            4,
            Err("it has 4 answers, and this is request 5"),
        );
        check(true, "x", 2, Ok(2));
        check(true, "x", 4, Err("it has 4 answers"));
        let played = parse(&lines, false).unwrap();
        assert!(played.exchanges[0].error.is_none());
        let unfinished = played.exchanges[3].error.as_ref().unwrap().to_string();
        assert!(
            unfinished.contains("answer 4 was not recorded"),
            "{unfinished}"
        );
    }
}
