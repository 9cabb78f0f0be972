//! The three commands of `docs/reissue-by-hand.md`, run as they are written.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod ci;
mod servers;

use std::collections::BTreeMap;
use std::fs;

use ci::Project;
use servers::certbake;

const CONFIG: &str = "examples/github-actions/certbake.toml";

#[test]
fn three_commands_replace_a_certificate_that_ends_too_soon() {
    let mut project = Project::new(CONFIG, "10d");
    bake_what_the_pipeline_left(&project);
    let certificate = project.path("rootfs/etc/app/tls/client.crt");
    let old = fs::read(&certificate).unwrap();
    project.serve("30d");

    let ended: Vec<_> = commands()
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

/// The blocks of the page that are marked as shell.
fn commands() -> Vec<String> {
    let page = include_str!("../docs/reissue-by-hand.md");
    let blocks = page.split("```sh\n").skip(1);
    let commands: Vec<_> = blocks
        .map(|block| block.split_once("```").unwrap().0.to_owned())
        .collect();
    assert_eq!(commands.len(), 3, "the page says three commands");
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
