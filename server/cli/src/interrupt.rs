//! Ctrl-C: the first one cancels, the second one ends the program.

use crate::exit::Exit;
use tokio::task::JoinHandle;

/// Listening for Ctrl-C; ends with the value.
pub(crate) struct Interrupt(JoinHandle<()>);

impl Interrupt {
    /// Calls `cancel` at the first Ctrl-C. It listens in a task of its own: whoever is to be
    /// cancelled may be stuck on a pipe that nobody reads.
    pub(crate) fn listen(cancel: impl FnOnce() + Send + 'static) -> Interrupt {
        Interrupt(tokio::spawn(async {
            if let Err(error) = tokio::signal::ctrl_c().await {
                tracing::warn!(%error, "Ctrl-C is not heard");
                return;
            }
            cancel();
            // What does not end when it is told to must not keep the user.
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(Exit::Cancelled.code());
            }
        }))
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.abort();
    }
}
