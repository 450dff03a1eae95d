//! How the command ends when it does not end well.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use image_prune::{Error, ErrorClass};
use serde_json::json;

use super::args::Format;
use super::json;
use super::render::{self, escape};

pub type Result<T> = std::result::Result<T, Failure>;

/// Why the command ends early.
#[derive(Debug)]
pub enum Failure {
    /// Exit code 1. The hint, for people, says what to do.
    Error { error: Error, hint: Option<&'static str> },
    /// Exit code 2.
    Usage(String),
    /// Exit code 1; everything was said already.
    Reported,
    /// Exit code 3; the differences were printed already.
    Differences,
    /// Nobody reads stdout any more, as with `| head`. No failure.
    ClosedPipe,
}

impl Failure {
    /// Something about the file or folder at `path`.
    pub fn at(path: &Path, class: ErrorClass, problem: impl std::fmt::Display) -> Self {
        Error::new(class, format!("{}: {problem}", path.display())).into()
    }

    /// What the system says about the file or folder at `path`.
    pub fn io(path: &Path, error: &io::Error) -> Self {
        let class = match error.kind() {
            io::ErrorKind::NotFound => ErrorClass::NotFound,
            _ => ErrorClass::System,
        };
        Self::at(path, class, error)
    }

    pub fn with_hint(self, hint: &'static str) -> Self {
        match self {
            Self::Error { error, .. } => Self::Error { error, hint: Some(hint) },
            other => other,
        }
    }

    /// Tells people, and programs where they asked for JSON.
    pub fn report(self, format: Format) -> ExitCode {
        match self {
            Self::Error { error, hint } => {
                render::line_to_stderr("error", &error.to_string());
                if let Some(hint) = hint {
                    render::line_to_stderr("hint", hint);
                }
                report_json(format, &error);
                ExitCode::from(1)
            }
            Self::Usage(message) => {
                render::line_to_stderr("error", &message);
                report_json(format, &Error::invalid_parameter(message));
                ExitCode::from(2)
            }
            Self::Reported => ExitCode::from(1),
            Self::Differences => ExitCode::from(3),
            Self::ClosedPipe => ExitCode::SUCCESS,
        }
    }
}

/// A command line that clap refuses, and `--help`.
pub fn refused_arguments(error: &clap::Error, is_json: bool) -> ExitCode {
    // A closed pipe is all that can go wrong, and there is nobody left to tell.
    let _ = error.print();
    if is_json && error.use_stderr() {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        report_json(Format::Json, &Error::invalid_parameter(message.to_owned()));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn report_json(format: Format, error: &Error) {
    if format == Format::Json {
        let class = error.class();
        let message = error.to_string();
        let body = json!({ "class": class.as_str(), "message": message, "status": class.http_status() });
        let _ = json::line(io::stdout().lock(), &json!({ "error": body }));
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error { error, hint: None }
    }
}

/// Of writing to stdout, which is all that `?` is used on.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Error::system(format!("cannot write to stdout: {}", escape(&error.to_string()))).into(),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}
