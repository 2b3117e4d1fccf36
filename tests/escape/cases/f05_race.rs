//! Another program swaps a folder for a link to the outside, over and over, while tools read, write
//! and search through it.

use crate::harness::{Attack, Case, script};
use serde_json::json;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) const CASE: Case = Case {
    id: "F05",
    attack: "A folder becomes a link and a folder again, 10,000 times, while tools use it",
    expect: &["nothing from outside"],
    run,
    ..Case::DEFAULT
};

const SWAPS: usize = 10_000;

fn run(attack: &mut Attack) {
    attack.file("workspace/dir/secret", "inside\n");
    attack.link("../outside", "workspace/link");
    let root = attack.workspace();
    let (enough, swapped) = (AtomicBool::new(false), AtomicBool::new(false));
    let swap = || {
        let [dir, link, aside] = ["dir", "link", "aside"].map(|name| root.join(name));
        let mut swaps = 0;
        while swaps < SWAPS || !enough.load(Ordering::Relaxed) {
            fs::rename(&dir, &aside).unwrap();
            fs::rename(&link, &dir).unwrap();
            fs::rename(&dir, &link).unwrap();
            fs::rename(&aside, &dir).unwrap();
            swaps += 1;
        }
        swapped.store(true, Ordering::Relaxed);
    };
    let calls: Vec<_> = (0..40)
        .flat_map(|_| {
            [
                ("read", json!({"path": "dir/secret"})),
                ("grep", json!({"pattern": "", "path": "dir"})),
                ("list", json!({"path": "dir"})),
            ]
        })
        .collect();
    let (mut read, mut refused, mut rounds) = (0, 0, 0);
    let outside = attack.place("outside/secret");
    let before = fs::read(&outside).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(swap);
        while !swapped.load(Ordering::Relaxed) {
            let turn = attack.turn_in_a_race(script(&calls));
            for outcome in turn.calls {
                match outcome.label.as_str() {
                    "ok" if outcome.output().contains("inside") => read += 1,
                    "ok" | "denied" | "failed" => refused += 1,
                    _ => panic!("{outcome:?}"),
                }
            }
            rounds += 1;
            // Both ways must have been seen, or there was no race.
            enough.store((read > 0 && refused > 0) || rounds > 200, Ordering::Relaxed);
        }
    });
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
    assert_eq!(fs::read(&outside).unwrap(), before);
    attack.saw("nothing from outside");
}
