//! When a job is due: a cron expression in a time zone.
//!
//! croner walks the calendar in local time and knows nothing of zones here; jiff, which the rest of the
//! program uses, says which moment a local time is. So there is one time zone database, and the rule of
//! daylight saving is ours: a local time that is left out comes when the clock has been put forward, one
//! that is there twice comes the first time. Later local times never are earlier moments by that.

use crate::error::TimesError;
use croner::errors::CronError;
use croner::parser::CronParser;
use croner::{CivilDate, CivilDateTime, CivilTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Ordering;

/// The fields of an expression with seconds and a year, what each takes, and how many values it has.
const FIELDS: [(&str, &str, u32); 7] = [
    ("second", "0-59", 60),
    ("minute", "0-59", 60),
    ("hour", "0-23", 24),
    ("day of the month", "1-31, L or 15W", 31),
    ("month", "1-12 or JAN-DEC", 12),
    ("day of the week", "0-7 or SUN-SAT, 5L or MON#2", 7),
    ("year", "1-5000", 5000),
];
/// Names in databases of time zones that are not of a place: another zone on each machine, or none.
const NO_PLACES: [&str; 3] = ["localtime", "posixrules", "Factory"];

/// Local times without a moment of their own that are passed over in one search: no zone leaves out or
/// repeats more than a day.
const MOST_PASSED: usize = 2 * 86_400;

/// The times of a job.
#[derive(Debug, Clone)]
pub struct Times {
    cron: Cron,
    zone: TimeZone,
}

impl Times {
    /// Reads a cron expression and the name of its time zone.
    ///
    /// # Errors
    /// An expression or a zone that means nothing, with the field that is wrong.
    pub fn new(cron: &str, zone: &str) -> Result<Times, TimesError> {
        Ok(Times {
            cron: parse(cron)?,
            zone: TimeZone::get(zone).map_err(|_| no_zone(zone))?,
        })
    }

    /// As [`Times::new`], for what its user sets up now: what was set up once is read for ever.
    ///
    /// # Errors
    /// Also what can be read, but what nobody means.
    pub fn strict(cron: &str, zone: &str) -> Result<Times, TimesError> {
        let times = Times::new(cron, zone)?;
        if NO_PLACES.iter().any(|no| zone.eq_ignore_ascii_case(no)) {
            return Err(no_zone(zone));
        }
        match wrong_field(cron, sensible) {
            Some(wrong) => Err(wrong),
            None => Ok(times),
        }
    }

    /// The zone that the expression is of.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first time behind `moment`; `None` when none comes.
    pub fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        let mut local = Local::of(&self.zone, moment);
        for _ in 0..MOST_PASSED {
            local = self.cron.find_next_occurrence(&local, false).ok()?;
            let due = self.moment(local)?;
            if due > moment {
                return Some(due);
            }
        }
        None
    }

    /// The last time at or before `moment`; `None` when there was none.
    pub fn until(&self, moment: Timestamp) -> Option<Timestamp> {
        let mut local = Local::of(&self.zone, moment);
        // In an hour that is there a second time, all of the first one lies behind.
        if let AmbiguousOffset::Fold { before, .. } =
            self.zone.to_ambiguous_timestamp(local.0).offset()
        {
            local = Local(before.to_datetime(moment));
        }
        let mut inclusive = true;
        for _ in 0..MOST_PASSED {
            local = self.cron.find_previous_occurrence(&local, inclusive).ok()?;
            inclusive = false;
            let due = self.moment(local)?;
            if due <= moment {
                return Some(due);
            }
        }
        None
    }

    /// When the day of `moment` began in the zone.
    pub fn start_of_day(&self, moment: Timestamp) -> Timestamp {
        let start = moment.to_zoned_datetime(self.zone.clone()).start_of_day();
        start.map_or(moment, |start| start.timestamp())
    }

    /// The moment that a local time is.
    fn moment(&self, Local(local): Local) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                let early = after.to_timestamp(local).ok()?;
                let change = self.zone.following(early).next()?;
                Some(change.timestamp())
            }
        }
    }
}

