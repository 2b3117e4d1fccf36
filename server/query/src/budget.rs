//! What a turn and its session have used, and whether the next step may be taken.

use crate::Limits;
use crate::compact::{BYTES_OF_FREED, BYTES_OF_TOKEN};
use boxagnts_protocol::conversation::{Content, Message, Price, TokenUsage};
use boxagnts_protocol::update::TurnOutcome;

/// Counters behind the limits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget {
    /// Tokens of the session's finished model calls.
    pub(crate) usage: TokenUsage,
    /// US dollars of the session's model calls of known price.
    pub(crate) cost_usd: f64,
    /// Model requests of this turn.
    pub(crate) requests: u64,
    /// Tool calls of this turn.
    pub(crate) tool_calls: u64,
    /// Cut-off answers of this turn.
    pub(crate) cut_off: u64,
    /// The latest call whose tokens the provider told.
    known: Option<Known>,
    /// Bytes that are gone since of what was counted then.
    freed: u64,
    /// What the request that is on its way may cost at most, and that in US dollars.
    reserved: (WorstCase, f64),
}

/// How long a conversation was at a call, by the provider's count.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Tokens of the whole prompt and of the answer.
    tokens: u64,
    /// Bytes of its system prompt and tools.
    fixed: u64,
    /// Messages up to and with the answer.
    messages: usize,
}

/// What a request may cost at most.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorstCase {
    /// Tokens of its prompt.
    pub(crate) input: u64,
    /// Tokens that its answer should have, or may have.
    pub(crate) output: u64,
}

/// Answers shorter than this, in tokens, are not worth their prompt.
pub(crate) const SHORTEST_ANSWER: u64 = 256;
/// Tokens that providers put around tools and messages, at most.
const AROUND: u64 = 1024;
const AROUND_MESSAGE: u64 = 16;

/// Tokens of the largest picture; providers make it smaller when it would have more.
const MOST_OF_IMAGE: usize = 16_384;

/// A token is at least a byte, whatever the tokenizer.
pub(crate) fn most_tokens(messages: &[Message]) -> u64 {
    let of = |content: &Content| match content {
        Content::Text { text } => text.len(),
        // No provider counts their bytes.
        Content::Image(_) => MOST_OF_IMAGE,
        Content::Thinking(thinking) => thinking.text.len() + json_len(&thinking.opaque),
        Content::ToolCall(call) => call.name.len() + call.id.len() + json_len(&call.input),
        Content::ToolResult(result) => result.id.len() + result.output.len(),
    };
    let contents = messages.iter().flat_map(|message| &message.content);
    let contents = contents.map(|content| of(content) as u64 + AROUND_MESSAGE);
    contents.sum()
}

fn json_len(value: &serde_json::Value) -> usize {
    value.to_string().len()
}

impl Budget {
    /// Forgets what counts by the turn.
    pub(crate) fn new_turn(&mut self) {
        (self.requests, self.tool_calls, self.cut_off) = (0, 0, 0);
    }

    /// Tokens that the prompt of the next request has at most: what the provider counted last, and
    /// a token for every byte behind it. `fixed` are the bytes of system prompt and tools, which may be
    /// more than they were then.
    pub(crate) fn most_input(&self, fixed: u64, messages: &[Message]) -> u64 {
        match &self.known {
            Some(known) if known.messages <= messages.len() => known
                .tokens
                .saturating_add(fixed.saturating_sub(known.fixed))
                .saturating_add(most_tokens(&messages[known.messages..])),
            _ => fixed + AROUND + most_tokens(messages),
        }
    }

    /// Tokens that the prompt of the next request has, about.
    pub(crate) fn likely_input(&self, fixed: u64, messages: &[Message]) -> u64 {
        match &self.known {
            Some(known) if known.messages <= messages.len() => known
                .tokens
                .saturating_sub(self.freed / BYTES_OF_FREED)
                .saturating_add(fixed.saturating_sub(known.fixed) / BYTES_OF_TOKEN)
                .saturating_add(most_tokens(&messages[known.messages..]) / BYTES_OF_TOKEN),
            _ => (fixed + most_tokens(messages)) / BYTES_OF_TOKEN,
        }
    }

    /// How many messages the provider has counted.
    pub(crate) fn counted_messages(&self) -> usize {
        self.known.map_or(0, |known| known.messages)
    }

    /// So many bytes are gone of the messages that were counted.
    pub(crate) fn freed(&mut self, bytes: u64) {
        self.freed = self.freed.saturating_add(bytes);
    }

    /// The conversation is another one than was counted.
    pub(crate) fn forget_count(&mut self) {
        (self.known, self.freed) = (None, 0);
    }

