//! Where traces of turns go, when the user's configuration says so (`otlp_endpoint`).

use boxagnts_session::Environment;

/// What sends traces; one for all workspaces of the process.
#[derive(Default)]
pub(crate) struct Exports {
    #[cfg(feature = "otlp")]
    telemetry: std::sync::Mutex<Option<boxagnts_telemetry::Telemetry>>,
}

#[cfg(feature = "otlp")]
impl Exports {
    /// Has the turns of these sessions exported, where that is configured. Called in a tokio runtime;
    /// speaks to nobody yet. The first collector that is named is that of the process.
    ///
    /// # Errors
    /// Why they cannot be, with the remedy. Turns run all the same.
    pub(crate) fn export(&self, environment: &Environment) -> Result<(), String> {
        let config = environment.config();
        let Some(endpoint) = config.otlp_endpoint() else {
            return Ok(());
        };
        let mut telemetry = self.telemetry();
        let turns = match &*telemetry {
            Some(telemetry) => telemetry.turns(),
            None => {
                let proxy = boxagnts_session::tools::proxy(config)?;
                let started = boxagnts_telemetry::Telemetry::start(endpoint, proxy.as_ref())
                    .map_err(|error| error.to_string())?;
                telemetry.insert(started).turns()
            }
        };
        environment.tell_ended_turns(turns);
        Ok(())
    }

    /// Sends what waits, for seconds at most.
    pub(crate) async fn finish(&self) {
        let telemetry = self.telemetry().take();
        if let Some(telemetry) = telemetry {
            telemetry.finish().await;
        }
    }

    fn telemetry(&self) -> std::sync::MutexGuard<'_, Option<boxagnts_telemetry::Telemetry>> {
        self.telemetry
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(not(feature = "otlp"))]
impl Exports {
    /// This program exports nothing.
    ///
    /// # Errors
    /// It is configured to.
    // As the other one is called.
    #[allow(clippy::unused_self)]
    pub(crate) fn export(&self, environment: &Environment) -> Result<(), String> {
        match environment.config().otlp_endpoint() {
            None => Ok(()),
            Some(endpoint) => Err(format!(
                "`otlp_endpoint` is {endpoint}, but this boxagnts was built without the export of \
                 traces: build it with `cargo build --release -p boxagnts-cli --features otlp`, or \
                 set `otlp_endpoint` to none"
            )),
        }
    }

    #[allow(clippy::unused_async)]
    pub(crate) async fn finish(&self) {}
}