fn no_zone(name: &str) -> TimesError {
    TimesError::Zone {
        given: name.escape_default().to_string(),
    }
}

fn parse(given: &str) -> Result<Cron, TimesError> {
    let parsed = CronParser::builder().build().parse(given);
    parsed.map_err(|error| {
        let wrong = wrong_field(given, |_, _| Ok(()));
        wrong.unwrap_or_else(|| TimesError::Cron {
            given: given.escape_default().to_string(),
            reason: reason(&error),
        })
    })
}

/// The first field that cannot be read, or with which something is wrong by `check`, which gets it and
/// how many values there are.
fn wrong_field(cron: &str, check: impl Fn(&str, u32) -> Result<(), String>) -> Option<TimesError> {
    let parser = CronParser::builder().build();
    let fields: Vec<&str> = cron.split_whitespace().collect();
    if !(5..=7).contains(&fields.len()) {
        return None;
    }
    // Five fields have neither seconds nor a year, six have no year.
    let first = usize::from(fields.len() == 5);
    let known = FIELDS.iter().enumerate().skip(first);
    for (given, (at, (field, takes, values))) in fields.iter().zip(known) {
        // The one that cannot be read beside others that can.
        let mut alone = ["*"; 7];
        if let Some(place) = alone.get_mut(at) {
            *place = given;
        }
        let read = parser
            .parse(&alone.join(" "))
            .map_err(|error| reason(&error));
        if let Err(reason) = read.and_then(|_| check(given, *values)) {
            return Some(TimesError::Field {
                cron: cron.escape_default().to_string(),
                field,
                given: given.escape_default().to_string(),
                takes,
                reason: reason.escape_default().to_string(),
            });
        }
    }
    None
}

/// Refuses what the parser takes, but what nobody means.
fn sensible(field: &str, values: u32) -> Result<(), String> {
    for item in field.split(',') {
        if item.is_empty() {
            return Err("the list has an empty item".to_owned());
        }
        let step = item.split_once('/').and_then(|(_, step)| step.parse().ok());
        if step.is_some_and(|step: u32| step > values) {
            return Err(format!("the step is more than the {values} that there are"));
        }
    }
    Ok(())
}

/// What the parser says, without its own names for things.
fn reason(error: &CronError) -> String {
    match error {
        CronError::InvalidPattern(reason)
        | CronError::IllegalCharacters(reason)
        | CronError::ComponentError(reason) => reason.trim_end_matches('.').to_owned(),
        other => other.to_string().trim_end_matches('.').to_owned(),
    }
}

/// A local time, as croner takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Local(DateTime);

impl Local {
    fn of(zone: &TimeZone, moment: Timestamp) -> Local {
        Local(zone.to_datetime(moment))
    }
}

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let (date, time) = (self.0.date(), self.0.time());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(
                i32::from(date.year()),
                u32::from(date.month().unsigned_abs()),
                u32::from(date.day().unsigned_abs()),
            ),
            CivilTime::from_parts_unchecked(
                u32::from(time.hour().unsigned_abs()),
                u32::from(time.minute().unsigned_abs()),
                u32::from(time.second().unsigned_abs()),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::from(days.unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Local>, CronError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let small = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
        let local = DateTime::new(
            year,
            small(civil.month())?,
            small(civil.day())?,
            small(civil.hour())?,
            small(civil.minute())?,
            small(civil.second())?,
            0,
        );
        let local = local.map_err(|_| CronError::InvalidDate)?;
        Ok(Resolution::Single(Local(local)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Local> {
        let moved = self.0.checked_add(SignedDuration::from_secs(seconds));
        moved.ok().map(Local)
    }

    fn cmp_instant(&self, other: &Local) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests;
