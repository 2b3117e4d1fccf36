//! What is tried again, and what is not; what never begins.

use super::*;

#[test]
fn a_killed_process_is_noticed_and_its_run_tried_again() {
    let journal = Journal::new(&JobSpec {
        retries: 1,
        ..spec("0 * * * *")
    });
    let (killed, other) = (journal.process(), journal.process());
    assert_eq!(killed.look(at(3_600), 4, || false).unwrap().begun.len(), 1);
    assert!(
        other
            .look(at(3_601), 4, || false)
            .unwrap()
            .interrupted
            .is_empty()
    );
    // Its lock goes with it, and nothing else of it ends.
    drop(killed);
    let look = other.look(at(3_610), 4, || false).unwrap();
    assert_eq!(look.interrupted.len(), 1);
    assert!(look.begun.is_empty(), "{look:?}");
    let retry = look.next.unwrap();
    assert!((at(3_640)..=at(3_650)).contains(&retry), "{retry}");
    assert_eq!(step(&other, retry, &done()), 1);
    journal.check(&[(3_600, 1, "Interrupted", 0), (3_600, 2, "Done", 0)]);
}

#[test]
fn failures_are_tried_again_until_the_jobs_next_time() {
    let journal = Journal::new(&JobSpec {
        retries: 5,
        ..spec("*/2 * * * *")
    });
    let board = journal.process();
    let failed = Ended::failed("busy", true);
    for now in 0..=240 {
        step(&board, at(now), &failed);
    }
    let runs = journal.runs();
    let of = |due| {
        runs.iter()
            .filter(|run| from_ms(run.due_ms) == at(due))
            .collect::<Vec<_>>()
    };
    let states: Vec<_> = of(120)
        .iter()
        .map(|run| (run.attempt, run.state, run.skipped))
        .collect();
    assert_eq!(
        states,
        [
            (1, RunState::Failed, None),
            (2, RunState::Failed, None),
            (3, RunState::Failed, None),
            (4, RunState::Skipped, Some(SkipReason::Replaced)),
        ]
    );
    assert_eq!(of(240).first().unwrap().state, RunState::Failed);
    assert_eq!(runs[0].message.as_deref(), Some("busy"));
}

/// A retry that could begin first when it was as late as that, of a job with that catch-up.
#[track_caller]
fn check_late(catch_up: CatchUp, late: i64, expect: &str) {
    let journal = Journal::new(&JobSpec {
        retries: 1,
        catch_up,
        ..spec("0 0 * * *")
    });
    let board = journal.process();
    let day = 86_400;
    assert_eq!(step(&board, at(day), &Ended::failed("busy", true)), 1);
    let retry = board.look(at(day), 4, || false).unwrap().next.unwrap();
    step(&board, retry + SignedDuration::from_secs(late), &done());
    journal.check(&[(day, 1, "Failed", 0), (day, 2, expect, 0)]);
}

#[test]
fn a_late_retry_is_no_better_than_a_missed_time() {
    check_late(CatchUp::Skip, 0, "Done");
    check_late(CatchUp::Skip, 299, "Done");
    check_late(CatchUp::Skip, 301, "skipped: Missed");
    check_late(CatchUp::Once, 8 * 3_600, "Done");
    check_late(CatchUp::All, 8 * 3_600, "Done");
}

#[test]
fn what_is_over_begins_nothing() {
    let journal = Journal::new(&spec("* * * * *"));
    let board = journal.process();
    let look = board.look(at(60), 4, || true).unwrap();
    assert!(look.begun.is_empty(), "{look:?}");
    journal.check(&[]);
    // Said while it looked: another process begins it.
    let asked = std::cell::Cell::new(0);
    let over = || asked.replace(asked.get() + 1) > 0;
    assert!(board.look(at(60), 4, over).unwrap().begun.is_empty());
    journal.check(&[(60, 1, "Waiting", 0)]);
    assert_eq!(step(&journal.process(), at(61), &done()), 1);
}

#[test]
fn what_is_cancelled_is_not_tried_again() {
    let journal = Journal::new(&JobSpec {
        retries: 5,
        ..spec("0 0 * * *")
    });
    let board = journal.process();
    let day = 86_400;
    step(&board, at(day), &Ended::failed("busy", true));
    assert!(journal.store().cancel_job("job", to_ms(at(day))).unwrap());
    journal.check(&[(day, 1, "Failed", 0), (day, 2, "Cancelled", 0)]);
    // Also when it fails before it hears of it.
    let begun = board
        .look(at(2 * day), 4, || false)
        .unwrap()
        .begun
        .pop()
        .unwrap();
    assert!(
        journal
            .store()
            .cancel_job("job", to_ms(at(2 * day)))
            .unwrap()
    );
    board
        .end(&begun, &Ended::failed("busy", true), at(2 * day))
        .unwrap();
    journal.check(&[
        (day, 1, "Failed", 0),
        (day, 2, "Cancelled", 0),
        (2 * day, 1, "Failed", 0),
    ]);
}

#[test]
fn what_was_begun_by_hand_is_not_tried_again() {
    let journal = Journal::new(&JobSpec {
        retries: 5,
        ..spec("0 0 * * *")
    });
    let killed = journal.store();
    crate::begin_now(&killed, "job", at(5)).unwrap();
    drop(killed);
    end_interrupted(&journal.store(), at(6)).unwrap();
    journal.check(&[(5, 1, "Interrupted", 0)]);
}

#[test]
fn what_cannot_be_set_up_is_refused_with_the_remedy() {
    let store = Store::in_memory().unwrap();
    let check = |name: &str, cron: &str, expect: Option<&str>| {
        let added = crate::add(&store, name, "/w", &spec(cron), at(0));
        match (added, expect) {
            (Ok(_), None) => {}
            (Err(error), Some(expect)) => {
                let error = error.to_string();
                assert!(error.contains(expect), "{error}");
            }
            (added, _) => panic!("{name} {cron}: {added:?}"),
        }
    };
    let name = "a letter or a digit first";
    check("-x", "* * * * *", Some(name));
    check(".x", "* * * * *", Some(name));
    check("", "* * * * *", Some(name));
    check("a b", "* * * * *", Some(name));
    check("é.1", "* * * * *", None);
    check("x", "*/99 * * * *", Some("the step"));
    check("x", " 0\n5\t* * *\n", None);
    assert_eq!(store.job("x").unwrap().job.spec.cron, "0 5 * * *");
}

#[test]
fn what_does_not_pass_is_not_tried_again() {
    for ended in [
        done(),
        Ended::new(RunState::Limit),
        Ended::new(RunState::Timeout),
        Ended::new(RunState::Cancelled),
        Ended::failed("no such model", false),
    ] {
        let journal = Journal::new(&JobSpec {
            retries: 5,
            ..spec("0 0 1 * *")
        });
        let board = journal.process();
        let first = Times::new("0 0 1 * *", "UTC")
            .unwrap()
            .after(at(0))
            .unwrap();
        assert_eq!(step(&board, first, &ended), 1);
        assert_eq!(journal.runs().len(), 1, "{ended:?}");
    }
}
