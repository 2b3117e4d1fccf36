//! Scheduled tasks: prompts that run at times, without a user, and leave their proposal for review.
//!
//! A [`Times`] says when a job is due. An [`Engine`] looks at the jobs of the journal, decides on what
//! is due, and has a [`Runner`] carry it out. Any number of processes may do so over one journal: a time
//! is claimed there, once and for ever, before anything runs.

mod board;
mod clock;
mod engine;
mod error;
mod plan;
mod retry;
mod runner;
mod serving;
mod setup;
mod times;

pub use board::{Ended, Scope, end_interrupted};
pub use clock::{Clock, SystemClock};
pub use engine::{Engine, Happened};
pub use error::{SetupError, TimesError};
pub use runner::{Runner, RunningJob, SessionRunner, Workplaces};
pub use serving::{News, OpenFolder, Serving, waiting_text};
pub use setup::{add, begin_now, resume};
pub use times::Times;
