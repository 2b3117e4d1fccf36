//! Sessions of random steps over a real folder, and the invariants of `INVARIANTS.md` behind each
//! step. A failure is told with the few steps that lead to it.

mod agent;
mod carry;
mod check;
mod decide;
mod dice;
mod text;
mod undo;
mod world;

use dice::Dice;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use world::World;

/// Steps of the long run, and of one session in it.
const STEPS: usize = 100_000;
const SESSION: usize = 250;
/// Where its seeds begin.
const SEED: u64 = 1;

/// Runs one session; each number decides what its step does. Gives the step that broke something.
fn run(steps: &[u64], trace: bool) -> Result<(), (usize, String)> {
    let mut at = 0;
    let session = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(trace);
        for step in steps {
            world.say(|| format!("{at}: {step:#x}"));
            let before = world.listed.clone();
            let done = world.step_once(*step);
            if trace {
                eprintln!();
                let changed = |path: &str| before.iter().find(|file| file.path == path);
                for file in &world.listed {
                    if changed(&file.path) == Some(file) {
                        continue;
                    }
                    for hunk in &file.hunks {
                        let (old, new) = (&hunk.old_text, &hunk.new_text);
                        let (id, state, range) = (&hunk.id, hunk.state, hunk.range);
                        let (start, end) = (range.start, range.end);
                        eprintln!(
                            "    {} {id} {state:?} {}:{}-{}:{} {old:?} > {new:?} {:?} {:?}",
                            file.path,
                            start.line,
                            start.character,
                            end.line,
                            end.character,
                            hunk.live_text,
                            hunk.note
                        );
                    }
                }
            }
            done?;
            at += 1;
        }
        Ok(())
    }));
    match session {
        Ok(done) => done.map_err(|broken: String| (at, broken)),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Err((at, format!("panic: {}", said.unwrap_or_default())))
        }
    }
}

/// The kind of a failure, as its words in front of the first name: shrinking must not wander to
/// another one.
fn kind(broken: &str) -> &str {
    broken.split('`').next().unwrap_or_default()
}

/// Leaves out steps as long as the same invariant breaks.
fn shrink(mut steps: Vec<u64>, broken: &str) -> Vec<u64> {
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        let mut less = false;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(fewer.len()));
            match run(&fewer, false) {
                Err((end, other)) if kind(&other) == kind(broken) => {
                    fewer.truncate(end + 1);
                    steps = fewer;
                    less = true;
                }
                _ => at += size,
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if !less {
            break;
        }
    }
    steps
}

/// Shortens a session that broke something, shows it, and says how to see it again.
fn explain(steps: &[u64], broken: &str) -> String {
    let fewer = shrink(steps.to_vec(), broken);
    let again = run(&fewer, true)
        .err()
        .map(|(_, broken)| broken)
        .unwrap_or_default();
    format!("{broken}\nwith {} steps: {again}\n{fewer:x?}", fewer.len())
}

fn session(seed: u64) -> Vec<u64> {
    let mut dice = Dice::new(seed);
    (0..SESSION).map(|_| dice.next()).collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How often it happened, and the seed, steps and words of the shortest session.
type Broken = (usize, u64, Vec<u64>, String);

/// More with `BOXAGNTS_MODEL_STEPS`; others with `BOXAGNTS_MODEL_SEED`, the seed of the first session.
#[test]
fn a_long_run_breaks_no_invariant() {
    let steps = number("BOXAGNTS_MODEL_STEPS").and_then(|steps| usize::try_from(steps).ok());
    let sessions = steps.unwrap_or(STEPS).div_ceil(SESSION);
    let first = number("BOXAGNTS_MODEL_SEED").unwrap_or(SEED);
    let next = AtomicUsize::new(0);
    // How often each invariant broke, and the shortest session that did it.
    let broken: Mutex<BTreeMap<String, Broken>> = Mutex::default();
    let one = || {
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && at < sessions
        {
            let seed = first + at as u64;
            let mut steps = session(seed);
            let Err((end, said)) = run(&steps, false) else {
                continue;
            };
            steps.truncate(end + 1);
            let mut broken = broken.lock().unwrap();
            let count = broken.get(kind(&said)).map_or(0, |(count, ..)| *count);
            let best = broken.entry(kind(&said).to_owned()).or_insert((
                0,
                seed,
                steps.clone(),
                said.clone(),
            ));
            if steps.len() < best.2.len() {
                *best = (count, seed, steps, said);
            }
            best.0 = count + 1;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(one);
        }
    });
    let broken = broken.into_inner().unwrap();
    for (count, seed, steps, said) in broken.values() {
        let explained = explain(steps, said);
        eprintln!(
            "{count} of {sessions} sessions, as with seed {seed}, step {}: {explained}\n",
            steps.len()
        );
    }
    let broken: Vec<&String> = broken.keys().collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn every_invariant_is_written_down() {
    let written = include_str!("../../INVARIANTS.md");
    for name in check::ALL {
        assert!(written.contains(&format!("**{name}**")), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn short_sessions_break_no_invariant(steps in prop::collection::vec(any::<u64>(), 1..40)) {
        if let Err((at, broken)) = run(&steps, false) {
            return Err(TestCaseError::fail(format!("step {at}: {broken}")));
        }
    }
}

/// Shows the session of `BOXAGNTS_MODEL_AGAIN`, steps as a failure lists them.
#[test]
fn a_session_can_be_seen_again() {
    let steps = std::env::var("BOXAGNTS_MODEL_AGAIN").unwrap_or_default();
    let steps = steps
        .split(',')
        .map(|step| step.trim())
        .filter(|step| !step.is_empty());
    let steps: Result<Vec<u64>, _> = steps.map(|step| u64::from_str_radix(step, 16)).collect();
    let steps = steps.expect("hexadecimal numbers with commas between");
    assert_eq!(run(&steps, !steps.is_empty()), Ok(()));
}
