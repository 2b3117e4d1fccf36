//! Making room in a conversation that becomes too long for its model: results of tools are trimmed,
//! the oldest first, and when that is not enough, the model sums up what came before. Until it has
//! done so the conversation stays as it is.

use crate::budget::{SHORTEST_ANSWER, WorstCase, most_tokens};
use crate::query::{Phase, Query};
use crate::{Effect, Event};
use boxagnts_protocol::conversation::{
    Compaction, Content, Message, Role, StopReason, TokenUsage, ToolResult, Trimmed,
};
use boxagnts_protocol::update::TurnOutcome;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Bytes that stand for a token, where nobody has counted. Less than most texts have, so that room is
/// made too early rather than too late.
pub(crate) const BYTES_OF_TOKEN: u64 = 3;
/// Bytes of a result that was cut out and of which nobody knows how many tokens they were: more than
/// most texts have, so that no room is counted on that there is not.
pub(crate) const BYTES_OF_FREED: u64 = 4;
/// Tokens that a summary may have.
const MOST_OF_SUMMARY: u64 = 16_384;
/// Results of at most so many bytes are left alone: trimming them wins nothing.
const SMALL: usize = 512;
/// A summary is not made again before so many messages came behind it, or behind an attempt.
const PAUSE: usize = 6;
/// How often in one turn the model may say that the conversation is too long.
const MOST_OVERFLOWS: u64 = 2;
/// Bytes of the user's words that are repeated behind a summary.
const MOST_OF_PROMPT: usize = 64 << 10;

const INSTRUCTION: &str = "\
[This conversation becomes too long for you. Sum it up now: everything above goes, and your summary \
takes its place. Write it for yourself, as you will go on with nothing else. Call no tool. Say, each \
under a heading of its own and as short as it can be without losing anything that matters:
1. Task: what the user wants, in their words where these matter, with every later change of mind.
2. Decisions: what was decided and why, by the user or by you; what was tried and did not work.
3. Files: every file that was read, changed or created, with what matters of it: names, signatures, \
line numbers, the reason of a change.
4. Proposals: which hunks you proposed and what the user accepted or rejected, with their comments.
5. State: what is done, what you were doing just now, errors that are open.
6. Next: the next steps, in order.]";

const HEADER: &str = "\
[The conversation before this became too long and was summed up by you. Its summary stands here in its \
place; the conversation goes on behind it.]";

/// The summary that is being made.
#[derive(Debug)]
pub(crate) struct Compacting {
    /// What the model is asked.
    pub(crate) prompt: Arc<Vec<Message>>,
    /// Whether the user asked for it; else a turn goes on behind it.
    by_hand: bool,
    facts: String,
    pub(crate) text: String,
    /// Bytes of all that the model said.
    pub(crate) bytes: u64,
    pub(crate) called: bool,
    pub(crate) usage: TokenUsage,
    before: u64,
}

/// What can be done before the next request.
enum Room {
    /// There is enough, perhaps because results were trimmed.
    Enough(Option<Compaction>),
    /// The model must sum up what came before; results of its last calls may have been trimmed.
    Summary(Option<Compaction>),
}

impl Query {
    /// Asks the model, if there is room for it, and the limits let us.
    pub(crate) fn call_model(&mut self) -> Vec<Effect> {
        let mut effects = self.deliver();
        match self.make_room() {
            Ok(Room::Enough(compaction)) => {
                effects.extend(compaction.map(Effect::Compacted));
                effects.extend(self.ask_model());
            }
            Ok(Room::Summary(compaction)) => {
                effects.extend(compaction.map(Effect::Compacted));
                effects.extend(self.summarize("", false));
            }
            Err(message) => effects.extend(self.finish(failed(message))),
        }
        effects
    }

    /// Tokens that the next prompt has, about.
    pub(crate) fn likely_input(&self) -> u64 {
        self.budget.likely_input(self.fixed(), &self.messages)
    }

