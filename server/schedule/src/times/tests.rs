//! What is due when, above all where clocks change.

use super::*;

/// The times behind `from`, as the clock on the wall shows them.
#[track_caller]
fn check(cron: &str, zone: &str, from: &str, expect: &[&str]) {
    let times = Times::new(cron, zone).unwrap();
    let mut at: Timestamp = from.parse().unwrap();
    let mut found = Vec::new();
    for _ in expect {
        at = times.after(at).unwrap();
        found.push(
            at.to_zoned_datetime(times.zone().clone())
                .strftime("%F %T%:z")
                .to_string(),
        );
        // And back again.
        assert_eq!(times.until(at), Some(at), "{cron} in {zone}");
        assert!(times.until(at - SignedDuration::from_nanos(1)) < Some(at));
    }
    assert_eq!(found, expect, "{cron} in {zone}");
}

#[test]
fn expressions_are_of_their_zone() {
    check(
        "*/30 9-17 * * 1-5",
        "Europe/Berlin",
        "2026-07-03T15:10:00Z",
        &["2026-07-03 17:30:00+02:00", "2026-07-06 09:00:00+02:00"],
    );
    check(
        "@daily",
        "Asia/Tokyo",
        "2026-01-01T00:00:00Z",
        &["2026-01-02 00:00:00+09:00"],
    );
    check(
        "*/20 * * * * *",
        "UTC",
        "2026-01-01T00:00:00.5Z",
        &["2026-01-01 00:00:20+00:00"],
    );
    check(
        "0 12 29 2 *",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2028-02-29 12:00:00+00:00"],
    );
    check(
        "0 0 9 1 1 * 2030",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2030-01-01 09:00:00+00:00"],
    );
}

#[test]
fn a_time_that_is_left_out_comes_once_when_the_clock_has_changed() {
    let night = "2026-03-28T23:00:00Z";
    check(
        "30 2 * * *",
        "Europe/Berlin",
        night,
        &["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00"],
    );
    // All that fall into the same moment are one.
    check(
        "*/20 * * * *",
        "Europe/Berlin",
        "2026-03-29T00:30:00Z",
        &[
            "2026-03-29 01:40:00+01:00",
            "2026-03-29 03:00:00+02:00",
            "2026-03-29 03:20:00+02:00",
        ],
    );
    check(
        "0 0 * * *",
        "America/Sao_Paulo",
        "2018-11-03T12:00:00Z",
        &["2018-11-04 01:00:00-02:00", "2018-11-05 00:00:00-02:00"],
    );
    // A whole day.
    check(
        "0 12 * * *",
        "Pacific/Apia",
        "2011-12-29T23:00:00Z",
        &["2011-12-31 00:00:00+14:00", "2011-12-31 12:00:00+14:00"],
    );
}

#[test]
fn a_time_that_is_there_twice_comes_the_first_time() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        &["2026-10-25 02:30:00+02:00", "2026-10-26 02:30:00+01:00"],
    );
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:40:00Z",
        &[
            "2026-10-25 02:00:00+02:00",
            "2026-10-25 02:30:00+02:00",
            "2026-10-25 03:00:00+01:00",
        ],
    );
    // From the middle of the second time.
    check(
        "* * * * * *",
        "Europe/Berlin",
        "2026-10-25T01:30:00Z",
        &["2026-10-25 03:00:00+01:00"],
    );
    let times = Times::new("* * * * *", "Europe/Berlin").unwrap();
    let second: Timestamp = "2026-10-25T01:30:00Z".parse().unwrap();
    let last: Timestamp = "2026-10-25T00:59:00Z".parse().unwrap();
    assert_eq!(times.until(second), Some(last));
}

#[test]
fn what_never_comes_is_found_out() {
    let times = Times::new("0 0 30 2 *", "UTC").unwrap();
    assert_eq!(times.after("2026-01-01T00:00:00Z".parse().unwrap()), None);
    let past = Times::new("0 0 9 1 1 * 2020", "UTC").unwrap();
    assert_eq!(past.after("2026-01-01T00:00:00Z".parse().unwrap()), None);
}

#[test]
fn errors_name_the_field() {
    let check = |cron: &str, zone: &str, expect: &str| {
        let error = Times::strict(cron, zone).unwrap_err().to_string();
        assert!(error.contains(expect), "{cron} {zone}: {error}");
    };
    check("61 * * * *", "UTC", "the minute `61`");
    check("* * * * 9", "UTC", "the day of the week `9`");
    check("* * * FOO *", "UTC", "the month `FOO`");
    check("99 0 0 * * *", "UTC", "the second `99`");
    check("0 0 0 * * * 9999", "UTC", "the year `9999`");
    check("* 5-2 * * *", "UTC", "the hour `5-2`");
    check("* * *", "UTC", "between 5 and 7 fields");
    check("", "UTC", "cannot read the cron expression");
    check("@often", "UTC", "cannot read the cron expression");
    check(
        "* * * * *",
        "Europe/Atlantis",
        "no time zone `Europe/Atlantis`",
    );
    check("* * * * *", "", "no time zone");
    check("*/99 * * * *", "UTC", "the step is more than the 60");
    check("1-59/61 * * * *", "UTC", "the minute `1-59/61`");
    check("0 */25 * * *", "UTC", "the step is more than the 24");
    check("0 0 */32 * *", "UTC", "the day of the month `*/32`");
    check("0 0 * */13 *", "UTC", "the month `*/13`");
    check("0 0 * * */8", "UTC", "the day of the week `*/8`");
    check("1,, * * * *", "UTC", "the list has an empty item");
    check("0 ,5 * * *", "UTC", "the hour `,5`");
    check("* * * * \u{1b}[2J", "UTC", "\\u{1b}[2J");
    for zone in ["localtime", "posixrules", "Factory", "LOCALTIME"] {
        check("* * * * *", zone, &format!("no time zone `{zone}`"));
    }
    check("* * * * *", "UTC\n", "no time zone `UTC\\n`");
}

#[test]
fn steps_up_to_the_whole_field_are_taken() {
    let check = |cron: &str| assert!(Times::strict(cron, "UTC").is_ok(), "{cron}");
    check("*/30 */12 */15 */6 */3");
    check("0-30/10,45 9-17 * * MON-FRI");
    check("@daily");
}

#[test]
fn what_was_set_up_before_it_was_refused_is_read() {
    let check = |cron: &str| {
        assert!(Times::strict(cron, "UTC").is_err(), "{cron}");
        assert!(Times::new(cron, "UTC").is_ok(), "{cron}");
    };
    check("*/99 * * * *");
    check("0 */25 * * *");
    check("0 0 */32 * *");
}
