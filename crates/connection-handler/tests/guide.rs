//! The guide says what its example does, and keeps its word about the length of a handler; and what
//! is said to be tested is.

use std::{fs, path::Path};

const README: &str = include_str!("../README.md");
const ACCEPTANCE: &str = include_str!("../src/transport/secure/ACCEPTANCE.md");

#[test]
fn every_block_of_the_guide_is_part_of_its_example() {
    let mut sources = Vec::new();
    read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guide"), &mut sources);
    let blocks: Vec<_> = README.split("```rust,ignore\n").skip(1).collect();
    assert!(blocks.len() > 10);
    for block in blocks {
        let (block, _) = block.split_once("```").expect("blocks end");
        let found = sources.iter().any(|source| source.contains(block));
        assert!(found, "the example has no\n{block}");
    }
}

#[test]
fn a_new_kind_of_connection_takes_at_most_thirty_lines_beside_its_enums() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guide/handlers/guest");
    let mut lines = 0;
    for file in ["mod.rs", "handler.rs", "server.rs"] {
        let source = fs::read_to_string(folder.join(file)).unwrap();
        let code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        lines += source.lines().filter(code).count();
    }
    assert!(lines <= 30, "{lines} lines");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 4);
}

#[test]
fn every_test_that_is_said_to_show_something_is_there() {
    let mut sources = Vec::new();
    for folder in ["src", "tests", "../../tests/tests", "../../login-server/tests"] {
        read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut sources);
    }
    // Between backticks is every other piece; the name of a test is a sentence.
    let names = ACCEPTANCE.split('`').skip(1).step_by(2);
    let names: Vec<_> = names.filter(|name| name.matches('_').count() > 1).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let test = format!("fn {name}()");
        assert!(sources.iter().any(|source| source.contains(&test)), "there is no {test}");
    }
}

fn read_all(folder: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, sources),
            false => sources.extend(fs::read_to_string(&path)),
        }
    }
}