    /// Tokens at which room is made; `None` when nobody knows how many there may be.
    fn threshold(&self) -> Option<u64> {
        let window = self.config.context_window?;
        let percent = u128::from(self.config.limits.compact_at_percent.min(100));
        let by_percent = (u128::from(window) * percent / 100) as u64;
        // An answer must fit behind the prompt, as far as that is reasonable.
        let answer = self.config.max_output_tokens.min(window / 4);
        Some(by_percent.min(window - answer))
    }

    fn make_room(&mut self) -> Result<Room, String> {
        let (Some(window), Some(threshold)) = (self.config.context_window, self.threshold()) else {
            return Ok(Room::Enough(None));
        };
        let before = self.likely_input();
        if before <= threshold {
            return Ok(Room::Enough(None));
        }
        let mut trimmed = self.too_large(threshold);
        let mut likely = self.trim(&trimmed);
        if likely > threshold {
            let target = threshold / 5 * 3;
            let (older, enough) = self.older(likely, target);
            if enough || !self.can_summarize() && !self.fits(likely, window) {
                likely = self.trim(&older);
                trimmed.extend(older);
            }
        }
        let compaction = (!trimmed.is_empty()).then_some(Compaction {
            trimmed,
            tokens_before: before,
            tokens_after: likely,
            ..Compaction::default()
        });
        if likely <= threshold {
            return Ok(Room::Enough(compaction));
        }
        if self.can_summarize() {
            return Ok(Room::Summary(compaction));
        }
        if self.fits(likely, window) {
            return Ok(Room::Enough(compaction));
        }
        Err(format!(
            "the conversation has about {likely} tokens, and the model takes {window} (context_window): \
             begin a new session, ask for less at once, or use a model with a larger window"
        ))
    }

    /// Whether an answer that is worth its prompt fits behind so many tokens.
    fn fits(&self, likely: u64, window: u64) -> bool {
        let answer = SHORTEST_ANSWER.min(self.config.max_output_tokens);
        likely.saturating_add(answer) <= window
    }

    /// Results that the model has not seen yet and that are too large to be shown to it in full.
    fn too_large(&self, threshold: u64) -> Vec<Trimmed> {
        let Some(last) = self.messages.last() else {
            return Vec::new();
        };
        let room = threshold / 2 * BYTES_OF_TOKEN;
        let results: Vec<&ToolResult> = results(last).collect();
        let all: u64 = results
            .iter()
            .map(|result| result.output.len() as u64)
            .sum();
        if all <= room {
            return Vec::new();
        }
        let bytes = (room / results.len() as u64).max(SMALL as u64);
        let large = results
            .into_iter()
            .filter(|result| result.output.len() as u64 > bytes + SMALL as u64);
        let trimmed = |result: &ToolResult| Trimmed {
            id: result.id.clone(),
            bytes,
        };
        large.map(trimmed).collect()
    }

    /// Older results, the oldest first, until there are at most `target` tokens; and whether that can be
    /// reached.
    fn older(&self, likely: u64, target: u64) -> (Vec<Trimmed>, bool) {
        let mut likely = likely;
        let mut trimmed = Vec::new();
        let older = self
            .messages
            .split_last()
            .map_or(&[][..], |(_, older)| older);
        for result in older.iter().flat_map(results) {
            if likely <= target {
                break;
            }
            if result.output.len() > SMALL {
                let freed = result.output.len() as u64 - SMALL as u64 / 2;
                likely = likely.saturating_sub(freed / BYTES_OF_FREED);
                trimmed.push(Trimmed {
                    id: result.id.clone(),
                    bytes: 0,
                });
            }
        }
        (trimmed, likely <= target)
    }

    /// Trims results, and says how many tokens there are then, about.
    fn trim(&mut self, trimmed: &[Trimmed]) -> u64 {
        if !trimmed.is_empty() {
            let counted = self.budget.counted_messages();
            let messages = Arc::make_mut(&mut self.messages).as_mut_slice();
            let (counted, _) = trim(messages, trimmed, counted);
            self.budget.freed(counted);
        }
        self.likely_input()
    }

