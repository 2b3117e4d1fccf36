//! Notices a model that goes in circles: the same call with the same result, over and over.

use boxagnts_protocol::canonical;
use boxagnts_protocol::conversation::{ToolCall, ToolResult};
use boxagnts_protocol::update::TurnOutcome;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The model is told at the third time, and stopped at the fifth.
const NOTICE: u64 = 3;
const STOP: u64 = 5;

/// The calls of a turn, by what they say.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    seen: HashMap<u64, Seen>,
    stop: bool,
}

#[derive(Debug)]
struct Seen {
    result: u64,
    times: u64,
}

impl Repeats {
    /// Takes in what came of a call; says what the model should hear.
    pub(crate) fn ended(&mut self, call: &ToolCall, result: &ToolResult) -> Option<String> {
        let result = hash(&(result.output.as_str(), result.is_error));
        let key = hash(&(call.name.as_str(), canonical::text(&call.input)));
        let seen = self.seen.entry(key).or_insert(Seen { result, times: 0 });
        if seen.result != result {
            *seen = Seen { result, times: 0 };
        }
        seen.times += 1;
        self.stop |= seen.times >= STOP;
        (seen.times == NOTICE).then(|| {
            format!(
                "[You have called `{}` {NOTICE} times with the same input and got the same result \
                 each time. Do something else, or say what keeps you.]",
                call.name
            )
        })
    }

    /// How the turn ends when the model does not stop by itself.
    pub(crate) fn verdict(&self) -> Option<TurnOutcome> {
        self.stop.then(|| TurnOutcome::Limit {
            limit: "identical_tool_calls".to_owned(),
            value: STOP as f64,
            used: STOP as f64,
        })
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
