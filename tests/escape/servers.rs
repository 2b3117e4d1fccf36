//! Hostile web servers on the loopback interface, and the calls that are let at them.

use crate::guests;
use crate::harness::{Attack, Call};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a server answers.
pub(crate) enum Reply {
    /// This, and closes.
    Say(String),
    /// This, and then that without an end.
    Forever(String, String),
    /// This, and then a byte now and then.
    Drip(String),
}

/// A server, which lives as long as the tests.
pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// Answers by the path that is asked for.
    pub(crate) fn start(answer: impl Fn(&str, u16) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                // A client that goes away is what most cases want.
                std::thread::spawn(move || drop(serve(stream, port, &*answer)));
            }
        });
        Server { port, asked }
    }

    /// How often somebody connected.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }
}

fn serve(
    mut stream: TcpStream,
    port: u16,
    answer: &dyn Fn(&str, u16) -> Reply,
) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    match answer(head.split(' ').nth(1).unwrap_or_default(), port) {
        Reply::Say(text) => stream.write_all(text.as_bytes()),
        Reply::Forever(text, piece) => {
            stream.write_all(text.as_bytes())?;
            loop {
                stream.write_all(piece.as_bytes())?;
            }
        }
        Reply::Drip(text) => {
            stream.write_all(text.as_bytes())?;
            loop {
                std::thread::sleep(Duration::from_millis(50));
                stream.write_all(b"x")?;
            }
        }
    }
}

/// A request of a URL by a tool that may use the network, as far as hosts and blocks allow it.
pub(crate) fn fetch(attack: &Attack, url: &str, hosts: &[&str], blocks: &str) -> Call {
    fetch_with(attack, &guests::fetching("GET", None), url, hosts, blocks)
}

/// As [`fetch`], by a guest of the case's own.
pub(crate) fn fetch_with(
    attack: &Attack,
    guest: &[u8],
    url: &str,
    hosts: &[&str],
    blocks: &str,
) -> Call {
    let call = attack.guest(guest, json!(url));
    // Every call of this level would be asked about.
    let call = call
        .option("--set", "allow=**")
        .option("--set", &format!("block_networks={blocks}"));
    hosts
        .iter()
        .fold(call, |call, host| call.option("--allow-host", host))
}

/// Any host at all.
pub(crate) const ANY: &[&str] = &["*://*:*"];
/// The networks that are blocked without a setting.
pub(crate) const DEFAULT: &str = "private,loopback,link-local,metadata";

/// An answer with a body.
pub(crate) fn ok(body: &str) -> Reply {
    let len = body.len();
    Reply::Say(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n{body}"
    ))
}
