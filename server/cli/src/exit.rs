//! How the program ends: exit codes, and errors that know theirs.

use boxagnts_protocol::tool::{FailureKind, ToolFailure};
use boxagnts_protocol::update::TurnOutcome;
use boxagnts_schedule::SetupError;
use boxagnts_session::SessionError;
use boxagnts_session::model::ModelError;
use boxagnts_session::policy::config::ConfigError;
use boxagnts_session::store::StoreError;
use boxagnts_session::tools::{RegistryError, ToolsError};
use boxagnts_session::workspace::OpenError;

/// Exit codes; the same in every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// The tool, the turn or a check failed.
    Failed = 1,
    /// The command line or the configuration asks for something that there is not.
    Usage = 2,
    /// A limit stopped it.
    Limit = 3,
    /// Policy said no.
    Denied = 4,
    /// The user cancelled; 128 + SIGINT, as shells have it.
    Cancelled = 130,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> i32 {
        self as i32
    }

    /// How `run` ends after a turn. A model may get over tool calls that fail; when all of them
    /// did, whatever it said, nothing was done.
    pub(crate) fn of_turn(outcome: &TurnOutcome, fruitless: Option<&ToolFailure>) -> Exit {
        match outcome {
            TurnOutcome::Done => match fruitless.map(|failure| Exit::of_call(failure.kind)) {
                None => Exit::Done,
                // Wrong words of the model's are not wrong words of the user's.
                Some(Exit::Usage) => Exit::Failed,
                Some(exit) => exit,
            },
            TurnOutcome::Limit { .. } => Exit::Limit,
            TurnOutcome::Cancelled => Exit::Cancelled,
            TurnOutcome::Failed { .. } => Exit::Failed,
        }
    }

    /// How `tool run` ends after a call that failed.
    pub(crate) fn of_call(kind: FailureKind) -> Exit {
        match kind {
            FailureKind::InvalidInput | FailureKind::UnknownTool => Exit::Usage,
            FailureKind::Denied => Exit::Denied,
            FailureKind::Limit => Exit::Limit,
            FailureKind::Cancelled => Exit::Cancelled,
            FailureKind::Trap | FailureKind::Failed | FailureKind::Internal => Exit::Failed,
        }
    }
}

/// An error on its way to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What the program ends with.
    pub(crate) exit: Exit,
    /// Thing, place, remedy.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure { exit, message }
    }

    /// The command line asks for something that there is not.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// What was asked for was tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Failed, message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let exit = match &error {
            StoreError::UnknownSession { .. }
            | StoreError::AmbiguousSession { .. }
            | StoreError::UnknownTurn { .. }
            | StoreError::UnknownJob { .. }
            | StoreError::JobExists { .. } => Exit::Usage,
            StoreError::JobBudget { .. } => Exit::Limit,
            _ => Exit::Failed,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Failure {
        match error {
            SetupError::Store(error) => error.into(),
            _ => Failure::usage(error.to_string()),
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Failure {
        let exit = match &error {
            ModelError::UnknownModel { .. }
            | ModelError::Settings { .. }
            | ModelError::NoKey { .. }
            | ModelError::Script { .. }
            | ModelError::Recording { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Failure {
        match error {
            SessionError::Store(error) => error.into(),
            SessionError::Model(error) => error.into(),
            SessionError::Workspace(error) => error.into(),
            SessionError::Busy { .. } => Failure::failed(error.to_string()),
            SessionError::UnknownSession { session, workspace } => Failure::usage(format!(
                "no session `{session}` in workspace {workspace}; \
                 `boxagnts session list --all` shows where it belongs"
            )),
            _ => Failure::usage(error.to_string()),
        }
    }
}

impl From<ToolsError> for Failure {
    fn from(error: ToolsError) -> Failure {
        Failure::failed(error.to_string())
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Failure {
        let exit = match &error {
            RegistryError::Name(_)
            | RegistryError::Level(_)
            | RegistryError::Exists { .. }
            | RegistryError::Unknown { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::failed(format!("cannot write JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::tool::ToolReport;

    #[test]
    fn outcomes_have_their_codes() {
        let check =
            |outcome: TurnOutcome, code| assert_eq!(Exit::of_turn(&outcome, None).code(), code);
        check(TurnOutcome::Done, 0);
        check(
            TurnOutcome::Failed {
                message: "x".into(),
                may_pass: false,
            },
            1,
        );
        check(
            TurnOutcome::Limit {
                limit: "max_turns".into(),
                value: 1.0,
                used: 1.0,
            },
            3,
        );
        check(TurnOutcome::Cancelled, 130);
    }

    #[test]
    fn a_turn_in_which_nothing_worked_is_not_done() {
        let check = |kind, code| {
            let failure = ToolReport::refused(kind, "x").error;
            let exit = Exit::of_turn(&TurnOutcome::Done, failure.as_ref());
            assert_eq!(exit.code(), code, "{kind:?}");
        };
        check(FailureKind::UnknownTool, 1);
        check(FailureKind::Failed, 1);
        check(FailureKind::Limit, 3);
        check(FailureKind::Denied, 4);
    }

    #[test]
    fn failures_of_calls_have_their_codes() {
        let check = |kind, code| assert_eq!(Exit::of_call(kind).code(), code, "{kind:?}");
        check(FailureKind::Failed, 1);
        check(FailureKind::Trap, 1);
        check(FailureKind::Internal, 1);
        check(FailureKind::InvalidInput, 2);
        check(FailureKind::UnknownTool, 2);
        check(FailureKind::Limit, 3);
        check(FailureKind::Denied, 4);
        check(FailureKind::Cancelled, 130);
    }

    #[test]
    fn errors_tell_wrong_words_from_failing_things() {
        let unknown = StoreError::UnknownSession {
            session: "x".into(),
        };
        assert_eq!(Failure::from(unknown).exit, Exit::Usage);
        let model = ModelError::UnknownModel {
            spec: "x".into(),
            configured: String::new(),
        };
        assert_eq!(Failure::from(SessionError::Model(model)).exit, Exit::Usage);
        let busy = SessionError::Busy {
            session: "x".into(),
            turn: 1,
        };
        assert_eq!(Failure::from(busy).exit, Exit::Failed);
        assert_eq!(Failure::from(SessionError::EmptyPrompt).exit, Exit::Usage);
    }
}
