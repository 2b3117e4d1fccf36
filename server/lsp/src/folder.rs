//! One workspace folder of the editor: its sessions, and its documents as tools see them.

use crate::convert;
use crate::documents::Documents;
use boxagnts_protocol::proposal::Proposal;
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::workspace::{Buffer, Buffers};
use boxagnts_session::{SessionError, Sessions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A workspace folder.
pub(crate) struct Folder {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) names: Arc<FolderNames>,
}

/// The two spellings of a folder: the editor's, and the one without links in it.
pub(crate) struct FolderNames {
    given: PathBuf,
    real: PathBuf,
}

impl FolderNames {
    pub(crate) fn new(given: &Path) -> FolderNames {
        let real = given.canonicalize().unwrap_or_else(|_| given.to_path_buf());
        FolderNames { given: given.to_path_buf(), real }
    }

    /// As the editor spells it.
    pub(crate) fn given(&self) -> &Path {
        &self.given
    }

    /// The file's path in the workspace; `None` when it is elsewhere.
    pub(crate) fn relative(&self, uri: &str) -> Option<String> {
        let path = convert::file_path(uri)?;
        convert::relative(&self.given, &path).or_else(|| convert::relative(&self.real, &path))
    }

    /// The URI of a file of the workspace, as the editor spells it.
    pub(crate) fn uri(&self, path: &str) -> String {
        let file = self.given.join(path);
        url::Url::from_file_path(&file)
            .map_or_else(|()| file.display().to_string(), |url| url.to_string())
    }
}

impl Folder {
    /// What a session proposes, with the editor's URIs.
    pub(crate) fn proposal(&self, session: &str) -> Result<Proposal, SessionError> {
        let mut proposal = self.sessions.proposal(session)?;
        for file in &mut proposal.files {
            file.uri = self.names.uri(&file.path);
        }
        Ok(proposal)
    }
}

/// The open documents of one folder.
pub(crate) struct FolderBuffers {
    pub(crate) names: Arc<FolderNames>,
    pub(crate) documents: Arc<Documents>,
}

impl Buffers for FolderBuffers {
    fn get(&self, path: &WorkspacePath) -> Option<Buffer> {
        let uri = self.names.uri(path.as_str());
        let snapshot = self.documents.get(&uri)?;
        Some(Buffer { text: snapshot.text, version: snapshot.version, dirty: snapshot.unsaved })
    }

    fn open_paths(&self) -> Vec<WorkspacePath> {
        let uris = self.documents.uris();
        let paths = uris.iter().filter_map(|uri| self.names.relative(uri));
        paths.filter_map(|path| WorkspacePath::parse(&path).ok()).collect()
    }
}
