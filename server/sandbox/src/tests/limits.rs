//! Every limit stops what it is for, and the report names it.

use super::*;
use std::sync::mpsc;

const SPIN: &str = "(loop $spin (br $spin)) (i32.const 0)";
/// More fuel than any test can burn.
const NO_FUEL_LIMIT: &str = "wasm_fuel=9000000000000000000";

#[test]
fn an_endless_loop_ends_with_its_fuel() {
    let report = check(SPIN, "wasm_fuel=1000000", "limit wasm_fuel 1000000");
    assert_eq!(report.usage.fuel, 1_000_000);
    // A start function is the guest's own code as well.
    let start = "(func $start (loop $spin (br $spin))) (start $start) --- (i32.const 0)";
    check(start, "wasm_fuel=1000000", "limit wasm_fuel 1000000");
}

#[test]
fn with_fuel_left_the_clock_ends_it() {
    let set = format!("{NO_FUEL_LIMIT} wasm_timeout=200ms");
    check(SPIN, &set, "limit wasm_timeout 200");
    // Host calls that cost next to nothing.
    let report = "(loop $on (call $report (i32.const 0) (i32.const 1)) (br $on)) (i32.const 0)";
    check(report, &set, "limit wasm_timeout 200");
    let stat = "(loop $on (global.set $heap (i32.const 32768))
        (call $stat (i32.const 0) (i32.const 1) (i32.const 16)) (br $on)) (i32.const 0)";
    check(stat, &set, "limit wasm_timeout 200");
    // Few instructions, much work each.
    let copies = "(drop (memory.grow (i32.const 512))) (loop $on
        (memory.copy (i32.const 0) (i32.const 65536) (i32.const 33000000)) (br $on)) (i32.const 0)";
    check(copies, &set, "limit wasm_timeout 200");
}

#[test]
fn a_host_call_that_never_returns_costs_one_thread_and_not_the_caller() {
    let limits = limits("wasm_timeout=200ms");
    let stuck = r#"(data (i32.const 2048) "stuck")
        --- (call $read (i32.const 2048) (i32.const 5) (i64.const 9) (i32.const 16)) (i32.const 0)"#;
    let stuck = load(&tool(stuck), &limits).unwrap();
    let (let_go, hold) = mpsc::channel();
    let fs = Files {
        hold: Some(Mutex::new(hold)),
        ..Files::default()
    };
    let report = runtime().block_on(call(&stuck, "{}", &limits, fs));
    assert_eq!(show(&report.outcome), "limit wasm_timeout 200");
    assert!(report.fs.is_none(), "its files are still in the stuck call");
    check("(call $say (i32.const 0) (i32.const 0))", "", "ok ");
    drop(let_go);
}

#[test]
fn whoever_waits_can_end_a_call() {
    let limits = limits(NO_FUEL_LIMIT);
    let spin = load(&tool(SPIN), &limits).unwrap();
    let request = |cancel: &CancellationToken, gone| CallRequest {
        input: Input::Json(String::new()),
        limits: limits.clone(),
        grants: ALL,
        fs: Files {
            gone: Some(gone),
            ..Files::default()
        },
        network: Network::closed(),
        cancel: cancel.clone(),
        progress: None,
    };
    let started = Instant::now();
    for early in [true, false] {
        let cancel = CancellationToken::new();
        let later = {
            let cancel = cancel.clone();
            move || {
                std::thread::sleep(Duration::from_millis(if early { 0 } else { 100 }));
                cancel.cancel();
            }
        };
        let canceller = std::thread::spawn(later);
        let report = runtime().block_on(spin.call(request(&cancel, mpsc::channel().0)));
        assert_eq!(show(&report.outcome), "cancelled");
        canceller.join().unwrap();
    }
    // Nobody waits any more: the guest stops, and lets go of its files.
    let (gone, files_gone) = mpsc::channel();
    let call = spin.call(request(&CancellationToken::new(), gone));
    let waited = async { tokio::time::timeout(Duration::from_millis(100), call).await };
    assert!(runtime().block_on(waited).is_err());
    let dropped = files_gone.recv_timeout(LATE);
    assert_eq!(dropped, Err(mpsc::RecvTimeoutError::Disconnected));
    assert!(
        started.elapsed() < LATE,
        "well before its own limit of 30 s"
    );
}

