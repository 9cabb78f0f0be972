//! What a failed run was issued and did not write is told of, once.

use serde_json::Value;

use crate::support::{Lab, Run};

const BAKE: &[&str] = &["provision", "--root", "rootfs"];

/// `names` of a CA that issues, and after them one of a CA that is down.
fn lab(names: &[&str]) -> Lab {
    let lab = Lab::new();
    let mut text = format!(
        "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[ca.down]\nkind = \"est\"\nurl = \"http://{}\"\n",
        crate::built::closed()
    );
    for (name, authority) in names
        .iter()
        .map(|name| (*name, "lab"))
        .chain([("last", "down")])
    {
        text += &format!(
            "[identity.{name}]\nca = \"{authority}\"\ncommon_name = \"{name}\"\ndeadline = \"2s\"\nplacements.combined = \"/{name}.pem\"\n"
        );
    }
    lab.write("certbake.toml", &text);
    lab.make_ca();
    lab
}

fn json(lab: &Lab) -> Run {
    lab.run(&[BAKE, &["--report", "json"]].concat())
        .ends_with(6)
}

/// Of all that the CA has issued, as its log has them.
fn serials(lab: &Lab) -> Vec<String> {
    let log = lab.read("ca/issued.jsonl");
    let entries = log.lines().map(|line| serde_json::from_str(line).unwrap());
    entries
        .map(|entry: Value| entry["serial"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_the_others_were_issued_is_told_where_one_of_a_set_fails() {
    let lab = lab(&["api", "app"]);
    let run = json(&lab);
    assert_eq!(run.codes(), ["ca-unreachable", "certificate-discarded"]);
    let report = run.json();
    let told = &report["findings"][1];
    assert_eq!(told["severity"], "note");
    assert_eq!(
        told["facts"]["identities"],
        serde_json::json!(["api", "app"])
    );
    let issued = |at: usize| &report["identities"][at]["certificate"];
    let summary = told["summary"].as_str().unwrap();
    for (at, name) in ["api", "app"].into_iter().enumerate() {
        let serial = issued(at)["serial"].as_str().unwrap();
        assert_eq!(told["facts"]["serials"][at], serial);
        assert!(serials(&lab).iter().any(|logged| logged == serial));
        assert!(
            summary.contains(&format!("{name} (serial {serial})")),
            "{summary}"
        );
    }
    for words in [
        issued(1)["not_after"].as_str().unwrap(),
        "the next run requests new ones",
        "--revoke-on-failure has such certificates revoked",
    ] {
        assert!(summary.contains(words), "{summary}");
    }
    let human = lab.run(BAKE).ends_with(6).stdout;
    assert_eq!(human.matches("issued and discarded").count(), 1, "{human}");
}

#[test]
fn of_many_the_first_are_named_and_the_others_counted() {
    let lab = lab(&["a", "b", "c", "d", "e"]);
    let report = json(&lab).json();
    let told = &report["findings"][1];
    let summary = told["summary"].as_str().unwrap();
    assert_eq!(summary.matches("(serial ").count(), 3, "{summary}");
    assert!(summary.contains(", 2 more were issued"), "{summary}");
    assert_eq!(told["facts"]["serials"].as_array().unwrap().len(), 5);
}

#[test]
fn nothing_is_told_where_nothing_was_issued_or_all_is_revoked() {
    let alone = lab(&[]);
    assert_eq!(json(&alone).codes(), ["ca-unreachable"]);
    let taken_back = lab(&["app"]);
    let flags = ["--revoke-on-failure", "--report", "json"];
    let run = taken_back.run(&[BAKE, &flags].concat()).ends_with(6);
    assert_eq!(run.codes(), ["ca-unreachable", "certificate-revoked"]);
}
