//! What happens when providers fail.

use crate::{ALL, Heard, hear, hello, listen, provider, settings};
use boxagnts_model::{ModelError, ProviderKind, connect};
use boxagnts_test_support::{Answer, Fault, ModelServer};
use serde_json::json;
use std::time::Duration;

fn fine() -> Answer {
    Answer::turn(json!({"text": "fine"}))
}

/// The first answer fails, and the second is heard.
async fn check_retried(first: Answer, reason: &str) {
    for kind in ALL {
        let heard = hear(kind, &[first.clone(), fine()]).await;
        assert_eq!(heard.error(), "", "{kind:?} {first:?}");
        assert_eq!(heard.text, "fine", "{kind:?} {first:?}");
        let [(1, _, why)] = heard.retries.as_slice() else {
            panic!("{kind:?} {first:?}: {:?}", heard.retries)
        };
        assert!(why.contains(reason), "{kind:?}: {why}");
    }
}

/// The first answer fails, and nobody asks again.
async fn check_final(first: Answer, expect: impl Fn(&Heard)) {
    for kind in ALL {
        let server = ModelServer::start([first.clone(), fine()]);
        let heard = listen(provider(&server, kind).as_ref(), hello()).await;
        assert!(
            heard.error.is_some() && heard.retries.is_empty(),
            "{kind:?} {heard:?}"
        );
        assert_eq!(server.requests().len(), 1, "{kind:?} {first:?}");
        expect(&heard);
    }
}