#[test]
fn memory_is_one_sum() {
    let set = "wasm_max_memory_size=16MiB";
    let stopped = "limit wasm_max_memory_size 16777216";
    let grow = "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) (i32.const 0)";
    let report = check(grow, set, stopped);
    assert!(report.usage.peak_memory_bytes <= 16 << 20);
    check(
        r#"(memory (export "memory") 300) --- (i32.const 0)"#,
        set,
        stopped,
    );
    // Each of them is small.
    let many = format!("{} --- (i32.const 0)", "(memory 20)".repeat(20));
    check(&many, set, stopped);
    check(&many, "wasm_max_memory_size=64MiB", "ok ");
    let table = "(table $t 0 funcref) --- (loop $more
        (drop (table.grow $t (ref.null func) (i32.const 10000))) (br $more)) (i32.const 0)";
    check(table, set, stopped);
    let tables = format!("{} --- (i32.const 0)", "(table 100000 funcref)".repeat(20));
    check(&tables, set, stopped);
    // What the host allocates for a result counts by what the guest holds of it.
    let huge = "(drop (memory.grow (i32.const 1)))
        (loop $more (drop (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 60000)))
        (br $more)) (i32.const 0)";
    check(huge, set, stopped);
}

#[test]
fn recursion_ends_with_the_guests_stack() {
    let deep = "(func $f (param i32) (result i32)
        (i32.add (call $f (local.get 0)) (i32.const 1))) --- (call $f (i32.const 0))";
    let deep_in_host = "(func $f (result i32) (call $report (i32.const 0) (i32.const 9))
        (i32.add (call $f) (i32.const 1))) --- (call $f)";
    // The largest that can be configured is larger than the stack of any thread here.
    for (set, bytes) in [("64KiB", 65_536), ("1MiB", 1 << 20), ("16MiB", 16 << 20)] {
        let set = format!("wasm_max_wasm_stack={set}");
        check(deep, &set, &format!("limit wasm_max_wasm_stack {bytes}"));
        check(
            deep_in_host,
            &set,
            &format!("limit wasm_max_wasm_stack {bytes}"),
        );
    }
    let described = describe(
        r#"(func $f (result i32) (i32.add (call $f) (i32.const 1)))
        (func (export "describe") (result i32) (call $f)) --- (i32.const 0)"#,
        "wasm_max_wasm_stack=16MiB",
    );
    assert_eq!(described, "limit wasm_max_wasm_stack 16777216");
}

#[test]
fn output_beyond_its_limit_is_kept_in_part() {
    let flood = |bytes: u32| {
        let pages = bytes / 65_536 + 1;
        format!(
            "(drop (memory.grow (i32.const {pages})))
             (memory.fill (i32.const 2048) (i32.const 120) (i32.const {bytes}))
             (call $say (i32.const 2048) (i32.const {bytes}))"
        )
    };
    let report = check(
        &flood(1001),
        "max_output_bytes=1000",
        "limit max_output_bytes 1000",
    );
    assert_eq!(report.partial, "x".repeat(1000));
    let report = check(&flood(200 << 20), "", "limit max_output_bytes 1048576");
    assert_eq!(report.partial.len(), 1 << 20);
    check(&flood(3), "max_output_bytes=3", "ok xxx");
    // Cut between characters.
    let two = r#"(data (i32.const 2048) "aéé") --- (call $say (i32.const 2048) (i32.const 5))"#;
    let report = check(two, "max_output_bytes=4", "limit max_output_bytes 4");
    assert_eq!(report.partial, "aé");
    // Error messages are output too.
    let long = "(drop (memory.grow (i32.const 4)))
        (memory.fill (i32.const 2048) (i32.const 120) (i32.const 200000))
        (call $fail (i32.const 1) (i32.const 2048) (i32.const 200000))";
    let loaded = load(&tool(long), &limits("")).unwrap();
    let report = runtime().block_on(call(&loaded, "{}", &limits(""), Files::default()));
    assert!(show(&report.outcome).len() < 70_000 && show(&report.outcome).ends_with("x [cut]"));
}

