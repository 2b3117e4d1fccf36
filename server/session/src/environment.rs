//! What all sessions of a process share: configuration, journal, tools.

use boxagnts_policy::config::Config;
use boxagnts_store::Store;
use boxagnts_tools::Toolbox;
use std::sync::Arc;

/// The parts of an [`Environment`].
pub struct EnvironmentParts {
    /// Every knob with its value.
    pub config: Config,
    /// The journal.
    pub store: Store,
    /// The tools and the gate in front of them.
    pub toolbox: Arc<Toolbox>,
}

/// What all sessions of a process share.
pub struct Environment {
    parts: EnvironmentParts,
}

impl Environment {
    /// Puts the parts together; does no I/O.
    pub fn new(parts: EnvironmentParts) -> Arc<Environment> {
        Arc::new(Environment { parts })
    }

    /// Every knob with its value.
    pub fn config(&self) -> &Config {
        &self.parts.config
    }

    /// The journal.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// The tools and the gate in front of them.
    pub fn toolbox(&self) -> &Arc<Toolbox> {
        &self.parts.toolbox
    }
}
