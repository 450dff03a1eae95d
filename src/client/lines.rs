//! Lines of an answer that comes in pieces and may never end.

use std::fmt;
use std::ops::ControlFlow;

/// Puts lines together from pieces, up to limits.
pub(super) struct Lines {
    /// The beginning of a line whose end is yet to come.
    begun: Vec<u8>,
    longest: usize,
    /// The bytes that may still come; `None` for any number.
    left: Option<usize>,
    all: Option<usize>,
}

/// A limit that an answer passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooLong {
    /// One line has more bytes than this.
    Line(usize),
    /// All of it has more bytes than this.
    All(usize),
}

impl Lines {
    /// Lines of at most `longest` bytes each, and of `all` together; `None` for any number of them.
    pub(super) const fn new(longest: usize, all: Option<usize>) -> Self {
        Self { begun: Vec::new(), longest, left: all, all }
    }

    /// Hands over each line that ends in `piece`, until one is enough. Nothing is searched twice.
    ///
    /// # Errors
    ///
    /// A limit is passed.
    pub(super) fn add(
        &mut self,
        piece: &[u8],
        on_line: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TooLong> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if let (Some(left), Some(all)) = (&mut self.left, self.all) {
                *left = left.checked_sub(part.len()).ok_or(TooLong::All(all))?;
            }
            if self.begun.len().saturating_add(part.len()) > self.longest {
                return Err(TooLong::Line(self.longest));
            }
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let flow = on_line(&self.begun);
                self.begun.clear();
                if flow.is_break() {
                    return Ok(flow);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// True where a line began and has no end yet.
    pub(super) const fn is_torn(&self) -> bool {
        !self.begun.is_empty()
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(limit) => write!(formatter, "a line is longer than {limit} bytes"),
            Self::All(limit) => write!(formatter, "the answer is longer than {limit} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that come of `text` in pieces of so many bytes, and how it ended.
    fn lines(text: &str, piece: usize, limits: Lines) -> (Vec<String>, Option<TooLong>) {
        let (mut limits, mut found) = (limits, Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            let added = limits.add(piece, &mut |line| {
                found.push(String::from_utf8_lossy(line).into_owned());
                if line == b"enough\n" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            match added {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return (found, None),
                Err(limit) => return (found, Some(limit)),
            }
        }
        (found, None)
    }

    #[test]
    fn lines_are_the_same_in_pieces_of_any_length() {
        let text = "one\n\ntwo\nenough\nthree\nno end";
        for piece in 1..=text.len() {
            let (found, limit) = lines(text, piece, Lines::new(7, Some(text.len())));
            assert_eq!((found.concat().as_str(), limit), ("one\n\ntwo\nenough\n", None), "{piece}");
        }
    }

    #[test]
    fn a_line_and_all_of_them_have_a_limit() {
        for piece in 1..20 {
            assert_eq!(lines("1\n12345\n", piece, Lines::new(6, None)).1, None, "{piece}");
            assert_eq!(lines("1\n123456", piece, Lines::new(6, None)).1, None, "{piece}");
            assert_eq!(lines("1\n1234567", piece, Lines::new(6, None)).1, Some(TooLong::Line(6)), "{piece}");
            assert_eq!(lines("1\n2\n3\n", piece, Lines::new(6, Some(6))).1, None, "{piece}");
            let (found, limit) = lines("1\n2\n3\n4", piece, Lines::new(6, Some(6)));
            assert_eq!((found.concat().as_str(), limit), ("1\n2\n3\n", Some(TooLong::All(6))), "{piece}");
        }
    }
}
