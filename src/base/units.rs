//! Sizes and ages as docker prints them (docker/go-units, U-7).

/// A size with four digits, as in `Total reclaimed space` and in disk usage.
///
/// ```
/// assert_eq!(image_prune::units::human_size(12_345), "12.35kB");
/// ```
#[must_use]
pub fn human_size(bytes: i128) -> String {
    human_size_with_precision(bytes, 4)
}

/// A size with three digits, as in the list of images.
#[must_use]
pub fn short_size(bytes: i128) -> String {
    human_size_with_precision(bytes, 3)
}

/// Divided by 1000 while that is possible. A negative size stays in bytes, as in docker.
#[expect(clippy::cast_precision_loss, reason = "docker's own conversion to float64")]
fn human_size_with_precision(bytes: i128, precision: usize) -> String {
    let mut size = bytes as f64;
    let mut units = ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"].into_iter();
    let mut unit = "B";
    while size >= 1000.0 {
        let Some(next) = units.next() else { break };
        size /= 1000.0;
        unit = next;
    }
    format!("{}{unit}", general(size, precision))
}

/// C's and Go's `%.<precision>g`.
fn general(number: f64, precision: usize) -> String {
    let digits = precision.saturating_sub(1);
    let scientific = format!("{number:.digits$e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        let has_fraction = text.contains('.');
        let text = if has_fraction { text.trim_end_matches('0').trim_end_matches('.') } else { text };
        text.to_owned()
    };
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs());
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.decimals$}"))
}

/// How long ago, as docker's `CREATED` column has it.
///
/// ```
/// assert_eq!(image_prune::units::human_duration(90), "About a minute");
/// ```
#[must_use]
pub fn human_duration(seconds: i64) -> String {
    let (minutes, hours, nearest_hours) = (seconds / 60, seconds / 3600, seconds.saturating_add(1800) / 3600);
    match seconds {
        i64::MIN..=0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        _ => match nearest_hours {
            i64::MIN..=1 => "About an hour".to_owned(),
            2..48 => format!("{nearest_hours} hours"),
            48..336 => format!("{} days", nearest_hours / 24),
            336..1440 => format!("{} weeks", nearest_hours / 24 / 7),
            1440..17_520 => format!("{} months", nearest_hours / 24 / 30),
            _ => format!("{} years", hours / 24 / 365),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_gos() {
        for (bytes, four, three) in [
            (0, "0B", "0B"),
            (1, "1B", "1B"),
            (999, "999B", "999B"),
            (1000, "1kB", "1kB"),
            (1024, "1.024kB", "1.02kB"),
            (12_345, "12.35kB", "12.3kB"),
            (999_949, "999.9kB", "1e+03kB"),
            (999_999, "1000kB", "1e+03kB"),
            (1_234_567, "1.235MB", "1.23MB"),
            (150_000_000, "150MB", "150MB"),
            (i128::from(i64::MAX), "9.223EB", "9.22EB"),
            (i128::from(u64::MAX), "18.45EB", "18.4EB"),
            (-12_345, "-1.234e+04B", "-1.23e+04B"),
            (-5, "-5B", "-5B"),
        ] {
            assert_eq!((human_size(bytes).as_str(), short_size(bytes).as_str()), (four, three), "{bytes}");
        }
    }

    #[test]
    fn ages_are_dockers() {
        const HOUR: i64 = 3600;
        const DAY: i64 = 24 * HOUR;
        for (seconds, text) in [
            (-5, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (HOUR, "About an hour"),
            (HOUR + HOUR / 2, "2 hours"),
            (2 * DAY - 1, "2 days"),
            (14 * DAY, "2 weeks"),
            (60 * DAY, "2 months"),
            (730 * DAY, "2 years"),
            (i64::from(u32::MAX), "136 years"),
        ] {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }
}
