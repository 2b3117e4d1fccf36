//! Simulated time: clocks that jump, processes that die, several of them over one journal.

use super::*;
use boxagnts_protocol::schedule::{Allowance, CatchUp, JobSpec, SkipReason};
use boxagnts_protocol::update::SessionMode;
use jiff::SignedDuration;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tempfile::TempDir;

mod again;

/// A journal that processes share.
struct Journal {
    folder: TempDir,
}

/// Seconds, so that tests can be read.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 - 1_780_000_000 % 86_400 + seconds).unwrap()
}

fn spec(cron: &str) -> JobSpec {
    JobSpec {
        prompt: "tidy up".into(),
        cron: cron.into(),
        zone: "UTC".into(),
        model: None,
        mode: SessionMode::Review,
        timeout_ms: 60_000,
        retries: 0,
        catch_up: CatchUp::Once,
        per_run: Allowance::default(),
        per_day: Allowance::default(),
    }
}

impl Journal {
    /// With one job that is set up at 0.
    fn new(spec: &JobSpec) -> Journal {
        let journal = Journal {
            folder: TempDir::new().unwrap(),
        };
        crate::add(&journal.store(), "job", "/w", spec, at(0)).unwrap();
        journal
    }

    fn store(&self) -> Arc<Store> {
        Arc::new(Store::open(&self.folder.path().join("journal.sqlite")).unwrap())
    }

    /// Another process.
    fn process(&self) -> Board {
        Board::new(self.store(), Scope::All)
    }

    fn runs(&self) -> Vec<JobRun> {
        let store = self.store();
        let key = store.job("job").unwrap().key;
        let mut runs = store.job_runs(key, usize::MAX).unwrap();
        runs.reverse();
        runs
    }

    /// The history, oldest first: time, attempt, state or reason, earlier times that it stands for.
    #[track_caller]
    fn check(&self, expect: &[(i64, u32, &str, u64)]) {
        let shown: Vec<(i64, u32, String, u64)> = self
            .runs()
            .into_iter()
            .map(|run| {
                let due = from_ms(run.due_ms).duration_since(at(0)).as_secs();
                let state = match run.skipped {
                    Some(reason) => format!("skipped: {reason:?}"),
                    None => format!("{:?}", run.state),
                };
                (due, run.attempt, state, run.missed)
            })
            .collect();
        let expect: Vec<(i64, u32, String, u64)> = expect
            .iter()
            .map(|(due, attempt, state, missed)| (*due, *attempt, (*state).to_owned(), *missed))
            .collect();
        assert_eq!(shown, expect);
    }
}

/// Looks, and ends what begins at once.
fn step(board: &Board, now: Timestamp, ended: &Ended) -> usize {
    let look = board.look(now, 4, || false).unwrap();
    for begun in &look.begun {
        board.end(begun, ended, now).unwrap();
    }
    look.begun.len()
}

fn done() -> Ended {
    Ended::new(RunState::Done)
}

#[test]
fn twice_a_minute_across_a_restart() {
    let journal = Journal::new(&spec("*/30 * * * * *"));
    let first = journal.process();
    for now in [1, 30, 31, 60, 61] {
        step(&first, at(now), &done());
    }
    drop(first);
    let second = journal.process();
    for now in [62, 90, 120] {
        step(&second, at(now), &done());
    }
    journal.check(&[
        (30, 1, "Done", 0),
        (60, 1, "Done", 0),
        (90, 1, "Done", 0),
        (120, 1, "Done", 0),
    ]);
}

#[test]
fn a_clock_that_goes_back_repeats_nothing() {
    let journal = Journal::new(&spec("*/30 * * * * *"));
    let board = journal.process();
    let clock = [30, 60, 90, 20, 29, 31, 60, 90, 100, 120];
    for now in clock {
        step(&board, at(now), &done());
    }
    journal.check(&[
        (30, 1, "Done", 0),
        (60, 1, "Done", 0),
        (90, 1, "Done", 0),
        (120, 1, "Done", 0),
    ]);
}

