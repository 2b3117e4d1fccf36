//! Jobs that other versions set up.

use super::*;
use boxagnts_protocol::schedule::{Allowance, CatchUp};
use boxagnts_protocol::update::SessionMode;

#[test]
fn a_job_that_cannot_be_read_is_told_of_and_can_be_removed() {
    let store = Store::in_memory().unwrap();
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
