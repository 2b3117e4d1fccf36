//! One workspace folder of the editor: its sessions, and its documents as tools see them.

use crate::applier::EditorApplier;
use crate::asker::EditorAsker;
use crate::convert;
use crate::documents::Documents;
use crate::server::Shared;
use boxagnts_protocol::proposal::Proposal;
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::workspace::{Buffer, Buffers};
use boxagnts_session::{Environment, PageQuery, SessionError, Sessions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower_lsp::ls_types::Diagnostic;

/// A workspace folder.
pub(crate) struct Folder {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) names: Arc<FolderNames>,
    /// Our diagnostics as the editor has them, by document; locked while they are renewed.
    pub(crate) marked: tokio::sync::Mutex<BTreeMap<String, Vec<Diagnostic>>>,
    documents: Arc<Documents>,
}

/// The two spellings of a folder: the editor's, and the one without links in it.
pub(crate) struct FolderNames {
    given: PathBuf,
    real: PathBuf,
}

impl FolderNames {
    pub(crate) fn new(given: &Path) -> FolderNames {
        let real = given.canonicalize().unwrap_or_else(|_| given.to_path_buf());
        FolderNames {
            given: given.to_path_buf(),
            real,
        }
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
        uri_below(&self.given, path)
    }

    /// The URI under which a document for the file is open, else the one that it would have: an
    /// editor may open a file by either spelling.
    pub(crate) fn open_uri(&self, documents: &Documents, path: &str) -> String {
        let given = self.uri(path);
        if self.real == self.given || documents.is_open(&given) {
            return given;
        }
        let real = uri_below(&self.real, path);
        if documents.is_open(&real) {
            real
        } else {
            given
        }
    }
}

fn uri_below(root: &Path, path: &str) -> String {
    let file = root.join(path);
    url::Url::from_file_path(&file)
        .map_or_else(|()| file.display().to_string(), |url| url.to_string())
}

impl Folder {
    /// Opens the folder's sessions over the editor's documents.
    pub(crate) fn open(
        shared: &Shared,
        environment: Arc<Environment>,
        names: Arc<FolderNames>,
    ) -> Result<Arc<Folder>, SessionError> {
        let documents = Arc::clone(&shared.documents);
        let buffers = FolderBuffers {
            names: Arc::clone(&names),
            documents: Arc::clone(&documents),
        };
        let applier = EditorApplier {
            client: shared.client.clone(),
            documents,
            names: Arc::clone(&names),
            can: shared.can(),
        };
        let root = names.given().to_path_buf();
        let asker = EditorAsker {
            client: shared.client.clone(),
            can: shared.can(),
        };
        let sessions = Sessions::open(
            environment,
            &root,
            Arc::new(buffers),
            Arc::new(applier),
            Arc::new(asker),
        )?;
        Ok(Arc::new(Folder {
            sessions,
            names,
            marked: tokio::sync::Mutex::default(),
            documents: Arc::clone(&shared.documents),
        }))
    }

    /// What a session proposes, with the editor's URIs.
    pub(crate) fn proposal(&self, session: &str) -> Result<Proposal, SessionError> {
        self.page(session, &PageQuery::default())
    }

    /// A part of it.
    pub(crate) fn page(&self, session: &str, query: &PageQuery) -> Result<Proposal, SessionError> {
        let mut proposal = self.sessions.page(session, query)?;
        for file in &mut proposal.files {
            file.uri = self.names.open_uri(&self.documents, &file.path);
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
        let uri = self.names.open_uri(&self.documents, path.as_str());
        let snapshot = self.documents.get(&uri)?;
        Some(Buffer {
            text: snapshot.text,
            version: snapshot.version,
            dirty: snapshot.unsaved,
        })
    }

    fn open_paths(&self) -> Vec<WorkspacePath> {
        let uris = self.documents.uris();
        let paths = uris.iter().filter_map(|uri| self.names.relative(uri));
        paths
            .filter_map(|path| WorkspacePath::parse(&path).ok())
            .collect()
    }
}