#[test]
fn what_only_a_jump_forward_made_look_missed_comes_after_all() {
    let journal = Journal::new(&spec("*/30 * * * * *"));
    let board = journal.process();
    // An hour ahead by mistake, and back.
    for now in [30, 3_615, 60, 90] {
        step(&board, at(now), &done());
    }
    journal.check(&[
        (30, 1, "Done", 0),
        (60, 1, "Done", 0),
        (90, 1, "Done", 0),
        // What was kept at that moment; those before it were counted as missed.
        (3_540, 1, "skipped: Missed", 116),
        (3_570, 1, "Done", 0),
        (3_600, 1, "skipped: StillRunning", 0),
    ]);
    // When their time comes again they have been.
    for now in [3_540, 3_570, 3_600, 3_630] {
        step(&board, at(now), &done());
    }
    let last = journal.runs().pop().unwrap();
    assert_eq!(
        (from_ms(last.due_ms), last.state),
        (at(3_630), RunState::Done)
    );
}

/// Nothing runs until `now`; then the process looks until nothing more begins.
#[track_caller]
fn check_catch_up(catch_up: CatchUp, now: i64, expect: &[(i64, u32, &str, u64)]) {
    let journal = Journal::new(&JobSpec {
        catch_up,
        ..spec("0 * * * *")
    });
    let board = journal.process();
    while step(&board, at(now), &done()) > 0 {}
    journal.check(expect);
}

#[test]
fn missed_times_are_caught_up_as_the_job_says() {
    let hour = 3_600;
    let now = 5 * hour + 1_800;
    check_catch_up(CatchUp::Skip, now, &[(5 * hour, 1, "skipped: Missed", 4)]);
    check_catch_up(CatchUp::Once, now, &[(5 * hour, 1, "Done", 4)]);
    let all: Vec<_> = (1..=5).map(|h| (h * hour, 1, "Done", 0)).collect();
    check_catch_up(CatchUp::All, now, &all);
    // Never more than ten, and years are no problem.
    let years = 3 * 365 * 24;
    let all: Vec<_> = (years - 9..=years)
        .map(|h| (h * hour, 1, "Done", if h == years - 9 { 990 } else { 0 }))
        .collect();
    check_catch_up(CatchUp::All, years * hour + 1_800, &all);
    // Where a time is kept, it does what the missed ones would have.
    let expect = [
        (4 * hour, 1, "skipped: Missed", 3),
        (5 * hour, 1, "Done", 0),
    ];
    check_catch_up(CatchUp::Once, 5 * hour + 1, &expect);
    // A minute is not missed.
    check_catch_up(CatchUp::Skip, hour + 59, &[(hour, 1, "Done", 0)]);
}

#[test]
fn one_run_of_a_job_at_a_time_over_all_processes() {
    let journal = Journal::new(&spec("*/30 * * * * *"));
    let (one, other) = (journal.process(), journal.process());
    let begun = one.look(at(30), 4, || false).unwrap().begun.pop().unwrap();
    assert!(other.look(at(31), 4, || false).unwrap().begun.is_empty());
    assert!(other.look(at(60), 4, || false).unwrap().begun.is_empty());
    one.end(&begun, &done(), at(70)).unwrap();
    assert_eq!(other.look(at(90), 4, || false).unwrap().begun.len(), 1);
    journal.check(&[
        (30, 1, "Done", 0),
        (60, 1, "skipped: StillRunning", 0),
        (90, 1, "Running", 0),
    ]);
}

#[test]
fn a_paused_job_lets_its_times_pass() {
    let journal = Journal::new(&spec("*/30 * * * * *"));
    let (board, store) = (journal.process(), journal.store());
    step(&board, at(30), &done());
    assert!(store.pause_job("job", to_ms(at(31))).unwrap());
    for now in [60, 90, 120] {
        step(&board, at(now), &done());
    }
    assert!(crate::resume(&store, "job", at(121)).unwrap());
    assert!(!crate::resume(&store, "job", at(121)).unwrap());
    step(&board, at(150), &done());
    journal.check(&[
        (30, 1, "Done", 0),
        (120, 1, "skipped: Paused", 2),
        (150, 1, "Done", 0),
    ]);
}

/// A run with a session in which a model used that much.
fn spend(journal: &Journal, begun: &Begun, tokens: u64, usd: f64) {
    use boxagnts_protocol::conversation::{StopReason, TokenUsage};
    use boxagnts_protocol::update::SessionEvent;
    let store = journal.store();
    let session = store.create_session("/w", "m").unwrap();
    let usage = TokenUsage {
        input_tokens: tokens,
        ..TokenUsage::default()
    };
    let answered = SessionEvent::ModelAnswered {
        turn: 1,
        stop: StopReason::EndTurn,
        usage,
        cost_usd: Some(usd),
    };
    store.append(&session, &answered).unwrap();
    store.set_run_session(&begun.claimed, &session).unwrap();
}

