//! Sends traces of turns to an OpenTelemetry collector, by OTLP over HTTP.
//!
//! What is sent has names, times, counts and costs. What was said, read or written is not in it, nor
//! are messages of errors, which may quote it: see [`convert`]. A collector that is slow, wrong or not
//! there costs traces and nothing else.

mod convert;

use boxagnts_session::EndedTurn;
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

/// Turns that may wait for the collector; later ones are not sent.
const MAX_WAITING: usize = 256;

/// Until a collector must have taken a turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Until what waits must be sent when the program ends.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to {endpoint}: {reason}; see `otlp_endpoint` in your configuration")]
pub struct TelemetryError {
    /// The collector.
    pub endpoint: String,
    /// What is wrong.
    pub reason: String,
}

/// A task that sends the trace of each turn that has ended.
pub struct Telemetry {
    turns: Sender<EndedTurn>,
    ends: CancellationToken,
    task: JoinHandle<()>,
}

impl Telemetry {
    /// Starts the task, in the tokio runtime of the caller; speaks to nobody yet. The format and
    /// further headers are those of `OTEL_EXPORTER_OTLP_PROTOCOL` and `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    /// The place is none that can be asked, or the environment names what cannot be used.
    pub fn start(endpoint: &Url, proxy: Option<&Url>) -> Result<Telemetry, TelemetryError> {
        let exporter = exporter(endpoint, proxy).map_err(|reason| TelemetryError {
            endpoint: endpoint.to_string(),
            reason,
        })?;
        let (turns, waiting) = channel(MAX_WAITING);
        let ends = CancellationToken::new();
        let task = tokio::spawn(send(exporter, waiting, ends.clone()));
        Ok(Telemetry { turns, ends, task })
    }

    /// For `Environment::tell_ended_turns`.
    pub fn turns(&self) -> Sender<EndedTurn> {
        self.turns.clone()
    }

    /// Sends what waits, as far as that is possible in seconds.
    pub async fn finish(self) {
        self.ends.cancel();
        let stop = self.task.abort_handle();
        if tokio::time::timeout(LAST_PATIENCE, self.task)
            .await
            .is_err()
        {
            tracing::warn!("traces are lost: the collector did not take them in time");
            stop.abort();
        }
    }
}

async fn send(exporter: OtlpExporter, mut waiting: Receiver<EndedTurn>, ends: CancellationToken) {
    loop {
        let turn = tokio::select! {
            biased;
            turn = waiting.recv() => turn,
            () = ends.cancelled() => None,
        };
        let Some(turn) = turn else { return };
        let spans = match tokio::task::spawn_blocking(move || turn.spans()).await {
            Ok(Ok(spans)) => spans,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a turn has no trace");
                continue;
            }
            Err(error) => {
                tracing::error!(%error, "a turn has no trace");
                continue;
            }
        };
        let spans = spans.iter().filter_map(convert::span).collect();
        if let Err(error) = exporter.export(spans).await {
            tracing::warn!(%error, "the trace of a turn is lost");
        }
    }
}

fn exporter(endpoint: &Url, proxy: Option<&Url>) -> Result<OtlpExporter, String> {
    let mut place = endpoint.clone();
    place
        .path_segments_mut()
        .map_err(|()| "it is no base URL".to_owned())?
        .pop_if_empty()
        .extend(["v1", "traces"]);
    let client = client(endpoint, proxy).map_err(|error| error.to_string())?;
    let mut exporter = OtlpExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(place)
        .with_timeout(PATIENCE)
        .build()
        .map_err(|error| error.to_string())?;
    let resource = Resource::builder_empty()
        .with_service_name("boxagnts")
        .with_attribute(convert::attribute(
            "service.version",
            env!("CARGO_PKG_VERSION"),
        ))
        .build();
    exporter.set_resource(&resource);
    Ok(exporter)
}

fn client(endpoint: &Url, proxy: Option<&Url>) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .timeout(PATIENCE)
        // A redirect would carry the key to wherever it points.
        .redirect(reqwest::redirect::Policy::none())
        // That of the environment counts only when the configuration says so.
        .no_proxy()
        .user_agent(concat!("boxagnts/", env!("CARGO_PKG_VERSION")));
    // Whoever was first has set the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if endpoint.scheme() == "http" {
        builder = builder.tls_certs_only([]);
    }
    if let Some(proxy) = proxy.filter(|_| !on_this_machine(endpoint)) {
        builder = builder.proxy(reqwest::Proxy::all(proxy.as_str())?);
    }
    builder.build()
}

fn on_this_machine(endpoint: &Url) -> bool {
    match endpoint.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
