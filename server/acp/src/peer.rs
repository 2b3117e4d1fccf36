//! The client: what it can do, and what is asked of it.

use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    ClientCapabilities, ContentChunk, CreateElicitationRequest, ElicitationAction,
    ElicitationContentValue, Notice, NoticeSeverity, ReadTextFileRequest, RequestPermissionOutcome,
    RequestPermissionRequest, SessionNotification, SessionUpdate, WriteTextFileRequest,
};
use agent_client_protocol::{Client, Error};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long a read may take: no person stands behind it.
const READ: Duration = Duration::from_secs(3);
/// How long a write may take: a person may be asked.
const WRITE: Duration = Duration::from_secs(30);

/// The other end of the connection.
pub(crate) struct Peer {
    connection: ConnectionTo<Client>,
    /// Whether it reads files for us, unsaved text included.
    pub(crate) reads: bool,
    /// Whether it writes files for us.
    pub(crate) writes: bool,
    /// Whether it shows forms to its user.
    pub(crate) forms: bool,
    notices: bool,
}

/// Why a request to the client brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// There was no answer in time.
    Silent,
    /// It said no, in its words.
    Refused(String),
}

impl Peer {
    pub(crate) fn new(connection: ConnectionTo<Client>, can: &ClientCapabilities) -> Peer {
        let session = can.session.as_ref();
        let forms = can.elicitation.as_ref();
        Peer {
            connection,
            reads: can.fs.read_text_file,
            writes: can.fs.write_text_file,
            forms: forms.is_some_and(|forms| forms.supports_form()),
            notices: session.is_some_and(|session| session.notices.is_some()),
        }
    }

    /// Tells what happened in a session. A connection that is gone hears nothing.
    pub(crate) fn update(&self, session: &str, update: SessionUpdate) {
        let notification = SessionNotification::new(session.to_owned(), update);
        if let Err(error) = self.connection.send_notification(notification) {
            tracing::debug!(%error, "the client hears nothing more");
        }
    }

    /// Says something in the agent's name.
    pub(crate) fn say(&self, session: &str, text: impl Into<String>) {
        let chunk = ContentChunk::new(text.into().into());
        self.update(session, SessionUpdate::AgentMessageChunk(chunk));
    }

    /// Tells the user something that is not part of the conversation, where the client tells the two
    /// apart.
    pub(crate) fn notice(&self, session: &str, text: &str) {
        if self.notices {
            let notice = Notice::new(NoticeSeverity::Warning, text);
            self.update(session, SessionUpdate::Notice(notice));
        } else {
            self.say(session, format!("*{text}*\n\n"));
        }
    }

    /// What the client has for a file.
    pub(crate) async fn read(&self, session: &str, path: &Path) -> Result<String, Unanswered> {
        let request = ReadTextFileRequest::new(session.to_owned(), path);
        let answer = self.connection.send_request(request).block_task();
        match tokio::time::timeout(READ, answer).await {
            Ok(Ok(response)) => Ok(response.content),
            Ok(Err(error)) => Err(Unanswered::Refused(words(&error))),
            Err(_) => Err(Unanswered::Silent),
        }
    }

    /// Has the client write a file.
    pub(crate) async fn write(
        &self,
        session: &str,
        path: &Path,
        content: String,
    ) -> Result<(), Unanswered> {
        let request = WriteTextFileRequest::new(session.to_owned(), path, content);
        let answer = self.connection.send_request(request).block_task();
        match tokio::time::timeout(WRITE, answer).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Unanswered::Refused(words(&error))),
            Err(_) => Err(Unanswered::Silent),
        }
    }

    /// Puts a question to the user; the id of the option that was taken, `None` when the question was
    /// put away. Waits as long as the user does; dropping the future takes the question back.
    pub(crate) async fn ask(
        &self,
        request: RequestPermissionRequest,
    ) -> Result<Option<String>, Error> {
        let response = self.connection.send_request(request).block_task().await?;
        Ok(match response.outcome {
            RequestPermissionOutcome::Selected(chosen) => Some(chosen.option_id.to_string()),
            _ => None,
        })
    }
}

/// What the user filled in, by the field's name.
pub(crate) type Filled = BTreeMap<String, ElicitationContentValue>;

impl Peer {
    /// Shows a form to the user; `None` when it was put away. Waits as [`Peer::ask`] does.
    pub(crate) async fn fill(
        &self,
        request: CreateElicitationRequest,
    ) -> Result<Option<Filled>, Error> {
        let response = self.connection.send_request(request).block_task().await?;
        Ok(match response.action {
            ElicitationAction::Accept(filled) => Some(filled.content.unwrap_or_default()),
            _ => None,
        })
    }
}

/// An error of the client for its user, in a line.
fn words(error: &Error) -> String {
    let detail = match &error.data {
        Some(serde_json::Value::String(text)) => format!(": {text}"),
        _ => String::new(),
    };
    let text = format!("{}{detail}", error.message);
    text.chars().take(300).collect()
}