#[test]
fn a_day_has_an_allowance() {
    let journal = Journal::new(&JobSpec {
        zone: "Asia/Tokyo".into(),
        per_run: Allowance {
            tokens: Some(60),
            usd: None,
        },
        per_day: Allowance {
            tokens: Some(100),
            usd: Some(1.0),
        },
        ..spec("0 * * * *")
    });
    let board = journal.process();
    let hour = |h: i64| at(h * 3_600);
    let mut may_use = Vec::new();
    // Tokyo's day begins at 15:00 UTC.
    for h in [10, 11, 12, 15, 16] {
        for begun in board.look(hour(h), 4, || false).unwrap().begun {
            may_use.push((h, begun.may_use.tokens.unwrap(), begun.may_use.usd.unwrap()));
            spend(&journal, &begun, 55, 0.25);
            board.end(&begun, &done(), hour(h)).unwrap();
        }
    }
    assert_eq!(
        may_use,
        [(10, 60, 1.0), (11, 45, 0.75), (15, 60, 1.0), (16, 45, 0.75)]
    );
    let skipped: Vec<_> = journal
        .runs()
        .iter()
        .filter_map(|run| run.skipped)
        .collect();
    assert!(skipped.contains(&SkipReason::Budget), "{skipped:?}");
    let spent: u64 = journal.runs().iter().map(|run| run.tokens).sum();
    assert_eq!(spent, 4 * 55);
    let store = journal.store();
    let error = crate::begin_now(&store, "job", hour(17))
        .unwrap_err()
        .to_string();
    assert!(error.contains("used up its allowance"), "{error}");
}

#[test]
fn its_user_may_run_a_job_at_once_but_not_twice_at_a_time() {
    let journal = Journal::new(&spec("0 0 1 1 *"));
    let store = journal.store();
    let board = Board::new(Arc::clone(&store), Scope::All);
    let begun = crate::begin_now(&store, "job", at(5)).unwrap();
    let error = crate::begin_now(&journal.store(), "job", at(6))
        .unwrap_err()
        .to_string();
    assert!(error.contains("is running"), "{error}");
    board.end(&begun, &done(), at(7)).unwrap();
    let again = crate::begin_now(&store, "job", at(5)).unwrap();
    assert!(again.claimed.due_ms > begun.claimed.due_ms);
    assert!(
        crate::begin_now(&store, "other", at(5))
            .unwrap_err()
            .to_string()
            .contains("no scheduled task `other`")
    );
}

#[test]
fn a_server_runs_only_the_jobs_of_its_folder() {
    let journal = Journal::new(&spec("* * * * *"));
    let of = |folder: &str| Board::new(journal.store(), Scope::workspace(Path::new(folder)));
    assert!(
        of("/elsewhere")
            .look(at(60), 4, || false)
            .unwrap()
            .begun
            .is_empty()
    );
    assert_eq!(of("/w").look(at(60), 4, || false).unwrap().begun.len(), 1);
}

#[test]
fn a_removed_job_takes_its_runs_along() {
    let journal = Journal::new(&spec("* * * * *"));
    let board = journal.process();
    let begun = board
        .look(at(60), 4, || false)
        .unwrap()
        .begun
        .pop()
        .unwrap();
    journal.store().remove_job("job", true).unwrap();
    assert_eq!(board.end(&begun, &done(), at(61)).unwrap(), None);
    assert!(journal.store().remove_job("job", true).is_err());
    crate::add(&journal.store(), "job", "/w", &spec("* * * * *"), at(60)).unwrap();
    assert!(journal.runs().is_empty());
    let again = crate::add(&journal.store(), "job", "/w", &spec("* * * * *"), at(60));
    assert!(
        again
            .unwrap_err()
            .to_string()
            .contains("there is a scheduled task `job`")
    );
}

#[test]
fn old_runs_are_forgotten_but_stay_claimed() {
    let day = 86_400;
    let journal = Journal::new(&spec("0 0 * * *"));
    let board = journal.process();
    for d in 1..=95 {
        step(&board, at(d * day), &done());
    }
    assert_eq!(from_ms(journal.runs()[0].due_ms), at(5 * day));
    step(&board, at(2 * day - 10), &done());
    step(&board, at(2 * day), &done());
    assert_eq!(from_ms(journal.runs()[0].due_ms), at(5 * day));
}

