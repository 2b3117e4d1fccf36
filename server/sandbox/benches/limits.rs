//! What limits cost: the same host code with and without them, measured in turns.

use crate::bare::{Bare, Limited};
use crate::calls::{TOOLS, built_in};
use crate::files::Files;
use crate::table::{Table, percentile, shown};
use boxagnts_test_support::guests;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long one sample is, at least.
const BATCH: Duration = Duration::from_millis(2);
const ROUNDS: usize = 150;
/// What else runs on the machine only makes samples longer: a low share of them is the work itself.
const SHARE: f64 = 0.1;

const FUEL: Limited = Limited {
    fuel: true,
    ..Limited::NONE
};
const EPOCHS: Limited = Limited {
    epochs: true,
    ..Limited::NONE
};
const MEMORY: Limited = Limited {
    memory: true,
    ..Limited::NONE
};

/// Adds a million times: each turn of the loop takes a cycle or two, so that nothing hides what is
/// counted beside it.
const ADDITIONS: &str = "(loop $on
    (local.set $x (i64.add (local.get $x) (i64.extend_i32_u (local.get $n))))
    (br_if $on (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
      (i32.const 1000000))))
    (i64.store (i32.const 2048) (i64.and (local.get $x) (i64.const 0x7f7f7f7f7f7f7f7f)))
    (call $say (i32.const 2048) (i32.const 8))";

/// Multiplies a million times, each time what came of the last one.
const MULTIPLICATIONS: &str = "(local.set $x (i64.const 1)) (loop $on
    (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005))
      (i64.const 1442695040888963407)))
    (br_if $on (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
      (i32.const 1000000))))
    (i64.store (i32.const 2048) (i64.and (local.get $x) (i64.const 0x7f7f7f7f7f7f7f7f)))
    (call $say (i32.const 2048) (i32.const 8))";

/// Changes each word of a mebibyte, four times.
const MEMORIES: &str = "(loop $on
    (i64.store offset=65536 (i32.and (local.get $n) (i32.const 0xffff8))
      (i64.add (i64.load offset=65536 (i32.and (local.get $n) (i32.const 0xffff8)))
        (i64.const 3)))
    (br_if $on (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 8)))
      (i32.const 4194304))))
    (call $say (i32.const 2048) (i32.const 1))";

/// What all limits and each of them add to a tool's call, in percent.
struct Added {
    /// Of a call without limits, and with all of them.
    took: [Duration; 2],
    all: f64,
    fuel: f64,
    epochs: f64,
    memory: f64,
}

impl Added {
    fn to(runtime: &Runtime, wasm: &[u8], input: &str) -> Added {
        let variants = [Limited::NONE, Limited::ALL, FUEL, EPOCHS, MEMORY];
        let tools = variants.map(|limited| Bare::new(wasm, limited));
        let mut files = Some(Files::new());
        let mut batch = |tool: &Bare, calls: u32| {
            let mut given = files.take().expect("the last call's");
            let started = Instant::now();
            given = runtime.block_on(async {
                for _ in 0..calls {
                    given = tool.call(input, given).await;
                }
                given
            });
            let took = started.elapsed();
            files = Some(given);
            took
        };
        // Long enough for the clock.
        let mut calls = 1;
        while batch(&tools[0], calls) < BATCH {
            calls *= 2;
        }
        let mut samples = variants.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (tool, samples) in tools.iter().zip(&mut samples) {
                samples.push(batch(tool, calls));
            }
        }
        let [none, rest @ ..] = samples.map(|mut samples| percentile(&mut samples, SHARE));
        let took = [none, rest[0]].map(|took| took / calls);
        let [all, fuel, epochs, memory] =
            rest.map(|took| (took.as_secs_f64() / none.as_secs_f64() - 1.0) * 100.0);
        Added {
            took,
            all,
            fuel,
            epochs,
            memory,
        }
    }

    fn figure(&self) -> String {
        let [none, all] = self.took.map(shown);
        format!("{:+.0} % ({none} → {all})", self.all)
    }

    fn parts(&self) -> String {
        let Added {
            fuel,
            epochs,
            memory,
            ..
        } = self;
        format!("fuel {fuel:+.0} %, epochs {epochs:+.0} %, memory {memory:+.0} %")
    }
}

/// Limits around tools that mostly read and write files.
pub fn file_tools(runtime: &Runtime, table: &mut Table) {
    for (name, input, what) in TOOLS {
        let added = Added::to(runtime, &built_in(name), input);
        table.row(
            &format!("all limits on against all off, `{name}` of {what}"),
            added.figure(),
            "≤ 15 %",
            added.all <= 15.0,
        );
        table.ratio(added.parts());
    }
}

/// Limits around guests that only compute.
pub fn computing(runtime: &Runtime, table: &mut Table) {
    for (what, body) in [
        ("a loop of additions", ADDITIONS),
        ("a loop of multiplications", MULTIPLICATIONS),
        ("a loop over memory", MEMORIES),
    ] {
        let added = Added::to(runtime, &guests::tool(1, body), "{}");
        table.row(
            &format!("all limits on against all off, {what}"),
            added.figure(),
            "",
            true,
        );
        table.ratio(added.parts());
    }
}
