//! A socket in the workspace, or one that has no file at all, is no way to another program.

use crate::guests;
use crate::harness::{Attack, Case};
use crate::preview1::{Step, module};
use serde_json::json;
use std::io::ErrorKind;
use std::os::unix::net::UnixListener;

pub(crate) const CASE: Case = Case {
    id: "E30",
    attack: "Sockets of Docker or an SSH agent in the workspace or behind links; sockets of WASI",
    expect: &["failed", "denied", "nobody called"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let listeners = attack.user(|host| {
        ["workspace/docker.sock", "outside/agent.sock"].map(|path| {
            let listener = UnixListener::bind(host.join(path)).unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        })
    });
    attack.link("../outside/agent.sock", "workspace/agent.sock");
    attack.attempts(&[
        ("read", json!({"path": "docker.sock"})),
        (
            "write",
            json!({"path": "docker.sock", "content": "GET / HTTP/1.0\r\n\r\n"}),
        ),
        ("read", json!({"path": "agent.sock"})),
        ("write", json!({"path": "agent.sock", "content": "x"})),
    ]);
    let steps = [
        Step::Read("docker.sock"),
        Step::Write("docker.sock", "GET / HTTP/1.0\r\n\r\n"),
        Step::Read("agent.sock"),
    ];
    let call = attack.guest(&module(&steps), json!({}));
    let outcome = attack.control(call);
    let errors = crate::preview1::errors(outcome.output());
    assert!(errors.len() == 3 && !errors.contains(&"ok"), "{errors:?}");
    // TCP, UDP and names: access denied, one as the other.
    let sockets = guests::command(
        r#"(data (i32.const 2048) "localhost") ---
        (call $tcp (i32.const 0) (i32.const 128)) (i32.store8 (i32.const 3072)
          (i32.add (i32.const 48) (i32.load8_u (i32.const 128))))
        (call $udp (i32.const 0) (i32.const 128)) (i32.store8 (i32.const 3073)
          (i32.add (i32.const 48) (i32.load8_u (i32.const 128))))
        (call $resolve (call $network) (i32.const 2048) (i32.const 9) (i32.const 128))
        (i32.store8 (i32.const 3074) (i32.add (i32.const 48) (i32.load8_u (i32.const 128))))
        (call $print (call $stdout) (i32.const 3072) (i32.const 3)) (i32.const 0)"#,
    );
    let call = attack.guest(&sockets, json!({}));
    assert_eq!(attack.control(call).output(), "111", "errors, all three");
    for listener in listeners {
        let called = listener.accept().map_err(|error| error.kind());
        assert!(matches!(called, Err(ErrorKind::WouldBlock)), "{called:?}");
    }
    attack.saw("nobody called");
}
