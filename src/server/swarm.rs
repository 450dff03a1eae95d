//! What a daemon without a swarm, and without plugins, answers to those who ask for them.

use hyper::Method;

use super::answer::{Answer, Refusal};
use crate::base::error::Error;

pub(super) const NO_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" \
                                     to connect this node to swarm and try again.";

/// The answer to a route of a swarm or of plugins; none for others.
pub(super) fn answer(method: &Method, path: &str) -> Option<Result<Answer, Refusal>> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (part, what, more) = (parts.next()?, parts.next(), parts.next());
    let missing = |plugin: &str| Err(Error::not_found(format!("plugin \"{plugin}\" not found")).into());
    let no_manager = || Some(Err(Refusal::Status(503, NO_MANAGER.to_owned())));
    match (method.as_str(), part, what, more) {
        ("GET", "plugins", None, None) => Some(Ok(Answer::json::<[(); 0]>(&[]))),
        ("GET", "plugins", Some(name), Some("json")) | ("DELETE", "plugins", Some(name), None) => {
            Some(missing(name))
        }
        ("POST", "swarm", Some("leave"), None) => {
            Some(Err(Refusal::Status(503, "This node is not part of a swarm".to_owned())))
        }
        ("GET", "swarm", None | Some("unlockkey"), None) | ("POST", "swarm", Some("unlock"), None) => {
            no_manager()
        }
        ("GET", "services" | "nodes" | "tasks" | "secrets" | "configs", _, None)
        | ("DELETE", "services" | "nodes" | "secrets" | "configs", Some(_), None)
        | ("POST", "services" | "secrets" | "configs", Some("create"), None) => no_manager(),
        _ => None,
    }
}
