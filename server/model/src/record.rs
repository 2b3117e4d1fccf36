//! Writing down what models are asked and answer, so that a session can be gone through again without
//! them. Headers are not known here; keys are taken out of everything else.

use crate::error::ModelError;
use crate::recording::{FORMAT, Line, VERSION, asked, scrub};
use crate::secrets::Scrubber;
use crate::{Delta, DeltaStream, ModelInfo, Provider, Reach, Request};
use boxagnts_protocol::conversation::Price;
use futures::StreamExt;
use futures::future::BoxFuture;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A file that requests and answers are written to.
pub struct Recording {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    requests: u64,
    failure: Option<String>,
}

impl Drop for State {
    fn drop(&mut self) {
        // Closing does not end the lock while a process that was just forked has the file too.
        let _ = self.file.unlock();
    }
}

impl Recording {
    /// Begins a recording, for its owner alone; what another recording left in the file is gone.
    ///
    /// # Errors
    /// The file cannot be written, has something else in it, or another process records to it.
    pub fn create(path: &Path) -> Result<Arc<Recording>, ModelError> {
        let wrong = |reason: String| ModelError::Recording {
            path: path.to_path_buf(),
            reason,
        };
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(path)
            .map_err(|error| wrong(error.to_string()))?;
        if file.try_lock().is_err() {
            let reason = "another process records to it; name another file";
            return Err(wrong(reason.to_owned()));
        }
        let state = State {
            file,
            requests: 0,
            failure: None,
        };
        let file = &state.file;
        // Not before it is ours. A pipe has nothing to cut off.
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            if !is_replaceable(file).map_err(|error| wrong(error.to_string()))? {
                let reason = "it is there and is no recording; name another file";
                return Err(wrong(reason.to_owned()));
            }
            private(file).map_err(|error| wrong(error.to_string()))?;
            file.set_len(0).map_err(|error| wrong(error.to_string()))?;
        }
        let recording = Arc::new(Recording {
            path: path.to_path_buf(),
            state: Mutex::new(state),
        });
        recording.write(
            &mut recording.lock(),
            &Line::Head {
                format: FORMAT.to_owned(),
                version: VERSION,
                program: concat!("boxagnts ", env!("CARGO_PKG_VERSION")).to_owned(),
            },
        );
        match recording.failure() {
            Some(reason) => Err(wrong(reason)),
            None => Ok(recording),
        }
    }

    /// The provider, with everything that is said written down.
    pub fn wrap(self: &Arc<Self>, provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Recorder {
            provider,
            recording: Arc::clone(self),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why the recording is not whole. Sessions go on without it.
    pub fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut State, line: &Line) {
        if state.failure.is_some() {
            return;
        }
        let written = serde_json::to_string(line)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                let text = format!("{text}\n");
                let written = state.file.write_all(text.as_bytes());
                written.map_err(|error| error.to_string())
            });
        if let Err(reason) = written {
            let path = self.path.display();
            tracing::error!(%path, reason, "the recording is not whole");
            state.failure = Some(reason);
        }
    }

    /// Gives the request's number.
    fn request(&self, provider: &dyn Provider, request: &Request) -> u64 {
        let asked = asked(request, &Scrubber::new());
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut state = self.lock();
        state.requests += 1;
        let number = state.requests;
        let line = Line::Request {
            number,
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            model: provider.id().to_owned(),
            price: provider.price(),
            model_output_tokens: provider.max_output_tokens(),
            context_window: provider.info().and_then(|info| info.context_window),
            max_output_tokens: request.max_output_tokens,
            asked,
        };
        self.write(&mut state, &line);
        number
    }
}

/// Whether nothing is lost when the file is written anew: it is empty, or has a recording. Stays at
/// its beginning.
fn is_replaceable(mut file: &File) -> std::io::Result<bool> {
    let head = format!("{{\"line\":\"head\",\"format\":\"{FORMAT}\"");
    let mut found = Vec::new();
    file.take(head.len() as u64).read_to_end(&mut found)?;
    file.rewind()?;
    Ok(found.is_empty() || found == head.as_bytes())
}

/// Others may have been able to read what was there.
fn private(file: &File) -> std::io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// A provider that is listened to.
struct Recorder {
    provider: Arc<dyn Provider>,
    recording: Arc<Recording>,
}

impl Provider for Recorder {
    fn id(&self) -> &str {
        self.provider.id()
    }

    fn price(&self) -> Option<Price> {
        self.provider.price()
    }

    fn max_output_tokens(&self) -> u64 {
        self.provider.max_output_tokens()
    }

    fn info(&self) -> Option<&ModelInfo> {
        self.provider.info()
    }

    fn sees_images(&self) -> bool {
        self.provider.sees_images()
    }

    fn reach(&self) -> Reach {
        self.provider.reach()
    }

    fn check_key(&self) -> BoxFuture<'_, Result<(), ModelError>> {
        self.provider.check_key()
    }

    fn stream(&self, request: Request) -> DeltaStream {
        let provider = Arc::clone(&self.provider);
        let recording = Arc::clone(&self.recording);
        Box::pin(async_stream::stream! {
            // Known from here on, and so it is not written. Without it the request says so itself.
            let _ = provider.check_key().await;
            let mut answer = Answer {
                number: recording.request(&*provider, &request),
                recording,
                began: Instant::now(),
                deltas: Vec::new(),
                is_written: false,
            };
            let mut deltas = provider.stream(request);
            while let Some(next) = deltas.next().await {
                match &next {
                    Ok(delta) => {
                        answer.said(delta);
                        // Nobody asks for what comes behind it.
                        if matches!(delta, Delta::Stop(_)) {
                            answer.write(None, false);
                        }
                    }
                    Err(error) => answer.write(Some(error.to_string()), false),
                }
                yield next;
            }
            answer.write(None, false);
        })
    }
}

/// An answer that streams in; written when it ends, also when nobody waits for its end.
struct Answer {
    recording: Arc<Recording>,
    number: u64,
    began: Instant,
    deltas: Vec<(u64, Delta)>,
    is_written: bool,
}

impl Answer {
    fn said(&mut self, delta: &Delta) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.deltas.push((ms, delta.clone()));
    }

    fn write(&mut self, error: Option<String>, cut_off: bool) {
        if std::mem::replace(&mut self.is_written, true) {
            return;
        }
        let scrubber = Scrubber::new();
        let line = Line::Answer {
            number: self.number,
            deltas: scrub(&self.deltas, &scrubber),
            error: error.map(|error| scrubber.text(&error).into_owned()),
            cut_off,
        };
        self.recording.write(&mut self.recording.lock(), &line);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.write(None, true);
    }
}
