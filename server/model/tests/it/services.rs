//! Which format is spoken to whom, and what is known of models.

use crate::{hello, listen, settings};
use boxagnts_model::{ProviderKind, ProviderSettings, Settings, connect, services};
use boxagnts_protocol::conversation::Price;
use boxagnts_test_support::{Answer, ModelServer};
use serde_json::json;

/// Settings in which a provider of this name is at the server and otherwise as it is by itself.
fn at_server(server: &ModelServer, name: &str) -> Settings {
    let mut settings = settings(server, ProviderKind::OpenAiChat);
    let own = ProviderSettings {
        base_url: Some(server.base_url().to_owned()),
        ..ProviderSettings::default()
    };
    settings.providers = [(name.to_owned(), own)].into();
    settings
}

#[tokio::test]
async fn names_have_formats() {
    async fn check(name: &str, kind: Option<ProviderKind>, path: &str) {
        let server = ModelServer::start([Answer::turn(json!({"text": "fine"}))]);
        let mut settings = at_server(&server, name);
        if let Some(own) = settings.providers.get_mut(name) {
            own.kind = kind;
        }
        let provider = connect(&format!("{name}:m"), &settings).expect("connected");
        let heard = listen(provider.as_ref(), hello()).await;
        assert_eq!(heard.text, "fine", "{name}: {heard:?}");
        assert_eq!(server.requests()[0].path, path, "{name}");
    }
    check("anthropic", None, "/v1/messages").await;
    check(
        "gemini",
        None,
        "/v1beta/models/m:streamGenerateContent?alt=sse",
    )
    .await;
    check("ollama", None, "/api/chat").await;
    check("groq", None, "/chat/completions").await;
    check("mine", None, "/chat/completions").await;
    // What goes by the name of `openai` elsewhere speaks what all speak, unless it is said to
    // speak more.
    check("openai", None, "/chat/completions").await;
    check("openai", Some(ProviderKind::OpenAiResponses), "/responses").await;
    check(
        "ollama",
        Some(ProviderKind::OpenAiChat),
        "/chat/completions",
    )
    .await;
}

#[test]
fn services_are_known_by_name() {
    let server = ModelServer::start([]);
    let settings = settings(&server, ProviderKind::OpenAiChat);
    for (name, service) in services() {
        let connected = connect(&format!("{name}:some/model:free"), &settings).map(drop);
        match (&service.instead, connected) {
            (None, Ok(())) => {}
            (Some(instead), Err(error)) => {
                let error = error.to_string();
                assert!(
                    error.starts_with(&format!("{name} is not built in")),
                    "{error}"
                );
                assert!(error.contains(instead), "{error}");
            }
            (_, got) => panic!("{name}: {got:?}"),
        }
    }
    let error = connect("nobody:x", &settings)
        .map(drop)
        .expect_err("unknown")
        .to_string();
    for name in ["groq", "openrouter", "gemini:MODEL"] {
        assert!(error.contains(name), "{error}");
    }
    assert!(!error.contains("azure"), "{error}");
}

#[test]
fn a_service_that_needs_settings_works_with_them() {
    let server = ModelServer::start([]);
    assert!(connect("azure:m", &at_server(&server, "azure")).is_ok());
}

#[test]
fn what_is_known_of_a_model() {
    let server = ModelServer::start([]);
    let mut settings = settings(&server, ProviderKind::OpenAiChat);
    settings.max_output_tokens = 1 << 20;
    let provider = connect("anthropic:claude-sonnet-4-5-20250929", &settings).expect("connected");
    let info = provider.info().expect("known");
    assert_eq!(info.context_window, Some(200_000));
    assert_eq!(provider.price().map(|price| price.output), Some(15.0));
    assert_eq!(provider.max_output_tokens(), 64_000, "no more than it can");
    let unknown = connect("test:large", &settings).expect("connected");
    assert_eq!((unknown.info(), unknown.price()), (None, None));
    assert_eq!(unknown.max_output_tokens(), 1 << 20);
    let local = connect("ollama:any", &settings).expect("connected");
    assert_eq!(local.price().map(|price| price.output), Some(0.0));
}

#[test]
fn the_users_price_stands_above_all() {
    let server = ModelServer::start([]);
    let mut settings = settings(&server, ProviderKind::OpenAiChat);
    let price = |input| Price {
        input,
        output: 1.0,
        cache_read: 1.0,
        cache_write: 1.0,
    };
    let of_model = boxagnts_model::ModelInfo {
        price: Some(price(7.0)),
        ..Default::default()
    };
    settings.models.insert("openai:*".to_owned(), of_model);
    let input = |settings: &Settings| {
        let provider = connect("openai:gpt-5", settings).expect("connected");
        let window = provider.info().and_then(|info| info.context_window);
        assert_eq!(window, Some(400_000), "the rest is as it was");
        provider.price().map(|price| price.input)
    };
    assert_eq!(input(&settings), Some(7.0));
    let own = ProviderSettings {
        price: Some(price(9.0)),
        ..ProviderSettings::default()
    };
    settings.providers.insert("openai".to_owned(), own);
    assert_eq!(input(&settings), Some(9.0));
    // What says more than the provider does counts more.
    let of_model = boxagnts_model::ModelInfo {
        price: Some(price(5.0)),
        ..Default::default()
    };
    settings.models.insert("openai:gpt-5*".to_owned(), of_model);
    assert_eq!(input(&settings), Some(5.0));
}
