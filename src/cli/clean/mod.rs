//! `clean`: containers, images, logs and volumes of a running daemon, each only where it is asked for.

use std::io::{self, IsTerminal};

use image_prune::client::Client;
use image_prune::client::agent::{Clock, LateContainer, SystemClock, View, apply};
use image_prune::few::Few;
use image_prune::{Error, Filters};
use serde_json::json;

use super::args::Format;
use super::confirm::confirm;
use super::error::{Failure, Result};
use super::json;
use super::signals::Signals;
use super::{host, render};

mod args;
mod plan;
mod show;

pub use args::CleanArgs;
use plan::CleanPlan;

pub fn run(args: &CleanArgs) -> Result<()> {
    refuse_bad_usage(args)?;
    let client = host::client(&host::or_standard(args.host.as_deref()))?;
    let view = View::read(&client).map_err(Error::from)?;
    let filters = filters(args)?;
    let mut plan = CleanPlan::new(args, &client, &view, &filters)?;
    match args.format {
        Format::Json if args.dry_run => return Ok(json::line(io::stdout().lock(), &plan)?),
        Format::Json => {}
        Format::Table => show::plan(&view, &plan)?,
    }
    if args.dry_run || (!args.force && !confirm("WARNING! This will do all of the above.")?) {
        return Ok(());
    }
    let done = carry_out(&client, &view, &filters, &plan)?;
    plan.forget_kept(&done.images, &done.unconfirmed);
    match args.format {
        Format::Json => json::line(io::stdout().lock(), &json!({ "plan": plan, "done": done }))?,
        Format::Table => show::done(&done)?,
    }
    // What was left was said; a script should notice, too.
    if done.left.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

fn refuse_bad_usage(args: &CleanArgs) -> Result<()> {
    let is_empty = !args.containers && !args.images && !args.logs && args.volume.is_empty();
    let problem = if is_empty {
        "nothing to clean: choose some of --containers, --images, --logs and --volume NAME"
    } else if !args.force && !args.dry_run && !io::stdin().is_terminal() {
        "there is no terminal to ask for confirmation; -f goes ahead without, --dry-run only shows"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(problem.to_owned()))
}

/// Those of the flags, and `dangling`.
fn filters(args: &CleanArgs) -> Result<String> {
    let mut filters = Filters::default();
    for argument in &args.filter {
        let refused = |error: Error| Failure::Usage(format!("--filter `{argument}`: {error}"));
        filters.add_argument(argument).map_err(refused)?;
    }
    filters.add("dangling", if args.all { "false" } else { "true" });
    Ok(filters.to_json())
}

/// What was done, and what was left.
#[derive(Debug, Default, serde::Serialize)]
struct Done {
    containers: Vec<String>,
    images: Vec<String>,
    /// Asked for, and no answer arrived: they may be gone.
    unconfirmed: Vec<String>,
    untagged: Vec<String>,
    logs: Vec<String>,
    volumes: Vec<String>,
    bytes: u64,
    /// Created from an image while it was deleted.
    late_containers: Vec<LateContainer>,
    left: Vec<String>,
    #[serde(skip)]
    told: Few<&'static str>,
}

impl Done {
    /// Notes what is left of a kind, such as `image`; of each kind ten are told.
    fn leave(&mut self, kind: &'static str, what: &str, why: &dyn std::fmt::Display) {
        let text = format!("{kind}{what} is left: {why}");
        if self.told.shows(kind) {
            render::line_to_stderr("warning", &text);
        }
        self.left.push(text);
    }

    fn tell_rest(&self) {
        for (kind, more) in self.told.rest() {
            render::line_to_stderr("warning", &format!("{more} more are left, each {}", kind.trim_end()));
        }
    }
}

/// One by one: what has changed since the plan is left. A signal ends it behind the current step.
fn carry_out(client: &Client, view: &View, filters: &str, plan: &CleanPlan) -> Result<Done> {
    let (clock, stopper) = SystemClock::new();
    let signals = Signals::listen()?;
    std::thread::spawn(move || {
        signals.wait();
        stopper.stop();
    });
    let mut done = Done::default();
    for container in plan.containers.iter().flatten().take_while(|_| !clock.is_stopping()) {
        match client.remove_container(&container.id, false) {
            Ok(()) => {
                done.bytes = done.bytes.saturating_add(container.bytes);
                done.containers.push(container.id.clone());
            }
            Err(error) => done.leave("container ", &container.name, &error),
        }
    }
    if let Some(images) = &plan.images {
        let (applied, failure) = apply(client, view, filters, &plan.rules, images, &clock);
        for skipped in &applied.skipped {
            done.leave("image ", &render::identifier(skipped.image, false), &skipped.why);
        }
        done.bytes = done.bytes.saturating_add(applied.bytes);
        let late = applied.late_containers.iter().map(ToString::to_string);
        render::first_to_stderr("warning", late, |more| format!("{more} more containers came that late"));
        (done.images, done.untagged) = (applied.deleted, applied.untagged);
        (done.unconfirmed, done.late_containers) = (applied.unconfirmed, applied.late_containers);
        if let Some(error) = failure {
            done.leave("the rest", " of the images", &error);
        }
    }
    for log in plan.logs.iter().flatten().take_while(|_| !clock.is_stopping()) {
        let Some(bytes) = log.bytes() else { continue };
        match log.truncate() {
            Ok(()) => {
                done.bytes = done.bytes.saturating_add(bytes);
                done.logs.push(log.container.clone());
            }
            Err(problem) => done.leave("the log of ", &log.name, &problem),
        }
    }
    for volume in plan.volumes.iter().take_while(|_| !clock.is_stopping()) {
        // DIFFERENCE(volume-by-name): it may be another volume by now.
        match client.remove_volume(&volume.name) {
            Ok(()) => {
                done.bytes = done.bytes.saturating_add(volume.bytes.unwrap_or(0));
                done.volumes.push(volume.name.clone());
            }
            Err(error) => done.leave("volume ", &volume.name, &error),
        }
    }
    if clock.is_stopping() {
        done.leave("the rest", "", &"a signal came");
    }
    done.tell_rest();
    Ok(done)
}
