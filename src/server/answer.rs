//! What a route answers, before it is HTTP.

use std::io::{self, Write};

use serde::Serialize;

use super::json;
use crate::base::error::Error;

/// Writes a body that is made while it is sent. It ends early where the client is gone: writing fails then.
pub(super) type Writer = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// An answer: a status, what kind of body, and the body.
pub(super) struct Answer {
    pub status: u16,
    pub content_type: Option<&'static str>,
    /// Beside those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// False where no route was found: then the daemon says nothing of itself.
    pub is_routed: bool,
}

pub(super) enum Body {
    Whole(Vec<u8>),
    Streamed(Writer),
    /// Streamed; the connection is given up for it where the client asks for that.
    Hijacked(Writer),
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

impl Answer {
    fn new(status: u16, content_type: Option<&'static str>, body: Body) -> Self {
        Self { status, content_type, headers: Vec::new(), body, is_routed: true }
    }

    /// A status alone.
    pub fn empty(status: u16) -> Self {
        Self::new(status, None, Body::Whole(Vec::new()))
    }

    /// 200 and a document.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::json_with_status(200, value)
    }

    pub fn json_with_status<T: Serialize + ?Sized>(status: u16, value: &T) -> Self {
        match json::encode(value) {
            Ok(bytes) => Self::new(status, Some(JSON), Body::Whole(bytes)),
            Err(error) => Self::error(&Error::system(error.to_string()), ErrorForm::Json),
        }
    }

    pub fn text(text: &str) -> Self {
        Self::new(200, Some(TEXT), Body::Whole(text.as_bytes().to_vec()))
    }

    /// JSON documents one behind the other, as they come.
    pub fn messages(writer: Writer) -> Self {
        Self::new(200, Some(JSON), Body::Streamed(writer))
    }

    /// Bytes without a type.
    pub fn raw(writer: Writer) -> Self {
        Self::new(200, None, Body::Streamed(writer))
    }

    /// The streams of a container, without an end of their own.
    pub fn hijacked(writer: Writer) -> Self {
        Self::new(200, Some("application/vnd.docker.raw-stream"), Body::Hijacked(writer))
    }

    pub fn tar(writer: Writer) -> Self {
        Self::new(200, Some("application/x-tar"), Body::Streamed(writer))
    }

    /// H-6.
    pub fn error(error: &Error, form: ErrorForm) -> Self {
        Self::refusal(error.class().http_status(), &error.to_string(), form)
    }

    pub fn refusal(status: u16, message: &str, form: ErrorForm) -> Self {
        #[derive(Serialize)]
        struct Message<'a> {
            message: &'a str,
        }
        if form == ErrorForm::Json
            && let Ok(bytes) = json::encode(&Message { message })
        {
            return Self::new(status, Some(JSON), Body::Whole(bytes));
        }
        let mut answer = Self::new(status, Some(TEXT), Body::Whole(format!("{message}\n").into_bytes()));
        answer.headers.push(("X-Content-Type-Options", "nosniff".to_owned()));
        answer
    }
}

/// How an error is written (H-6): by the version that the path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorForm {
    Json,
    /// Up to 1.23.
    Text,
}

/// Why a route has no answer of its own.
pub(super) enum Refusal {
    /// moby's error.
    Error(Error),
    /// A status that no class of errors has.
    Status(u16, String),
    /// Nothing to say: 304.
    NotModified,
    /// No such route (H-1).
    NoRoute,
}

impl Refusal {
    pub fn answer(self, form: ErrorForm) -> Answer {
        match self {
            Self::Error(error) => Answer::error(&error, form),
            Self::Status(status, message) => Answer::refusal(status, &message, form),
            Self::NotModified => Answer::empty(304),
            Self::NoRoute => Answer { is_routed: false, ..Answer::refusal(404, "page not found", form) },
        }
    }

    /// Not part of this daemon, and said so. DIFFERENCE(not-implemented): it would need a process, or a swarm.
    pub fn not_implemented(what: &str) -> Self {
        Self::Status(501, format!("{what} is not implemented by image-prune serve: nothing is executed here"))
    }
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// A wrong request.
pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::Error(Error::invalid_parameter(message))
}
