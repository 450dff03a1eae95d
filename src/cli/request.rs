//! Which images, and when: from flags to what a client sends to a daemon.

use std::path::Path;

use chrono::{DateTime, Local, Offset, TimeDelta, Utc};
use image_prune::graph::select::Order;
use image_prune::request::ACCEPTED;
use image_prune::{Error, ErrorClass, Filters, ImageId, Now, PruneRequest, Semantics};

use super::args::SelectionArgs;
use super::error::{Failure, Result};
use super::read;

/// A prune as a daemon gets it, known to be right.
pub struct Selection {
    /// The raw query value.
    pub filters: String,
    pub now: Now,
    pub order: Order,
}

impl Selection {
    /// `utc_offset` is the state's own.
    pub fn new(args: &SelectionArgs, semantics: &Semantics, utc_offset: Option<i32>) -> Result<Self> {
        let filters = raw_filters(args)?;
        let now = clock(args, utc_offset)?;
        check(&filters, semantics, now)?;
        let order = args.order_file.as_deref().map_or(Ok(Order::ById), read_order)?;
        Ok(Self { filters, now, order })
    }
}

/// The raw query value: as it was given, or as docker's CLI makes it of flags.
pub fn raw_filters(args: &SelectionArgs) -> Result<String> {
    match &args.filters {
        Some(json) => Ok(json.clone()),
        None => Ok(docker_filters(args)?.to_json()),
    }
}

/// The filters that docker's CLI sends: those of its flags, and `dangling` (U-9).
fn docker_filters(args: &SelectionArgs) -> Result<Filters> {
    let mut filters = Filters::default();
    for argument in &args.filter {
        let refused = |error: Error| Failure::Usage(format!("--filter `{argument}`: {error}"));
        filters.add_argument(argument).map_err(refused)?;
    }
    filters.add("dangling", if args.all { "false" } else { "true" });
    Ok(filters)
}

/// The daemon's clock. A flag counts more than the state, and the state more than this machine.
pub fn clock(args: &SelectionArgs, utc_offset: Option<i32>) -> Result<Now> {
    let now = args.now.map_or_else(Utc::now, |now| now.to_utc());
    let later = TimeDelta::from_std(args.later.unwrap_or_default()).ok();
    let instant = later
        .and_then(|later| now.checked_add_signed(later))
        .ok_or_else(|| Failure::Usage("--in: there is no date that far away".to_owned()))?;
    let local = || local_offset(instant);
    let utc_offset_seconds = args.utc_offset.or(utc_offset).unwrap_or_else(local);
    Ok(Now { instant: instant.into(), utc_offset_seconds })
}

/// The offset of this machine's zone at that instant, in seconds east of UTC.
pub fn local_offset(instant: DateTime<Utc>) -> i32 {
    instant.with_timezone(&Local).offset().fix().local_minus_utc()
}

/// Refuses what a daemon refuses, in its words, and says what to do.
fn check(filters: &str, semantics: &Semantics, now: Now) -> Result<()> {
    refuse(filters, semantics, |filters| PruneRequest::from_filters(filters, semantics, now).map(drop))
}

/// [`check`], by what an image store's request is made of.
pub fn refuse(
    filters: &str,
    semantics: &Semantics,
    request: impl Fn(&Filters) -> image_prune::Result<()>,
) -> Result<()> {
    let hint = |error: Error, hint| Err(Failure::from(error).with_hint(hint));
    let filters = match Filters::parse(filters, semantics) {
        Ok(filters) => filters,
        Err(error) => return hint(error, r#"--filters takes JSON like {"label":["stage=build"]}"#),
    };
    if let Err(error) = filters.validate(&ACCEPTED, semantics) {
        return hint(error, "a prune of images takes the filters dangling, label, label! and until");
    }
    match request(&filters) {
        Ok(()) => Ok(()),
        Err(error) if error.rule() == Some("F-8") => hint(
            error,
            "dangling takes one of true, 1, false and 0; as docker's CLI, this one adds true, or false with --all",
        ),
        Err(error) if error.rule() == Some("Q-3") => {
            hint(error, "containerd stores no label of more than 4096 bytes")
        }
        Err(error) => hint(
            error,
            "until takes one duration (24h), date (2024-03-10T12:00:00) or number of seconds since 1970",
        ),
    }
}

fn read_order(file: &Path) -> Result<Order> {
    let bytes = read::bytes(file, read::LIST)?;
    let mut ids = Vec::new();
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        let line = String::from_utf8_lossy(line);
        match line.trim() {
            "" => {}
            id => ids.push(id.parse::<ImageId>().map_err(|_| {
                let problem = format!("line {number}: `{id}` is not an image ID (sha256: and 64 digits)");
                Failure::at(file, ErrorClass::InvalidParameter, problem)
            })?),
        }
    }
    Ok(Order::Given(ids))
}