#[test]
fn open_walks_and_written_bytes_are_counted() {
    let open = "(call $walk (i32.const 0) (i32.const 0) (i32.const 16))";
    let walks = format!("(loop $more {open} (br $more)) (i32.const 0)");
    let report = check(&walks, "max_open_files=8", "limit max_open_files 8");
    assert_eq!(report.usage.files_opened, 9);
    let closed = format!(
        "(loop $more {open} (call $unwalk (i32.load (i32.const 20)))
           (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
             (i32.const 1000))))
         (call $say (i32.const 0) (i32.const 0))"
    );
    check(&closed, "max_open_files=8", "ok ");

    let write = "(loop $more
        (call $write (i32.const 2048) (i32.const 1) (i32.const 0) (i32.const 999) (i32.const 16))
        (br $more)) (i32.const 0)";
    let write = format!(r#"(data (i32.const 2048) "f") --- {write}"#);
    let report = check(&write, "max_host_bytes=10000", "limit max_host_bytes 10000");
    assert_eq!(report.usage.host_bytes, 11_000);
    check(&write, "max_host_bytes=0", "limit max_host_bytes 0");
}

#[test]
fn a_step_of_a_walk_is_bounded_whatever_the_guest_asks_for() {
    let limits = limits("");
    let walk = "(call $walk (i32.const 0) (i32.const 0) (i32.const 16))
        (call $next (i32.load (i32.const 20)) (i32.const -1) (i32.const 16))
        (call $say (i32.const 24) (i32.const 4))";
    let walk = load(&tool(walk), &limits).unwrap();
    let files = (0..20_000).map(|n| (n.to_string(), Vec::new())).collect();
    let fs = Files {
        files,
        ..Files::default()
    };
    let report = runtime().block_on(call(&walk, "{}", &limits, fs));
    let output = report.outcome.unwrap().text;
    assert_eq!(
        u32::from_le_bytes(output.as_bytes().try_into().unwrap()),
        10_000
    );
}

#[test]
fn describing_is_held_to_the_same_limits() {
    let check = |body: &str, set: &str, expect: &str| {
        let body = format!(r#"(func (export "describe") (result i32) {body}) --- (i32.const 0)"#);
        assert_eq!(describe(&body, set), expect, "{body}");
    };
    check(SPIN, "wasm_fuel=1000000", "limit wasm_fuel 1000000");
    let set = format!("{NO_FUEL_LIMIT} wasm_timeout=200ms");
    check(SPIN, &set, "limit wasm_timeout 200");
    check(
        "(unreachable)",
        "",
        "trap wasm trap: wasm `unreachable` instruction executed",
    );
    // A schema of two hundred megabytes.
    let flood = "(drop (memory.grow (i32.const 3201)))
        (i32.store (i32.const 144) (i32.const 65536)) (i32.store (i32.const 148) (i32.const 209715200)) (i32.const 128)";
    check(flood, "", "limit max_output_bytes 1048576");
    // Two strings that are the same memory would be held twice in the host.
    let twice = "(drop (memory.grow (i32.const 3201)))
        (i32.store (i32.const 128) (i32.const 65536)) (i32.store (i32.const 132) (i32.const 209715200))
        (i32.store (i32.const 136) (i32.const 65536)) (i32.store (i32.const 140) (i32.const 209715200))
        (i32.const 128)";
    check(
        twice,
        "",
        "trap too much data is being copied between the host and the guest: fuel allocated for \
         hostcalls has been exhausted",
    );
    // It sees no files while it describes itself.
    let reads = "(call $read (i32.const 0) (i32.const 1) (i64.const 9) (i32.const 16))
        (i32.store (i32.const 128) (i32.load (i32.const 24)))
        (i32.store (i32.const 132) (i32.load (i32.const 28))) (i32.const 128)";
    check(
        reads,
        "",
        "described there are no files while a tool describes itself",
    );
}
