//! Mode and model of a session as the client shows and changes them.

use agent_client_protocol::v1::schema::{
    ConfigOptionUpdate, CurrentModeUpdate, SessionConfigOption, SessionConfigOptionCategory,
    SessionConfigSelectOption, SessionMode as ShownMode, SessionModeState, SessionUpdate,
};
use boxagnts_protocol::update::SessionMode;
use boxagnts_session::Settled;
use boxagnts_session::policy::config::Config;
use std::collections::BTreeSet;

/// Ids of the options.
pub(crate) const MODE: &str = "mode";
pub(crate) const MODEL: &str = "model";

const MODES: &[(SessionMode, &str, &str, &str)] = &[
    (SessionMode::Plan, "plan", "Plan", "Tools only read."),
    (
        SessionMode::Review,
        "review",
        "Review",
        "Changes are proposed, and nothing is written before you accept it.",
    ),
    (
        SessionMode::Auto,
        "auto",
        "Auto",
        "As review; what is proposed is accepted at the end of the turn.",
    ),
];

/// The mode of that name.
pub(crate) fn mode(id: &str) -> Option<SessionMode> {
    MODES
        .iter()
        .find(|(_, name, ..)| *name == id)
        .map(|(mode, ..)| *mode)
}

pub(crate) fn name(mode: SessionMode) -> &'static str {
    let known = MODES.iter().find(|(other, ..)| *other == mode);
    known.map_or("review", |(_, name, ..)| name)
}

pub(crate) fn modes(current: SessionMode) -> SessionModeState {
    let modes = MODES.iter().map(|(_, id, name, description)| {
        ShownMode::new(*id, *name).description((*description).to_owned())
    });
    SessionModeState::new(name(current), modes.collect())
}

/// Mode and model as selections.
pub(crate) fn config_options(settled: &Settled, config: &Config) -> Vec<SessionConfigOption> {
    let modes: Vec<SessionConfigSelectOption> = MODES
        .iter()
        .map(|(_, id, name, description)| {
            SessionConfigSelectOption::new(*id, *name).description((*description).to_owned())
        })
        .collect();
    let models: Vec<SessionConfigSelectOption> = models(settled, config)
        .into_iter()
        .map(|model| SessionConfigSelectOption::new(model.clone(), model))
        .collect();
    vec![
        SessionConfigOption::select(MODE, "Mode", name(settled.mode), modes)
            .description("What is done with what tools want.".to_owned())
            .category(SessionConfigOptionCategory::Mode),
        SessionConfigOption::select(MODEL, "Model", settled.model.clone(), models)
            .description("Names of more models are in `models` of your configuration.".to_owned())
            .category(SessionConfigOptionCategory::Model),
    ]
}

/// What the client is told when mode or model are others.
pub(crate) fn changed(settled: &Settled, config: &Config) -> [SessionUpdate; 2] {
    let mode = CurrentModeUpdate::new(name(settled.mode));
    let options = ConfigOptionUpdate::new(config_options(settled, config));
    [
        SessionUpdate::CurrentModeUpdate(mode),
        SessionUpdate::ConfigOptionUpdate(options),
    ]
}

/// The session's model, the configured one, those that the configuration names in full, and the one
/// that is always there.
fn models(settled: &Settled, config: &Config) -> BTreeSet<String> {
    let named = config.models().keys().filter(|name| !name.contains('*'));
    let mut models: BTreeSet<String> = named.cloned().collect();
    models.insert(settled.model.clone());
    models.insert(config.model().to_owned());
    models.insert("builtin".to_owned());
    models
}
