//! The mode of a session: chosen by its configuration, then by its user. A model cannot change it, and
//! nobody makes it wider than the configuration allows.

use crate::error::SessionError;
use crate::session::{Session, lock};
use crate::sessions::Sessions;
use boxagnts_policy::config::Config;
use boxagnts_policy::permission::Mode;
use boxagnts_protocol::update::{SessionEvent, SessionMode};
use std::sync::Arc;

pub(crate) fn to_policy(mode: SessionMode) -> Mode {
    match mode {
        SessionMode::Plan => Mode::Plan,
        SessionMode::Review => Mode::Review,
        SessionMode::Auto => Mode::Auto,
    }
}

pub(crate) fn to_protocol(mode: Mode) -> SessionMode {
    match mode {
        Mode::Plan => SessionMode::Plan,
        Mode::Review => SessionMode::Review,
        Mode::Auto => SessionMode::Auto,
    }
}

/// The mode by its name, as in the configuration.
pub(crate) fn parse(name: &str) -> Option<SessionMode> {
    let all = [SessionMode::Plan, SessionMode::Review, SessionMode::Auto];
    all.into_iter().find(|mode| to_policy(*mode).name() == name)
}

/// The configuration of a session that comes back, in the mode that its user chose last. A mode that
/// is not allowed any more stays what the configuration says.
pub(crate) fn restored(config: Config, events: &[SessionEvent]) -> Config {
    let chosen = events.iter().rev().find_map(|event| match event {
        SessionEvent::ModeChanged { mode, .. } => Some(to_policy(*mode)),
        _ => None,
    });
    match chosen.map(|mode| config.with_mode(mode)) {
        Some(Ok(config)) => config,
        Some(Err(error)) => {
            tracing::warn!(%error, "the session comes back in the configured mode");
            config
        }
        None => config,
    }
}

impl Session {
    /// Its configuration, in the mode that it has at this moment.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.config))
    }

    /// Switches the mode: the gate and the tools of the next step see it. `plan` is the tool call by
    /// which the user approved a plan.
    ///
    /// # Errors
    /// The mode is wider than the configuration allows, or the journal cannot be written.
    pub(crate) fn change_mode(
        &self,
        mode: SessionMode,
        plan: Option<String>,
    ) -> Result<(), SessionError> {
        // Held across the event: what is journalled last is what holds.
        let mut config = lock(&self.config);
        let changed = config.with_mode(to_policy(mode))?;
        if changed.mode() == config.mode() && plan.is_none() {
            return Ok(());
        }
        self.emit(SessionEvent::ModeChanged { mode, plan })?;
        *config = Arc::new(changed);
        drop(config);
        self.narrow_executors(mode);
        Ok(())
    }

    /// Executors may do no more than who wants them, also when that changes while they work.
    fn narrow_executors(&self, mode: SessionMode) {
        let Some(sessions) = self.sessions.upgrade() else {
            return;
        };
        for executor in self.running_executors() {
            let Some(executor) = sessions.opened(&executor) else {
                continue;
            };
            let (now, new) = (executor.config().mode(), to_policy(mode));
            if now != new
                && now.wider(new) == now
                && let Err(error) = executor.change_mode(mode, None)
            {
                // Who cannot be held back does not go on.
                tracing::error!(%error, "an executor is ended with its mode");
                executor.cancel();
            }
        }
    }

    /// Carries out what the user's `/mode` says, and gives the answer.
    pub(crate) fn mode_command(&self, name: &str) -> String {
        let now = || self.config().mode().name();
        if name.is_empty() {
            return format!("The mode is `{}`.", now());
        }
        let Some(mode) = parse(name) else {
            return format!(
                "There is no mode `{name}`; the modes are `plan`, `review` and `auto`, and it is \
                 `{}`.",
                now()
            );
        };
        match self.change_mode(mode, None) {
            Ok(()) => format!("The mode is now `{}`.", now()),
            Err(error) => format!("The mode stays `{}`: {error}.", now()),
        }
    }

    /// Takes over a mode that the user chose in another process.
    pub(crate) fn mode_elsewhere(&self, mode: SessionMode) {
        let mut config = lock(&self.config);
        if let Ok(changed) = config.with_mode(to_policy(mode)) {
            *config = Arc::new(changed);
        }
        drop(config);
        self.narrow_executors(mode);
    }
}

impl Sessions {
    /// The mode that a session has.
    ///
    /// # Errors
    /// Unknown session.
    pub fn mode(&self, session: &str) -> Result<SessionMode, SessionError> {
        Ok(to_protocol(self.get(session)?.config().mode()))
    }

    /// Switches the mode of a session, as its user wishes; of a running turn, from the next step on.
    ///
    /// # Errors
    /// Unknown session, a mode that is wider than the configuration allows, or a journal that cannot
    /// be written.
    pub fn set_mode(&self, session: &str, mode: SessionMode) -> Result<(), SessionError> {
        self.own(session)?.change_mode(mode, None)
    }
}
