//! The jobs of the folders that a server has open for an editor.

use crate::board::Scope;
use crate::clock::{Clock, SystemClock};
use crate::engine::Engine;
use crate::runner::{SessionRunner, Workplaces};
use boxagnts_protocol::schedule::WaitingProposal;
use boxagnts_session::Environment;
use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Jobs that a message names, at most.
const MOST_NAMED: usize = 3;
/// How often it is looked for proposals of jobs that other processes ran.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Proposals of scheduled tasks that a folder's user was not told of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// These.
    pub new: Vec<WaitingProposal>,
    /// All that wait, these among them.
    pub waiting: Vec<WaitingProposal>,
}

/// A folder of a server; its jobs run until it is closed, or the server ends.
#[derive(Debug)]
pub struct OpenFolder(CancellationToken);

impl OpenFolder {
    /// Cancels what runs of its jobs, and begins no more.
    pub fn close(&self) {
        self.0.cancel();
    }
}

/// The engines of a server, one for each folder.
#[derive(Debug, Default)]
pub struct Serving {
    stop: CancellationToken,
    engines: TaskTracker,
}

impl Serving {
    /// A folder, whose jobs are to be served.
    pub fn open(&self) -> OpenFolder {
        OpenFolder(self.stop.child_token())
    }

    /// Runs the jobs of a folder until it is closed, and tells of what they propose: first of what waits
    /// since before, then of each that ends, whoever ran it. `root` is the folder's path without links.
    /// Must be called inside a tokio runtime.
    pub fn serve(
        &self,
        environment: &Arc<Environment>,
        root: &Path,
        OpenFolder(closed): &OpenFolder,
    ) -> UnboundedReceiver<News> {
        let runner = SessionRunner::new(Arc::new(Open(Arc::clone(environment))));
        let (engine, mut happened) = Engine::new(
            environment.shared_store(),
            Scope::workspace(root),
            Arc::new(SystemClock),
            Arc::new(runner),
        );
        self.engines.spawn(engine.run(closed.clone()));
        let (listener, news) = unbounded_channel();
        let (environment, closed) = (Arc::clone(environment), closed.clone());
        let workspace = root.display().to_string();
        tokio::spawn(async move {
            let mut told = HashSet::new();
            while !listener.is_closed() {
                let waiting = waiting(&environment, &workspace).await;
                let new = waiting.iter();
                let new = new.filter(|proposal| told.insert(proposal.session.clone()));
                let new: Vec<WaitingProposal> = new.cloned().collect();
                if !new.is_empty() && listener.send(News { new, waiting }).is_err() {
                    return;
                }
                tokio::select! {
                    () = closed.cancelled() => return,
                    happened = happened.recv() => if happened.is_none() { return },
                    () = SystemClock.sleep(LOOK_AGAIN) => {}
                }
            }
        });
        news
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

async fn waiting(environment: &Arc<Environment>, workspace: &str) -> Vec<WaitingProposal> {
    let (environment, workspace) = (Arc::clone(environment), workspace.to_owned());
    let read = move || environment.store().waiting_proposals(Some(&workspace));
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(waiting)) => waiting,
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot tell which proposals wait");
            Vec::new()
        }
        Err(error) => {
            tracing::error!(%error, "looking for proposals stopped");
            Vec::new()
        }
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
    use boxagnts_session::EnvironmentParts;
    use boxagnts_session::policy::config::Config;
    use boxagnts_session::store::Store;
    use boxagnts_session::tools::{Sandbox, Toolbox};

    #[tokio::test]
    async fn a_folder_that_is_closed_has_no_engine_and_one_that_is_opened_again_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::new(EnvironmentParts {
            config: Config::builder().build(),
            store: Store::in_memory().unwrap(),
            toolbox: Toolbox::new(Sandbox::new(None)).unwrap(),
        });
        let serving = Serving::default();
        let (open, other) = (serving.open(), serving.open());
        let _others = serving.serve(&environment, Path::new("/elsewhere"), &other);
        for _ in 0..2 {
            let open = serving.open();
            let mut news = serving.serve(&environment, folder.path(), &open);
            assert_eq!(serving.engines.len(), 2);
            open.close();
            // Nothing is told of it any more, and its engine ends.
            assert_eq!(news.recv().await, None);
            while serving.engines.len() > 1 {
                tokio::task::yield_now().await;
            }
        }
        // One that was closed before it was served.
        open.close();
        let _news = serving.serve(&environment, folder.path(), &open);
        while serving.engines.len() > 1 {
            tokio::task::yield_now().await;
        }
        serving.finish().await;
        assert!(serving.engines.is_empty());
    }

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
