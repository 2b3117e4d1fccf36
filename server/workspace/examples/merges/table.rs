//! The counts of verdicts by kind of merge.

use crate::classify::Verdict;
use crate::corpus::Kind;
use std::collections::BTreeMap;
use std::fmt;

/// How often each verdict came out.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<(Kind, Verdict), usize>);

impl Table {
    /// One more.
    pub fn count(&mut self, kind: Kind, verdict: Verdict) {
        *self.0.entry((kind, verdict)).or_default() += 1;
    }

    /// Merges whose kind and verdict are so.
    pub fn sum(&self, wanted: impl Fn(Kind, Verdict) -> bool) -> usize {
        let counted = self
            .0
            .iter()
            .filter(|((kind, verdict), _)| wanted(*kind, *verdict));
        counted.map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdicts = Verdict::ALL.map(Verdict::name).join(" | ");
        writeln!(f, "| kind | merges | agree | {verdicts} |")?;
        writeln!(f, "|---|{}", "---|".repeat(2 + Verdict::ALL.len()))?;
        let mut row = |name: &str, wanted: &dyn Fn(Kind) -> bool| {
            let all = self.sum(|kind, _| wanted(kind));
            if all == 0 {
                return Ok(());
            }
            let agreed = self.sum(|kind, verdict| wanted(kind) && verdict.agrees());
            let counts = Verdict::ALL.map(|column| {
                let count = self.sum(|kind, verdict| wanted(kind) && verdict == column);
                count.to_string()
            });
            let (share, counts) = (agreed as f64 / all as f64 * 100.0, counts.join(" | "));
            writeln!(f, "| {name} | {all} | {share:.1} % | {counts} |")
        };
        for kind in Kind::ALL {
            row(kind.name(), &|other| other == kind)?;
        }
        row("all", &|_| true)
    }
}
