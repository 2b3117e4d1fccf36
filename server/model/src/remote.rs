//! Models that are asked over HTTP: what is common to all wire formats.

use crate::connect::{Effort, ProviderKind};
use crate::decode::Decoder;
use crate::http::{Call, Endpoint};
use crate::models::{ModelInfo, ThinkingStyle};
use crate::{
    Delta, DeltaStream, ModelError, Provider, Reach, Request, anthropic, chat, gemini, ollama,
    responses,
};
use boxagnts_protocol::conversation::{Content, Message, Price, Role, Thinking};
use futures::StreamExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// What a model is made from.
pub(crate) struct RemoteParts<'a> {
    pub(crate) id: &'a str,
    pub(crate) model: &'a str,
    pub(crate) kind: ProviderKind,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) info: Option<ModelInfo>,
    pub(crate) reach: Reach,
    pub(crate) max_output_tokens: u64,
    pub(crate) effort: Option<Effort>,
    /// Whether it is OpenAI itself, which has names of its own for some fields.
    pub(crate) is_openai: bool,
}

/// A model behind an API.
pub(crate) struct Remote {
    model: Arc<Model>,
    kind: ProviderKind,
    endpoint: Arc<Endpoint>,
    info: Option<ModelInfo>,
    reach: Reach,
    max_output_tokens: u64,
    /// What Ollama says of the model.
    local: Arc<ollama::Local>,
}

/// What a wire format must know of the model that it asks.
pub(crate) struct Model {
    /// `provider:model`.
    pub(crate) id: String,
    /// Its name at the provider.
    pub(crate) name: String,
    pub(crate) effort: Option<Effort>,
    pub(crate) style: Option<ThinkingStyle>,
    pub(crate) is_openai: bool,
}

impl Model {
    /// What this very model wants back; thoughts of any other are left out.
    pub(crate) fn own<'a>(&self, thinking: &'a Thinking) -> Option<&'a Thinking> {
        (thinking.provider == self.id).then_some(thinking)
    }

    /// Thoughts of this model.
    pub(crate) fn thinking(id: &str, text: String, opaque: serde_json::Value) -> Delta {
        Delta::Thinking(Thinking {
            text,
            provider: id.to_owned(),
            opaque,
        })
    }
}

impl Remote {
    pub(crate) fn new(parts: RemoteParts<'_>) -> Remote {
        let info = parts.info.as_ref();
        let most = info.and_then(|info| info.max_output).unwrap_or(u64::MAX);
        Remote {
            model: Arc::new(Model {
                id: parts.id.to_owned(),
                name: parts.model.to_owned(),
                effort: parts.effort,
                style: info.and_then(|info| info.thinking),
                is_openai: parts.is_openai,
            }),
            kind: parts.kind,
            endpoint: parts.endpoint,
            max_output_tokens: parts.max_output_tokens.min(most),
            info: parts.info,
            reach: parts.reach,
            local: Arc::default(),
        }
    }
}

impl Provider for Remote {
    fn id(&self) -> &str {
        &self.model.id
    }

    fn price(&self) -> Option<Price> {
        self.info.as_ref().and_then(|info| info.price)
    }

    fn max_output_tokens(&self) -> u64 {
        self.max_output_tokens
    }

    fn info(&self) -> Option<&ModelInfo> {
        self.info.as_ref()
    }

    fn reach(&self) -> Reach {
        self.reach
    }

    fn check_key(&self) -> BoxFuture<'_, Result<(), ModelError>> {
        Box::pin(self.endpoint.check_key())
    }

    fn stream(&self, request: Request) -> DeltaStream {
        let images = self.info.as_ref().and_then(|info| info.images);
        if images == Some(false) && has_images(&request.messages) {
            return no_images(&self.model.id);
        }
        match call(self.kind, &self.model, &request) {
            Some(call) => self.endpoint.stream(call, picture_bytes(&request.messages)),
            None => self.stream_local(request),
        }
    }
}

impl Remote {
    /// Ollama is asked about the model before it is asked anything else.
    fn stream_local(&self, request: Request) -> DeltaStream {
        let (model, endpoint) = (Arc::clone(&self.model), Arc::clone(&self.endpoint));
        let local = Arc::clone(&self.local);
        Box::pin(async_stream::stream! {
            let shown = local.get(&endpoint, &model.name).await;
            let mut deltas = match shown.images == Some(false) && has_images(&request.messages) {
                true => no_images(&model.id),
                false => {
                    let pictures = picture_bytes(&request.messages);
                    endpoint.stream(ollama::call(&model, shown, &request), pictures)
                }
            };
            while let Some(delta) = deltas.next().await {
                yield delta;
            }
        })
    }
}

/// The request in a wire format; `None` for the one that needs to know more of the model.
fn call(kind: ProviderKind, model: &Model, request: &Request) -> Option<Call> {
    match kind {
        ProviderKind::Anthropic => Some(anthropic::call(model, request)),
        ProviderKind::OpenAiResponses => Some(responses::call(model, request)),
        ProviderKind::OpenAiChat => Some(chat::call(model, request)),
        ProviderKind::Gemini => Some(gemini::call(model, request)),
        ProviderKind::Ollama => None,
    }
}

/// What reads an answer in a wire format; `id` is `provider:model`.
pub(crate) fn decoder(kind: ProviderKind, id: &str) -> Box<dyn Decoder> {
    let id = id.to_owned();
    match kind {
        ProviderKind::Anthropic => Box::new(anthropic::Messages::new(id)),
        ProviderKind::OpenAiResponses => Box::new(responses::Responses::new(id)),
        ProviderKind::OpenAiChat => Box::new(chat::Chat::new(id)),
        ProviderKind::Gemini => Box::new(gemini::Gemini::new(id)),
        ProviderKind::Ollama => Box::new(ollama::Lines::new(id)),
    }
}

/// Makes readers of answers, one for each attempt.
pub(crate) fn decoders(
    kind: ProviderKind,
    model: &Model,
) -> Box<dyn Fn() -> Box<dyn Decoder> + Send + Sync> {
    let id = model.id.clone();
    Box::new(move || decoder(kind, &id))
}

pub(crate) fn has_images(messages: &[Message]) -> bool {
    let mut contents = messages.iter().flat_map(|message| &message.content);
    contents.any(|content| matches!(content, Content::Image(_)))
}

fn picture_bytes(messages: &[Message]) -> usize {
    let contents = messages.iter().flat_map(|message| &message.content);
    let bytes = contents.map(|content| match content {
        Content::Image(image) => image.data.len(),
        _ => 0,
    });
    bytes.sum()
}

pub(crate) fn no_images(model: &str) -> DeltaStream {
    let model = model.to_owned();
    futures::stream::iter([Err(ModelError::NoImages { model })]).boxed()
}

/// Results before all else: providers want them right behind the calls.
pub(crate) fn results_first(message: &Message) -> impl Iterator<Item = &Content> {
    let is_result = |content: &&Content| matches!(content, Content::ToolResult(_));
    let results = message.content.iter().filter(is_result);
    results.chain(
        message
            .content
            .iter()
            .filter(move |content| !is_result(content)),
    )
}

/// Where the turn begins that is going on: at the last message of the user that answers no call.
pub(crate) fn turn_start(messages: &[Message]) -> usize {
    let answers = |message: &Message| {
        let mut contents = message.content.iter();
        contents.any(|content| matches!(content, Content::ToolResult(_)))
    };
    messages
        .iter()
        .rposition(|message| message.role == Role::User && !answers(message))
        .unwrap_or(0)
}
