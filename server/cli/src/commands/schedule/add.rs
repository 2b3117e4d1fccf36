//! `boxagnts schedule add`: another task.

use super::view::{self, JobView};
use crate::exit::{Exit, Failure};
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal;
use boxagnts_protocol::schedule::{Allowance, CatchUp, JobSpec};
use boxagnts_protocol::update::SessionMode;
use boxagnts_session::model::builtin_refuses;
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;

/// Set up a task that runs at times, and leaves its proposal for review.
///
/// It runs while an editor has the folder open, or while `boxagnts daemon` is up. Nobody is asked and
/// nothing is accepted: a call that would need an answer is refused. What your configuration says holds
/// for it; the flags here only make it stricter.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts schedule add --name spelling --cron '0 6 * * 1-5' \"replace colour with color in **/*.md\"
  boxagnts schedule add --name docs --cron @daily --tz Europe/Berlin --per-day-usd 0.5 \\
    --model anthropic:claude-haiku-4-5 \"bring README.md up to date\"

A time that the clock leaves out in spring comes when it has been put forward; one that it repeats in
autumn comes once.")]
pub(crate) struct Add {
    /// What you want done.
    #[arg(required = true, num_args = 1.., value_name = "PROMPT")]
    prompt: Vec<String>,
    /// What the task is called.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// When: minute, hour, day of the month, month, day of the week, perhaps with seconds before them;
    /// or @hourly, @daily, @weekly, @monthly, @yearly.
    #[arg(long, value_name = "EXPRESSION")]
    cron: String,
    /// The time zone of the expression, as in Europe/Berlin; this machine's when absent.
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// The folder to work in.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// Model as PROVIDER:MODEL; the configured one when absent.
    #[arg(short, long, value_name = "MODEL")]
    model: Option<String>,
    /// What to do with what the tools want.
    #[arg(long, value_enum, value_name = "MODE", default_value = "review")]
    mode: JobMode,
    /// How long a run may take, as in 90s, 10m or 1h.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    timeout: SignedDuration,
    /// How often a run is tried again that failed for a reason that may pass, or whose process ended or
    /// whose folder was closed.
    #[arg(long, value_name = "N", default_value_t = 2)]
    retries: u32,
    /// US dollars that one run may cost.
    #[arg(long, value_name = "USD")]
    budget_usd: Option<f64>,
    /// Tokens that one run may use.
    #[arg(long, value_name = "N")]
    budget_tokens: Option<u64>,
    /// US dollars that all runs of a day may cost.
    #[arg(long, value_name = "USD")]
    per_day_usd: Option<f64>,
    /// Tokens that all runs of a day may use.
    #[arg(long, value_name = "N")]
    per_day_tokens: Option<u64>,
    /// What is done about times that passed while nothing ran.
    #[arg(long, value_enum, value_name = "HOW", default_value = "once")]
    catch_up: CatchUpArg,
    /// Print the task as JSON.
    #[arg(long)]
    json: bool,
}

/// How the session of a run treats what its tools want; nobody is there to look at what would be accepted.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum JobMode {
    /// Tools only read.
    Plan,
    /// Changes are proposed and wait for a decision.
    Review,
}

/// What is done about missed times.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum CatchUpArg {
    /// Nothing.
    Skip,
    /// One run stands for all of them.
    Once,
    /// The latest ten of them run, one after the other.
    All,
}

impl Add {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let root = setup::workspace(&self.workspace)?;
        let spec = self.spec()?;
        let overrides = Overrides {
            model: self.model.clone(),
            ..Overrides::default()
        };
        let config = settings::load_and_warn(&root, &overrides)?;
        let environment = setup::environment(config, setup::toolbox()?, &root)?;
        let (store, now) = (environment.store(), Timestamp::now());
        boxagnts_schedule::add(store, &self.name, &root.display().to_string(), &spec, now)?;
        let view = JobView::of(store, store.job(&self.name)?, now)?;
        match self.json {
            true => view::print_json(&view)?,
            false => terminal::say(&format!("{} runs first: {}\n", self.name, view.next())),
        }
        // Later it would only fail a run at night.
        if let Err(error) = environment.check_model().await {
            terminal::warn(&format!("its model cannot be used yet: {error}"));
        }
        if environment.config().model() == "builtin"
            && let Some(reason) = builtin_refuses(&spec.prompt)
        {
            terminal::warn(&format!(
                "each run will fail, for its model, `builtin`, does not understand the prompt: {reason} \
                 Remove it (boxagnts schedule remove {}), and add it with another model, as in \
                 --model anthropic:MODEL, or in words that `builtin` knows, as in `replace X with Y in \
                 GLOB`",
                self.name
            ));
        }
        Ok(Exit::Done)
    }

    fn spec(&self) -> Result<JobSpec, Failure> {
        let zone = match &self.tz {
            Some(zone) => zone.clone(),
            None => local_zone()?,
        };
        Ok(JobSpec {
            prompt: self.prompt.join(" "),
            cron: self.cron.trim().to_owned(),
            zone,
            model: self.model.clone(),
            mode: match self.mode {
                JobMode::Plan => SessionMode::Plan,
                JobMode::Review => SessionMode::Review,
            },
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(0),
            retries: self.retries,
            catch_up: match self.catch_up {
                CatchUpArg::Skip => CatchUp::Skip,
                CatchUpArg::Once => CatchUp::Once,
                CatchUpArg::All => CatchUp::All,
            },
            per_run: Allowance {
                tokens: self.budget_tokens,
                usd: self.budget_usd,
            },
            per_day: Allowance {
                tokens: self.per_day_tokens,
                usd: self.per_day_usd,
            },
        })
    }
}

fn local_zone() -> Result<String, Failure> {
    let zone = TimeZone::system();
    let name = zone.iana_name().map(str::to_owned);
    name.ok_or_else(|| {
        Failure::usage("cannot tell this machine's time zone; give one, as in --tz Europe/Berlin")
    })
}
