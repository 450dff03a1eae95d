//! The page that `plan --html` writes: what it holds, and what a browser makes of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::case::command;

/// A state with a name that would end a script, and layers that images share.
fn page(folder: &Path) -> (String, Value) {
    let layer = |name: &str, size: u64, parent: Option<&str>| {
        let diff = image_prune::Digest::of(name.as_bytes()).to_string();
        let chain = match parent {
            None => diff.clone(),
            Some(parent) => image_prune::Digest::of(format!("{parent} {diff}").as_bytes()).to_string(),
        };
        json!({ "chain_id": chain, "diff_id": diff, "parent": parent, "size": size })
    };
    let base = layer("base", 4_000_000, None);
    let chain = |layer: &Value| layer["chain_id"].as_str().unwrap().to_owned();
    let tops =
        [("a", 3_000_000), ("b", 2_000_000)].map(|(name, size)| layer(name, size, Some(&chain(&base))));
    let image = |author: &str, layers: &[&Value]| {
        let diff_ids: Vec<_> = layers.iter().map(|layer| &layer["diff_id"]).collect();
        let config =
            json!({ "author": author, "rootfs": { "type": "layers", "diff_ids": diff_ids } }).to_string();
        (image_prune::Digest::of(config.as_bytes()).to_string(), config)
    };
    let images = [
        image("</script><script>alert(1)</script>", &[&base]),
        image("a", &[&base, &tops[0]]),
        image("b", &[&base, &tops[1]]),
    ];
    let names = ["docker.io/library/base:1", "docker.io/library/app:1"];
    let references: Vec<Value> =
        names.iter().zip(&images).map(|(name, (id, _))| json!({ "name": name, "id": id })).collect();
    let state = json!({
        "format": 1,
        "images": images.iter().map(|(id, config)| json!({ "id": id, "config": config })).collect::<Vec<_>>(),
        "layers": [base, tops[0], tops[1]],
        "references": references,
        "containers": [],
    });
    fs::write(folder.join("state.json"), state.to_string()).unwrap();
    let mut plan = command(folder);
    plan.args(["plan", "--state", "state.json", "--html", "page.html"]);
    let output = plan.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data = serde_json::from_str(data).unwrap();
    (page, data)
}

#[test]
fn a_page_asks_nobody_and_holds_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let (page, data) = page(folder.path());
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!elsewhere.contains("http:") && !elsewhere.contains("https:") && !elsewhere.contains("//cdn"));
    let verdicts: Vec<_> = data["images"].as_array().unwrap().iter().map(|image| &image["verdict"]).collect();
    assert_eq!(verdicts, ["delete", "keep", "keep"]);
    let going: Vec<_> = data["layers"].as_array().unwrap().iter().map(|layer| &layer["goes"]).collect();
    assert_eq!(going, [false, false, true], "by size: the base, that of `app`, that of the dangling image");
    assert_eq!(data["images"][0]["base"], 2, "both stand on the image with the base alone");
}

#[test]
fn a_browser_shows_the_page() {
    let folder = tempfile::tempdir().unwrap();
    page(folder.path());
    let browser = Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", folder.path().join("page.html").display()))
        .output();
    let Ok(output) = browser else {
        return eprintln!("skipped: command::page::a_browser_shows_the_page needs chromium");
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    let count = |text: &str| shown.matches(text).count();
    assert_eq!((count("role=\"button\""), count("<tr class=")), (3, 3), "{shown}");
    assert_eq!(count("class=\"goes\""), 1, "{shown}");
    assert!(shown.contains("aria-label=\"layer ") && shown.contains("held by 3 images"), "{shown}");
    assert!(shown.contains("1 image would go, 2 stay."), "{shown}");
}
