//! Dates of creation that say nothing.

/// 1980-01-02, in unix seconds. A date before it is no date: tools that build reproducibly write none, year 1, 1970
/// (jib, ko, Bazel) or the first second that a ZIP archive can hold (Cloud Native Buildpacks: 1980-01-01T00:00:01Z).
const FIRST_DATE: i64 = 315_619_200;
/// A day, in seconds: clocks differ, and zones are mistaken for each other. A date further ahead is of a machine whose
/// clock was wrong; taken for real, its image would be the newest for ever.
const AHEAD: i64 = 86_400;

/// True for a date that is yet to come, `now` and whatever a clock may be ahead of it.
pub(crate) const fn is_to_come(seconds: i64, now: i64) -> bool {
    seconds > now.saturating_add(AHEAD)
}

/// True for a date of creation, in unix seconds, that says when an image was made.
pub(crate) const fn says_when(seconds: i64, now: i64) -> bool {
    seconds >= FIRST_DATE && !is_to_come(seconds, now)
}
