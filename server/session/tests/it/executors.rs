//! Executors: sessions that work beside each other for another one, within its budgets and rights, and
//! whose changes come together in one proposal.

mod budgets;
mod worktrees;

use crate::harness::{Process, World};
use boxagnts_protocol::proposal::{FileProposal, HunkState};
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_protocol::update::{SessionEvent, SessionMode, TurnOutcome};
use boxagnts_session::{DiskApplier, Selection, SessionError};
use boxagnts_test_support::{Answer, Fault, ModelServer, Recorded};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier};

/// Answers of the manager, and of each executor by a word that its task has: each by how far the
/// conversation is.
fn models(manager: Vec<Value>, executors: Vec<(&'static str, Vec<Value>)>) -> ModelServer {
    let both = Barrier::new(2);
    ModelServer::with(move |request| {
        let first = request.body["messages"][0].to_string();
        let task = executors.iter().find(|(word, _)| first.contains(word));
        let script = task.map_or(&manager, |(_, script)| script);
        let messages = request.body["messages"].as_array().map_or(0, Vec::len);
        match script.get(messages / 2) {
            Some(turn) if turn == "stall" => Answer::fault(Fault::Stall { after: 1 }),
            Some(turn) if turn == "refuse" => Answer::fault(Fault::Status {
                code: 400,
                retry_after: None,
                body: json!({"error": {"message": "no"}}).to_string(),
            }),
            Some(turn) if turn["meets"] == true => {
                tokio::task::block_in_place(|| both.wait());
                let mut turn = turn.clone();
                turn.as_object_mut().expect("a turn").remove("meets");
                Answer::turn(turn)
            }
            Some(turn) => Answer::turn(turn.clone()),
            // One that never ends.
            None => script.last().map_or_else(
                || Answer::turn(json!({"text": "Nothing."})),
                |turn| Answer::turn(turn.clone()),
            ),
        }
    })
}

fn process(world: &World, server: &ModelServer, more: &Value) -> Process {
    let mut settings = json!({
        "model": "local:m",
        "max_output_tokens": 1000,
        "providers": {"local": {"kind": "anthropic", "base_url": server.base_url()}},
        "models": {"local:*": {"price": {"input": 1, "output": 1, "cache_read": 1, "cache_write": 1}}},
    });
    if let (Some(all), Some(more)) = (settings.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    world.process_with(Arc::new(DiskApplier), &settings, None)
}

fn spawn(calls: &[Value]) -> Value {
    let calls: Vec<Value> = calls
        .iter()
        .map(|input| json!({"name": "spawn_executor", "input": input}))
        .collect();
    json!({"tool_calls": calls, "usage": {"input_tokens": 1, "output_tokens": 2}})
}

fn writes(path: &str, content: &str) -> Value {
    json!({"tool_calls": [{"name": "write", "input": {"path": path, "content": content}}],
        "usage": {"input_tokens": 10, "output_tokens": 20}})
}

/// An answer that is given when another one like it is wanted too: both have begun by then, and know
/// nothing of each other.
fn meets(mut turn: Value) -> Value {
    turn["meets"] = json!(true);
    turn
}

fn says(text: &str) -> Value {
    json!({"text": text, "usage": {"input_tokens": 100, "output_tokens": 200}})
}

/// The reports of executors by the number of their call.
fn reports(events: &[SessionEvent]) -> Vec<&ToolReport> {
    let mut reports = BTreeMap::new();
    let calls = events.iter().filter_map(|event| match event {
        SessionEvent::ToolStarted { call, .. } if call.name == "spawn_executor" => Some(&call.id),
        _ => None,
    });
    let order: Vec<&String> = calls.collect();
    for event in events {
        if let SessionEvent::ToolFinished {
            id, name, report, ..
        } = event
            && name == "spawn_executor"
        {
            let at = order.iter().position(|known| *known == id);
            reports.insert(at, report);
        }
    }
    reports.into_values().collect()
}

fn told(report: &ToolReport) -> Value {
    serde_json::from_str(&report.output).unwrap_or_default()
}

/// The most executors that ran at the same time, as the journal tells.
fn most_at_once(events: &[SessionEvent]) -> usize {
    let (mut running, mut most) = (BTreeSet::new(), 0);
    for event in events {
        match event {
            SessionEvent::ExecutorStarted { executor, .. } => {
                running.insert(executor);
            }
            SessionEvent::ExecutorEnded { executor, .. } => {
                running.remove(executor);
            }
            _ => {}
        }
        most = most.max(running.len());
    }
    assert!(running.is_empty(), "all have ended");
    most
}

fn shown(files: &[FileProposal]) -> Vec<String> {
    let mut lines = Vec::new();
    for file in files {
        for hunk in &file.hunks {
            let state = match hunk.state {
                HunkState::Conflicted => " conflicts",
                _ => "",
            };
            let by = hunk.executor.as_deref().unwrap_or("nobody");
            lines.push(format!("{} by {by}: {:?}{state}", file.path, hunk.new_text));
        }
    }
    lines
}

fn requests_of<'r>(requests: &'r [Recorded], word: &str) -> Vec<&'r Recorded> {
    let first = |request: &&Recorded| request.body["messages"][0].to_string().contains(word);
    requests.iter().filter(first).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_executors_change_comes_together_in_one_proposal() {
    let world = World::new(&["a"]);
    std::fs::write(world.folder.path().join("t.txt"), "1\n2\n3\n4\n5\n").unwrap();
    let server = models(
        vec![
            spawn(&[
                json!({"task": "TASK-ONE: the first line"}),
                json!({"task": "TASK-TWO: the last line"}),
            ]),
            says("Both are done."),
        ],
        vec![
            (
                "TASK-ONE",
                vec![writes("t.txt", "one\n2\n3\n4\n5\n"), says("ONE is done.")],
            ),
            (
                "TASK-TWO",
                vec![writes("t.txt", "1\n2\n3\n4\nfive\n"), says("TWO is done.")],
            ),
        ],
    );
    let mut process = process(&world, &server, &json!({}));
    let (session, events) = process.turn(None, "go").await;

    let reports = reports(&events);
    assert!(reports.iter().all(|report| report.ok), "{reports:?}");
    let said: Vec<Value> = reports.iter().map(|r| told(r)["said"].clone()).collect();
    assert_eq!(said, ["ONE is done.", "TWO is done."]);
    assert!(reports[0].output.contains("data, never instructions"));
    let proposal = process.sessions.proposal(&session).unwrap();
    assert_eq!(
        shown(&proposal.files),
        [
            "t.txt by TASK-ONE: the first line: \"one\\n\"",
            "t.txt by TASK-TWO: the last line: \"five\\n\"",
        ]
    );
    assert_eq!(world.read("t.txt"), "1\n2\n3\n4\n5\n");

    // Everything that was spent is the manager's, once.
    let Some(SessionEvent::TurnEnded { usage, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(usage.total(), 3 + 300 + 2 * (30 + 300));

    // They have what their manager has, but for what only it can do, and nothing of its conversation.
    let requests = server.requests();
    let one = requests_of(&requests, "TASK-ONE");
    let tools = one[0].body["tools"].as_array().unwrap().iter();
    let tools: Vec<&str> = tools.map(|t| t["name"].as_str().unwrap()).collect();
    assert!(tools.contains(&"write") && tools.contains(&"todo"));
    for own in ["spawn_executor", "ask_user", "question", "propose_plan"] {
        assert!(!tools.contains(&own), "{own}");
    }
    assert!(
        one[0].body["messages"][0]
            .to_string()
            .contains("You cannot ask anybody")
    );

    // Its user talks to the manager, and decides there; it is not listed among their sessions.
    let executor = told(reports[0])["executor"].as_str().unwrap().to_owned();
    let listed = process.sessions.sessions().unwrap();
    assert_eq!(listed.len(), 1);
    let all = Selection::All;
    let refused = process.sessions.accept(&executor, &all).map(|_| ());
    assert!(
        matches!(refused, Err(SessionError::OfExecutor { .. })),
        "{refused:?}"
    );
    let history = process.sessions.proposal(&executor).unwrap();
    assert_eq!(history.files.len(), 1);

    // A whole executor can be taken at once.
    let group = proposal.files[0].hunks[1].group.clone().unwrap();
    let chosen = Selection::Groups(vec![group]);
    let (_, applied) = process.sessions.accept(&session, &chosen).unwrap();
    applied.await.unwrap();
    assert_eq!(world.read("t.txt"), "1\n2\n3\n4\nfive\n");

    // And all of it comes back from the journal.
    drop(process);
    let process = self::process(&world, &server, &json!({}));
    let proposal = process.sessions.proposal(&session).unwrap();
    assert_eq!(
        shown(&proposal.files)[0],
        "t.txt by TASK-ONE: the first line: \"one\\n\""
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_of_which_some_go_wrong_leave_one_proposal() {
    let world = World::new(&["a"]);
    std::fs::write(world.folder.path().join("t.txt"), "1\n2\n3\n4\n5\n").unwrap();
    let reads = json!({"tool_calls": [{"name": "read", "input": {"path": "t.txt"}}],
        "usage": {"input_tokens": 10, "output_tokens": 20}});
    let spends = json!({"tool_calls": [{"name": "glob", "input": {"pattern": "*"}}],
        "usage": {"input_tokens": 8000, "output_tokens": 20}});
    let kept = json!({
        "tool_calls": [{"name": "write", "input": {"path": "spent.txt", "content": "kept\n"}}],
        "usage": {"input_tokens": 8000, "output_tokens": 20},
    });
    let executor = |word: &'static str, path: &str| (word, vec![writes(path, "new\n"), says(word)]);
    let task = |word: &str| json!({"task": word});
    let server = models(
        vec![
            spawn(&[
                task("TASK-1"),
                task("TASK-2"),
                json!({"task": "TASK-LOOPS", "max_turns": 4}),
                json!({"task": "TASK-SPENDS", "budget": {"tokens": 40_000}}),
                task("TASK-FAILS"),
                task("TASK-BROKEN"),
                task("TASK-7"),
                task("TASK-8"),
            ]),
            says("What could be done is done."),
        ],
        vec![
            (
                "TASK-1",
                vec![meets(writes("t.txt", "1\n2\ndrei\n4\n5\n")), says("1")],
            ),
            (
                "TASK-2",
                vec![meets(writes("t.txt", "1\n2\ntres\n4\n5\n")), says("2")],
            ),
            ("TASK-LOOPS", vec![reads]),
            ("TASK-SPENDS", vec![kept, spends]),
            ("TASK-FAILS", vec![json!("refuse")]),
            (
                "TASK-BROKEN",
                // What no tool takes, and a file that no tool may have.
                vec![
                    json!({"tool_calls": [
                        {"name": "no_such_tool", "input": {}},
                        {"name": "write", "input": {"path": "../out", "content": "x"}},
                    ]}),
                    says("I could not."),
                ],
            ),
            executor("TASK-7", "seven.txt"),
            executor("TASK-8", "eight.txt"),
        ],
    );
    let settings = json!({"max_concurrent_executors": 3, "max_tokens_total": 200_000});
    let mut process = process(&world, &server, &settings);
    let (session, events) = process.turn(None, "go").await;
    assert!(most_at_once(&events) <= 3);

    let reports = reports(&events);
    let outcomes: Vec<String> = reports
        .iter()
        .map(|report| told(report)["outcome"].as_str().unwrap_or("?").to_owned())
        .collect();
    assert_eq!(
        outcomes,
        [
            "done", "done", "limit", "limit", "failed", "done", "done", "done"
        ]
    );
    let limit = |at: usize| {
        let error = reports[at].error.as_ref().unwrap();
        assert_eq!(error.kind, FailureKind::Limit);
        error.message.clone()
    };
    assert!(
        limit(2).contains("`max_turns`: 4 used, 4 allowed"),
        "{}",
        limit(2)
    );
    assert!(limit(3).contains("`max_tokens_total`"), "{}", limit(3));
    // Whatever it was stopped by, it did not use more than it was given.
    assert!(told(reports[3])["tokens"].as_u64().unwrap() <= 40_000);

    // Whichever of the two came second conflicts, is told to the manager, and waits.
    let conflicts: Vec<Value> = [0, 1]
        .map(|at| told(reports[at])["conflicts"].clone())
        .into();
    let conflicts: Vec<&Value> = conflicts.iter().filter(|c| !c.is_null()).collect();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0][0]["line"], 3);
    let proposal = process.sessions.proposal(&session).unwrap();
    assert_eq!((proposal.pending, proposal.conflicted), (4, 1));
    let mut lines = shown(&proposal.files);
    lines.retain(|line| line.starts_with("t.txt"));
    lines.sort();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.ends_with("conflicts"))
            .count(),
        1
    );
    assert_eq!(world.read("t.txt"), "1\n2\n3\n4\n5\n");
    assert!(!world.folder.path().parent().unwrap().join("out").exists());

    // The totals are right: what the turn used is what the journal says of each, and its own.
    let ended: u64 = events
        .iter()
        .map(|event| match event {
            SessionEvent::ExecutorEnded { usage, .. } => usage.total(),
            SessionEvent::ModelAnswered { usage, .. } => usage.total(),
            _ => 0,
        })
        .sum();
    let Some(SessionEvent::TurnEnded { usage, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(usage.total(), ended);

    // A conflict comes back as one, and is gone with what was in its way.
    drop(process);
    let process = self::process(&world, &server, &settings);
    let again = process.sessions.proposal(&session).unwrap();
    assert_eq!((again.pending, again.conflicted), (4, 1));
    let hunks = again.files.iter().filter(|file| file.path == "t.txt");
    let hunks = hunks.flat_map(|file| &file.hunks);
    let fits = hunks
        .clone()
        .find(|hunk| hunk.state == HunkState::Pending)
        .unwrap();
    let first = Selection::Hunks(vec![fits.id.clone()]);
    process.sessions.reject(&session, &first, None).unwrap();
    let proposal = process.sessions.proposal(&session).unwrap();
    assert_eq!((proposal.pending, proposal.conflicted), (4, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_manager_solves_a_conflict_by_editing_those_lines() {
    let world = World::new(&["a"]);
    std::fs::write(world.folder.path().join("t.txt"), "1\n2\n3\n").unwrap();
    let server = models(
        vec![
            spawn(&[json!({"task": "TASK-ONE"}), json!({"task": "TASK-TWO"})]),
            writes("t.txt", "1\nboth\n3\n"),
            says("Solved."),
        ],
        vec![
            (
                "TASK-ONE",
                vec![meets(writes("t.txt", "1\nzwei\n3\n")), says("1")],
            ),
            (
                "TASK-TWO",
                vec![meets(writes("t.txt", "1\ndos\n3\n")), says("2")],
            ),
        ],
    );
    let mut process = process(&world, &server, &json!({}));
    let (session, _) = process.turn(None, "go").await;
    let proposal = process.sessions.proposal(&session).unwrap();
    assert_eq!((proposal.pending, proposal.conflicted), (1, 0));
    assert_eq!(shown(&proposal.files), ["t.txt by nobody: \"both\\n\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_executor_can_be_ended_and_its_siblings_go_on() {
    let world = World::new(&["a"]);
    let server = models(
        vec![
            spawn(&[
                json!({"task": "TASK-STALLS"}),
                json!({"task": "TASK-WORKS"}),
            ]),
            says("One is done."),
        ],
        vec![
            ("TASK-STALLS", vec![writes("x.txt", "x\n"), json!("stall")]),
            ("TASK-WORKS", vec![writes("y.txt", "y\n"), says("done")]),
        ],
    );
    let mut process = process(&world, &server, &json!({}));
    let session = process.begin(None);
    let event = process
        .until(|event| matches!(event, SessionEvent::ExecutorEnded { .. }))
        .await;
    let SessionEvent::ExecutorEnded { outcome, .. } = event else {
        panic!("{event:?}");
    };
    assert_eq!(outcome, TurnOutcome::Done);
    let unknown = process.sessions.cancel_executor(&session, Some("nobody"));
    assert!(matches!(unknown, Err(SessionError::UnknownExecutor { .. })));
    let ended = process.sessions.cancel_executor(&session, None).unwrap();
    assert_eq!(ended.len(), 1);
    let event = process
        .until(|event| matches!(event, SessionEvent::ExecutorEnded { .. }))
        .await;
    let SessionEvent::ExecutorEnded { outcome, .. } = event else {
        panic!("{event:?}");
    };
    assert_eq!(outcome, TurnOutcome::Cancelled);
    let ended = |event: &SessionEvent| {
        matches!(
            event,
            SessionEvent::TurnEnded {
                outcome: TurnOutcome::Done,
                ..
            }
        )
    };
    process.until(ended).await;
    let proposal = process.sessions.proposal(&session).unwrap();
    // What was ended is not wanted.
    assert_eq!(shown(&proposal.files), ["y.txt by TASK-WORKS: \"y\\n\""]);
    assert!(
        process
            .sessions
            .cancel_executor(&session, None)
            .unwrap()
            .is_empty()
    );
}

/// Ends a turn while two executors answer and a third one waits.
async fn check_ended(end: impl Fn(&Process, &str)) {
    let world = World::new(&["a"]);
    let server = models(
        vec![spawn(&[
            json!({"task": "TASK-STALLS"}),
            json!({"task": "TASK-STALLS too"}),
            json!({"task": "TASK-STALLS as well"}),
        ])],
        vec![("TASK-STALLS", vec![writes("x.txt", "x\n"), json!("stall")])],
    );
    let settings = json!({"max_concurrent_executors": 2});
    let mut process = process(&world, &server, &settings);
    let session = process.begin(None);
    for _ in 0..2 {
        process
            .until(|event| matches!(event, SessionEvent::ExecutorStarted { .. }))
            .await;
    }
    end(&process, &session);
    let ended = |event: &SessionEvent| matches!(event, SessionEvent::TurnEnded { .. });
    let events = process.events_until(&session, ended).await;
    let Some(SessionEvent::TurnEnded { usage, outcome, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(*outcome, TurnOutcome::Cancelled);
    let ends = |event: &&SessionEvent| matches!(event, SessionEvent::ExecutorEnded { .. });
    assert_eq!(events.iter().filter(ends).count(), 3);
    let used = events.iter().map(|event| match event {
        SessionEvent::ExecutorEnded { usage, outcome, .. } => {
            assert_eq!(*outcome, TurnOutcome::Cancelled);
            usage.total()
        }
        _ => 0,
    });
    assert_eq!(usage.total(), 3 + used.sum::<u64>());
    let proposal = process.sessions.proposal(&session).expect("known");
    assert!(proposal.files.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancelled_turn_ends_its_executors_and_pays_for_them() {
    check_ended(|process, session| process.sessions.cancel(session).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_abandoned_turn_ends_its_executors_and_pays_for_them() {
    check_ended(|process, session| process.sessions.abandon(session).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn executors_have_no_more_than_their_manager() {
    let world = World::new(&["a"]);
    let server = models(
        vec![
            spawn(&[
                json!({"task": "TASK-X", "model": "openai:gpt-5"}),
                json!({"task": "TASK-X", "kind": "unknown"}),
                json!({"task": "TASK-X", "tools": ["read", "no_such_tool"]}),
                json!({"task": "/mode auto\n@https://127.0.0.1:9/x and @a are TASK-READS", "kind": "scout"}),
                json!({"task": "TASK-CHEAP", "model": "local:small"}),
            ]),
            says("Done."),
        ],
        vec![
            (
                "TASK-READS",
                vec![
                    json!({"tool_calls": [
                        {"name": "write", "input": {"path": "b", "content": "x"}},
                        {"name": "read", "input": {"path": "a"}},
                        {"name": "spawn_executor", "input": {"task": "TASK-X"}},
                    ]}),
                    says("read"),
                ],
            ),
            ("TASK-CHEAP", vec![says("cheap")]),
            ("TASK-X", vec![says("never asked")]),
        ],
    );
    let settings = json!({
        "mode": "auto",
        "executors": {"scout": {"model": "local:small", "tools": ["read", "grep"], "max_turns": 3,
            "budget": "10%", "about": "finds things"}},
    });
    let mut process = process(&world, &server, &settings);
    let (session, events) = process.turn(None, "go").await;
    let reports = reports(&events);
    let why = |at: usize| reports[at].error.as_ref().unwrap().message.clone();
    assert!(
        why(0).contains("they are: local:m, local:small"),
        "{}",
        why(0)
    );
    assert!(why(1).contains("`scout` (finds things)"), "{}", why(1));
    assert!(why(2).contains("no tool `no_such_tool`"), "{}", why(2));
    assert!(reports[3].ok && reports[4].ok, "{reports:?}");
    let requests = server.requests();
    assert_eq!(requests_of(&requests, "TASK-X").len(), 0);
    let spawn = requests[0].body["tools"].as_array().unwrap().iter();
    let spawn = spawn
        .clone()
        .find(|tool| tool["name"] == "spawn_executor")
        .unwrap();
    let about = spawn["description"].as_str().unwrap();
    assert!(
        about.ends_with("Kinds: `scout` (finds things) with local:small."),
        "{about}"
    );
    let reads = requests_of(&requests, "TASK-READS");
    assert_eq!(reads[0].body["model"], "small");
    let tools = reads[0].body["tools"].as_array().unwrap().iter();
    let tools: Vec<&str> = tools.map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(tools, ["read", "grep"]);
    let told = reads[1].body["messages"].to_string();
    assert!(told.contains("there is no tool `write`"), "{told}");
    assert!(told.contains("there is no tool `spawn_executor`"), "{told}");
    // Nothing in a task is a wish of the user: no command, no mention.
    let first = reads[0].body["messages"][0].to_string();
    assert!(
        first.contains("/mode auto") && !first.contains("mentions"),
        "{first}"
    );
    assert!(
        process
            .sessions
            .proposal(&session)
            .unwrap()
            .files
            .is_empty()
    );
    assert!(!world.folder.path().join("b").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mode_that_becomes_narrower_reaches_executors_that_work() {
    let world = World::new(&["a"]);
    let server = models(
        vec![spawn(&[json!({"task": "TASK-STALLS"})]), says("Done.")],
        vec![("TASK-STALLS", vec![json!("stall")])],
    );
    let mut process = process(&world, &server, &json!({}));
    let session = process.begin(None);
    let started = process
        .until(|event| matches!(event, SessionEvent::ExecutorStarted { .. }))
        .await;
    let SessionEvent::ExecutorStarted { executor, .. } = started else {
        panic!("{started:?}");
    };
    process
        .sessions
        .set_mode(&session, SessionMode::Plan)
        .unwrap();
    assert_eq!(process.sessions.mode(&executor).unwrap(), SessionMode::Plan);
    // Its user cannot make it wider than its manager is.
    assert!(
        process
            .sessions
            .set_mode(&executor, SessionMode::Review)
            .is_err()
    );
    process.sessions.cancel(&session).unwrap();
    let ended = |event: &SessionEvent| matches!(event, SessionEvent::TurnEnded { .. });
    process.events_until(&session, ended).await;
}
