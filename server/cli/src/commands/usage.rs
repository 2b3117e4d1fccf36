//! `boxagnts usage`: tokens and dollars.

use crate::exit::{Exit, Failure};
use crate::render::{count, thousands};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::commands::{UsageBy, UsageParams, UsageResult, UsageRow};
use boxagnts_protocol::conversation::TokenUsage;
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::path::PathBuf;

/// Widest key of a row, in characters.
const KEY_CHARS: usize = 40;

/// Show what models used and cost, by day, session or model.
///
/// What was used in all folders is counted, from the journal: sessions that were removed are gone from
/// it. Days are those of your time zone. What a fork or an import brought along counts where it was
/// used.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts usage
  boxagnts usage --by model --since 2026-01-01
  boxagnts usage --by session --workspace . --json")]
pub(crate) struct Usage {
    /// What to add up.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "day")]
    by: By,
    /// Only from this day on, as in 2026-01-31.
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// Only sessions of this folder.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one JSON object: rows, total, and the calls without a known price.
    #[arg(long)]
    json: bool,
}

/// What is added up.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    /// Days, in order.
    Day,
    /// Sessions, the most expensive first.
    Session,
    /// Models, the most expensive first.
    Model,
}

impl Usage {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let workspaces = match &self.workspace {
            Some(folder) => Some([setup::workspace(folder)?.display().to_string()]),
            None => None,
        };
        let params = UsageParams {
            by: match self.by {
                By::Day => UsageBy::Day,
                By::Session => UsageBy::Session,
                By::Model => UsageBy::Model,
            },
            since: self.since,
            all: workspaces.is_none(),
        };
        let journal = setup::journal()?;
        let workspaces = workspaces.as_ref().map(|one| &one[..]);
        let zone = TimeZone::system();
        let usage = boxagnts_session::usage(&journal, workspaces, &params, &zone)?;
        if self.json {
            terminal::print(&format!("{}\n", serde_json::to_string(&usage)?))?;
            return Ok(Exit::Done);
        }
        if usage.rows.is_empty() {
            terminal::say("no model has answered\n");
            return Ok(Exit::Done);
        }
        terminal::print(&table(&usage, Theme::stdout()))?;
        Ok(Exit::Done)
    }
}

fn table(usage: &UsageResult, theme: Theme) -> String {
    let head = [
        "",
        "calls",
        "input",
        "output",
        "cache read",
        "cache write",
        "cached",
        "cost",
    ];
    let mut lines: Vec<[String; 8]> = vec![head.map(str::to_owned)];
    let rows = usage.rows.iter().chain([&usage.total]);
    lines.extend(rows.map(cells));
    let width = |column: usize| {
        let widths = lines.iter().map(|cells| cells[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for (at, cells) in lines.iter().enumerate() {
        let mut line = format!("{:<width$}", cells[0], width = widths[0]);
        for (cell, width) in cells.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        if let Some(title) = at
            .checked_sub(1)
            .and_then(|row| usage.rows.get(row)?.title.as_ref())
        {
            let _ = write!(line, "  {}", crate::render::cut(&visible(title), 60));
        }
        let style = match at {
            0 => theme.dim,
            at if at + 1 == lines.len() => theme.bold,
            _ => anstyle::Style::new(),
        };
        let _ = writeln!(text, "{}", paint(style, line.trim_end()));
    }
    if !usage.unpriced.is_empty() {
        let models = usage.unpriced.iter().map(|unpriced| {
            let calls = count(unpriced.calls, "call");
            format!("{} ({calls})", visible(&unpriced.model))
        });
        let models: Vec<String> = models.collect();
        let _ = writeln!(
            text,
            "no price is known for {}, so no cost has them in it; `price` of a provider in the \
             configuration gives one",
            models.join(", ")
        );
    }
    text
}

/// How much of what models read came from a provider's cache.
fn cached(tokens: &TokenUsage) -> String {
    let prompt = tokens.total().saturating_sub(tokens.output_tokens);
    match prompt {
        0 => "-".to_owned(),
        _ => format!(
            "{:.0} %",
            100.0 * tokens.cache_read_tokens as f64 / prompt as f64
        ),
    }
}

fn cells(row: &UsageRow) -> [String; 8] {
    let key = match row.key.as_str() {
        "" => "total".to_owned(),
        key => crate::render::cut(&visible(key), KEY_CHARS),
    };
    let cost = match (row.cost_usd, row.unpriced_calls) {
        (None, _) => "unknown".to_owned(),
        (Some(cost), 0) => format!("${cost:.4}"),
        (Some(cost), _) => format!("${cost:.4} + unknown"),
    };
    let tokens = &row.tokens;
    [
        key,
        thousands(row.calls),
        thousands(tokens.input_tokens),
        thousands(tokens.output_tokens),
        thousands(tokens.cache_read_tokens),
        thousands(tokens.cache_write_tokens),
        cached(tokens),
        cost,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::commands::UnpricedCalls;
    use boxagnts_protocol::conversation::TokenUsage;
    use expect_test::expect;

    #[test]
    fn what_has_no_price_is_told() {
        let row = |key: &str, title: Option<&str>, calls, cost_usd, unpriced_calls| UsageRow {
            key: key.into(),
            title: title.map(str::to_owned),
            calls,
            tokens: TokenUsage {
                input_tokens: 12_345,
                ..TokenUsage::default()
            },
            cost_usd,
            unpriced_calls,
        };
        let usage = UsageResult {
            rows: vec![
                row("abc", Some("rename \u{1b}[2J"), 2, Some(0.5), 0),
                row("def", None, 1, None, 1),
            ],
            total: row("", None, 3, Some(0.5), 1),
            unpriced: vec![UnpricedCalls {
                model: "x:\u{1b}[2J".into(),
                calls: 1,
            }],
        };
        expect![[r#"
                   calls   input  output  cache read  cache write  cached               cost
            abc        2  12,345       0           0            0     0 %            $0.5000  rename ␛[2J
            def        1  12,345       0           0            0     0 %            unknown
            total      3  12,345       0           0            0     0 %  $0.5000 + unknown
            no price is known for x:␛[2J (1 call), so no cost has them in it; `price` of a provider in the configuration gives one
        "#]]
        .assert_eq(&table(&usage, Theme::plain()));
    }
}
