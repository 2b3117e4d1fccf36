//! WASI commands: arguments in, text out, every limit as for our own tools, nothing of the host.

use super::*;
use boxagnts_test_support::guests::command;

/// Runs a command with arguments, a JSON array, and compares what came of it.
#[track_caller]
fn check(guest: &str, input: &str, set: &str, expect: &str) -> CallReport<Files> {
    let limits = limits(set);
    let loaded = load(&command(guest), &limits).unwrap();
    assert_eq!(loaded.kind(), ToolKind::WasiCommand);
    let report = runtime().block_on(call(&loaded, input, &limits, Files::default()));
    assert_eq!(show(&report.outcome), expect, "{guest}");
    assert!(report.fs.is_some());
    report
}

const SPIN: &str = "(loop $spin (br $spin)) (i32.const 0)";
const NO_FUEL_LIMIT: &str = "wasm_fuel=9000000000000000000 wasm_timeout=200ms";

#[test]
fn arguments_arrive_as_they_are() {
    let echo = r#"(data (i32.const 2048) "|") --- (local $out i32) (local $at i32)
        (local.set $out (call $stdout))
        (call $arguments (i32.const 128))
        (local.set $at (i32.load (i32.const 128)))
        (loop $next
          (call $print (local.get $out) (i32.load (local.get $at))
            (i32.load (i32.add (local.get $at) (i32.const 4))))
          (call $print (local.get $out) (i32.const 2048) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $n) (i32.load (i32.const 132)))))
        (i32.const 0)"#;
    check(
        echo,
        r#"["--all", "a b", "", "é"]"#,
        "",
        "ok guest|--all|a b||é|",
    );
    check(echo, "[]", "", "ok guest|");
}

#[test]
fn there_is_no_host_to_see() {
    let look = r#"(data (i32.const 2048) "localhost")
        (func $note (param i32)
          (i32.store8 (i32.load (i32.const 1024)) (i32.add (local.get 0) (i32.const 48)))
          (i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 1)))) ---
        (i32.store (i32.const 1024) (i32.const 3072))
        (call $environment (i32.const 128)) (call $note (i32.load (i32.const 132)))
        (call $folders (i32.const 128)) (call $note (i32.load (i32.const 132)))
        (call $in (call $stdin) (i64.const 9) (i32.const 128))
        (call $note (i32.load8_u (i32.const 128))) (call $note (i32.load8_u (i32.const 132)))
        (call $tcp (i32.const 0) (i32.const 128))
        (call $note (i32.load8_u (i32.const 128))) (call $note (i32.load8_u (i32.const 132)))
        (call $udp (i32.const 1) (i32.const 128))
        (call $note (i32.load8_u (i32.const 128))) (call $note (i32.load8_u (i32.const 132)))
        (call $resolve (call $network) (i32.const 2048) (i32.const 9) (i32.const 128))
        (call $note (i32.load8_u (i32.const 128))) (call $note (i32.load8_u (i32.const 132)))
        (call $print (call $stdout) (i32.const 3072) (i32.const 10))
        (i32.const 0)"#;
    // No variables, the workspace alone; input is closed; sockets and look-ups are denied.
    check(look, "[]", "", "ok 0111111111");
}

#[test]
fn a_command_ends_as_it_says() {
    let say = |stream: &str, end: &str| {
        format!(
            r#"(data (i32.const 2048) "said") ---
            (call $print (call {stream}) (i32.const 2048) (i32.const 4)) {end}"#
        )
    };
    check(&say("$stdout", "(i32.const 0)"), "[]", "", "ok said");
    check(
        &say("$stdout", "(call $exit (i32.const 0)) (i32.const 1)"),
        "[]",
        "",
        "ok said",
    );
    check(&say("$stderr", "(i32.const 0)"), "[]", "", "ok said");
    let trap = "trap wasm trap: wasm `unreachable` instruction executed\nsaid";
    check(&say("$stderr", "(unreachable)"), "[]", "", trap);
    check(&say("$stderr", "(i32.const 1)"), "[]", "", "failed said");
    let report = check(
        &say("$stdout", "(call $exit (i32.const 1)) (i32.const 0)"),
        "[]",
        "",
        "failed the command failed; its output says why",
    );
    assert_eq!(report.partial, "said");
    let report = check(
        &say("$stdout", "(unreachable)"),
        "[]",
        "",
        "trap wasm trap: wasm `unreachable` instruction executed",
    );
    assert_eq!(report.partial, "said");
}

