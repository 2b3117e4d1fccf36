//! The table of figures.

use serde_json::Value;
use std::time::Duration;

/// Rows: what, figure, target, ratio to a peer.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    /// A figure with its target.
    pub fn row(&mut self, what: &str, figure: String, target: &str, within: bool) {
        let verdict = if within { "" } else { " **missed**" };
        self.rows.push([
            what.to_owned(),
            figure,
            format!("{target}{verdict}"),
            String::new(),
        ]);
    }

    /// A duration with its target.
    pub fn time(&mut self, what: &str, took: Duration, target: Duration) {
        let within = took <= target;
        self.row(what, shown(took), &format!("≤ {}", shown(target)), within);
    }

    /// The ratio of the last row to a peer.
    pub fn ratio(&mut self, text: String) {
        if let Some(row) = self.rows.last_mut() {
            row[3] = text;
        }
    }

    /// Markdown, to standard output.
    #[allow(clippy::print_stdout)]
    pub fn print(&self) {
        println!("\n| what | figure | target | ratio |\n|---|---|---|---|");
        for [what, figure, target, ratio] in &self.rows {
            println!("| {what} | {figure} | {target} | {ratio} |");
        }
    }
}

/// A duration for people.
pub fn shown(duration: Duration) -> String {
    match duration.as_nanos() {
        0..1_000_000 => format!("{:.1} µs", duration.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.2} ms", duration.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}

/// The value that `share` of the samples do not exceed.
pub fn percentile(samples: &mut [Duration], share: f64) -> Duration {
    samples.sort_unstable();
    let at = ((samples.len() as f64 * share).ceil() as usize).clamp(1, samples.len());
    samples[at - 1]
}

/// The median that criterion has just found.
pub fn median(group: &str, function: &str) -> Duration {
    // …/target/release/deps/bench-0123 → …/target/criterion
    let own = std::env::current_exe().unwrap_or_default();
    let mut results = own.ancestors().map(|folder| folder.join("criterion"));
    let results = results.find(|folder| folder.is_dir());
    let path = results.expect("criterion's results").join(group);
    let path = path.join(function).join("new/estimates.json");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let estimates: Value = serde_json::from_slice(&text).expect("criterion's estimates");
    let nanoseconds = estimates["median"]["point_estimate"]
        .as_f64()
        .expect("a median");
    Duration::from_nanos(nanoseconds as u64)
}
