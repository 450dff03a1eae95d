//! Sizes and ages as docker prints them.

pub use image_prune::units::{human_duration, human_size, short_size};

/// Bytes as people write them.
pub fn bytes(text: &str) -> Result<u64, String> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err("write it like 500MB, 1GiB or 1048576".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write it like 500MB, 1GiB or 1048576".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "more bytes than there are".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_people_write_them() {
        for (text, expected) in [("0", 0), ("7b", 7), ("5MB", 5_000_000), ("2 GiB", 2 << 30), ("1K", 1000)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "MB", "-1", "1.5GB", "1XB", "99999999999TB", "18446744073709551616"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