    fn can_summarize(&self) -> bool {
        self.messages.len() >= self.no_summary_before && self.tail() < self.messages.len()
    }

    /// How many messages at the end a summary leaves alone: those of about a quarter of the room, and
    /// always what the model has not seen, with the calls that results belong to.
    fn tail(&self) -> usize {
        let len = self.messages.len();
        let Some(last) = self.messages.last() else {
            return 0;
        };
        let first = match results(last).next() {
            Some(_) => len.saturating_sub(2),
            None => len - 1,
        };
        let room = self.threshold().unwrap_or(0) / 4 * BYTES_OF_TOKEN;
        let mut bytes = most_tokens(&self.messages[first..]);
        let mut start = first;
        for (at, message) in self.messages[..first].iter().enumerate().rev() {
            bytes = bytes.saturating_add(most_tokens(std::slice::from_ref(message)));
            if bytes > room {
                break;
            }
            if message.role == Role::Assistant {
                start = at;
            }
        }
        len - start
    }

    /// Has the model sum up the conversation.
    fn summarize(&mut self, focus: &str, by_hand: bool) -> Vec<Effect> {
        let before = self.likely_input();
        let mut prompt = self.messages.as_ref().clone();
        let most = self.config.max_output_tokens.min(MOST_OF_SUMMARY);
        let mut output = most;
        if let Some(window) = self.config.context_window
            && before.saturating_add(most) > window
        {
            // In what the model reads now; the conversation itself stays.
            let (older, _) = self.older(before, window / 2);
            let counted = self.budget.counted_messages();
            let (old, new) = trim(&mut prompt, &older, counted);
            let left = before.saturating_sub((old + new) / BYTES_OF_FREED);
            output = most.min(window.saturating_sub(left)).max(1);
        }
        let mut instruction = INSTRUCTION.to_owned();
        if !focus.is_empty() {
            instruction.push_str("\n[The user asks that it pays attention to this: ");
            instruction.push_str(focus);
            instruction.push(']');
        }
        let piece = Content::Text { text: instruction };
        match prompt.last_mut() {
            Some(last) if last.role == Role::User => last.content.push(piece),
            _ => prompt.push(Message {
                role: Role::User,
                content: vec![piece],
            }),
        }
        let worst = WorstCase {
            input: self.budget.most_input(self.fixed(), &prompt),
            output,
        };
        match self.take_request(worst) {
            Ok(max_output_tokens) => {
                self.phase = Phase::Compacting(Compacting {
                    prompt: Arc::new(prompt),
                    by_hand,
                    facts: String::new(),
                    text: String::new(),
                    bytes: 0,
                    called: false,
                    usage: TokenUsage::default(),
                    before,
                });
                vec![Effect::CallModel {
                    step: self.budget.requests,
                    max_output_tokens,
                    compacting: true,
                }]
            }
            Err(limit) => self.finish(limit),
        }
    }

    /// The user has the conversation summed up.
    pub(crate) fn compact_by_hand(&mut self, focus: &str) -> Vec<Effect> {
        self.budget.new_turn();
        // The user's wish itself is one.
        if self.messages.len() < 2 {
            let text = "There is nothing to sum up yet.".to_owned();
            return self.said_by_us(text, TurnOutcome::Done);
        }
        self.summarize(focus, true)
    }

