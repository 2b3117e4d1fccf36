//! Jobs that other versions set up.

use super::*;
use boxagnts_protocol::schedule::{Allowance, CatchUp, RunState};
use boxagnts_protocol::update::SessionMode;

/// The tasks `good` and `newer` of one folder and `other` of another; `newer` cannot be read.
fn add_jobs(store: &Store) {
    let spec = JobSpec {
        prompt: "tidy up".into(),
        cron: "@daily".into(),
        zone: "UTC".into(),
        model: None,
        mode: SessionMode::Review,
        timeout_ms: 1,
        retries: 0,
        catch_up: CatchUp::Once,
        per_run: Allowance::default(),
        per_day: Allowance::default(),
    };
    for (name, workspace) in [("good", "/w"), ("newer", "/w"), ("other", "/o")] {
        store.add_job(name, workspace, &spec, 1).unwrap();
    }
    let newer =
        "UPDATE jobs SET spec = replace(spec, '\"once\"', '\"twice\"') WHERE name = 'newer'";
    store.connection().execute(newer, []).unwrap();
}

#[test]
fn a_job_that_cannot_be_read_is_told_of_and_can_be_removed() {
    let store = Store::in_memory().unwrap();
    add_jobs(&store);
    let check = |workspace: Option<&str>, readable: &[&str], unreadable: &[&str]| {
        let jobs = store.jobs(workspace).unwrap();
        let names: Vec<&str> = jobs.jobs.iter().map(|job| job.job.name.as_str()).collect();
        assert_eq!(names, readable);
        let names: Vec<&str> = jobs
            .unreadable
            .iter()
            .map(|job| job.name.as_str())
            .collect();
        assert_eq!(names, unreadable);
    };
    check(None, &["good", "other"], &["newer"]);
    check(Some("/w"), &["good"], &["newer"]);
    check(Some("/o"), &["other"], &[]);
    let error = store.job("newer").unwrap_err().to_string();
    for part in ["`newer`", "twice", "boxagnts schedule remove newer"] {
        assert!(error.contains(part), "{error}");
    }
    store.remove_job("newer", false).unwrap();
    check(None, &["good", "other"], &[]);
}

#[test]
fn the_run_of_a_killed_process_ends_also_where_its_job_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("journal.db")).unwrap();
    add_jobs(&store);
    let running =
        "INSERT INTO job_runs (job, due_ms, attempt, state, owner, not_before_ms, started_ms)
                   SELECT key, 2, 1, 'running', 'gone', 2, 2 FROM jobs WHERE workspace = '/w'";
    store.connection().execute(running, []).unwrap();
    let ended = store.end_interrupted_runs(3, |_, _| Some(4)).unwrap();
    let names: Vec<&str> = ended.iter().map(|(job, _)| job.name.as_str()).collect();
    assert_eq!(names, ["good"]);
    let check = |name: &str, expect: &[RunState]| {
        let find = "SELECT key FROM jobs WHERE name = ?1";
        let key = store.connection().query_row(find, [name], |row| row.get(0));
        let runs = store.job_runs(key.unwrap(), 9).unwrap();
        let states: Vec<RunState> = runs.iter().map(|run| run.state).collect();
        assert_eq!(states, expect, "{name}");
    };
    check("good", &[RunState::Waiting, RunState::Interrupted]);
    // Nobody here could try it again.
    check("newer", &[RunState::Interrupted]);
}
