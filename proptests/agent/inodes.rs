//! A journal on a disk that has no more inodes: no file can be made, those that are there can be written and moved.

use std::fs;
use std::process::Command;

use image_prune::client::agent::{Journal, JournalLimits};

use super::lines;

#[test]
fn a_rotation_without_inodes_loses_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m,nr_inodes=12", "tmpfs"])
        .arg(folder.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a disk with few inodes needs root, to mount one");
        return;
    }
    let told = std::panic::catch_unwind(|| rotate_without_inodes(folder.path()));
    let unmounted = Command::new("umount").arg("-l").arg(folder.path()).status().unwrap();
    assert!(unmounted.success());
    told.unwrap();
}

fn rotate_without_inodes(folder: &std::path::Path) {
    let limits = JournalLimits { bytes: 40, files: 4 };
    let (mut journal, _) = Journal::open(folder.join("j"), limits).unwrap();
    let mut append = |number: u32| {
        journal.append(&serde_json::json!({ "kind": "result", "run": number.to_string() }));
        journal.problem().map(str::to_owned)
    };
    assert_eq!((0..3).find_map(&mut append), None);
    let fillers: Vec<_> = (0..20).map(|number| folder.join(format!("filler{number}"))).collect();
    let made = fillers.iter().take_while(|filler| fs::write(filler, "").is_ok()).count();
    assert!(made < 20, "there is no end of inodes");
    for number in 3..6 {
        let problem = append(number).unwrap();
        assert!(problem.contains("No space left on device"), "{problem}");
    }
    fillers.iter().take(made).for_each(|filler| fs::remove_file(filler).unwrap());
    assert_eq!(append(6), None);
    let runs = ["j.4", "j.3", "j.2", "j.1", "j"].map(|name| lines(&folder.join(name))[0]["run"].clone());
    assert_eq!(runs, ["2", "3", "4", "5", "6"], "four older files");
}
