//! Runs as real sessions, with a model that follows a script.

use super::*;
use crate::{Engine, Scope, SystemClock};
use boxagnts_protocol::schedule::{CatchUp, JobRun, JobSpec};
use boxagnts_session::EnvironmentParts;
use boxagnts_session::policy::config::Layer;
use boxagnts_session::tools::{Sandbox, Toolbox};
use boxagnts_test_support::{Fixture, Script, script};
use jiff::Timestamp;
use tempfile::TempDir;

/// A folder with a job, and a journal.
struct World {
    state: TempDir,
    fixture: Fixture,
    script: Script,
    store: Arc<Store>,
}

struct Folders {
    state: std::path::PathBuf,
    settings: Value,
}

impl Workplaces for Folders {
    fn environment(&self, _: &Path) -> Result<Arc<Environment>, String> {
        let mut builder = Config::builder();
        builder
            .add_json(Layer::User, "test", &self.settings)
            .map_err(|error| error.to_string())?;
        let cache = std::env::temp_dir().join("boxagnts-test-cache");
        Ok(Environment::new(EnvironmentParts {
            config: builder.build(),
            store: Store::open(&self.state.join("journal.db")).map_err(|e| e.to_string())?,
            toolbox: Toolbox::new(Sandbox::new(Some(cache))).map_err(|e| e.to_string())?,
        }))
    }
}

/// Writes a file, says something, and may take its time.
fn turns(delay_ms: u64) -> Value {
    json!([
        {"tool_calls": [{"name": "write", "input": {"path": "a.txt", "content": "b\n"}}],
         "usage": {"input_tokens": 900, "output_tokens": 100}},
        {"text": "Done.", "delay_ms": delay_ms},
    ])
}

impl World {
    fn new(turns: Value, change: impl FnOnce(&mut JobSpec)) -> World {
        let (state, script) = (TempDir::new().unwrap(), script(turns));
        let fixture = Fixture::new("//- /a.txt\na\n");
        let store = Arc::new(Store::open(&state.path().join("journal.db")).unwrap());
        let mut spec = JobSpec {
            prompt: "write it".into(),
            cron: "@yearly".into(),
            zone: "UTC".into(),
            model: Some(script.model()),
            mode: SessionMode::Review,
            timeout_ms: 600_000,
            retries: 2,
            catch_up: CatchUp::Once,
            per_run: Allowance::default(),
            per_day: Allowance::default(),
        };
        change(&mut spec);
        let root = fixture.path().canonicalize().unwrap();
        crate::add(
            &store,
            "job",
            &root.display().to_string(),
            &spec,
            Timestamp::now(),
        )
        .unwrap();
        World {
            state,
            fixture,
            script,
            store,
        }
    }

    fn runner(&self, settings: Value) -> Arc<SessionRunner> {
        Arc::new(SessionRunner::new(self.folders(settings)))
    }

    fn folders(&self, mut settings: Value) -> Arc<Folders> {
        settings["model"] = json!(self.script.model());
        Arc::new(Folders {
            state: self.state.path().to_path_buf(),
            settings,
        })
    }

