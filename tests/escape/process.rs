//! A process that may hang, flood, or leave children behind.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What a process said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Whether it, and everything that it started, ended before the deadline.
    pub(crate) in_time: bool,
}

/// Runs it to its end, at most as long as `deadline`. It has no input.
pub(crate) fn run(mut command: Command, deadline: Duration) -> Ended {
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let ends = Instant::now() + deadline;
    let stdout = read(child.stdout.take().expect("stdout"));
    let stderr = read(child.stderr.take().expect("stderr"));
    // Children that live on hold the pipes open.
    let said = [stdout, stderr].map(|pipe| {
        let left = ends.saturating_duration_since(Instant::now());
        pipe.recv_timeout(left).ok()
    });
    let in_time = said.iter().all(Option::is_some);
    if !in_time {
        let _ = child.kill();
    }
    let status = child.wait().expect("it was started");
    let [stdout, stderr] = said.map(Option::unwrap_or_default);
    Ended {
        code: status.code(),
        stdout,
        stderr,
        in_time,
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (done, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = done.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    said
}
