//! Messages as lines of JSON, with a bound on what a client can make us hold.

use futures::{Sink, Stream, sink, stream};
use serde::de::IgnoredAny;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// Longest message, in bytes. A file that the client reads for us comes in one.
pub(crate) const MAX_LINE: usize = 64 << 20;

/// The lines that come in. One that is no message becomes one that is answered with an error and
/// says why, and is not sent back to whoever sent it.
pub(crate) fn incoming(
    input: impl AsyncRead + Send + 'static,
) -> impl Stream<Item = io::Result<String>> + Send {
    let reader = Box::pin(BufReader::new(input));
    stream::try_unfold(reader, |mut reader| async move {
        loop {
            let Some(line) = line(&mut reader, MAX_LINE).await? else {
                return Ok(None);
            };
            let checked = line.and_then(|line| match serde_json::from_str::<IgnoredAny>(&line) {
                Ok(IgnoredAny) => Ok(line),
                Err(_) if line.trim().is_empty() => Ok(String::new()),
                Err(error) => Err(format!("the message is no JSON: {error}")),
            });
            match checked {
                Ok(line) if line.is_empty() => {}
                Ok(line) => return Ok(Some((line, reader))),
                // No JSON, whatever the words are.
                Err(reason) => return Ok(Some((format!("!{reason}"), reader))),
            }
        }
    })
}

/// The next line without its end; `None` behind the last. `Err` tells why it is none.
async fn line(
    reader: &mut (impl AsyncBufReadExt + Unpin),
    max: usize,
) -> io::Result<Option<Result<String, String>>> {
    let mut bytes = Vec::new();
    let mut length = 0_usize;
    let mut is_there = false;
    loop {
        let chunk = reader.fill_buf().await?;
        if chunk.is_empty() {
            break;
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        is_there = true;
        length = length.saturating_add(part.len());
        if length <= max {
            bytes.extend_from_slice(part);
        } else {
            bytes = Vec::new();
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    if !is_there {
        return Ok(None);
    }
    if length > max {
        return Ok(Some(Err(format!("the message has more than {max} bytes"))));
    }
    let text = String::from_utf8(bytes);
    Ok(Some(
        text.map_err(|_| "the message is not UTF-8".to_owned()),
    ))
}

/// Where lines go.
pub(crate) fn outgoing(
    output: impl AsyncWrite + Send + 'static,
) -> impl Sink<String, Error = io::Error> + Send {
    let writer = Box::pin(output);
    sink::unfold(writer, |mut writer, mut line: String| async move {
        line.push('\n');
        writer.write_all(line.as_bytes()).await?;
        writer.flush().await?;
        Ok(writer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    async fn check(input: &[u8], expect: &[Result<&str, &str>]) {
        let mut reader = BufReader::with_capacity(3, input);
        for expect in expect {
            let got = line(&mut reader, 8)
                .await
                .expect("readable")
                .expect("a line");
            match (&got, expect) {
                (Ok(got), Ok(expect)) => assert_eq!(got, expect),
                (Err(got), Err(part)) => assert!(got.contains(part), "{got}"),
                _ => panic!("{got:?} is not {expect:?}"),
            }
        }
        assert!(line(&mut reader, 8).await.expect("readable").is_none());
    }

    #[tokio::test]
    async fn lines_are_bounded_and_text() {
        check(b"", &[]).await;
        check(b"{}\n", &[Ok("{}")]).await;
        check(b"{}\nlast", &[Ok("{}"), Ok("last")]).await;
        check(
            b"12345678\n123456789\n1\n",
            &[Ok("12345678"), Err("more than 8"), Ok("1")],
        )
        .await;
        check(b"\xff\n1\n", &[Err("UTF-8"), Ok("1")]).await;
    }

    #[tokio::test]
    async fn what_is_no_json_is_told_and_not_repeated() {
        let input: &[u8] = b"\n{\"a\":1}\nsecret{\n  \n[]\n";
        let lines: Vec<String> = incoming(input)
            .map(|line| line.expect("a line"))
            .collect()
            .await;
        let [first, second, third] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!((first.as_str(), third.as_str()), ("{\"a\":1}", "[]"));
        assert!(
            second.starts_with('!') && !second.contains("secret"),
            "{second}"
        );
    }
}