    /// Runs the job once, where the user has these settings.
    async fn run(&self, settings: Value) -> JobRun {
        let before = self.fixture.snapshot();
        let begun = crate::begin_now(&self.store, "job", Timestamp::now()).unwrap();
        let (engine, _) = Engine::new(
            Arc::clone(&self.store),
            Scope::All,
            Arc::new(SystemClock),
            self.runner(settings),
        );
        let run = engine
            .run_once(begun, CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(self.fixture.snapshot(), before, "nothing is written");
        run
    }
}

#[tokio::test]
async fn a_run_leaves_its_proposal_and_what_it_cost() {
    let world = World::new(turns(0), |_| {});
    let run = world.run(json!({})).await;
    assert_eq!(
        (run.state, run.hunks, run.attempt),
        (RunState::Done, 1, 1),
        "{run:?}"
    );
    assert!(run.tokens >= 1_000, "{run:?}");
    let session = world.store.session(&run.session.unwrap()).unwrap();
    assert_eq!(session.title, "job: write it");
    let waiting = world.store.waiting_proposals(None).unwrap();
    assert_eq!((waiting.len(), waiting[0].hunks), (1, 1));
}

#[tokio::test]
async fn nothing_is_accepted_whatever_the_configuration_says() {
    let world = World::new(turns(0), |_| {});
    let run = world.run(json!({"mode": "auto"})).await;
    assert_eq!((run.state, run.hunks), (RunState::Done, 1), "{run:?}");
    let world = World::new(turns(0), |spec| spec.mode = SessionMode::Plan);
    let run = world.run(json!({"mode": "auto"})).await;
    assert_eq!((run.state, run.hunks), (RunState::Done, 0), "{run:?}");
    let world = World::new(turns(0), |_| {});
    let run = world.run(json!({"mode": "plan"})).await;
    assert_eq!((run.state, run.hunks), (RunState::Done, 0), "{run:?}");
}

#[tokio::test]
async fn allowances_only_make_it_stricter() {
    let world = World::new(turns(0), |spec| spec.per_run.tokens = Some(500));
    let run = world.run(json!({})).await;
    assert_eq!(run.state, RunState::Limit, "{run:?}");
    assert!(run.message.unwrap().contains("max_tokens_total = 500"));
    let world = World::new(turns(0), |spec| spec.per_run.tokens = Some(1_000_000));
    let run = world.run(json!({"max_tokens_total": 400})).await;
    assert_eq!(run.state, RunState::Limit, "{run:?}");
    assert!(run.message.unwrap().contains("max_tokens_total = 400"));
}

#[tokio::test]
async fn what_cannot_begin_fails_with_the_reason() {
    let world = World::new(turns(0), |spec| spec.model = Some("nonsense".into()));
    let run = world.run(json!({})).await;
    assert_eq!(run.state, RunState::Failed);
    assert!(run.message.unwrap().contains("unknown model `nonsense`"));
    let world = World::new(turns(0), |_| {});
    let moved = world.state.path().join("moved");
    std::fs::rename(world.fixture.path(), &moved).unwrap();
    let begun = crate::begin_now(&world.store, "job", Timestamp::now()).unwrap();
    let running = RunningJob::new(begun, Arc::clone(&world.store));
    let ended = world
        .runner(json!({}))
        .run(&running, &CancellationToken::new())
        .await;
    std::fs::rename(&moved, world.fixture.path()).unwrap();
    assert!(ended.message.unwrap().contains("is gone"));
}

/// Begins a run that hangs; gives its task and its session when its model has been asked.
async fn hang(
    world: &World,
    runner: Arc<SessionRunner>,
    cancel: &CancellationToken,
) -> (tokio::task::JoinHandle<Ended>, String) {
    let begun = crate::begin_now(&world.store, "job", Timestamp::now()).unwrap();
    let (key, store) = (begun.claimed.key, Arc::clone(&world.store));
    let running = RunningJob::new(begun, store);
    let cancel = cancel.clone();
    let task = tokio::spawn(async move { runner.run(&running, &cancel).await });
    loop {
        let session = world.store.job_runs(key, 1).unwrap()[0].session.clone();
        let facts = session
            .as_ref()
            .map(|id| world.store.session_facts(id).unwrap());
        match (session, facts) {
            (Some(session), Some(facts)) if facts.hunks > 0 => return (task, session),
            _ => tokio::task::yield_now().await,
        }
    }
}

/// How the turns of a session ended, as the journal says.
fn ends(world: &World, session: &str) -> Vec<TurnOutcome> {
    let events = world.store.events(session, 0).unwrap().into_iter();
    let ended = events.filter_map(|entry| match entry.event.known() {
        Some(SessionEvent::TurnEnded { outcome, .. }) => Some(outcome),
        _ => None,
    });
    ended.collect()
}

#[tokio::test]
async fn a_run_ends_when_it_is_cancelled() {
    let (world, cancel) = (
        World::new(turns(3_600_000), |_| {}),
        CancellationToken::new(),
    );
    let (task, session) = hang(&world, world.runner(json!({})), &cancel).await;
    cancel.cancel();
    assert_eq!(task.await.unwrap().state, RunState::Cancelled);
    assert_eq!(ends(&world, &session), [TurnOutcome::Cancelled]);
}

/// A clock that waits for nobody.
struct Impatient;

#[async_trait]
impl Clock for Impatient {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, _: Duration) {}
}

#[tokio::test]
async fn a_turn_that_does_not_end_is_dropped_and_still_says_what_it_spent() {
    let (world, cancel) = (
        World::new(turns(3_600_000), |_| {}),
        CancellationToken::new(),
    );
    let runner = Arc::new(SessionRunner {
        workplaces: world.folders(json!({})),
        clock: Arc::new(Impatient),
    });
    let (task, session) = hang(&world, runner, &cancel).await;
    cancel.cancel();
    let ended = task.await.unwrap();
    assert_eq!(ended.state, RunState::Cancelled);
    assert_eq!(ended.message.as_deref(), Some(DROPPED));
    // The run's row is written behind that.
    assert_eq!(ends(&world, &session), [TurnOutcome::Cancelled]);
}

#[tokio::test]
async fn a_turn_that_ended_by_itself_is_not_called_dropped() {
    let world = World::new(turns(0), |_| {});
    let runner = SessionRunner {
        workplaces: world.folders(json!({})),
        clock: Arc::new(Impatient),
    };
    let job = world.store.job("job").unwrap().job;
    let (sessions, _environment) = runner.open(&job).await.unwrap();
    let mut updates = sessions.subscribe();
    let ask = Ask {
        prompt: job.spec.prompt,
        model: job.spec.model,
        ..Ask::default()
    };
    let asked = sessions.ask(ask).unwrap();
    let mut turn = Turn {
        sessions,
        session: asked.session,
        over: false,
    };
    while ends(&world, &turn.session).is_empty() {
        tokio::task::yield_now().await;
    }
    // Cancelled before its end was heard.
    let cancel = CancellationToken::new();
    cancel.cancel();
    let ended = runner.wait(&turn, asked.turn, &mut updates, &cancel).await;
    assert_eq!(ended, Some(Ended::new(RunState::Done)));
    turn.over = true;
}

#[test]
fn only_what_may_pass_is_tried_again() {
    for may_pass in [true, false] {
        let message = "no".to_owned();
        let ended = ended(TurnOutcome::Failed { message, may_pass });
        assert_eq!((ended.state, ended.may_pass), (RunState::Failed, may_pass));
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_no_turn_behind() {
    let world = World::new(turns(3_600_000), |_| {});
    let (task, session) = hang(&world, world.runner(json!({})), &CancellationToken::new()).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    while ends(&world, &session).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ends(&world, &session), [TurnOutcome::Cancelled]);
}
