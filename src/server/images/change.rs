//! Tags, deletions and prunes of images.

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::of_platform;
use crate::api::event::Actor;
use crate::api::service::DeleteRequest;
use crate::base::digest::ImageId;
use crate::base::error::{Error, ErrorClass, Result};
use crate::base::tag::is_tag;
use crate::document::filters::Filters;
use crate::document::image::Labels;
use crate::document::reference::Reference;

/// `POST /images/{name}/tag`.
pub fn tag(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let semantics = daemon.semantics();
    if semantics.empty_tag_is_ignored && call.form.get("repo").is_empty() {
        return Ok(Answer::empty(200));
    }
    let id = daemon.find(name)?;
    let reference = named(daemon, call.form.get("repo"), call.form.get("tag"), semantics.tag_error_class)?;
    add_tag(daemon, id, reference)?;
    Ok(Answer::empty(201))
}

/// `reference.ParseNormalizedNamed`, and `WithTag` where there is a tag; what is wrong has this class.
pub(in super::super) fn named(
    daemon: &Daemon,
    repository: &str,
    tag: &str,
    class: ErrorClass,
) -> Result<Reference> {
    let of_class = |error: Error| Error::new(class, error.to_string());
    let reference = Reference::parse(repository, daemon.semantics()).map_err(of_class)?;
    if tag.is_empty() {
        return Ok(reference);
    }
    if !is_tag(tag) {
        return Err(Error::new(class, "invalid tag format"));
    }
    Reference::parse(&format!("{}:{tag}", reference.name()), daemon.semantics()).map_err(of_class)
}

/// `TagImageWithReference`: moves the tag, notes the time, tells.
pub(in super::super) fn add_tag(daemon: &Daemon, id: ImageId, reference: Reference) -> Result<()> {
    // Before the event, since whoever hears of it may ask for the time.
    let before = daemon.set_tagged(id, Some(daemon.now().instant));
    let tagged = daemon.service().tag(id, reference, daemon.now());
    if tagged.is_err() {
        daemon.set_tagged(id, before);
    }
    tagged
}

/// `LogImageEvent`: the labels come along (D-13).
pub(super) fn log(daemon: &Daemon, id: ImageId, name: &str, action: &'static str) {
    log_as(daemon, id, &id.to_string(), name, action);
}

/// The same, about an image that is called otherwise than by its ID.
pub(super) fn log_as(daemon: &Daemon, id: ImageId, actor: &str, name: &str, action: &'static str) {
    let labels = daemon.store.image(id).ok();
    let labels = labels.as_ref().and_then(|image| image.labels());
    let pairs = labels.into_iter().flat_map(Labels::iter);
    let mut attributes: std::collections::BTreeMap<_, _> =
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    attributes.insert("name".to_owned(), name.to_owned());
    daemon.events().log("image", action, Actor { id: actor.to_owned(), attributes: Some(attributes) });
}

/// `DELETE /images/{name}` (H-10).
pub fn remove(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    if name.trim().is_empty() {
        return Err(invalid("image name cannot be blank"));
    }
    of_platform::check_all(call, "platforms", of_platform::REMOVE_SINCE)?;
    let (force, prune) = (call.form.flag("force"), !call.form.flag("noprune"));
    let request = DeleteRequest { reference: name, force, prune, platforms: &[] };
    let records = daemon.service().delete(&request, daemon.now()).into_result()?;
    Ok(Answer::json(&records))
}

/// `POST /images/prune` (H-3 to H-8).
pub fn prune(daemon: &Daemon, call: &Call) -> Result<Answer, Refusal> {
    // H-4: before the guard is asked.
    let filters = Filters::parse(call.form.get("filters"), daemon.semantics())?;
    let report = daemon.service().prune(&filters, daemon.now(), &*call.is_cancelled).into_result()?;
    Ok(Answer::json(&report))
}
