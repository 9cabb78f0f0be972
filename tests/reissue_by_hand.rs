//! The commands of `docs/reissue-by-hand.md`, run as they are written.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod ci;
mod servers;

use std::collections::BTreeMap;
use std::fs;

use ::certbake::authority::{Ability, CATALOGUE};
use ci::Project;
use servers::certbake;

const PAGE: &str = include_str!("../docs/reissue-by-hand.md");

const CONFIG: &str = "examples/github-actions/certbake.toml";

#[test]
fn three_commands_replace_a_certificate_that_ends_too_soon() {
    let mut project = Project::new(CONFIG, "10d");
    bake_what_the_pipeline_left(&project);
    let certificate = project.path("rootfs/etc/app/tls/client.crt");
    let old = fs::read(&certificate).unwrap();
    project.serve("30d");

    let ended: Vec<_> = commands()[..3]
        .iter()
        .map(|command| run(&project, command))
        .collect();

    let exit_codes: Vec<_> = ended.iter().map(|ran| ran.exit_code).collect();
    assert_eq!(
        exit_codes,
        [3, 0, 0],
        "{}",
        ended.iter().map(|ran| ran.log.as_str()).collect::<String>()
    );
    assert_ne!(fs::read(&certificate).unwrap(), old);
    let record = fs::read_to_string(project.path("app-server.json")).unwrap();
    assert!(record.contains("\"rebuild_by\""), "{record}");
}

#[test]
fn what_cannot_be_revoked_is_told_as_what_the_operators_of_the_ca_need() {
    let project = Project::new(CONFIG, "30d");
    fs::create_dir_all(project.path("rootfs/etc")).unwrap();
    let baked = run(&project, &commands()[1]);
    assert_eq!(baked.exit_code, 0, "{}", baked.log);
    let record = fs::read_to_string(project.path("rootfs/var/lib/certbake/app-server.json"));
    let record: serde_json::Value = serde_json::from_str(&record.unwrap()).unwrap();
    fs::write(project.path("old.json"), record.to_string()).unwrap();

    let ran = run(&project, &commands()[3]);

    assert_eq!(ran.exit_code, 2, "{}", ran.log);
    let page = "certbake docs revocation-not-offered";
    assert!(ran.log.contains(page), "{}", ran.log);
    for fact in ["serial", "issuer", "fingerprint"] {
        let value = record["certificate"][fact].as_str();
        let value = value.unwrap_or_else(|| panic!("no {fact} in {record:#}"));
        assert!(ran.log.contains(value), "no {fact} {value}: {}", ran.log);
    }
}

#[test]
fn the_kinds_that_the_page_says_cannot_revoke_are_those_that_cannot() {
    let (_, kinds) = PAGE.split_once("a kind that cannot revoke (").unwrap();
    let said = kinds.split_once(')').unwrap().0;
    let cannot = CATALOGUE
        .iter()
        .filter(|entry| !entry.abilities.contains(&Ability::Revoke))
        .map(|entry| format!("`{}`", entry.kind));
    assert_eq!(said, cannot.collect::<Vec<_>>().join(", "));
}

/// The blocks of the page that are marked as shell.
fn commands() -> Vec<String> {
    let blocks = PAGE.split("```sh\n").skip(1);
    let commands: Vec<_> = blocks
        .map(|block| block.split_once("```").unwrap().0.to_owned())
        .collect();
    assert_eq!(commands.len(), 4, "three, and one for a key that leaked");
    commands
}

fn bake_what_the_pipeline_left(project: &Project) {
    fs::create_dir_all(project.path("rootfs/etc")).unwrap();
    let url = &project.ca.url;
    let ran = run(
        project,
        &format!(
            "certbake provision --ca est --ca-url {url} --ca-anchors ca.pem --ca-user {user} \
             --ca-password env:EST_PASSWORD --common-name app-server --dns app.internal --root rootfs \
             --cert /etc/app/tls/client.crt --key /etc/app/tls/client.key --min-validity 1d",
            user = certbake::USER,
        ),
    );
    assert_eq!(ran.exit_code, 0, "{}", ran.log);
}

fn run(project: &Project, command: &str) -> ci::Ran {
    let environment = BTreeMap::from([("EST_PASSWORD".to_owned(), certbake::PASSWORD.to_owned())]);
    project.bash(&["-eu"], command, &environment)
}
