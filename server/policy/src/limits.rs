//! Every limit that the runtime enforces, declared once: name, unit, built-in default, meaning.
//!
//! [`Limits`] has no `Option` field and no `Default`: configuration always produces every value.

use serde::Serialize;

/// What a limit counts; decides how its value is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    Count,
    /// Milliseconds; written as `30s`, `500ms`, `2m`, or a number of seconds.
    Milliseconds,
    /// Bytes; written as a number or with `KiB`, `MiB`, `GiB`.
    Bytes,
    /// US dollars; `none` is infinity.
    UsDollars,
}

/// Why a value for a limit was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is no such limit.
    #[error("unknown limit `{name}`; known limits: {known}")]
    Unknown {
        /// As given.
        name: String,
        /// All names.
        known: String,
    },
    /// The value cannot be read.
    #[error("limit `{name}`: cannot read `{value}`; expected {expected}")]
    Invalid {
        /// The limit.
        name: &'static str,
        /// As given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The value is outside of what can be enforced.
    #[error("limit `{name}`: {value} is out of range; it must be between {min} and {max}")]
    OutOfRange {
        /// The limit.
        name: &'static str,
        /// As given.
        value: String,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $unit:ident = $default:expr, $min:literal ..= $max:expr;)+) => {
        /// Every limit of a session, with a value for each.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $name: limits!(@type $unit),)+
        }

        /// Names one limit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(non_camel_case_types)]
        pub enum Limit {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Limit {
            /// All limits, in the order of the documentation.
            pub const ALL: &[Limit] = &[$(Limit::$name),+];

            /// The name in configuration, on the command line and in reports.
            pub fn name(self) -> &'static str {
                match self { $(Limit::$name => stringify!($name),)+ }
            }

            /// One line for people.
            pub fn doc(self) -> &'static str {
                match self { $(Limit::$name => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What it counts.
            pub fn unit(self) -> Unit {
                match self { $(Limit::$name => Unit::$unit,)+ }
            }

            /// Least and greatest value that can be enforced.
            pub fn bounds(self) -> (u64, u64) {
                match self { $(Limit::$name => ($min, $max),)+ }
            }
        }

        impl Limits {
            /// The built-in values, the lowest layer of the configuration.
            pub fn builtin() -> Limits {
                Limits { $($name: $default,)+ }
            }

            /// The value as a number in the limit's own unit.
            pub fn get(&self, limit: Limit) -> f64 {
                match limit { $(Limit::$name => self.$name as f64,)+ }
            }

            pub(crate) fn put(&mut self, limit: Limit, value: f64) {
                match limit { $(Limit::$name => self.$name = value as limits!(@type $unit),)+ }
            }
        }
    };
    (@type UsDollars) => { f64 };
    (@type $other:ident) => { u64 };
}

const GIB: u64 = 1 << 30;

