//! Requests to providers: patience with those that are busy, none with those that say no.

use crate::connect::is_loopback;
use crate::decode::{self, Decoder, Failure};
use crate::error::ModelError;
use crate::key::{Key, KeySource};
use crate::untrusted::{self, MAX_EXCERPT};
use crate::{Delta, DeltaStream};
use boxagnts_protocol::conversation::TokenUsage;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// Bytes of a token, rather few.
const BYTES_OF_TOKEN: usize = 3;

/// Bytes of an answer to a short question.
const MAX_SHORT: usize = 1 << 20;

/// Signs of life without an answer count as many times as long as silence does.
pub const KEEP_ALIVE_PATIENCE: u32 = 5;

/// How patient to be with a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Requests for one answer.
    pub attempts: u32,
    /// First wait; doubled each time, with a random part.
    pub first_wait: Duration,
    /// Longest wait of our own.
    pub longest_wait: Duration,
    /// Longest wait that a provider may ask for.
    pub longest_retry_after: Duration,
    /// Until a connection must stand.
    pub connect: Duration,
    /// Until the next byte of an answer must come. Where bytes come but say nothing, as keep-alives
    /// do, patience ends after [`KEEP_ALIVE_PATIENCE`] times as long.
    pub idle: Duration,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_retry_after: Duration::from_secs(60),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// Such that nothing is waited for longer than `timeout`.
    #[must_use]
    pub fn within(timeout: Duration) -> RetryPolicy {
        let usual = RetryPolicy::default();
        RetryPolicy {
            connect: usual.connect.min(timeout),
            idle: usual.idle.min(timeout),
            ..usual
        }
    }
}

/// A provider's API.
pub(crate) struct Endpoint {
    provider: String,
    base: url::Url,
    key: Key,
    retry: RetryPolicy,
    /// `None` goes straight to the provider.
    proxy: Option<url::Url>,
    client: OnceLock<Result<Client, String>>,
    /// Whether it ever answered.
    answered: AtomicBool,
}

/// How a provider wants its key.
pub(crate) enum Authorization {
    Bearer,
    Header(&'static str),
}

/// One request.
pub(crate) struct Call {
    /// Behind the base; it may have a query.
    pub(crate) path: String,
    /// Ends of bases that the path has at its beginning, and that are easily put into both.
    pub(crate) overlap: &'static [&'static str],
    pub(crate) authorization: Authorization,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Vec<u8>,
    pub(crate) decoder: Box<dyn Fn() -> Box<dyn Decoder> + Send + Sync>,
    /// How much longer than others the provider may take to begin: some load a model first.
    pub(crate) slow_start: bool,
}

/// What of an answer costs, for providers that do not say what it did.
#[derive(Default)]
struct Counted {
    told: bool,
    said: usize,
}

impl Counted {
    fn delta(&mut self, delta: &Delta) {
        match delta {
            Delta::Text(text) => self.said += text.len(),
            Delta::Thinking(thinking) => self.said += thinking.text.len(),
            Delta::ToolCallStart { name, .. } => self.said += name.len(),
            Delta::ToolCallInput { json, .. } => self.said += json.len(),
            Delta::Usage(_) => self.told = true,
            Delta::Stop(_) | Delta::Retry { .. } => {}
        }
    }

    /// Without a count no limit on tokens or money would ever end a session.
    fn guess(&self, asked: usize) -> Option<TokenUsage> {
        let tokens = |bytes: usize| bytes.div_ceil(BYTES_OF_TOKEN) as u64;
        (!self.told).then(|| TokenUsage {
            input_tokens: tokens(asked),
            output_tokens: tokens(self.said),
            ..TokenUsage::default()
        })
    }
}

/// Why an attempt failed.
enum Attempt {
    Final(ModelError),
    Again {
        reason: ModelError,
        wait: Option<Duration>,
    },
}

impl Endpoint {
    pub(crate) fn new(
        provider: &str,
        base: url::Url,
        key: KeySource,
        retry: RetryPolicy,
        proxy: Option<url::Url>,
    ) -> Arc<Endpoint> {
        let (provider, key) = (provider.to_owned(), Key::new(key));
        Arc::new(Endpoint {
            provider,
            base,
            key,
            retry,
            proxy,
            client: OnceLock::new(),
            answered: AtomicBool::new(false),
        })
    }

    /// Whether the key can be had, where one is needed.
    pub(crate) async fn check_key(&self) -> Result<(), ModelError> {
        self.key.get().await.map(drop)
    }