    /// Takes in what the model says while it sums up.
    pub(crate) fn compacting(&mut self, event: Event) -> Vec<Effect> {
        let Phase::Compacting(compacting) = &mut self.phase else {
            return Vec::new();
        };
        match event {
            Event::Facts(facts) => compacting.facts = facts,
            Event::TextDelta(delta) => {
                compacting.bytes += delta.len() as u64;
                compacting.text.push_str(&delta);
            }
            Event::Thought(thinking) => compacting.bytes += thinking.text.len() as u64,
            Event::ToolCallStarted { .. } => compacting.called = true,
            Event::ToolCallInput { json, .. } => compacting.bytes += json.len() as u64,
            Event::ModelUsage(usage) => compacting.usage = usage,
            Event::ModelStopped(reason) => return self.summed_up(reason),
            Event::ModelFailed { message, .. } | Event::ContextFull { message } => {
                let by_hand = compacting.by_hand;
                let mut effects: Vec<Effect> = self.lose_compacting().into_iter().collect();
                effects.extend(self.not_summed_up(&message, by_hand));
                return effects;
            }
            _ => {}
        }
        Vec::new()
    }

    /// Leaves the phase; what the call used is counted.
    fn end_compacting(&mut self) -> Option<Compacting> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Compacting(compacting) => {
                self.count(&compacting.usage);
                self.answers += 1;
                Some(compacting)
            }
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Leaves the phase without a summary, and says what that can have cost.
    pub(crate) fn lose_compacting(&mut self) -> Option<Effect> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Compacting(compacting) => self.lost(compacting.usage, compacting.bytes),
            other => {
                self.phase = other;
                None
            }
        }
    }

    fn summed_up(&mut self, reason: StopReason) -> Vec<Effect> {
        let Some(compacting) = self.end_compacting() else {
            return Vec::new();
        };
        let summary = compacting.text.trim();
        let why = match reason {
            _ if compacting.called => "it called tools instead",
            StopReason::Refusal => "it refused",
            StopReason::MaxTokens => "its summary was cut off",
            _ if summary.is_empty() => "it said nothing",
            _ => {
                let kept = match compacting.by_hand {
                    true => 0,
                    false => self.tail(),
                };
                let text = self.summary(summary, &compacting.facts, kept);
                return self.replace(text, kept, &compacting);
            }
        };
        self.not_summed_up(why, compacting.by_hand)
    }

    /// What takes the place of the older messages.
    fn summary(&self, summary: &str, facts: &str, kept: usize) -> String {
        let mut text = format!("{HEADER}\n\n{summary}");
        if !facts.is_empty() {
            text.push_str("\n\n");
            text.push_str(facts);
        }
        let at = self.messages.len().saturating_sub(kept);
        if kept > 0 && self.prompt_at < at && !self.prompt.is_empty() {
            let (prompt, rest) = self
                .prompt
                .split_at(self.prompt.floor_char_boundary(MOST_OF_PROMPT));
            text.push_str("\n\n[What you are working on, in the user's own words:]\n");
            text.push_str(prompt);
            if !rest.is_empty() {
                text.push_str(&format!("\n[{} more bytes are left out]", rest.len()));
            }
        }
        text
    }

    fn replace(&mut self, text: String, kept: usize, compacting: &Compacting) -> Vec<Effect> {
        let mut compaction = Compaction {
            summary: Some(text),
            kept: kept as u64,
            tokens_before: compacting.before,
            ..Compaction::default()
        };
        self.apply(&compaction);
        compaction.tokens_after = self.likely_input();
        let (before, after) = (compaction.tokens_before, compaction.tokens_after);
        let mut effects = vec![Effect::Compacted(compaction)];
        if compacting.by_hand {
            let text = format!(
                "The conversation is summed up: about {before} tokens became about {after}."
            );
            effects.extend(self.said_by_us(text, TurnOutcome::Done));
        } else {
            effects.extend(self.call_model());
        }
        effects
    }

    /// Goes on with the conversation as it is, if it can.
    fn not_summed_up(&mut self, why: &str, by_hand: bool) -> Vec<Effect> {
        self.no_summary_before = self.messages.len() + PAUSE;
        let message = format!("the conversation could not be summed up, and is as it was: {why}");
        if by_hand {
            return self.said_by_us(message.clone(), failed(message));
        }
        let mut effects = vec![Effect::Notice { message }];
        effects.extend(self.call_model());
        effects
    }

    /// The model says that the conversation is too long: then its window is smaller than we thought.
    pub(crate) fn context_full(&mut self, message: String) -> Vec<Effect> {
        self.overflows += 1;
        let said_something = match &self.phase {
            Phase::Answering { answer, .. } => answer.len() > 0,
            _ => true,
        };
        if said_something || self.overflows > MOST_OVERFLOWS {
            let outcome = failed(message);
            return self.stop_early("no answer: the conversation is too long", outcome);
        }
        let (_, lost) = self.lose_answer();
        let likely = self.likely_input();
        let known = self.config.context_window.unwrap_or(u64::MAX);
        let learned = known.min(likely - likely / 10).max(1);
        self.config.context_window = Some(learned);
        let message = format!(
            "the model says that the conversation is too long ({message}); from now on its window counts \
             as {learned} tokens. Set context_window of the model under [models] in your configuration"
        );
        let mut effects: Vec<Effect> = lost.into_iter().collect();
        effects.push(Effect::Notice { message });
        effects.extend(self.call_model());
        effects
    }

    /// Does to the conversation what was done to it then.
    pub(crate) fn apply(&mut self, compaction: &Compaction) {
        self.trim(&compaction.trimmed);
        let messages = Arc::make_mut(&mut self.messages);
        let Some(summary) = &compaction.summary else {
            return;
        };
        let kept = usize::try_from(compaction.kept).unwrap_or(usize::MAX);
        let mut tail = messages.split_off(messages.len().saturating_sub(kept));
        messages.clear();
        if let Some(first) = tail.first_mut()
            && first.role == Role::User
        {
            // Their calls are gone. We never cut there; a file that is imported may say so.
            first
                .content
                .retain(|piece| !matches!(piece, Content::ToolResult(_)));
        }
        self.push_user(vec![Content::Text {
            text: summary.clone(),
        }]);
        for message in tail {
            match message.role {
                Role::User => self.push_user(message.content),
                Role::Assistant => Arc::make_mut(&mut self.messages).push(message),
            }
        }
        self.budget.forget_count();
        self.prompt_at = 0;
        self.no_summary_before = self.messages.len() + PAUSE;
    }
}

