//! Command arguments as editors really send them: objects, JSON in strings, or words typed at a
//! prompt.

use boxagnts_protocol::commands::{
    AMEND, ANSWER, AmendParams, AnswerParams, AskParams, CANCEL_EXECUTOR, CHECKPOINTS,
    COMMIT_TO_BRANCH, COMPACT, CancelExecutorParams, CheckpointsParams, CommitToBranchParams,
    CompactParams, DecideParams, FORK, ForkParams, HISTORY, HistoryParams, PROPOSAL,
    ProposalParams, RENAME, REPROPOSE, RESTORE, RenameParams, ReproposeParams, RestoreParams,
    SET_MODE, SPLIT, SessionParams, SetModeParams, SplitParams, UNDO, USAGE, UndoParams,
    UsageParams, WhenBusy,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Parameters of `boxagnts.ask`: an object, or words.
pub(crate) fn ask(arguments: &[Value]) -> Result<AskParams, String> {
    if let Some(params) = object("boxagnts.ask", arguments)? {
        return Ok(params);
    }
    let prompt = words(arguments)?.join(" ");
    if prompt.trim().is_empty() {
        return Err("boxagnts.ask needs {\"prompt\": …}".to_owned());
    }
    Ok(AskParams {
        prompt,
        text_document: None,
        range: None,
        session: None,
        diagnostics: None,
        when_busy: WhenBusy::default(),
        images: Vec::new(),
        settings: None,
    })
}

/// Parameters of commands about one session: an object, or the session. `latest` stands in when
/// nothing is given.
pub(crate) fn session(
    command: &str,
    arguments: &[Value],
    latest: Option<String>,
) -> Result<SessionParams, String> {
    if let Some(params) = object(command, arguments)? {
        return Ok(params);
    }
    match words(arguments)?.as_slice() {
        [] => latest
            .map(|session| SessionParams { session })
            .ok_or_else(|| "there is no session yet; ask first".to_owned()),
        [session] => Ok(SessionParams {
            session: session.clone(),
        }),
        _ => Err(format!("{command} needs {{\"session\": …}}")),
    }
}

/// Parameters of `boxagnts.cancelExecutor`: an object, or the executor alone, or nothing for all.
pub(crate) fn cancel_executor(
    arguments: &[Value],
    latest: Option<String>,
) -> Result<CancelExecutorParams, String> {
    if let Some(params) = object(CANCEL_EXECUTOR, arguments)? {
        return Ok(params);
    }
    let words = words(arguments)?;
    let session = latest.ok_or_else(|| "there is no session yet; ask first".to_owned())?;
    match words.as_slice() {
        [] => Ok(CancelExecutorParams {
            session,
            executor: None,
        }),
        [executor] => Ok(CancelExecutorParams {
            session,
            executor: Some(executor.clone()),
        }),
        _ => Err(format!(
            "{CANCEL_EXECUTOR} needs {{\"session\": …, \"executor\": …}}"
        )),
    }
}

/// Parameters of `boxagnts.commitToBranch`: an object, or the branch, and what the commit says behind it.
pub(crate) fn commit_to_branch(
    arguments: &[Value],
    latest: Option<String>,
) -> Result<CommitToBranchParams, String> {
    if let Some(params) = object(COMMIT_TO_BRANCH, arguments)? {
        return Ok(params);
    }
    match (words(arguments)?.as_slice(), latest) {
        ([branch, message @ ..], Some(session)) => Ok(CommitToBranchParams {
            session,
            branch: branch.clone(),
            message: (!message.is_empty()).then(|| message.join(" ")),
            author: None,
            sign_off: None,
        }),
        ([], _) => Err(format!("{COMMIT_TO_BRANCH} needs {{\"branch\": …}}")),
        (_, None) => Err("there is no session yet; ask first".to_owned()),
    }
}

/// Parameters of accept and reject: an object, or `all`, or hunk ids (of the latest session).
pub(crate) fn decide(
    command: &str,
    arguments: &[Value],
    latest: Option<String>,
) -> Result<DecideParams, String> {
    if let Some(params) = object::<DecideParams>(command, arguments)? {
        let given = [
            params.hunks.is_some(),
            params.files.is_some(),
            params.groups.is_some(),
            params.all == Some(true),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(format!(
                "{command} needs exactly one of hunks, files, groups, all: true"
            ));
        }
        return Ok(params);
    }
    let hunks = words(arguments)?;
    if hunks.is_empty() {
        return Err(format!(
            "{command} needs {{\"session\": …, \"hunks\": […]}}, or `all`"
        ));
    }
    let session = latest.ok_or_else(|| "there is no session yet; ask first".to_owned())?;
    let all = hunks == ["all"];
    Ok(DecideParams {
        session,
        hunks: (!all).then_some(hunks),
        files: None,
        groups: None,
        all: all.then_some(true),
        comment: None,
    })
}

/// Parameters of `boxagnts.proposal`: an object, or the session.
pub(crate) fn proposal(
    arguments: &[Value],
    latest: Option<String>,
) -> Result<ProposalParams, String> {
    if let Some(params) = object(PROPOSAL, arguments)? {
        return Ok(params);
    }
    let SessionParams { session } = session(PROPOSAL, arguments, latest)?;
    Ok(ProposalParams {
        session,
        files: None,
        after: None,
        limit: None,
        waiting: false,
    })
}

/// Parameters of `boxagnts.amend`: an object, or a hunk of the latest session and its text.
pub(crate) fn amend(arguments: &[Value], latest: Option<String>) -> Result<AmendParams, String> {
    if let Some(params) = object(AMEND, arguments)? {
        return Ok(params);
    }
    match (words(arguments)?.as_slice(), latest) {
        ([hunk, text], Some(session)) => Ok(AmendParams {
            session,
            hunk: hunk.clone(),
            text: text.clone(),
            accept: false,
        }),
        _ => Err(format!(
            "{AMEND} needs {{\"session\": …, \"hunk\": …, \"text\": …}}"
        )),
    }
}

/// Parameters of `boxagnts.split`: an object, or a hunk of the latest session.
pub(crate) fn split(arguments: &[Value], latest: Option<String>) -> Result<SplitParams, String> {
    if let Some(params) = object(SPLIT, arguments)? {
        return Ok(params);
    }
    match (words(arguments)?.as_slice(), latest) {
        ([hunk], Some(session)) => Ok(SplitParams {
            session,
            hunk: hunk.clone(),
        }),
        _ => Err(format!("{SPLIT} needs {{\"session\": …, \"hunk\": …}}")),
    }
}

/// Parameters of `boxagnts.compact`: an object, or what the summary should pay attention to (of the
/// latest session).
pub(crate) fn compact(
    arguments: &[Value],
    latest: Option<String>,
) -> Result<CompactParams, String> {
    if let Some(params) = object(COMPACT, arguments)? {
        return Ok(params);
    }
    let focus = words(arguments)?.join(" ");
    let session = latest.ok_or_else(|| "there is no session yet; ask first".to_owned())?;
    Ok(CompactParams {
        session,
        focus: Some(focus).filter(|focus| !focus.is_empty()),
    })
}

/// Parameters of `boxagnts.repropose`: an object, or hunks of the latest session.
pub(crate) fn repropose(
    arguments: &[Value],
    latest: Option<String>,
) -> Result<ReproposeParams, String> {
    if let Some(params) = object(REPROPOSE, arguments)? {
        return Ok(params);
    }
    match (words(arguments)?, latest) {
        (hunks, Some(session)) if !hunks.is_empty() => Ok(ReproposeParams { session, hunks }),
        _ => Err(format!(
            "{REPROPOSE} needs {{\"session\": …, \"hunks\": […]}}"
        )),
    }
}

/// Parameters of `boxagnts.undo`: an object, a checkpoint, or nothing for the latest.
pub(crate) fn undo(arguments: &[Value]) -> Result<UndoParams, String> {
    if let Some(params) = object(UNDO, arguments)? {
        return Ok(params);
    }
    Ok(UndoParams {
        checkpoint: match words(arguments)?.as_slice() {
            [] => None,
            [checkpoint] => Some(number(UNDO, checkpoint)?),
            _ => return Err(format!("{UNDO} needs {{\"checkpoint\": …}}, or nothing")),
        },
        session: None,
    })
}

/// Parameters of `boxagnts.restore`: an object, or a checkpoint.
pub(crate) fn restore(arguments: &[Value]) -> Result<RestoreParams, String> {
    if let Some(params) = object(RESTORE, arguments)? {
        return Ok(params);
    }
    match words(arguments)?.as_slice() {
        [checkpoint] => Ok(RestoreParams {
            checkpoint: number(RESTORE, checkpoint)?,
        }),
        _ => Err(format!("{RESTORE} needs {{\"checkpoint\": …}}")),
    }
}

/// Parameters of `boxagnts.checkpoints`: an object, a session, or nothing for all.
pub(crate) fn checkpoints(arguments: &[Value]) -> Result<CheckpointsParams, String> {
    if let Some(params) = object(CHECKPOINTS, arguments)? {
        return Ok(params);
    }
    Ok(CheckpointsParams {
        session: words(arguments)?.into_iter().next(),
        limit: None,
    })
}

/// Parameters of `boxagnts.history`: an object, or the session.
pub(crate) fn history(
    arguments: &[Value],
    latest: Option<String>,
) -> Result<HistoryParams, String> {
    if let Some(params) = object(HISTORY, arguments)? {
        return Ok(params);
    }
    let SessionParams { session } = session(HISTORY, arguments, latest)?;
    Ok(HistoryParams {
        session,
        after: None,
        limit: None,
    })
}

/// Parameters of `boxagnts.rename`: an object, or the title of the latest session.
pub(crate) fn rename(arguments: &[Value], latest: Option<String>) -> Result<RenameParams, String> {
    if let Some(params) = object(RENAME, arguments)? {
        return Ok(params);
    }
    match (words(arguments)?, latest) {
        (title, Some(session)) if !title.is_empty() => Ok(RenameParams {
            session,
            title: title.join(" "),
        }),
        _ => Err(format!("{RENAME} needs {{\"session\": …, \"title\": …}}")),
    }
}

/// Parameters of `boxagnts.fork`: an object, or the session.
pub(crate) fn fork(arguments: &[Value], latest: Option<String>) -> Result<ForkParams, String> {
    if let Some(params) = object(FORK, arguments)? {
        return Ok(params);
    }
    let SessionParams { session } = session(FORK, arguments, latest)?;
    Ok(ForkParams {
        session,
        turn: None,
    })
}

/// Parameters of `boxagnts.setMode`: an object, or the mode of the latest session.
pub(crate) fn set_mode(
    arguments: &[Value],
    latest: Option<String>,
) -> Result<SetModeParams, String> {
    if let Some(params) = object(SET_MODE, arguments)? {
        return Ok(params);
    }
    match (words(arguments)?.as_slice(), latest) {
        ([mode], Some(session)) => {
            let params = json!({"session": session, "mode": mode});
            serde_json::from_value(params).map_err(|error| format!("{SET_MODE}: {error}"))
        }
        _ => Err(format!(
            "{SET_MODE} needs {{\"session\": …, \"mode\": \"plan\" | \"review\" | \"auto\"}}"
        )),
    }
}

/// Parameters of `boxagnts.answer`: an object, or the user's words, for the latest session.
pub(crate) fn answer(arguments: &[Value], latest: Option<String>) -> Result<AnswerParams, String> {
    if let Some(params) = object(ANSWER, arguments)? {
        return Ok(params);
    }
    match (words(arguments)?, latest) {
        (words, Some(session)) if !words.is_empty() => Ok(AnswerParams {
            session,
            id: None,
            choices: Vec::new(),
            text: Some(words.join(" ")),
        }),
        _ => Err(format!(
            "{ANSWER} needs {{\"session\": …, \"choices\": […], \"text\": …}}"
        )),
    }
}

/// Parameters of `boxagnts.usage`: an object, or nothing for days.
pub(crate) fn usage(arguments: &[Value]) -> Result<UsageParams, String> {
    if let Some(params) = object(USAGE, arguments)? {
        return Ok(params);
    }
    match words(arguments)?.as_slice() {
        [] => Ok(UsageParams::default()),
        _ => Err(format!(
            "{USAGE} needs {{\"by\": …, \"since\": …}}, or nothing"
        )),
    }
}

fn number(command: &str, word: &str) -> Result<u64, String> {
    word.parse()
        .map_err(|_| format!("{command}: `{word}` is no checkpoint; `{CHECKPOINTS}` lists them"))
}

/// The parameters, when one object is given, by itself or as JSON in a string.
fn object<T: DeserializeOwned>(command: &str, arguments: &[Value]) -> Result<Option<T>, String> {
    let [argument] = arguments else {
        return Ok(None);
    };
    let value = match argument {
        Value::Object(_) => argument.clone(),
        Value::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).map_err(|error| format!("{command}: {error}"))?
        }
        _ => return Ok(None),
    };
    serde_json::from_value(value)
        .map(Some)
        .map_err(|error| format!("{command}: {error}"))
}

