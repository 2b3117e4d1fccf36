//! One folder that the client works in: its sessions, and its files as the client has them.

use crate::applier::ClientApplier;
use crate::asker::ClientAsker;
use crate::files::ClientFiles;
use crate::observer::{Announced, Followed, Observer};
use crate::peer::Peer;
use boxagnts_protocol::proposal::FileProposal;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_schedule::{Serving, waiting_text};
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::workspace::Buffers;
use boxagnts_session::{Environment, PageQuery, SessionError, Sessions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A folder with its sessions.
pub(crate) struct Folder {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) files: Arc<ClientFiles>,
    pub(crate) followed: Arc<Followed>,
    pub(crate) environment: Arc<Environment>,
    /// As the client spells it.
    pub(crate) root: PathBuf,
    notices: Mutex<Notices>,
}

/// What users should know of a folder, whatever session they are in.
#[derive(Default)]
struct Notices {
    /// What no session was there for yet.
    kept: Vec<String>,
    /// Sessions that the client has open; it hears in the last one.
    open: Vec<String>,
}

impl Folder {
    /// Opens a folder. Blocks; must be called inside a tokio runtime.
    pub(crate) fn open(
        peer: &Arc<Peer>,
        environment: Arc<Environment>,
        root: &Path,
    ) -> Result<Arc<Folder>, SessionError> {
        let real = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        let files = Arc::new(ClientFiles::new(Arc::clone(peer), root, &real));
        let announced = Arc::new(Announced::default());
        let applier = ClientApplier {
            files: Arc::clone(&files),
        };
        let asker = ClientAsker {
            peer: Arc::clone(peer),
            announced: Arc::clone(&announced),
            root: root.to_path_buf(),
        };
        let buffers: Arc<dyn Buffers> = files.clone();
        let sessions = Sessions::open(
            Arc::clone(&environment),
            root,
            buffers,
            Arc::new(applier),
            Arc::new(asker),
        )?;
        let followed = Arc::new(Followed::default());
        let observer = Observer {
            peer: Arc::clone(peer),
            sessions: Arc::downgrade(&sessions),
            environment: Arc::clone(&environment),
            root: root.to_path_buf(),
            followed: Arc::clone(&followed),
            announced,
        };
        tokio::spawn(observer.run(sessions.subscribe()));
        Ok(Arc::new(Folder {
            sessions,
            files,
            followed,
            environment,
            root: root.to_path_buf(),
            notices: Mutex::default(),
        }))
    }

    /// Brings batches to an end that a killed process left.
    pub(crate) async fn recover(&self) {
        let notices: Vec<String> = match self.sessions.recover().await {
            Ok(events) => events.into_iter().filter_map(recovered).collect(),
            Err(error) => vec![format!("interrupted changes cannot be looked at: {error}")],
        };
        self.notice(notices);
        self.notice(self.environment.problems());
    }

    /// Runs the scheduled tasks of the folder, and tells of what they propose.
    pub(crate) fn serve(self: &Arc<Self>, jobs: &Serving) {
        // A client closes sessions, never a folder: it is open until the client goes.
        let root = self.sessions.root();
        let mut news = jobs.serve(&self.environment, root, &jobs.open());
        let folder = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(news) = news.recv().await {
                let Some(folder) = folder.upgrade() else {
                    return;
                };
                folder.notice(waiting_text(&news.new));
            }
        });
    }

    fn notice(&self, texts: impl IntoIterator<Item = String>) {
        let mut notices = self.notices();
        match notices.open.last() {
            None => notices.kept.extend(texts),
            Some(session) => {
                let peer = self.files.peer();
                texts
                    .into_iter()
                    .for_each(|text| peer.notice(session, &text));
            }
        }
    }

    /// The client knows the session from now on. Gives what its user should know.
    pub(crate) fn enter(&self, session: &str) -> Vec<String> {
        let mut notices = self.notices();
        notices.open.retain(|open| open != session);
        notices.open.push(session.to_owned());
        std::mem::take(&mut notices.kept)
    }

    /// The client has the session no more.
    pub(crate) fn leave(&self, session: &str) {
        self.followed.remove(session);
        self.notices().open.retain(|open| open != session);
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files of a session with hunks that wait, with the client's texts of now.
    pub(crate) async fn waiting(
        self: &Arc<Self>,
        session: &str,
    ) -> Result<Vec<FileProposal>, SessionError> {
        let files = self.proposed(session).await?;
        let paths = files
            .iter()
            .flat_map(|file| file.from.iter().chain([&file.path]));
        let paths: Vec<WorkspacePath> = paths
            .filter_map(|path| WorkspacePath::parse(path).ok())
            .collect();
        if paths.is_empty() || !self.files.peer().reads {
            return Ok(files);
        }
        self.files.refresh(&paths).await;
        self.proposed(session).await
    }

    async fn proposed(self: &Arc<Self>, session: &str) -> Result<Vec<FileProposal>, SessionError> {
        let query = PageQuery {
            waiting: true,
            ..PageQuery::default()
        };
        let id = session.to_owned();
        let page = self.blocking(move |folder| folder.sessions.page(&id, &query));
        Ok(page.await??.files)
    }

    /// Runs what reads files or the journal where it holds up nobody.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Folder) -> T + Send + 'static,
    ) -> Result<T, SessionError> {
        let folder = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.map_err(|error| SessionError::Stopped {
            reason: error.to_string(),
        })
    }
}

fn recovered(event: SessionEvent) -> Option<String> {
    match event {
        SessionEvent::Recovered {
            applied,
            files,
            refused,
            ..
        } => Some(boxagnts_session::recovered(applied, &files, &refused)),
        _ => None,
    }
}
