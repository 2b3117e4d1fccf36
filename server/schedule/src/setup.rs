//! What users do with jobs besides waiting: set them up, resume them, run them by hand.

use crate::clock::to_ms;
use crate::error::SetupError;
use crate::plan;
use crate::times::Times;
use boxagnts_protocol::schedule::{Allowance, JobSpec};
use boxagnts_protocol::update::SessionMode;
use boxagnts_session::store::{Begun, Store};
use jiff::Timestamp;

/// Longest name, in characters.
const LONGEST_NAME: usize = 64;
/// Shortest and longest time that a run may take, in milliseconds.
const TIMEOUTS_MS: std::ops::RangeInclusive<u64> = 1_000..=24 * 3_600_000;
/// Most retries.
const MOST_RETRIES: u32 = 10;
/// Longest prompt, in bytes.
const LONGEST_PROMPT: usize = 4 << 20;

/// Sets up a job for the folder with this path, which is absolute and without links. Gives when it is
/// due first.
///
/// # Errors
/// Something of it cannot be used, there is a job of that name, or the journal cannot be written.
pub fn add(
    store: &Store,
    name: &str,
    workspace: &str,
    spec: &JobSpec,
    now: Timestamp,
) -> Result<Timestamp, SetupError> {
    check(name, spec)?;
    // As it is shown later, on one line.
    let spec = &JobSpec {
        cron: spec.cron.split_whitespace().collect::<Vec<_>>().join(" "),
        ..spec.clone()
    };
    let times = Times::strict(&spec.cron, &spec.zone)?;
    let first = times.after(now).ok_or_else(|| crate::TimesError::Never {
        cron: spec.cron.clone(),
    })?;
    store.add_job(name, workspace, spec, to_ms(now))?;
    Ok(first)
}

fn check(name: &str, spec: &JobSpec) -> Result<(), SetupError> {
    let wrong = |reason: String| Err(SetupError::Spec { reason });
    let sound = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if !name.starts_with(char::is_alphanumeric)
        || name.chars().count() > LONGEST_NAME
        || !name.chars().all(sound)
    {
        return wrong(format!(
            "the name `{}` cannot be used; take up to {LONGEST_NAME} letters, digits, `-`, `_` and `.`, \
             a letter or a digit first",
            name.escape_default()
        ));
    }
    if spec.prompt.trim().is_empty() {
        return wrong("the prompt is empty; say what is to be done".to_owned());
    }
    if spec.prompt.len() > LONGEST_PROMPT {
        return wrong(format!(
            "the prompt has more than {LONGEST_PROMPT} bytes; shorten it"
        ));
    }
    if spec.mode == SessionMode::Auto {
        let reason = "a scheduled task cannot have mode `auto`: nobody looks at what would be \
                      accepted; take `review` or `plan`";
        return wrong(reason.to_owned());
    }
    if !TIMEOUTS_MS.contains(&spec.timeout_ms) {
        return wrong("the time-out must be between 1 second and 24 hours".to_owned());
    }
    if spec.retries > MOST_RETRIES {
        return wrong(format!("at most {MOST_RETRIES} retries can be asked for"));
    }
    for (of, Allowance { tokens, usd }) in [("run", spec.per_run), ("day", spec.per_day)] {
        if tokens == Some(0) || usd.is_some_and(|usd| !usd.is_finite() || usd <= 0.0) {
            return wrong(format!("the allowance per {of} must be more than nothing"));
        }
    }
    Ok(())
}

/// Has a paused job run again. Says whether it was paused.
///
/// # Errors
/// No such job, or a journal that cannot be read or written.
pub fn resume(store: &Store, name: &str, now: Timestamp) -> Result<bool, SetupError> {
    let stored = store.job(name)?;
    let times = Times::new(&stored.job.spec.cron, &stored.job.spec.zone)?;
    let passed = plan::passed(&times, stored.decided_ms, now);
    Ok(store.resume_job(name, passed, to_ms(now))?)
}

/// Begins a run of a job at once.
///
/// # Errors
/// No such job, one that runs or has used up its allowance, or a journal that cannot be written.
pub fn begin_now(store: &Store, name: &str, now: Timestamp) -> Result<Begun, SetupError> {
    let stored = store.job(name)?;
    let times = Times::new(&stored.job.spec.cron, &stored.job.spec.zone)?;
    let day = times.start_of_day(now);
    Ok(store.begin_run_now(name, to_ms(now), to_ms(day))?)
}