limits! {
    /// Instructions of one tool call (wasmtime fuel).
    wasm_fuel: Count = 5_000_000_000, 1 ..= u64::MAX >> 1;
    /// Wall clock of one tool call, host calls included.
    wasm_timeout: Milliseconds = 30_000, 1 ..= 86_400_000;
    /// Wall clock of compiling one tool; compiled tools are kept.
    wasm_compile_timeout: Milliseconds = 120_000, 1 ..= 86_400_000;
    /// Linear memories and tables of one tool call, all instances together.
    wasm_max_memory_size: Bytes = 256 << 20, 65_536 ..= 4 * GIB;
    /// Guest stack of one tool call.
    wasm_max_wasm_stack: Bytes = 1 << 20, 65_536 ..= 16 << 20;
    /// What one tool call may answer; more is cut, and the call is stopped when it goes on.
    max_output_bytes: Bytes = 1 << 20, 1 ..= GIB;
    /// Files that one tool call may hold open at a time.
    max_open_files: Count = 256, 1 ..= 65_536;
    /// What one tool call may write to the overlay.
    max_host_bytes: Bytes = 64 << 20, 0 ..= 4 * GIB;
    /// What one HTTP response may bring to a tool, headers and body.
    max_response_bytes: Bytes = 10 << 20, 1 ..= GIB;
    /// Redirects that one HTTP request of a tool may follow.
    max_redirects: Count = 5, 0 ..= 20;
    /// Model requests of one turn.
    max_turns: Count = 50, 1 ..= 1_000_000;
    /// Money that a session may cost.
    total_budget_usd: UsDollars = f64::INFINITY, 0 ..= u64::MAX;
    /// Tokens of a session, all kinds together.
    max_tokens_total: Count = 2_000_000, 1 ..= u64::MAX >> 1;
    /// Tool calls of one turn.
    max_tool_calls: Count = 500, 0 ..= 1_000_000;
    /// How often a cut-off answer is continued in one turn.
    max_tokens_recovery_limit: Count = 3, 0 ..= 1_000;
    /// What one answer of the model may have, inputs of calls included.
    max_answer_bytes: Bytes = 4 << 20, 1024 ..= GIB;
    /// How long the model may say nothing at all; then the turn ends.
    model_timeout: Milliseconds = 600_000, 1 ..= 86_400_000;
    /// Percent of the model's context window at which old results of tools are trimmed, and when that is
    /// not enough, the model sums up the conversation.
    compact_at_percent: Count = 80, 10 ..= 95;
    /// Executors that run at the same time in a workspace folder, of all sessions of a process; others wait.
    max_concurrent_executors: Count = 4, 1 ..= 256;
    /// How often hooks of `stop` may have the model go on in one turn.
    max_hook_remarks: Count = 1, 0 ..= 100;
}

impl Limit {
    /// Limits of one tool call, which can be set for one tool alone.
    pub const OF_A_CALL: &[Limit] = &[
        Limit::wasm_fuel,
        Limit::wasm_timeout,
        Limit::wasm_compile_timeout,
        Limit::wasm_max_memory_size,
        Limit::wasm_max_wasm_stack,
        Limit::max_output_bytes,
        Limit::max_open_files,
        Limit::max_host_bytes,
        Limit::max_response_bytes,
        Limit::max_redirects,
    ];

