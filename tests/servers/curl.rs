//! Requests that set a server up or ask it what it did, by curl: nothing of certbake is in between.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{process, thread};

use serde_json::Value;

use super::{PATIENCE, run};

/// Sends `body` as JSON and returns the JSON answer, `Null` for an empty one. `arguments` are curl's.
///
/// # Panics
/// With the server's own words, when it answers 400 or more.
pub fn json(url: &str, anchors: Option<&Path>, arguments: &[&str], body: Option<&Value>) -> Value {
    let body = body.map(Value::to_string);
    let mut all = arguments.to_vec();
    if let Some(body) = &body {
        all.extend(["--data-binary", body]);
    }
    let answer = fetched(url, anchors, &all);
    if answer.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&answer).unwrap()
}

/// What stands at `url`, such as a PEM file.
pub fn text(url: &str, anchors: Option<&Path>) -> String {
    String::from_utf8(fetched(url, anchors, &[])).unwrap()
}

fn fetched(url: &str, anchors: Option<&Path>, arguments: &[&str]) -> Vec<u8> {
    let mut all = vec![
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--max-time",
        "30",
        url,
    ];
    if let Some(anchors) = anchors {
        all.extend(["--cacert", anchors.to_str().unwrap()]);
    }
    all.extend(arguments);
    run("curl", all)
}

/// Waits until `url` answers with success: a server may listen before it is ready.
///
/// # Panics
/// When that takes too long.
pub fn wait_until_ready(url: &str, anchors: &Path) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = process::Command::new("curl")
            .args([
                "--silent",
                "--fail",
                "--max-time",
                "5",
                "--output",
                "/dev/null",
                "--cacert",
            ])
            .arg(anchors)
            .arg(url)
            .status()
            .unwrap();
        if asked.success() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{url} does not become ready ({asked})"
        );
        thread::sleep(Duration::from_millis(20));
    }
}