    /// Asks, again where that may help and nothing was said yet, and decodes the answer. Of the
    /// body, `pictures` bytes are those of pictures.
    pub(crate) fn stream(self: &Arc<Self>, call: Call, pictures: usize) -> DeltaStream {
        let asked = call.body.len().saturating_sub(pictures);
        let endpoint = Arc::clone(self);
        Box::pin(async_stream::stream! {
            let mut attempt = 1;
            loop {
                let mut said = false;
                // Thoughts alone tell nobody anything either: they wait for what they belong to,
                // so that an answer that fails in between can be asked for again.
                let mut thoughts = Vec::new();
                let mut counted = Counted::default();
                let failed = match endpoint.send(&call).await {
                    Err(failed) => failed,
                    Ok(response) => {
                        let bytes = patient(response.bytes_stream(), endpoint.retry.idle);
                        let patience = endpoint.retry.idle.saturating_mul(KEEP_ALIVE_PATIENCE);
                        let deltas = decode::deltas(bytes, (call.decoder)(), Some(patience));
                        let mut deltas = std::pin::pin!(deltas);
                        loop {
                            let next = deltas.next().await;
                            if let Some(Ok(delta)) = &next {
                                counted.delta(delta);
                                if matches!(delta, Delta::Stop(_))
                                    && let Some(usage) = counted.guess(asked)
                                {
                                    yield Ok(Delta::Usage(usage));
                                }
                            }
                            match next {
                                Some(Ok(thought @ Delta::Thinking(_))) => thoughts.push(thought),
                                // Usage alone has told nobody anything.
                                Some(Ok(usage @ Delta::Usage(_))) => yield Ok(usage),
                                Some(Ok(delta)) => {
                                    said = true;
                                    for thought in thoughts.drain(..) {
                                        yield Ok(thought);
                                    }
                                    yield Ok(delta);
                                }
                                Some(Err(failure)) => break endpoint.explain(failure),
                                None => return,
                            }
                        }
                    }
                };
                match failed {
                    Attempt::Again { reason, wait } if !said && attempt < endpoint.retry.attempts => {
                        let wait = match wait {
                            Some(wait) if wait > endpoint.retry.longest_retry_after => {
                                let provider = endpoint.provider.clone();
                                yield Err(ModelError::WaitTooLong { provider, wait });
                                return;
                            }
                            Some(wait) => wait,
                            None => endpoint.backoff(attempt),
                        };
                        yield Ok(Delta::Retry { attempt, wait, reason: reason.to_string() });
                        tokio::time::sleep(wait).await;
                        attempt += 1;
                    }
                    Attempt::Final(error) | Attempt::Again { reason: error, .. } => {
                        yield Err(error);
                        return;
                    }
                }
            }
        })
    }