    /// The provider counted `usage` for a request with so many bytes of system prompt and tools, whose
    /// answer is the last of so many messages.
    pub(crate) fn counted(&mut self, usage: &TokenUsage, fixed: u64, messages: usize) {
        let prompt = usage.total() - usage.output_tokens;
        self.freed = 0;
        self.known = (prompt > 0).then_some(Known {
            tokens: usage.total(),
            fixed,
            messages,
        });
    }

    /// Takes one more model request, if its worst case fits what is left, and says how many tokens
    /// its answer may have so that it does.
    pub(crate) fn take_request(
        &mut self,
        limits: &Limits,
        price: Option<&Price>,
        worst: WorstCase,
    ) -> Result<u64, TurnOutcome> {
        if self.requests >= limits.max_turns {
            return Err(stop(
                "max_turns",
                limits.max_turns as f64,
                self.requests as f64,
            ));
        }
        let shortest = SHORTEST_ANSWER.min(worst.output);
        let used = self.usage.total();
        let left = limits.max_tokens_total.saturating_sub(used);
        let mut allowed = worst.output.min(left.saturating_sub(worst.input));
        if allowed < shortest {
            return Err(stop(
                "max_tokens_total",
                limits.max_tokens_total as f64,
                used as f64,
            ));
        }
        if let Some(price) = price
            && limits.total_budget_usd.is_finite()
        {
            let prompt = price.input.max(price.cache_write).max(price.cache_read);
            let left = limits.total_budget_usd - self.cost_usd - worst.input as f64 * prompt / 1e6;
            if price.output > 0.0 {
                let affordable = (left / price.output * 1e6).max(0.0) as u64;
                allowed = allowed.min(affordable);
            }
            // A budget of nothing still lets a free model work.
            if left < 0.0 || allowed < shortest {
                return Err(stop(
                    "total_budget_usd",
                    limits.total_budget_usd,
                    self.cost_usd,
                ));
            }
        }
        self.requests += 1;
        let allowed = allowed.max(1);
        let usd = price.map_or(0.0, |price| {
            let prompt = price.input.max(price.cache_write).max(price.cache_read);
            (worst.input as f64 * prompt + allowed as f64 * price.output) / 1e6
        });
        let output = allowed;
        self.reserved = (WorstCase { output, ..worst }, usd);
        Ok(allowed)
    }

    /// Tool calls that this turn may still make.
    pub(crate) fn tool_calls_left(&self, limits: &Limits) -> u64 {
        limits.max_tool_calls.saturating_sub(self.tool_calls)
    }

    /// Takes `count` more tool calls.
    pub(crate) fn take_tool_calls(
        &mut self,
        limits: &Limits,
        count: u64,
    ) -> Result<(), TurnOutcome> {
        if count > self.tool_calls_left(limits) {
            let limit = limits.max_tool_calls as f64;
            return Err(stop("max_tool_calls", limit, self.tool_calls as f64));
        }
        self.tool_calls += count;
        Ok(())
    }

    /// Takes one more continuation of a cut-off answer.
    pub(crate) fn take_recovery(&mut self, limits: &Limits) -> Result<(), TurnOutcome> {
        self.cut_off += 1;
        if self.cut_off > limits.max_tokens_recovery_limit {
            let limit = limits.max_tokens_recovery_limit as f64;
            return Err(stop(
                "max_tokens_recovery_limit",
                limit,
                self.cut_off as f64,
            ));
        }
        Ok(())
    }

    /// What the latest request may cost at most: tokens, US dollars.
    pub(crate) fn reserved(&self) -> (u64, f64) {
        let (worst, usd) = self.reserved;
        (worst.input.saturating_add(worst.output), usd)
    }

    /// What an answer can have used that was lost behind `said` bytes, when the provider told `usage` of it
    /// before: no more than was reserved for it. A provider that had told and said nothing is taken to
    /// have done nothing.
    pub(crate) fn lost(&self, mut usage: TokenUsage, said: u64) -> TokenUsage {
        let (worst, _) = self.reserved;
        if said > 0 && usage.total() == usage.output_tokens {
            usage.input_tokens = worst.input;
        }
        // A token is at least a byte; what was told of the answer is where it began.
        usage.output_tokens = usage.output_tokens.max(said.min(worst.output));
        usage
    }

    /// Adds a finished model call.
    pub(crate) fn add(&mut self, usage: &TokenUsage, cost_usd: Option<f64>) {
        self.usage.add(usage);
        self.cost_usd += cost_usd.unwrap_or(0.0);
    }
}

fn stop(limit: &str, value: f64, used: f64) -> TurnOutcome {
    TurnOutcome::Limit {
        limit: limit.to_owned(),
        value,
        used,
    }
}
