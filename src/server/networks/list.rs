//! `GET /networks` and `/networks/{id}` (moby's `daemon/network/filter.go`, `api/server/router/network`).

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::pattern::Patterns;
use super::network::Network;
use super::remove::is_in_use;
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;

const ACCEPTED: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

pub fn list(daemon: &Daemon, call: &Call) -> Result<Answer, Refusal> {
    let filters = Filters::parse(call.form.get("filters"), daemon.semantics())?;
    filters.validate(&ACCEPTED, daemon.semantics())?;
    let dangling = match filters.get("dangling").collect::<Vec<_>>().as_slice() {
        [] if !filters.contains("dangling") => None,
        ["true" | "1"] => Some(true),
        ["false" | "0"] => Some(false),
        _ => {
            return Err(super::super::answer::invalid(
                "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")",
            ));
        }
    };
    if let Some(wrong) = filters.get("type").find(|kind| !matches!(*kind, "custom" | "builtin")) {
        return Err(Error::system(format!("invalid filter: 'type'='{wrong}'")).into());
    }
    let (names, ids) = (Patterns::new(&filters, "name"), Patterns::new(&filters, "id"));
    let is_wanted = |network: &Network| {
        let labels = network.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let kind = if network.is_predefined() { "builtin" } else { "custom" };
        let is_used = network.is_predefined() || is_in_use(daemon, network);
        filters.exact_match("driver", &network.driver)
            && names.include(&network.name)
            && ids.include(&network.id)
            && filters.match_kv_list("label", labels)
            && filters.exact_match("scope", "local")
            && filters.exact_match("type", kind)
            && dangling.is_none_or(|dangling| dangling != is_used)
    };
    let networks = daemon.networks.all();
    let wanted = networks.iter().filter(|network| is_wanted(network)).map(Network::shown);
    Ok(Answer::json(&wanted.collect::<Vec<_>>()))
}

pub fn inspect(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let network = daemon.networks.find(name, |term, count, by| {
        format!("{count} matches found based on {by}: network {term} is ambiguous")
    })?;
    Ok(Answer::json(&network.shown()))
}