fn words(arguments: &[Value]) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for argument in arguments {
        match argument {
            Value::Null => {}
            Value::String(word) => words.push(word.clone()),
            Value::Number(number) => words.push(number.to_string()),
            other => return Err(format!("cannot use {other} here; give one object")),
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: Value, expect: Result<&str, &str>) {
        let arguments = arguments.as_array().unwrap();
        let got = decide("boxagnts.accept", arguments, Some("s".into()));
        let got = got.map(|params| serde_json::to_string(&params).unwrap());
        match (got, expect) {
            (Ok(got), Ok(expect)) => assert_eq!(got, expect),
            (Err(got), Err(part)) => assert!(got.contains(part), "{got}"),
            (got, expect) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn arguments_come_in_many_shapes() {
        check(
            json!([{"session": "a", "all": true}]),
            Ok(r#"{"session":"a","all":true}"#),
        );
        check(
            json!(["{\"session\":\"a\",\"hunks\":[\"h1\"]}"]),
            Ok(r#"{"session":"a","hunks":["h1"]}"#),
        );
        check(json!(["all"]), Ok(r#"{"session":"s","all":true}"#));
        check(
            json!(["h1", "h2"]),
            Ok(r#"{"session":"s","hunks":["h1","h2"]}"#),
        );
        check(json!([]), Err("needs"));
        check(json!([{"session": "a"}]), Err("exactly one of"));
        check(
            json!([{"session": "a", "all": true, "hunks": []}]),
            Err("exactly one of"),
        );
        check(
            json!([{"session": "a", "hunk": "h1"}]),
            Err("unknown field"),
        );
        check(json!([true]), Err("give one object"));
        check(json!(["{"]), Err("boxagnts.accept"));
    }

    #[test]
    fn a_prompt_may_be_typed() {
        assert_eq!(
            ask(&[json!("rename a"), json!("to b")]).unwrap().prompt,
            "rename a to b"
        );
        assert!(ask(&[]).is_err());
        assert!(ask(&[json!({"promt": "x"})]).unwrap_err().contains("promt"));
        let latest = session("boxagnts.cancel", &[], Some("s".into())).unwrap();
        assert_eq!(latest.session, "s");
    }
}
