//! Deployment manifests of Azure `IoT Edge`, templates and layered deployments included.

use super::variables::{UNKNOWN, substitute, unknown};
use super::yaml::{self, Node};

/// The modules' description in a manifest, which `az` wraps in `content`.
pub fn modules_content(document: &Node) -> Option<&Node> {
    let direct = document.get("modulesContent");
    direct.or_else(|| document.get("content")?.get("modulesContent")).map(|node| &**node)
}

/// The images of the modules.
pub fn images(content: &Node) -> Result<Vec<String>, String> {
    let agent = content.get("$edgeAgent").and_then(|agent| agent.mapping());
    let agent = agent.ok_or("`modulesContent` has no `$edgeAgent`")?;
    let mut found = Vec::new();
    for (key, node) in agent {
        // A layered deployment has paths for keys.
        let mut path = key.split('.');
        if (path.next(), path.next()) != (Some("properties"), Some("desired")) {
            return Err(format!("`$edgeAgent` has the key `{key}`, which is not known"));
        }
        let rest: Vec<&str> = path.collect();
        match rest.as_slice() {
            [] => {
                for modules in ["systemModules", "modules"] {
                    if let Some(node) = node.get(modules) {
                        all_of(node, modules, &mut found)?;
                    }
                }
            }
            ["systemModules" | "modules"] => all_of(node, key, &mut found)?,
            ["systemModules" | "modules", name] => found.extend(module(name, node)?),
            ["systemModules" | "modules", name, "settings"] => found.extend(settings(name, node)?),
            ["systemModules" | "modules", _, "settings", "image"] => {
                found.push(name_of_image(key, node.scalar().unwrap_or_default())?);
            }
            [
                "systemModules" | "modules",
                _,
                "env" | "status" | "restartPolicy" | "startupOrder" | "version",
                ..,
            ]
            | ["schemaVersion" | "runtime", ..] => {}
            _ => return Err(format!("`$edgeAgent` has the key `{key}`, which is not known")),
        }
    }
    Ok(found)
}

fn all_of(modules: &Node, key: &str, found: &mut Vec<String>) -> Result<(), String> {
    let modules = modules.mapping().ok_or_else(|| format!("`{key}` is no mapping"))?;
    for (name, node) in modules {
        found.extend(module(name, node)?);
    }
    Ok(())
}

fn module(name: &str, module: &Node) -> Result<Vec<String>, String> {
    let of_module = module.get("settings").ok_or_else(|| format!("module {name} has no `settings`"))?;
    settings(name, of_module)
}

fn settings(name: &str, settings: &Node) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    // The options are a text, cut into pieces of 512 bytes: createOptions, createOptions01 and so on.
    let mut options = String::new();
    for (key, node) in settings.mapping().into_iter().flatten() {
        if key.starts_with("createOptions") && !node.is_null() {
            match node.scalar() {
                Some(text) => options.push_str(text),
                None => found.extend(of_options(node)),
            }
        }
    }
    if !options.trim().is_empty() {
        let parsed = yaml::documents(&options)
            .map_err(|problem| format!("createOptions of module {name}: {problem}"))?;
        for options in &parsed {
            found.extend(of_options(options));
        }
    }
    if let Some(image) = settings.get("image") {
        found.push(image.scalar().unwrap_or_default().to_owned());
    } else if found.is_empty() {
        return Err(format!("module {name} has no `image`"));
    }
    found.iter().map(|image| name_of_image(name, image)).collect()
}

/// The images that options of `POST /containers/create` name.
fn of_options(options: &Node) -> Vec<String> {
    let text = |node: &Node, key: &str| node.get(key).and_then(|node| node.scalar()).map(str::to_owned);
    let mut found: Vec<String> = text(options, "Image").into_iter().collect();
    let mounts =
        options.get("HostConfig").and_then(|host| host.get("Mounts")).and_then(|mounts| mounts.sequence());
    let of_images =
        mounts.unwrap_or_default().iter().filter(|mount| text(mount, "Type").as_deref() == Some("image"));
    found.extend(of_images.filter_map(|mount| text(mount, "Source")));
    found
}

/// A template names images by `${MODULES.name}`, which its build fills in.
fn name_of_image(module: &str, image: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = image;
    while let Some((before, behind)) = rest.split_once("${") {
        let (name, behind) =
            behind.split_once('}').ok_or_else(|| format!("module {module}: a `${{` is never closed"))?;
        out.push_str(before);
        out.push_str(&unknown(name));
        rest = behind;
    }
    out.push_str(rest);
    if out.is_empty() {
        return Err(format!("module {module} has no `image`"));
    }
    if out.contains(UNKNOWN) { Ok(out) } else { substitute(&out, &|_| None) }
}
