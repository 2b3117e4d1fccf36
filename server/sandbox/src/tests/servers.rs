//! Servers on this machine, names that resolve as a test wants, and networks that allow.

use super::*;
use boxagnts_policy::network::NetworkPolicy;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Allows every host, name and port.
pub(super) const ANY: &[&str] = &["*://*:*"];
pub(super) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Names with their answers: each look-up takes the next, the last stays.
#[derive(Default)]
pub(super) struct HostsResolver {
    names: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl HostsResolver {
    pub(super) fn new(names: &[(&str, &[&[IpAddr]])]) -> Arc<HostsResolver> {
        let answers = |answers: &[&[IpAddr]]| answers.iter().rev().map(|a| a.to_vec()).collect();
        let names = names
            .iter()
            .map(|(name, all)| ((*name).to_owned(), answers(all)));
        Arc::new(HostsResolver {
            names: Mutex::new(names.collect()),
            asked: Mutex::default(),
        })
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Resolver for HostsResolver {
    async fn resolve(&self, host: &str, _: u16) -> std::io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        match self.names.lock().unwrap().get_mut(host) {
            Some(answers) if answers.len() > 1 => Ok(answers.pop().unwrap()),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(std::io::Error::other("no such name")),
        }
    }
}

/// What a server does with a request.
pub(super) enum Reply {
    /// Says this, and closes.
    Say(Vec<u8>),
    /// Says the first once and the second for ever, until the other end is gone.
    Forever(Vec<u8>, Vec<u8>),
    /// Says this and nothing more, and holds the connection.
    Hold(Vec<u8>),
}

pub(super) fn say(head: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Say(format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
}

/// A server on the loopback, and what it was asked.
pub(super) struct Server {
    pub(super) port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(
        reply: impl Fn(&str, u16) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, reply) = (Arc::new(Mutex::new(Vec::new())), Arc::new(reply));
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                tokio::spawn(async move {
                    let _ = answer(stream, &seen, |head| reply(head, port)).await;
                });
            }
        });
        Server { port, heads }
    }

    /// First lines of the requests.
    pub(super) fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let first = |head: &String| head.lines().next().unwrap_or_default().to_owned();
        heads.iter().map(first).collect()
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub(super) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }
}

pub(super) async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return Ok(String::new()),
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

pub(super) async fn answer(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    seen: &Mutex<Vec<String>>,
    reply: impl Fn(&str) -> Reply,
) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    seen.lock().unwrap().push(head.clone());
    match reply(&head) {
        Reply::Say(bytes) => stream.write_all(&bytes).await?,
        Reply::Forever(first, rest) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(&rest).await?;
                tokio::task::yield_now().await;
            }
        }
        Reply::Hold(bytes) => {
            stream.write_all(&bytes).await?;
            stream.read_to_end(&mut Vec::new()).await?;
        }
    }
    stream.shutdown().await
}

pub(super) fn policy(allowed: &[&str], blocked: &[&str], urls: &[&str]) -> NetworkPolicy {
    NetworkPolicy::parse(allowed, blocked, urls).unwrap()
}

pub(super) fn network(allowed: &[&str], blocked: &[&str]) -> Network {
    Network::direct(policy(allowed, blocked, &[]))
}
