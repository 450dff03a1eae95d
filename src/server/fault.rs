//! Faults on demand: rules that make requests fail.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::base::error::{Error, Result};
use crate::base::sync::Mutex;
use crate::go::{duration, path};

/// Makes some requests fail: which, how, and how often.
///
/// ```
/// use image_prune::server::Fault;
///
/// let fault: Fault = "POST /images/prune status=500 after=1".parse()?;
/// assert_eq!(fault.to_string(), "POST /images/prune status=500 after=1");
/// assert!("POST /images/prune".parse::<Fault>().is_err());
/// # Ok::<(), image_prune::Error>(())
/// ```
///
/// `METHOD PATH` and what happens: the method may be `*`, the path is one without a version in which `*` stands for
/// any part between slashes and a `**` at its end for all that follows. Then at least one of
///
/// * `status=500`: this status instead of an answer, with `message=text-without-blanks`;
/// * `delay=1.5s`: waits before anything is done;
/// * `cut=before`: the connection ends, nothing is done; `cut=after`: the request is done, and nobody hears of it;
///   `cut=middle`: the request is done, and the answer ends in its middle;
///
/// and `after=N`: lets N requests pass first, `times=N`: strikes N times, then never again.
///
/// The routes below `/_control` are exempt: a rule for every path could not be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    method: String,
    path: String,
    status: Option<u16>,
    message: Option<String>,
    delay: Duration,
    delay_text: String,
    cut: Option<Cut>,
    after: u64,
    times: Option<u64>,
}

/// Where a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the request is done.
    Before,
    /// In the middle of the answer.
    Middle,
    /// Behind the request, before the answer.
    After,
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = |problem: String| Error::invalid_parameter(format!("fault `{text}`: {problem}"));
        let mut words = text.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(refused(
                "it begins with a method and a path, as in `POST /images/prune status=500`".into(),
            ));
        };
        if !path.starts_with('/') {
            return Err(refused(format!("the path `{path}` does not begin with a slash")));
        }
        if is_control(path) {
            return Err(refused("it never strikes: /_control is exempt from faults".into()));
        }
        path::matches(path, "").map_err(|error| refused(format!("the path `{path}`: {error}")))?;
        let mut fault = Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            status: None,
            message: None,
            delay: Duration::ZERO,
            delay_text: String::new(),
            cut: None,
            after: 0,
            times: None,
        };
        for word in words {
            fault.set(word).map_err(refused)?;
        }
        if fault.status.is_none() && fault.cut.is_none() && fault.delay.is_zero() {
            return Err(refused("nothing happens: give it status=, delay= or cut=".into()));
        }
        Ok(fault)
    }
}

impl Fault {
    fn set(&mut self, word: &str) -> Result<(), String> {
        let wrong = |what: &str| format!("`{word}`: {what}");
        let number = |text: &str| text.parse().map_err(|_| wrong("not a number"));
        match word.split_once('=') {
            Some(("status", status)) => {
                let status = status.parse().ok().filter(|status| (400..600).contains(status));
                self.status = Some(status.ok_or_else(|| wrong("a status from 400 to 599"))?);
            }
            Some(("message", message)) => self.message = Some(message.to_owned()),
            Some(("delay", text)) => {
                let nanos = duration::parse(text).ok().and_then(|nanos| u64::try_from(nanos).ok());
                self.delay = nanos.map(Duration::from_nanos).ok_or_else(|| wrong("a duration like 1.5s"))?;
                text.clone_into(&mut self.delay_text);
            }
            Some(("cut", "before")) => self.cut = Some(Cut::Before),
            Some(("cut", "middle")) => self.cut = Some(Cut::Middle),
            Some(("cut", "after")) => self.cut = Some(Cut::After),
            Some(("after", count)) => self.after = number(count)?,
            Some(("times", count)) => self.times = Some(number(count)?),
            _ => {
                return Err(wrong(
                    "not one of status=, message=, delay=, cut=before|middle|after, after=, times=",
                ));
            }
        }
        Ok(())
    }