fn failed(message: String) -> TurnOutcome {
    TurnOutcome::Failed {
        message,
        may_pass: false,
    }
}

fn results(message: &Message) -> impl Iterator<Item = &ToolResult> {
    message.content.iter().filter_map(|content| match content {
        Content::ToolResult(result) => Some(result),
        _ => None,
    })
}

/// Trims results, and says how many bytes went of the first `counted` messages and of the others.
fn trim(messages: &mut [Message], trimmed: &[Trimmed], counted: usize) -> (u64, u64) {
    let wanted: HashMap<&str, u64> = trimmed
        .iter()
        .map(|trimmed| (trimmed.id.as_str(), trimmed.bytes))
        .collect();
    let mut freed = (0, 0);
    if wanted.is_empty() {
        return freed;
    }
    let mut done = HashSet::new();
    for (at, message) in messages.iter_mut().enumerate() {
        for content in &mut message.content {
            let Content::ToolResult(result) = content else {
                continue;
            };
            let Some(bytes) = wanted.get(result.id.as_str()) else {
                continue;
            };
            if done.insert(result.id.clone()) {
                let went = trim_result(result, *bytes);
                match at < counted {
                    true => freed.0 += went,
                    false => freed.1 += went,
                }
            }
        }
    }
    freed
}

fn trim_result(result: &mut ToolResult, bytes: u64) -> u64 {
    let all = result.output.len();
    let keep = usize::try_from(bytes).unwrap_or(usize::MAX);
    let keep = result.output.floor_char_boundary(keep.min(all));
    let left_out = all - keep;
    result.output.truncate(keep);
    if keep > 0 {
        result.output.push('\n');
    }
    result.output.push_str(&format!(
        "[{left_out} of {all} bytes of this result were left out to make room; call the tool again, for \
         less at once, if you need them]"
    ));
    all.saturating_sub(result.output.len()) as u64
}
