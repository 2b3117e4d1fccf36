//! Sessions that begin before their first prompt, and the model of a session that goes on.

use super::Sessions;
use super::live::settings;
use crate::error::SessionError;
use crate::mode;
use crate::session::{Session, lock};
use boxagnts_protocol::update::{SessionEvent, SessionMode};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What holds for the next turn of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// How it treats what its tools want.
    pub mode: SessionMode,
    /// `provider:model`.
    pub model: String,
    /// Tokens that a conversation with the model may have, where that is known.
    pub context_window: Option<u64>,
}

impl Settled {
    fn of(session: &Session) -> Settled {
        let provider = session.provider();
        Settled {
            mode: mode::to_protocol(session.config().mode()),
            model: provider.id().to_owned(),
            context_window: provider.info().and_then(|model| model.context_window),
        }
    }
}

impl Sessions {
    /// Makes a session without a first prompt, as it is configured; gives its id.
    ///
    /// # Errors
    /// A model that cannot be used, or a journal that cannot be written.
    pub fn begin(&self) -> Result<String, SessionError> {
        Ok(self.create(None, None)?.id.clone())
    }

    /// What holds for the next turn of a session.
    ///
    /// # Errors
    /// Unknown session, or its model cannot be used.
    pub fn settled(&self, session: &str) -> Result<Settled, SessionError> {
        Ok(Settled::of(&*self.get(session)?))
    }

    /// Gives a session another model from its next turn on; what was said and proposed stays.
    ///
    /// # Errors
    /// Unknown session, one whose turn runs, a model that cannot be used, or a journal that cannot be
    /// written. Nothing is changed then.
    pub fn set_model(&self, session: &str, model: &str) -> Result<(), SessionError> {
        let session = self.get(session)?;
        // Held until it is done: a turn has it for its whole length.
        let Ok(mut query) = session.query.try_lock() else {
            return Err(SessionError::Busy {
                session: session.id.clone(),
                turn: lock(&session.activity).turn,
            });
        };
        let entries = self.environment.store().events(&session.id, 0)?;
        let events = entries.into_iter().filter_map(|entry| entry.event.known());
        let events: Vec<SessionEvent> = events.collect();
        let mut own = match settings(&events) {
            Some(Value::Object(own)) => own.clone(),
            _ => Map::new(),
        };
        own.insert("model".to_owned(), model.into());
        let own = Value::Object(own);
        let config = mode::restored(self.config(Some(&own))?, &events);
        let provider = self.environment.connect(&config, model)?;
        session.emit(SessionEvent::Configured { settings: own })?;
        let system = query.system();
        query.set_model(self.query_config(&config, &*provider, system));
        *lock(&session.provider) = provider;
        *lock(&session.config) = Arc::new(config);
        Ok(())
    }
}