    async fn send(&self, call: &Call) -> Result<reqwest::Response, Attempt> {
        let key = self.key.get().await.map_err(Attempt::Final)?;
        let client = self
            .client
            .get_or_init(|| self.client())
            .as_ref()
            .map_err(|reason| Attempt::Final(self.connection(reason.clone())))?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in &call.headers {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        if let Some(key) = key {
            let (name, text) = match call.authorization {
                Authorization::Bearer => ("authorization", format!("Bearer {key}")),
                Authorization::Header(name) => (name, key.to_owned()),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                Attempt::Final(self.key.missing(" (it has characters that no key has)"))
            })?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let request = client
            .post(self.url(&call.path, call.overlap))
            .headers(headers)
            .body(call.body.clone())
            .send();
        let patience = match call.slow_start {
            true => self.retry.idle.saturating_mul(KEEP_ALIVE_PATIENCE),
            false => self.retry.idle,
        };
        let response = match tokio::time::timeout(patience, request).await {
            Ok(Ok(response)) => {
                self.answered.store(true, Ordering::Relaxed);
                response
            }
            // One that answered before may be about to start again.
            Ok(Err(error)) if self.is_local() && !self.has_answered() && is_refused(&error) => {
                return Err(Attempt::Final(ModelError::NotRunning {
                    provider: self.provider.clone(),
                    place: self.base.origin().ascii_serialization(),
                }));
            }
            Ok(Err(error)) => {
                let reason = self.connection(root_cause(&error.without_url()));
                return Err(Attempt::Again { reason, wait: None });
            }
            Err(_) => {
                let reason = self.connection("no answer".to_owned());
                return Err(Attempt::Again { reason, wait: None });
            }
        };
        let status = response.status();
        if status.is_success() {
            return self.streaming(response, key).await.map_err(Attempt::Final);
        }
        if status.is_redirection() {
            let place = response.headers().get(LOCATION);
            let place = place
                .map_or(Ok(""), HeaderValue::to_str)
                .unwrap_or_default();
            return Err(Attempt::Final(ModelError::Redirected {
                provider: self.provider.clone(),
                status: status.as_u16(),
                place: untrusted::words(&untrusted::shown_url(place), key),
            }));
        }
        let wait = retry_after(response.headers());
        let body = read_error(response).await;
        let wait = wait.or_else(|| retry_delay(&body));
        let reason = ModelError::Refused {
            provider: self.provider.clone(),
            status: status.as_u16(),
            message: excerpt(&body, key),
        };
        // Waiting pays no bill.
        let busy = status == StatusCode::TOO_MANY_REQUESTS && !body.contains("insufficient_quota");
        let again = busy || status == StatusCode::REQUEST_TIMEOUT || status.is_server_error();
        Err(if again {
            Attempt::Again { reason, wait }
        } else {
            Attempt::Final(reason)
        })
    }

    /// Refuses what is plainly no stream, as the page of a web server at a wrong address.
    async fn streaming(
        &self,
        response: reqwest::Response,
        key: Option<&str>,
    ) -> Result<reqwest::Response, ModelError> {
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !["text/html", "application/json"].contains(&kind) {
            return Ok(response);
        }
        let said = excerpt(&read_error(response).await, key);
        Err(ModelError::Malformed {
            provider: self.provider.clone(),
            reason: format!("{kind} instead of an event stream; check its base_url: {said}"),
        })
    }

    /// The base with a path behind its own, and with its query.
    fn url(&self, path: &str, overlap: &[&str]) -> url::Url {
        let mut url = self.base.clone();
        let base = self.base.path().trim_end_matches('/');
        // Whether a base has the version in it differs between providers, and is easily confused.
        let base = overlap
            .iter()
            .find_map(|end| base.strip_suffix(end))
            .unwrap_or(base);
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        url.set_path(&format!("{base}{path}"));
        if let Some(query) = query {
            let both = match self.base.query() {
                Some(own) => format!("{own}&{query}"),
                None => query.to_owned(),
            };
            url.set_query(Some(&both));
        }
        url
    }

    /// Asks a short question that has nothing to do with an answer; nothing comes of it when that
    /// takes longer than a moment.
    pub(crate) async fn ask(&self, path: &str, overlap: &[&str], body: Value) -> Option<Value> {
        let client = self.client.get_or_init(|| self.client()).as_ref().ok()?;
        let mut request = client.post(self.url(path, overlap));
        if let Some(key) = self.key.get().await.ok()? {
            request = request.bearer_auth(key);
        }
        let request = request.body(body.to_string());
        let answer = async {
            let response = request.send().await.ok()?.error_for_status().ok()?;
            let mut body = Vec::new();
            let mut chunks = response.bytes_stream();
            while let Some(chunk) = chunks.next().await {
                body.extend_from_slice(&chunk.ok()?);
                if body.len() > MAX_SHORT {
                    return None;
                }
            }
            serde_json::from_slice(&body).ok()
        };
        let moment = Duration::from_secs(2).min(self.retry.idle);
        tokio::time::timeout(moment, answer).await.ok()?
    }

    /// Built for the first request: certificates are read then, and only for encrypted ones.
    fn client(&self) -> Result<Client, String> {
        let mut builder = Client::builder()
            .connect_timeout(self.retry.connect)
            // A redirect would carry the key to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            // Those of the environment count only when the configuration says so.
            .no_proxy()
            .user_agent(concat!("boxagnts/", env!("CARGO_PKG_VERSION")));
        // Whoever was first has set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if self.base.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
        if let Some(proxy) = &self.proxy {
            let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(|error| root_cause(&error))?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| root_cause(&error))
    }

    fn explain(&self, failure: Failure) -> Attempt {
        let provider = self.provider.clone();
        let failure = failure.map(|words| untrusted::words(&words, self.key.known()));
        match failure {
            Failure::Lost(reason) => Attempt::Again {
                reason: self.connection(reason),
                wait: None,
            },
            Failure::Overloaded(message) => Attempt::Again {
                reason: ModelError::Provider { provider, message },
                wait: None,
            },
            Failure::Provider(message) => {
                Attempt::Final(ModelError::Provider { provider, message })
            }
            Failure::Malformed(reason) => {
                Attempt::Final(ModelError::Malformed { provider, reason })
            }
            Failure::TooLarge(reason) => Attempt::Final(ModelError::TooLarge { provider, reason }),
        }
    }

    fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether the provider is a program on this machine.
    fn is_local(&self) -> bool {
        self.proxy.is_none() && is_loopback(&self.base)
    }

    fn connection(&self, reason: String) -> ModelError {
        ModelError::Connection {
            provider: self.provider.clone(),
            place: self.base.origin().ascii_serialization(),
            reason,
        }
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let doubled = self
            .retry
            .first_wait
            .saturating_mul(1 << (attempt - 1).min(16));
        let mut random = [0u8; 1];
        let _ = getrandom::fill(&mut random);
        // Between a half and the whole, so that many clients do not come back at once.
        doubled
            .min(self.retry.longest_wait)
            .mul_f64(0.5 + f64::from(random[0]) / 510.0)
    }
}

/// The stream of an answer; it fails when nothing comes for too long.
fn patient<S>(bytes: S, idle: Duration) -> impl Stream<Item = Result<Bytes, Failure>>
where
    S: Stream<Item = reqwest::Result<Bytes>>,
{
    async_stream::stream! {
        let mut bytes = std::pin::pin!(bytes);
        loop {
            yield match tokio::time::timeout(idle, bytes.next()).await {
                Ok(None) => return,
                Ok(Some(chunk)) => chunk.map_err(|error| Failure::Lost(root_cause(&error.without_url()))),
                Err(_) => {
                    Err(Failure::Lost(format!("nothing came for {} s", idle.as_secs_f32())))
                }
            };
        }
    }
}

/// Whether the machine was reached and nothing listens at that port.
fn is_refused(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
    let mut kinds = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    kinds.any(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// The beginning of an error's body.
async fn read_error(response: reqwest::Response) -> String {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    let read = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            body.extend_from_slice(&chunk);
            if body.len() > 16 * MAX_EXCERPT {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), read).await;
    String::from_utf8_lossy(&body).into_owned()
}

/// What the provider says, as it may be shown.
fn excerpt(body: &str, key: Option<&str>) -> String {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let message = parsed
        .as_ref()
        .and_then(|body| {
            body.pointer("/error/message")
                .or_else(|| body.pointer("/0/error/message"))
                .or_else(|| body.get("message"))
                .or_else(|| body.get("error"))
        })
        .and_then(|message| message.as_str())
        .unwrap_or(body.trim());
    untrusted::words(message, key)
}

/// `retry-after-ms`, or `retry-after` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(ms) = text("retry-after-ms").and_then(|ms| ms.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1e3).ok();
    }
    let value = text(RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// How long an error's body asks to wait, as Gemini's do: `"retryDelay": "7s"`.
fn retry_delay(body: &str) -> Option<Duration> {
    let (_, behind) = body.split_once("\"retryDelay\"")?;
    let value = behind.trim_start().strip_prefix(':')?.trim_start();
    let seconds = value.strip_prefix('"')?.split_once("s\"")?.0;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}

/// The innermost reason; what is around it repeats the URL.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, value: &str, expect: Option<Duration>) {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header's value"));
        assert_eq!(retry_after(&headers), expect, "{name}: {value}");
    }

