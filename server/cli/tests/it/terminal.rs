//! A pseudo-terminal for the binary.
#![cfg(unix)]

use crate::support::Ended;
use nix::pty::{OpenptyResult, openpty};
use rustix::io::{FdFlags, fcntl_setfd};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// A program, and the other end of the terminal that it asks on.
pub(crate) struct Terminal {
    master: File,
    pub(crate) child: Child,
    /// What the program wrote and was not looked for yet.
    said: String,
}

impl Terminal {
    pub(crate) fn run(mut command: Command) -> Terminal {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        // Programs of other tests would keep them open.
        for end in [&master, &slave] {
            fcntl_setfd(end, FdFlags::CLOEXEC).unwrap();
        }
        let child = command
            .env("NO_COLOR", "1")
            .stdin(slave.try_clone().unwrap())
            .stderr(slave)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The command has the other ends, and would keep them open.
        drop(command);
        Terminal {
            master: master.into(),
            child,
            said: String::new(),
        }
    }

    /// Reads until the program says this, and gives everything up to its end.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.said.find(text) {
                let rest = self.said.split_off(at + text.len());
                return std::mem::replace(&mut self.said, rest);
            }
            let mut buffer = [0; 4096];
            // Linux says with an error that nobody has the other end any more.
            let read = self.master.read(&mut buffer).unwrap_or(0);
            assert!(read > 0, "it ended without `{text}`: {}", self.said);
            self.said
                .push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }

    pub(crate) fn answer(&mut self, line: &str) {
        self.master
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// Waits for the end; standard error is what was not looked for.
    pub(crate) fn end(mut self) -> Ended {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = self.master.read(&mut buffer) {
            self.said
                .push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let mut ended = Ended::of(self.child.wait_with_output().unwrap());
        ended.stderr = self.said;
        ended
    }
}