    fn concerns(&self, method: &str, path: &str) -> bool {
        let is_path = match self.path.strip_suffix("**") {
            Some(beginning) => path.starts_with(beginning),
            None => path::matches(&self.path, path) == Ok(true),
        };
        is_path && (self.method == "*" || self.method == method)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)?;
        if let Some(status) = self.status {
            write!(formatter, " status={status}")?;
        }
        if let Some(message) = &self.message {
            write!(formatter, " message={message}")?;
        }
        if !self.delay.is_zero() {
            write!(formatter, " delay={}", self.delay_text)?;
        }
        match self.cut {
            None => {}
            Some(Cut::Before) => formatter.write_str(" cut=before")?,
            Some(Cut::Middle) => formatter.write_str(" cut=middle")?,
            Some(Cut::After) => formatter.write_str(" cut=after")?,
        }
        if self.after > 0 {
            write!(formatter, " after={}", self.after)?;
        }
        self.times.map_or(Ok(()), |times| write!(formatter, " times={times}"))
    }
}

/// The routes that take faults back.
fn is_control(path: &str) -> bool {
    path.strip_prefix("/_control").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What happens to one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Strike {
    pub delay: Duration,
    pub refusal: Option<(u16, String)>,
    pub cut: Option<Cut>,
}

/// The rules in force, and how often each has been asked.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Rule>>);

#[derive(Debug)]
struct Rule {
    fault: Fault,
    passed: u64,
    struck: u64,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.0.lock().push(Rule { fault, passed: 0, struck: 0 });
    }

    pub fn clear(&self) {
        self.0.lock().clear();
    }

    pub fn list(&self) -> Vec<String> {
        self.0.lock().iter().map(|rule| rule.fault.to_string()).collect()
    }

    /// What the rules do to this request, all of them together; the first refusal and the first cut count.
    pub fn strike(&self, method: &str, path: &str) -> Strike {
        let mut strike = Strike::default();
        if is_control(path) {
            return strike;
        }
        for rule in self.0.lock().iter_mut().filter(|rule| rule.fault.concerns(method, path)) {
            if rule.passed < rule.fault.after {
                rule.passed += 1;
                continue;
            }
            if rule.fault.times.is_some_and(|times| rule.struck >= times) {
                continue;
            }
            rule.struck += 1;
            let Fault { delay, status, message, cut, .. } = &rule.fault;
            strike.delay += *delay;
            strike.cut = strike.cut.or(*cut);
            let message = || message.clone().unwrap_or_else(|| "injected fault".to_owned());
            strike.refusal = strike.refusal.or_else(|| status.map(|status| (status, message())));
        }
        strike
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn strikes_when_it_should() {
        let faults = Faults::default();
        faults.add("POST /images/prune status=500 after=1 times=2".parse().unwrap());
        faults.add("* /containers/*/json delay=1ms cut=after".parse().unwrap());
        faults.add("GET /images/** status=503 message=busy".parse().unwrap());
        let statuses: Vec<_> = (0..4)
            .map(|_| faults.strike("POST", "/images/prune").refusal.map(|(status, _)| status))
            .collect();
        assert_eq!(statuses, [None, Some(500), Some(500), None]);
        assert_eq!(faults.strike("POST", "/images/prune/x"), Strike::default());
        let strike = faults.strike("GET", "/containers/a/json");
        assert_eq!((strike.delay, strike.cut), (Duration::from_millis(1), Some(Cut::After)));
        assert_eq!(faults.strike("GET", "/containers/a/b/json"), Strike::default());
        assert_eq!(faults.strike("GET", "/images/a/b:1/json").refusal, Some((503, "busy".to_owned())));
        faults.clear();
        assert_eq!(faults.strike("GET", "/images/json"), Strike::default());
    }

    #[test]
    fn wrong_rules_say_what_is_wrong() {
        for (text, expected) in [
            ("", "begins with a method and a path"),
            ("POST images", "does not begin with a slash"),
            ("POST /x", "nothing happens"),
            ("POST /x status=200", "from 400 to 599"),
            ("POST /x delay=1d", "a duration like 1.5s"),
            ("POST /x cut=never", "not one of"),
            ("POST /x status=500 after=x", "not a number"),
            ("POST /[ status=500", "syntax error in pattern"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