    /// The limit of that name.
    pub fn from_name(name: &str) -> Result<Limit, LimitError> {
        Limit::ALL
            .iter()
            .copied()
            .find(|limit| limit.name() == name)
            .ok_or_else(|| LimitError::Unknown {
                name: name.to_owned(),
                known: Limit::ALL
                    .iter()
                    .map(|l| l.name())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    /// `value` for people, with its unit.
    pub fn display(self, value: f64) -> String {
        match self.unit() {
            Unit::Count => format!("{value:.0}"),
            Unit::Milliseconds => format!("{value:.0} ms"),
            Unit::Bytes => format!("{value:.0} bytes"),
            Unit::UsDollars if value.is_infinite() => "none".to_owned(),
            Unit::UsDollars => format!("${value:.4}"),
        }
    }
}

impl Limits {
    /// Sets one limit from text, as in `--limit wasm_timeout=5s`.
    ///
    /// # Errors
    /// Unknown name, unreadable value, or a value outside of [`Limit::bounds`].
    pub fn set(&mut self, name: &str, text: &str) -> Result<Limit, LimitError> {
        let limit = Limit::from_name(name)?;
        let value = parse(limit, text.trim())?;
        self.put(limit, value);
        Ok(limit)
    }
}

pub(crate) fn parse(limit: Limit, text: &str) -> Result<f64, LimitError> {
    let expected = match limit.unit() {
        Unit::Count => "a whole number",
        Unit::Milliseconds => "a duration such as 30s, 500ms or 2m",
        Unit::Bytes => "a size such as 1048576 or 64MiB",
        Unit::UsDollars => "dollars such as 2.50, or none",
    };
    let invalid = || LimitError::Invalid {
        name: limit.name(),
        value: text.to_owned(),
        expected,
    };
    if limit.unit() == Unit::UsDollars {
        if text == "none" {
            return Ok(f64::INFINITY);
        }
        let dollars: f64 = text
            .trim_start_matches('$')
            .parse()
            .map_err(|_| invalid())?;
        return if dollars.is_finite() && dollars >= 0.0 {
            Ok(dollars)
        } else {
            Err(invalid())
        };
    }
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.'));
    let (number, suffix) = text.split_at(digits.unwrap_or(text.len()));
    let suffix = suffix.trim();
    let factor = match (limit.unit(), suffix) {
        (Unit::Count, "") | (Unit::Milliseconds, "ms") | (Unit::Bytes, "" | "B") => 1,
        (Unit::Milliseconds, "" | "s") => 1_000,
        (Unit::Milliseconds, "m") => 60_000,
        (Unit::Bytes, "KiB") => 1 << 10,
        (Unit::Bytes, "MiB") => 1 << 20,
        (Unit::Bytes, "GiB") => 1 << 30,
        _ => return Err(invalid()),
    };
    let number = number.replace('_', "");
    let value = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(factor).ok_or_else(invalid)?,
        // Fractions make sense for what is measured, not for what is counted.
        Err(_) if limit.unit() != Unit::Count => {
            let fraction: f64 = number.parse().map_err(|_| invalid())?;
            (fraction * factor as f64).round() as u64
        }
        Err(_) => return Err(invalid()),
    };
    let (min, max) = limit.bounds();
    if !(min..=max).contains(&value) {
        return Err(LimitError::OutOfRange {
            name: limit.name(),
            value: limit.display(value as f64),
            min,
            max,
        });
    }
    Ok(value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expect: Result<f64, &str>) {
        let mut limits = Limits::builtin();
        let got = limits
            .set(name, text)
            .map(|limit| limits.get(limit))
            .map_err(|e| e.to_string());
        match (&got, expect) {
            (Ok(value), Ok(want)) => assert_eq!(*value, want, "{name}={text}"),
            (Err(message), Err(part)) => {
                assert!(message.contains(part), "{name}={text}: {message}")
            }
            _ => panic!("{name}={text}: {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn values_are_read_in_their_units() {
        check("wasm_fuel", "1_000_000", Ok(1e6));
        check("wasm_timeout", "500ms", Ok(500.0));
        check("wasm_timeout", "2", Ok(2000.0));
        check("wasm_timeout", "1.5s", Ok(1500.0));
        check("wasm_max_memory_size", "64MiB", Ok((64u64 << 20) as f64));
        check("total_budget_usd", "2.50", Ok(2.5));
        check("total_budget_usd", "none", Ok(f64::INFINITY));
        check("max_turns", "7", Ok(7.0));
        check("max_response_bytes", "1MiB", Ok((1u64 << 20) as f64));
        check("max_redirects", "0", Ok(0.0));
    }

    #[test]
    fn nonsense_is_refused_with_the_remedy() {
        check("wasm_fule", "1", Err("known limits: wasm_fuel"));
        check("wasm_fuel", "-1", Err("whole number"));
        check("wasm_fuel", "0", Err("between 1 and"));
        check("max_redirects", "21", Err("between 0 and 20"));
        check("wasm_fuel", "1.5", Err("whole number"));
        check("wasm_timeout", "soon", Err("a duration such as"));
        check("wasm_max_wasm_stack", "1GiB", Err("out of range"));
        check(
            "wasm_max_memory_size",
            "99999999999999999999",
            Err("out of range"),
        );
        check("total_budget_usd", "-1", Err("dollars"));
        check("total_budget_usd", "NaN", Err("dollars"));
    }

    #[test]
    fn every_limit_has_a_default_within_its_bounds() {
        let limits = Limits::builtin();
        for &limit in Limit::ALL {
            let (min, max) = limit.bounds();
            let value = limits.get(limit);
            assert!(value >= min as f64, "{}", limit.name());
            assert!(
                value <= max as f64 || limit.unit() == Unit::UsDollars,
                "{}",
                limit.name()
            );
            assert!(!limit.doc().is_empty());
        }
    }
}
