//! Manifests of Kubernetes, and of `podman kube play`.

use super::yaml::{Node, Value};

/// The kinds whose pods need containers.
const WITH_PODS: [&str; 9] = [
    "Pod",
    "PodTemplate",
    "Deployment",
    "DaemonSet",
    "StatefulSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
];
/// The groups of Kubernetes' own API that have no dot.
const GROUPS: [&str; 6] = ["v1", "apps", "batch", "policy", "autoscaling", "extensions"];

/// The images of a manifest.
pub fn images(document: &Node) -> Result<Vec<String>, String> {
    let text = |key: &str| document.get(key).and_then(|node| node.scalar());
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        return Err("a document without `apiVersion` and `kind`".to_owned());
    };
    let group = version.split('/').next().unwrap_or_default();
    if !GROUPS.contains(&group) && !group.ends_with(".k8s.io") {
        return Err(format!("kind {kind} of {version} may name images in a way that is not known here"));
    }
    if kind == "List" || (kind.ends_with("List") && document.get("items").is_some()) {
        let items =
            document.get("items").and_then(|items| items.sequence()).ok_or("a list without `items`")?;
        return items.iter().try_fold(Vec::new(), |mut all, item| {
            all.extend(images(item)?);
            Ok(all)
        });
    }
    let mut found = Vec::new();
    if WITH_PODS.contains(&kind) {
        collect(document, &mut found)?;
        if found.is_empty() {
            return Err(format!("{kind} without containers"));
        }
    } else if has_containers(document) {
        return Err(format!("kind {kind} has containers, and is not known here"));
    }
    Ok(found)
}

/// Every container below a node, and every image that is mounted.
fn collect(node: &Node, found: &mut Vec<String>) -> Result<(), String> {
    match &node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().try_for_each(|item| collect(item, found))?,
        Value::Mapping(mapping) => {
            for (key, node) in mapping {
                match key.as_str() {
                    "containers" | "initContainers" | "ephemeralContainers" if !node.is_null() => {
                        let containers = node.sequence().ok_or_else(|| format!("`{key}` is no list"))?;
                        for container in containers {
                            let image = container.get("image").and_then(|image| image.scalar());
                            let image = image.filter(|image| !image.is_empty());
                            found.push(image.ok_or("a container without `image`")?.to_owned());
                        }
                    }
                    "volumes" => {
                        for volume in node.sequence().unwrap_or_default() {
                            if let Some(image) = volume.get("image") {
                                let name = image.get("reference").and_then(|name| name.scalar());
                                found
                                    .push(name.ok_or("a volume of an image without `reference`")?.to_owned());
                            }
                        }
                    }
                    // Free text in there is nobody's description of a container.
                    "metadata" | "status" => {}
                    _ => collect(node, found)?,
                }
            }
        }
    }
    Ok(())
}

fn has_containers(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Scalar(_) => false,
        Value::Sequence(items) => items.iter().any(|item| has_containers(item)),
        Value::Mapping(mapping) => mapping.iter().any(|(key, node)| {
            matches!(key.as_str(), "containers" | "initContainers") && node.sequence().is_some()
                || has_containers(node)
        }),
    }
}