/// Two processes at the same moment.
#[test]
fn two_processes_never_claim_one_time_both() {
    let journal = Journal::new(&spec("* * * * * *"));
    let boards = [journal.process(), journal.process()];
    let barrier = std::sync::Barrier::new(2);
    let began: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = boards
            .iter()
            .map(|board| {
                scope.spawn(|| {
                    let mut began = Vec::new();
                    for now in 1..=50 {
                        barrier.wait();
                        for begun in board.look(at(now), 4, || false).unwrap().begun {
                            began.push(begun.claimed.due_ms);
                            board.end(&begun, &done(), at(now)).unwrap();
                        }
                    }
                    began
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut all: Vec<u64> = began.concat();
    all.sort_unstable();
    let due: Vec<u64> = (1..=50).map(|s| to_ms(at(s))).collect();
    assert_eq!(all, due);
    assert_eq!(journal.runs().len(), 50);
}

/// What the world does.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes, in seconds.
    Pass(i64),
    /// The clock is set, by that many seconds.
    Jump(i64),
    /// A process ends and another begins.
    Restart(usize),
    /// One looks.
    Look(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1i64..25).prop_map(Event::Pass),
        1 => (-7_200i64..7_200).prop_map(Event::Jump),
        1 => (0usize..2).prop_map(Event::Restart),
        4 => (0usize..2).prop_map(Event::Look),
    ]
}

/// Plays the events with a job that is due each half minute. Gives how often each time began.
fn play(events: &[Event]) -> (BTreeMap<u64, u32>, Timestamp) {
    let journal = Journal::new(&spec("*/30 * * * * *"));
    let mut boards = [journal.process(), journal.process()];
    let (mut now, mut began) = (at(0), BTreeMap::new());
    let look = |board: &Board, now, began: &mut BTreeMap<u64, u32>| {
        for begun in board.look(now, 4, || false).unwrap().begun {
            *began.entry(begun.claimed.due_ms).or_default() += 1;
            let ended = match begun.claimed.due_ms / 30_000 % 3 {
                0 => Ended::failed("no", false),
                _ => done(),
            };
            board.end(&begun, &ended, now).unwrap();
        }
    };
    for event in events {
        match event {
            Event::Pass(seconds) => {
                now += SignedDuration::from_secs(*seconds);
                // As engines do, which sleep no longer than until the next time.
                look(&boards[0], now, &mut began);
            }
            Event::Jump(seconds) => now += SignedDuration::from_secs(*seconds),
            Event::Restart(which) => boards[*which] = journal.process(),
            Event::Look(which) => look(&boards[*which], now, &mut began),
        }
    }
    let runs = journal.runs();
    let claimed: std::collections::BTreeSet<u64> = runs.iter().map(|run| run.due_ms).collect();
    assert_eq!(claimed.len(), runs.len(), "each time has one row");
    (began, now)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_clocks_do_no_time_runs_twice(events in prop::collection::vec(event(), 1..60)) {
        let (began, _) = play(&events);
        prop_assert!(began.values().all(|times| *times == 1), "{:?}", began);
    }

    #[test]
    fn while_clocks_are_right_each_time_runs_once(events in prop::collection::vec(event(), 1..60)) {
        let events: Vec<Event> = events
            .into_iter()
            .filter(|event| !matches!(event, Event::Jump(_)))
            .collect();
        let (began, now) = play(&events);
        let times = now.duration_since(at(0)).as_secs() / 30;
        let due: Vec<u64> = (1..=times).map(|n| to_ms(at(30 * n))).collect();
        prop_assert_eq!(began.keys().copied().collect::<Vec<_>>(), due);
        prop_assert!(began.values().all(|times| *times == 1));
    }
}

#[test]
fn what_passed_before_a_job_counts_does_not_come_when_the_clock_goes_back() {
    let journal = Journal::new(&spec("*/30 * * * * *"));
    let (board, store) = (journal.process(), journal.store());
    store.pause_job("job", to_ms(at(1))).unwrap();
    crate::resume(&store, "job", at(95)).unwrap();
    for now in [130, 97, 119, 121, 150] {
        step(&board, at(now), &done());
    }
    journal.check(&[
        (90, 1, "skipped: Paused", 2),
        (120, 1, "Done", 0),
        (150, 1, "Done", 0),
    ]);
    // Set up by a clock that was a day ahead.
    let journal = Journal::new(&spec("*/30 * * * * *"));
    let board = journal.process();
    for now in [-86_400, -86_390, -86_370, -86_340] {
        step(&board, at(now), &done());
    }
    journal.check(&[(-86_370, 1, "Done", 0), (-86_340, 1, "Done", 0)]);
}
