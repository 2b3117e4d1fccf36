//! One conversation between a user, a model and tools: journal, proposal, decisions, budget.
//!
//! Faces (`lsp`, `acp`, `cli`) talk to [`Sessions`] and to nothing below it; types of the lower layers
//! reach them through the re-exports here. A session runs at most one turn at a time, in a task of
//! its own; every event goes to the journal before anyone else hears of it.

pub use boxagnts_model as model;
pub use boxagnts_policy as policy;
pub use boxagnts_store as store;
pub use boxagnts_tools as tools;
pub use boxagnts_workspace as workspace;

mod applier;
mod approvals;
mod batch;
mod context;
mod decide;
mod ended;
mod environment;
mod error;
mod executors;
mod hooks;
mod manage;
mod misspelt;
mod mode;
mod native;
mod offer;
mod patch;
mod permission;
mod portable;
mod queue;
mod recover;
mod session;
mod sessions;
mod spent;
mod trace;
mod turn;
mod undo;
mod watch;
mod worktrees;

pub use applier::{Applier, DiskApplier};
pub use approvals::JournalApprovals;
pub use context::{Attachment, Context, Diagnosed, Picture, answers_itself};
pub use ended::EndedTurn;
pub use environment::{Environment, EnvironmentParts};
pub use error::SessionError;
pub use misspelt::Misspelt;
pub use permission::{Asker, Choice, NoAsker, Question};
pub use portable::{Imported, export, flat};
pub use recover::recovered;
pub use sessions::{Ask, Sessions, Settled, Sides};
pub use spent::{start_of_day, usage};
pub use trace::{Span, SpanEvent, SpanKind, SpanStatus, trace};
pub use undo::Undoing;
pub use workspace::{PageQuery, Selection};
