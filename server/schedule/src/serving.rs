//! The jobs of the folders that a server has open for an editor.

use crate::board::Scope;
use crate::clock::SystemClock;
use crate::engine::{Engine, Happened};
use crate::runner::{SessionRunner, Workplaces};
use boxagnts_protocol::schedule::WaitingProposal;
use boxagnts_session::Environment;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Jobs that a message names, at most.
const MOST_NAMED: usize = 3;

/// The engines of a server, one for each folder.
#[derive(Debug, Default)]
pub struct Serving {
    stop: CancellationToken,
    engines: TaskTracker,
}

impl Serving {
    /// Runs the jobs of a folder from now on; `root` is its path without links. Must be called inside a
    /// tokio runtime.
    pub fn serve(
        &self,
        environment: &Arc<Environment>,
        root: &Path,
    ) -> UnboundedReceiver<Happened> {
        let runner = SessionRunner::new(Arc::new(Open(Arc::clone(environment))));
        let (engine, happened) = Engine::new(
            environment.shared_store(),
            Scope::workspace(root),
            Arc::new(SystemClock),
            Arc::new(runner),
        );
        self.engines.spawn(engine.run(self.stop.clone()));
        happened
    }

    /// Cancels what runs, and waits until it is written down how it ended.
    pub async fn finish(&self) {
        self.stop.cancel();
        self.engines.close();
        self.engines.wait().await;
    }
}

/// A folder that is open already.
struct Open(Arc<Environment>);

impl Workplaces for Open {
    fn environment(&self, _root: &Path) -> Result<Arc<Environment>, String> {
        Ok(Arc::clone(&self.0))
    }
}

/// Says which proposals wait, for an editor's user; `None` when none does.
pub fn waiting_text(waiting: &[WaitingProposal]) -> Option<String> {
    let mut text = match waiting.len() {
        0 => return None,
        1 => "1 proposal of a scheduled task waits: ".to_owned(),
        n => format!("{n} proposals of scheduled tasks wait: "),
    };
    for (at, proposal) in waiting.iter().take(MOST_NAMED).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        let hunks = match proposal.hunks {
            1 => "1 hunk".to_owned(),
            n => format!("{n} hunks"),
        };
        let (job, session) = (&proposal.job, &proposal.session);
        let _ = write!(text, "{comma}{job} ({hunks}, session {session})");
    }
    if waiting.len() > MOST_NAMED {
        text.push_str(", …");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_what_waits() {
        let check = |count: u64, expect: Option<&str>| {
            let waiting: Vec<_> = (1..=count)
                .map(|hunks| WaitingProposal {
                    job: format!("j{hunks}"),
                    workspace: "/w".into(),
                    session: format!("s{hunks}"),
                    hunks,
                    ended_ms: 0,
                })
                .collect();
            assert_eq!(waiting_text(&waiting).as_deref(), expect);
        };
        check(0, None);
        check(
            1,
            Some("1 proposal of a scheduled task waits: j1 (1 hunk, session s1)"),
        );
        check(
            4,
            Some(
                "4 proposals of scheduled tasks wait: j1 (1 hunk, session s1), \
                 j2 (2 hunks, session s2), j3 (3 hunks, session s3), …",
            ),
        );
    }
}
