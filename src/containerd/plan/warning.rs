//! What a plan warns about: outcomes that few expect.

use std::collections::HashSet;

use super::explain::Explanation;
use super::{NamePlan, Reason, Verdict};
use crate::api::request::PruneRequest;
use crate::api::warning::{Warning, WarningKind};
use crate::base::error::Result;
use crate::containerd::image::Image;
use crate::containerd::select::protection;
use crate::containerd::store::{ContainerStore as _, ContentStore as _, ImageStore as _};
use crate::document::reference::Reference;
use crate::document::world::containerd::Container;

/// Warnings of the classic store's requests that are true of this one's.
const SHARED: [WarningKind; 6] = [
    WarningKind::SeveralLabels,
    WarningKind::ContradictoryLabels,
    WarningKind::LabelGlob,
    WarningKind::FalseFlag,
    WarningKind::UntilInFuture,
    WarningKind::UntilLooksLikeDate,
];

/// All warnings of a plan.
pub(super) fn warnings(
    explanation: &Explanation<'_>,
    names: &[NamePlan],
    leases: &[String],
) -> Result<Vec<Warning>> {
    let mut found = of_filters(explanation);
    let warn = |kind, message: String| Warning { kind, message };
    for lease in leases {
        let message = format!(
            "the lease {lease} goes with every prune: a pull, load or build that runs now may lose what it has \
             brought so far"
        );
        found.push(warn(WarningKind::LeaseOfRunningPull, message));
    }
    found.extend(fresh_names(explanation, names)?);
    for name in names {
        if let Reason::Undecodable(message) = &name.reason {
            let message = format!("`{}` stays in every prune: {message}", name.shown);
            found.push(warn(WarningKind::NeverPruned, message));
        }
    }
    let (failed, done) = (explanation.report.kept.len(), explanation.steps.len());
    if failed > 0 && done > 0 {
        let message = format!(
            "the daemon will answer an error ({failed} failed) and no report, though {done} names are gone by then"
        );
        found.push(warn(WarningKind::ErrorHidesReport, message));
    }
    let again: i64 = explanation.steps.values().map(|step| step.counted_again).fold(0, i64::saturating_add);
    if again != 0 {
        let message = format!(
            "{again} of the bytes that the daemon will report are counted again: an image reaches the same content \
             more than once, as platforms that share a layer do"
        );
        found.push(warn(WarningKind::SharedBytesCountTwice, message));
    }
    for container in explanation.before.containers.containers() {
        found.extend(of_container(explanation, &container)?);
    }
    Ok(found)
}

fn of_filters(explanation: &Explanation<'_>) -> Vec<Warning> {
    let request = explanation.request;
    let classic = PruneRequest::from_filters(request.filters(), explanation.semantics, request.now());
    let mut found = classic.map_or_else(|_| Vec::new(), |request| request.warnings());
    found.retain(|warning| SHARED.contains(&warning.kind));
    if !request.until().is_empty() {
        let message = "`until` looks at when a name was made on this machine, not at the age of its image; pulling it \
                       again does not renew it";
        found.push(Warning { kind: WarningKind::UntilIsOfNames, message: message.to_owned() });
    }
    let negated: Vec<_> = request.filters().get("label!").map(|value| format!("{value:?}")).collect();
    if negated.len() > 1 {
        let message = format!(
            "images with ONE of these labels are kept, not only those with all of them: {}",
            negated.join(", ")
        );
        found.push(Warning { kind: WarningKind::NegatedLabelsAreNeither, message });
    }
    found
}

/// N-9: a name that was pulled anew goes by the age of its first pull.
fn fresh_names(explanation: &Explanation<'_>, names: &[NamePlan]) -> Result<Vec<Warning>> {
    let mut found = Vec::new();
    let Some(until) = explanation.request.until().iter().min() else { return Ok(found) };
    for name in names.iter().filter(|name| name.verdict != Verdict::Keep) {
        let image = explanation.before.metadata.image(&name.name)?;
        if let Some(updated) = image.map(|image| image.updated_at()).filter(|updated| updated >= until) {
            let message = format!("`{}` goes, though it was pulled anew at {updated}", name.shown);
            found.push(Warning { kind: WarningKind::FreshNameGoes, message });
        }
    }
    Ok(found)
}

fn of_container(explanation: &Explanation<'_>, container: &Container) -> Result<Vec<Warning>> {
    let mut found = Vec::new();
    let (id, digest) = (&container.id, container.image_id);
    let before = &explanation.before.metadata;
    let is_gone = before.contains(digest)? && !explanation.after.metadata.contains(digest)?;
    if is_gone {
        let message = format!(
            "container {id} was made from {digest}, whose content goes: the container runs on, but a new one cannot \
             be made without another pull"
        );
        found.push(Warning { kind: WarningKind::UsedImageLosesContent, message });
    }
    let protection = protection(container, explanation.semantics);
    let Ok(reference) = Reference::parse(&container.image, explanation.semantics) else { return Ok(found) };
    let names: HashSet<&str> = protection.names.iter().map(String::as_str).collect();
    let names_of_image = before.images_of(digest)?;
    let is_protected = |image: &std::sync::Arc<Image>| names.contains(image.name());
    if protection.by_id || names_of_image.is_empty() || names_of_image.iter().any(is_protected) {
        return Ok(found);
    }
    let name = reference.tag_name_only();
    let now = match before.image(name.as_str())? {
        Some(image) => format!("is {} by now", image.digest()),
        None => "is gone".to_owned(),
    };
    let message = format!(
        "container {id} was made under `{}`, which {now}: it protects that name, not its own image {digest}",
        name.familiar()
    );
    found.push(Warning { kind: WarningKind::NameProtectsNothing, message });
    Ok(found)
}