#[test]
fn time_and_fuel_end_it() {
    check(SPIN, "[]", "wasm_fuel=1000000", "limit wasm_fuel 1000000");
    check(SPIN, "[]", NO_FUEL_LIMIT, "limit wasm_timeout 200");
    // Asleep for an hour, no code of it runs that could be interrupted.
    let sleep = "(call $block (call $after (i64.const 3600000000000))) (i32.const 0)";
    check(sleep, "[]", NO_FUEL_LIMIT, "limit wasm_timeout 200");
    let nap = "(call $block (call $after (i64.const 1000000))) (i32.const 0)";
    check(nap, "[]", "", "ok ");
    let naps = "(loop $on (call $block (call $after (i64.const 1000))) (br $on)) (i32.const 0)";
    check(naps, "[]", NO_FUEL_LIMIT, "limit wasm_timeout 200");

    let limits = limits("");
    let sleep = load(&command(sleep), &limits).unwrap();
    let cancel = CancellationToken::new();
    let request = CallRequest {
        input: Input::Arguments(Vec::new()),
        limits,
        grants: Capabilities::default(),
        fs: Files::default(),
        network: Network::closed(),
        cancel: cancel.clone(),
        progress: None,
    };
    let report = runtime().block_on(async {
        let soon = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancel.cancel();
        };
        tokio::join!(sleep.call(request), soon).0
    });
    assert_eq!(show(&report.outcome), "cancelled");
}

#[test]
fn memory_stack_and_output_are_bounded() {
    let grow = "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) (i32.const 0)";
    check(
        grow,
        "[]",
        "wasm_max_memory_size=16MiB",
        "limit wasm_max_memory_size 16777216",
    );
    let deep = "(func $f (result i32) (i32.add (call $f) (i32.const 1))) --- (call $f)";
    let set = "wasm_max_wasm_stack=16MiB";
    check(deep, "[]", set, "limit wasm_max_wasm_stack 16777216");

    let flood = |stream: &str| {
        format!(
            "(local $to i32) (memory.fill (i32.const 2048) (i32.const 120) (i32.const 4096))
             (local.set $to (call {stream}))
             (loop $on (call $print (local.get $to) (i32.const 2048) (i32.const 4096)) (br $on))
             (i32.const 0)"
        )
    };
    let report = check(
        &flood("$stdout"),
        "[]",
        "",
        "limit max_output_bytes 1048576",
    );
    assert_eq!(report.partial, "x".repeat(1 << 20));
    check(
        &flood("$stderr"),
        "[]",
        NO_FUEL_LIMIT,
        "limit wasm_timeout 200",
    );
    // What stands for bytes that are no text is longer than they are.
    let bytes = "(memory.fill (i32.const 2048) (i32.const 255) (i32.const 8))
        (call $print (call $stdout) (i32.const 2048) (i32.const 8)) (i32.const 0)";
    check(bytes, "[]", "max_output_bytes=8", "cut \u{fffd}\u{fffd}");
}

#[test]
fn resources_of_the_host_are_bounded() {
    let random = "(call $random (i64.const 0x10000000000) (i32.const 16)) (i32.const 0)";
    check(
        random,
        "[]",
        "",
        "trap requested len 1099511627776 exceeds limit 1048576",
    );
    let timers = "(loop $on (drop (call $after (i64.const 0))) (br $on)) (i32.const 0)";
    let report = check(timers, "[]", "", "trap resource table has no free keys");
    assert!(report.usage.fuel < 10_000_000);
    let streams = "(loop $on (drop (call $stdout)) (br $on)) (i32.const 0)";
    check(streams, "[]", "", "trap resource table has no free keys");
}

#[test]
fn instances_memories_and_tables_are_counted() {
    let check = |fields: &str, times: usize, expect: &str| {
        let many = "(core instance (instantiate $many))".repeat(times);
        let text = format!(
            r#"(component (core module $many {fields}) {many}
            (core module $m (func (export "f") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "f")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $cli)))"#
        );
        let limits = limits("");
        let loaded = load(&wat::parse_str(text).unwrap(), &limits).unwrap();
        let report = runtime().block_on(call(&loaded, "[]", &limits, Files::default()));
        assert_eq!(show(&report.outcome), expect);
    };
    check("", 99, "ok ");
    check(
        "",
        101,
        "trap resource limit exceeded: instance count too high at 101",
    );
    check(
        "(memory 0) (memory 0)",
        60,
        "trap resource limit exceeded: memory count too high at 102",
    );
    check(
        "(table 0 funcref) (table 0 funcref)",
        60,
        "trap resource limit exceeded: table count too high at 102",
    );
    check("(memory 64)", 80, "limit wasm_max_memory_size 268435456");
}
