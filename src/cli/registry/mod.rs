//! `registry`: retention in a registry.

use chrono::Utc;
use image_prune::registry::{Refusal, RetentionPlan, Rules, Schemes, apply, collect, plan};

use super::error::{Failure, Result};
use super::read::{self, named};
use super::render;
use super::{args::Format, progress};

pub mod args;
pub mod login;
mod show;

use args::RegistryArgs;

pub fn run(args: &RegistryArgs) -> Result<()> {
    let rules = read_rules(args)?;
    let registry = login::open(&login::address(&args.registry)?, &args.login)?;
    let now = args.now.map_or_else(Utc::now, |now| now.to_utc()).timestamp();

    let bar = progress::of_tags("reading");
    let show = |done: usize, total: usize| {
        bar.set_length(total.try_into().unwrap_or(u64::MAX));
        bar.set_position(done.try_into().unwrap_or(u64::MAX));
    };
    let inventory = collect(&registry, &rules, !args.listed_only, &show);
    bar.finish_and_clear();
    let inventory = inventory.map_err(Failure::from).map_err(with_hint)?;
    let plan = plan(&inventory, &rules, now);
    for note in &plan.notes {
        render::line_to_stderr("note", note);
    }
    if !args.apply {
        print(args, &plan)?;
        if !plan.delete.is_empty() {
            render::line_to_stderr("note", "nothing was deleted; --apply deletes");
        }
        return Ok(());
    }

    let bar = progress::of_tags("deleting");
    bar.set_length(plan.delete.len().try_into().unwrap_or(u64::MAX));
    let mut show = |done: usize| bar.set_position(done.try_into().unwrap_or(u64::MAX));
    let applied = apply(&registry, &rules, &inventory, plan, now, &mut show);
    bar.finish_and_clear();
    print(args, &applied.plan)?;
    let (done, failed) = (applied.plan.delete.len(), applied.failed());
    if let Some(error) = &applied.stopped {
        render::line_to_stderr("error", &error.to_string());
    }
    if failed > 0 {
        let end = format!("{done} tags deleted, {failed} not; run it again to go on");
        render::line_to_stderr("error", &end);
        return Err(Failure::Reported);
    }
    Ok(())
}

fn read_rules(args: &RegistryArgs) -> Result<Rules> {
    let schemes =
        Schemes { own_repository: !args.no_own_repositories, shared_repository: !args.no_shared_repository };
    let mut rules = Rules::default_in(schemes);
    if let Some(file) = &args.environments {
        let text = read::text(file, read::LIST)?;
        rules.add(&text).map_err(|error| Failure::at(named(file), error.class(), error))?;
        if rules.is_empty() && args.rule.is_empty() {
            render::line_to_stderr("note", &format!("{}: no line asks for anything", named(file).display()));
        }
    }
    for rule in &args.rule {
        rules.add(rule).map_err(|error| Failure::Usage(format!("--rule `{rule}`: {error}")))?;
    }
    Ok(rules)
}

fn with_hint(failure: Failure) -> Failure {
    let refusal = match &failure {
        Failure::Error { error, .. } => Refusal::of(error),
        _ => None,
    };
    match refusal {
        Some(Refusal::CredentialsMissing) => {
            failure.with_hint("name the user with --username, and set IMAGE_PRUNE_PASSWORD")
        }
        Some(Refusal::TokenServerUnnamed) => {
            failure.with_hint("if that server may have the password, name it with --token-server")
        }
        Some(Refusal::Untrusted) => failure.with_hint("--ca-file names the certificates to trust"),
        _ => failure,
    }
}

fn print(args: &RegistryArgs, plan: &RetentionPlan) -> Result<()> {
    match args.format {
        Format::Json => show::json(plan, args.apply),
        Format::Table => show::table(plan, args.apply, args.no_trunc),
    }
}
