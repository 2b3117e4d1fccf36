//! What the dialogue needs of a session: the hunks, and two ways of changing what is proposed.

use crate::exit::Failure;
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::proposal::{FileProposal, HunkState};
use boxagnts_session::Sessions;

/// Where the hunks come from. Its changes are of the proposal alone; no file of the user's is
/// touched.
pub(super) trait Desk {
    /// What is proposed, every hunk where it is now.
    fn files(&self) -> Result<Vec<FileProposal>, Failure>;

    /// Makes several hunks of one. Gives the new ones.
    fn split(&self, hunk: &str) -> Result<Vec<String>, Failure>;

    /// Proposes another text in the place of a hunk's; one that conflicts then replaces what the
    /// user has there. Gives the hunks that it became.
    fn amend(&self, hunk: &str, text: &str) -> Result<Vec<String>, Failure>;
}

/// A session's hunks.
pub(super) struct SessionDesk<'a> {
    pub(super) sessions: &'a Sessions,
    pub(super) session: &'a str,
}

impl Desk for SessionDesk<'_> {
    fn files(&self) -> Result<Vec<FileProposal>, Failure> {
        Ok(self.sessions.proposal(self.session)?.files)
    }

    fn split(&self, hunk: &str) -> Result<Vec<String>, Failure> {
        let result = self.sessions.split(self.session, hunk)?;
        Ok(result.hunks.into_iter().map(|hunk| hunk.id).collect())
    }

    fn amend(&self, hunk: &str, text: &str) -> Result<Vec<String>, Failure> {
        let result = self.sessions.amend(self.session, hunk, text)?;
        // What the user has already is proposed no more.
        let waits = |hunk: &HunkStatus| hunk.state == HunkState::Pending;
        let waiting = result.hunks.into_iter().filter(waits);
        Ok(waiting.map(|hunk| hunk.id).collect())
    }
}