    #[test]
    fn waits_are_read_in_every_form() {
        let ms = |ms| Some(Duration::from_millis(ms));
        check("retry-after", "3", ms(3000));
        check("retry-after", " 0.5 ", ms(500));
        check("retry-after", "0", ms(0));
        check("retry-after-ms", "250", ms(250));
        check("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", ms(0));
        check("retry-after", "-1", None);
        check("retry-after", "NaN", None);
        check("retry-after", "1e300", None);
        check("retry-after", "soon", None);
        check("retry-after-ms", "-5", None);
        check("x-other", "3", None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn waits_may_be_in_the_body() {
        let check = |body: &str, expect: Option<u64>| {
            assert_eq!(
                retry_delay(body),
                expect.map(Duration::from_millis),
                "{body}"
            );
        };
        check(r#"{"details":[{"retryDelay": "7s"}]}"#, Some(7000));
        check("{\"retryDelay\" : \"0.25s\"}", Some(250));
        check("{\"retryDelay\":7}", None);
        check("{\"retryDelay\":\"-1s\"}", None);
        check("{\"retryDelay\":\"soon\"}", None);
        check("", None);
    }

    #[test]
    fn a_date_to_come_is_waited_for() {
        let mut headers = HeaderMap::new();
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        headers.insert(RETRY_AFTER, date.parse().expect("a header's value"));
        let wait = retry_after(&headers).expect("a wait");
        assert!((90..=100).contains(&wait.as_secs()), "{wait:?}");
    }
}
