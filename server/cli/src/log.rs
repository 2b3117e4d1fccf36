//! The log: warnings on standard error, more in a file that is changed daily. Nothing is made before
//! something is to be written.

use boxagnts_session::store;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Days that are kept.
const MAX_FILES: usize = 7;

/// The folder of the log files, beside the journal.
pub(crate) fn folder() -> Option<PathBuf> {
    Some(store::default_path()?.parent()?.join("logs"))
}

/// Starts logging. `verbose` is how often `-v` was given.
pub(crate) fn init(verbose: u8) {
    let own = std::env::var("BOXAGNTS_LOG")
        .ok()
        .filter(|filter| !filter.is_empty());
    let filter = |default: &str| {
        EnvFilter::try_new(own.as_deref().unwrap_or(default))
            .unwrap_or_else(|_| EnvFilter::new(default))
    };
    let (terminal, file) = match verbose {
        0 => ("warn", "warn,boxagnts=info"),
        1 => ("warn,boxagnts=info", "warn,boxagnts=info"),
        _ => ("warn,boxagnts=debug", "warn,boxagnts=debug"),
    };
    // Libraries may put keys and contents into what they say below a warning.
    let careful = || {
        filter_fn(|metadata| {
            *metadata.level() <= LevelFilter::WARN || metadata.target().starts_with("boxagnts")
        })
    };
    let to_terminal = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(crate::terminal::Theme::stderr().is_coloured())
        .log_internal_errors(false)
        .without_time()
        .with_target(false)
        .with_filter(filter(terminal).and(careful()));
    let to_file = tracing_subscriber::fmt::layer()
        .with_writer(LogFile::default())
        .with_ansi(false)
        .log_internal_errors(false)
        .with_filter(filter(file).and(careful()));
    let _ = tracing_subscriber::registry()
        .with(to_terminal)
        .with(to_file)
        .try_init();
    if let Some(own) = own.filter(|own| EnvFilter::try_new(own).is_err()) {
        tracing::warn!("BOXAGNTS_LOG is `{own}`, which is no filter; try `boxagnts=debug`");
    }
    std::panic::set_hook(Box::new(on_panic));
}

/// A panic is told with its place. Its message may quote a file, so only a fixed one is told.
fn on_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let message = info
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("…");
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    tracing::error!(place, thread, "internal error: {message}");
}

/// The file of today, opened when the first line comes.
#[derive(Default)]
struct LogFile {
    /// `None` inside when the folder cannot be made: the terminal still has the warnings.
    appender: OnceLock<Option<Mutex<RollingFileAppender>>>,
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        let open = || Some(Mutex::new(open(&folder()?)?));
        LogLine(self.appender.get_or_init(open).as_ref())
    }
}

fn open(folder: &Path) -> Option<RollingFileAppender> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).ok()?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("boxagnts")
        .filename_suffix("log")
        .max_log_files(MAX_FILES)
        .build(folder)
        .ok()
}

struct LogLine<'a>(Option<&'a Mutex<RollingFileAppender>>);

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0 {
            Some(file) => file
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self.0 {
            Some(file) => file.lock().unwrap_or_else(PoisonError::into_inner).flush(),
            None => Ok(()),
        }
    }
}
