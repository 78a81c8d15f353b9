//! The Autobahn test suite, from PyPI, for Python 2.7.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use connection_handler::transport::Format;
use serde_json::{Value, json};

use super::{echo, run};

#[actix::test]
#[ignore = "interop"]
async fn autobahn_finds_nothing_wrong() {
    let place = autobahn().await;
    let reports = tempfile::tempdir().unwrap();
    let (binary, _binary) = echo(Format::Binary).await;
    let (text, _text) = echo(Format::Text).await;
    let spec = json!({
        "outdir": reports.path(),
        "servers": [
            { "agent": "binary", "url": format!("ws://{binary}") },
            { "agent": "text", "url": format!("ws://{text}") },
        ],
        "cases": ["*"],
        // Compression, which is never agreed on.
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    });
    let file = reports.path().join("spec.json");
    fs::write(&file, spec.to_string()).unwrap();
    let mut command = python27();
    command.arg("-c").arg("from autobahntestsuite import wstest; wstest.run()");
    command.args(["-m", "fuzzingclient", "-s"]).arg(&file).env("PYTHONPATH", &place);
    run(command.current_dir(reports.path())).await;

    let report = fs::read(reports.path().join("index.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let (binary, text) =
        (report["binary"].as_object().unwrap(), report["text"].as_object().unwrap());
    assert!(binary.len() > 240, "{} cases", binary.len());
    let (mut counts, mut failed) = (BTreeMap::new(), Vec::new());
    for (case, in_binary) in binary {
        // A connection is for text or for bytes. What a case is about is what counts.
        let best =
            [in_binary, &text[case]].into_iter().min_by_key(|outcome| rank(outcome)).unwrap();
        let behavior = best["behavior"].as_str().unwrap().to_owned();
        if rank(best) == FAILED {
            failed.push(format!("{case}: {in_binary} {}", text[case]));
        }
        *counts.entry(behavior).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert!(failed.is_empty(), "{failed:#?}");
}

/// How bad an outcome is.
fn rank(outcome: &Value) -> usize {
    let of = |what: &str| match outcome[what].as_str() {
        Some("OK") => 0,
        Some("NON-STRICT") => 1,
        Some("INFORMATIONAL" | "UNIMPLEMENTED") => 2,
        _ => FAILED,
    };
    of("behavior").max(of("behaviorClose"))
}

/// The test suite, which is for Python 2.7.
async fn autobahn() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahntestsuite-0.8.2");
    if !place.join("complete").exists() {
        let mut pip = python27();
        pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(&place);
        run(pip.arg("autobahntestsuite==0.8.2")).await;
        fs::write(place.join("zope/__init__.py"), "").unwrap();
        fs::write(place.join("complete"), "").unwrap();
    }
    place
}

fn python27() -> Command {
    let mut python = Command::new("python");
    python.env("PYENV_VERSION", "2.7.18");
    python
}

const FAILED: usize = 3;
