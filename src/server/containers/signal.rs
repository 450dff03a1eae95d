//! Signals by name and number.

/// Linux's, by number from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

pub const TERMINATE: i32 = 15;
pub const KILL: i32 = 9;

/// A signal by its number, which need not be one, or its name with or without `SIG`.
pub fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return Some(number).filter(|number| *number != 0);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let position = NAMES.iter().position(|known| *known == name)?;
    i32::try_from(position + 1).ok()
}

/// Linux has such a signal.
pub const fn is_known(signal: i32) -> bool {
    matches!(signal, 1..=64)
}

/// A process ends with it; of the others it takes note.
pub const fn ends(signal: i32) -> bool {
    // HUP, INT, QUIT, ABRT, KILL, TERM.
    matches!(signal, 1 | 2 | 3 | 6 | KILL | TERMINATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_signals() {
        for (text, expected) in [
            ("KILL", Some(9)),
            ("SIGTERM", Some(15)),
            ("sigusr1", Some(10)),
            ("64", Some(64)),
            ("65", Some(65)),
            ("0", None),
            ("-1", Some(-1)),
            ("SIG", None),
            ("FOO", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