#[tokio::test]
async fn busy_providers_are_asked_again() {
    for code in [408, 429, 500, 502, 503, 529] {
        let reason = format!("answered {code}: too busy");
        check_retried(Answer::status(code, None, "too busy"), &reason).await;
    }
    let overloaded = |after, kind: &str| {
        let message = match kind {
            "invalid_request_error" => "not like this".to_owned(),
            _ => "too busy".to_owned(),
        };
        let kind = kind.to_owned();
        Answer::fault(Fault::ErrorEvent {
            after,
            kind,
            message,
        })
    };
    check_retried(overloaded(0, "overloaded_error"), "too busy").await;
    check_retried(overloaded(0, "rate_limit_error"), "too busy").await;
    check_final(overloaded(2, "overloaded_error"), |heard| {
        assert_eq!(
            heard.text,
            "These words come from a ".get(..24).expect("ASCII")
        );
        assert!(heard.error().contains("failed: ") && heard.error().contains("too busy"));
    })
    .await;
    check_final(overloaded(0, "invalid_request_error"), |heard| {
        assert!(
            matches!(heard.error, Some(ModelError::Provider { .. })),
            "{heard:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn lost_connections_are_made_again_while_nothing_was_said() {
    check_retried(Answer::fault(Fault::CloseBeforeHeaders), "").await;
    check_retried(Answer::fault(Fault::CloseBeforeAnyDelta), "").await;
    check_retried(Answer::fault(Fault::CloseMidStream { after: 0 }), "").await;
    check_retried(
        Answer::fault(Fault::EndMidStream { after: 0 }),
        "ended in the middle",
    )
    .await;
    for fault in [
        Fault::CloseMidStream { after: 1 },
        Fault::EndMidStream { after: 1 },
        Fault::CloseMidStream { after: 1000 },
    ] {
        check_final(Answer::fault(fault), |heard| {
            assert!(heard.text.starts_with("These words"), "{heard:?}");
            assert!(
                matches!(heard.error, Some(ModelError::Connection { .. })),
                "{heard:?}"
            );
        })
        .await;
    }
}

#[tokio::test]
async fn patience_ends() {
    for kind in ALL {
        let failing = vec![Answer::status(529, None, "too busy"); 5];
        let server = ModelServer::start(failing);
        let heard = listen(provider(&server, kind).as_ref(), hello()).await;
        assert_eq!(heard.error(), "test answered 529: too busy");
        let attempts: Vec<u32> = heard
            .retries
            .iter()
            .map(|(attempt, _, _)| *attempt)
            .collect();
        assert_eq!(attempts, [1, 2]);
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn providers_may_say_how_long_to_wait() {
    for kind in ALL {
        let busy = Answer::status(429, Some("0.02"), "slower");
        let server = ModelServer::start([busy, fine()]);
        let heard = listen(provider(&server, kind).as_ref(), hello()).await;
        let wait = Duration::from_millis(20);
        assert_eq!(heard.retries[0].1, wait);
        let requests = server.requests();
        let ended = requests[0].ended.expect("ended");
        assert!(requests[1].arrived.duration_since(ended) + Duration::from_millis(5) >= wait);
    }
    check_final(Answer::status(429, Some("3600"), "tomorrow"), |heard| {
        assert!(
            matches!(heard.error, Some(ModelError::WaitTooLong { .. })),
            "{heard:?}"
        );
        assert!(
            heard.error().contains("asks to wait 3600 s"),
            "{}",
            heard.error()
        );
    })
    .await;
}

#[tokio::test]
async fn a_no_is_final() {
    for code in [400, 401, 403, 404, 413, 422] {
        check_final(Answer::status(code, Some("1"), "because"), |heard| {
            assert_eq!(heard.error(), format!("test answered {code}: because"));
        })
        .await;
    }
    check_final(
        Answer::fault(Fault::Status {
            code: 429,
            retry_after: None,
            body: json!({"error": {"code": "insufficient_quota", "message": "pay"}}).to_string(),
        }),
        |heard| assert_eq!(heard.error(), "test answered 429: pay"),
    )
    .await;
    let plain = |body: &str| {
        Answer::fault(Fault::Status {
            code: 400,
            retry_after: None,
            body: body.to_owned(),
        })
    };
    check_final(plain(""), |heard| {
        assert!(heard.error().ends_with("no explanation"))
    })
    .await;
    check_final(plain("ä".repeat(9000).as_str()), |heard| {
        assert_eq!(heard.error().matches('ä').count(), 500);
    })
    .await;
    check_final(plain("{\"error\":\"model not found\"}"), |heard| {
        assert!(
            heard.error().ends_with("400: model not found"),
            "{}",
            heard.error()
        );
    })
    .await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for kind in ALL {
        let other = ModelServer::start([fine()]);
        let location = format!("{}/v1/messages", other.base_url());
        let server = ModelServer::start([Answer::fault(Fault::Redirect { location })]);
        let heard = listen(provider(&server, kind).as_ref(), hello()).await;
        assert!(heard.error().contains("answered 307"), "{}", heard.error());
        assert_eq!(other.requests().len(), 0);
    }
}

#[tokio::test]
async fn broken_formats_are_told() {
    for after in [0, 2] {
        check_final(Answer::fault(Fault::Malformed { after }), |heard| {
            assert!(
                matches!(heard.error, Some(ModelError::Malformed { .. })),
                "{heard:?}"
            );
        })
        .await;
    }
    let page = Fault::Status {
        code: 200,
        retry_after: None,
        body: "<p>Hello".to_owned(),
    };
    check_final(Answer::fault(page), |heard| {
        assert!(
            heard.error().contains("check its base_url: <p>Hello"),
            "{}",
            heard.error()
        );
    })
    .await;
}

#[tokio::test]
async fn silence_is_not_waited_for_for_ever() {
    for kind in ALL {
        let stall = |after| Answer::fault(Fault::Stall { after });
        let server = ModelServer::start([stall(0), stall(1)]);
        let mut settings = settings(&server, kind);
        settings.retry.idle = Duration::from_millis(200);
        let provider = connect("test:large", &settings).expect("connected");
        let heard = listen(provider.as_ref(), hello()).await;
        assert_eq!(heard.retries.len(), 1, "{heard:?}");
        assert_eq!(heard.text, "These words ");
        assert!(
            heard.error().contains("nothing came for 0.2 s"),
            "{}",
            heard.error()
        );
    }
}

#[tokio::test]
async fn nobody_listens_there() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let server = ModelServer::start([]);
    let mut settings = settings(&server, ProviderKind::OpenAiChat);
    if let Some(test) = settings.providers.get_mut("test") {
        test.base_url = Some(format!("http://{address}/v1"));
    }
    let provider = connect("test:large", &settings).expect("connected");
    let heard = listen(provider.as_ref(), hello()).await;
    let expect = format!("test at http://{address}: nothing answers there; is it running?");
    assert!(heard.error().starts_with(&expect), "{}", heard.error());
    assert!(heard.retries.is_empty(), "{heard:?}");
}

/// One that answered before is waited for: it may be about to start again.
#[tokio::test]
async fn who_answered_before_may_come_back() {
    let server = ModelServer::start([fine()]);
    let provider = provider(&server, ProviderKind::OpenAiChat);
    assert_eq!(listen(provider.as_ref(), hello()).await.text, "fine");
    drop(server);
    let heard = listen(provider.as_ref(), hello()).await;
    assert_eq!(heard.retries.len(), 2, "{heard:?}");
    assert!(heard.error.is_some(), "{heard:?}");
}

#[tokio::test]
async fn dropping_the_stream_ends_the_request() {
    use futures::StreamExt;
    for kind in ALL {
        let server = ModelServer::start([Answer::fault(Fault::Stall { after: 1 })]);
        let mut deltas = provider(&server, kind).stream(hello());
        let said = |delta: &_| matches!(delta, Ok(boxagnts_model::Delta::Text(_)));
        while !said(&deltas.next().await.expect("a delta")) {}
        drop(deltas);
        while server.requests()[0].ended.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(server.requests()[0].aborted);
    }
}
