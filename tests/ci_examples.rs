//! The workflows of `examples/github-actions` and `examples/gitlab-ci`: their syntax is what the
//! runner needs, and their steps run here as the runner runs them, against
//! `certbake ca serve`. Only the CA's place, and where certbake is downloaded from, differ from the examples.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod ci;
mod servers;

use ci::Project;
use ci::github::{Workflow, sudo_works};
use ci::gitlab::Pipeline;
use servers::program;

const GITHUB: &str = "examples/github-actions/certbake.toml";
const GITLAB: &str = "examples/gitlab-ci/certbake.toml";

/// What the CA grants; the floor of the examples is 15 days.
const LONG: &str = "30d";
const SHORT: &str = "10d";

#[test]
fn actionlint_finds_nothing_in_the_github_workflow() {
    let Some(actionlint) = program("actionlint") else {
        return;
    };
    servers::run(
        actionlint,
        ["-no-color".as_ref(), Workflow::path().as_os_str()],
    );
}

#[test]
fn the_github_workflow_may_only_read_and_pins_every_action_by_commit() {
    let workflow = Workflow::read();
    assert_eq!(
        workflow.permissions(),
        [("contents".to_owned(), "read".to_owned())]
    );
    for action in workflow.actions() {
        let commit = action
            .split_once('@')
            .map(|(_, commit)| commit)
            .unwrap_or_default();
        let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(pinned, "{action} is not pinned by a commit");
    }
}

#[test]
fn only_the_step_that_bakes_sees_the_secret_on_github() {
    let steps = Workflow::read().steps();
    let seeing: Vec<_> = steps.iter().filter(|step| step.sees("secrets.")).collect();
    assert_eq!(seeing.len(), 1);
    assert!(
        seeing[0].run.contains(" provision --config "),
        "{}",
        seeing[0].run
    );
}

#[test]
fn the_github_steps_bake_and_pack_an_image() {
    if !sudo_works() {
        return;
    }
    let project = Project::new(GITHUB, LONG);
    project.give_the_application_its_data();

    let job = Workflow::read().run(&project);

    assert_eq!(job.exit_code, 0, "{}", job.log);
    project.assert_packed_and_verified();
    let rebuild_by = &job.outputs["certificate"]["rebuild_by"];
    assert!(
        job.log.contains(&format!("rebuild it by {rebuild_by}\n")),
        "{}",
        job.log
    );
    assert!(job.summary.contains("app-server"), "{}", job.summary);
    job.assert_password_nowhere(&project);
}

#[test]
fn a_window_below_the_floor_fails_the_github_job_with_an_annotation() {
    if !sudo_works() {
        return;
    }
    let project = Project::new(GITHUB, SHORT);

    let job = Workflow::read().run(&project);

    assert_eq!(job.exit_code, 3, "{}", job.log);
    assert!(
        job.log.lines().any(|line| line.starts_with("::error ")),
        "{}",
        job.log
    );
    assert!(!project.path("image.tar").exists());
    job.assert_password_nowhere(&project);
}

#[test]
fn what_is_not_the_certbake_that_was_meant_is_not_run() {
    let project = Project::new(GITLAB, LONG);
    let pipeline = Pipeline::read();

    let job = pipeline.run_with(&project, &[("CERTBAKE_SHA256", &"0".repeat(64))]);

    assert_ne!(job.exit_code, 0, "{}", job.log);
    assert!(job.log.contains("certbake: FAILED"), "{}", job.log);
    assert!(!project.path("image.tar").exists() && !project.path("rootfs").exists());
}

#[test]
fn every_key_of_the_gitlab_pipeline_is_one_that_gitlab_knows() {
    assert_eq!(Pipeline::read().unknown_keys(), Vec::<String>::new());
}

#[test]
fn an_image_with_its_key_is_no_artifact_that_everybody_keeps() {
    let github = include_str!("../examples/github-actions/image.yml");
    assert!(github.contains(
        "path: image.tar\n          if-no-files-found: error\n          retention-days: 1\n"
    ));
    let gitlab = include_str!("../examples/gitlab-ci/image.gitlab-ci.yml");
    assert!(gitlab.contains("access: developer\n    expire_in: 1 day\n"));
}

#[test]
fn the_gitlab_script_bakes_and_packs_an_image() {
    let project = Project::new(GITLAB, LONG);
    project.give_the_application_its_data();
    let pipeline = Pipeline::read();

    let job = pipeline.run(&project);

    assert_eq!(job.exit_code, 0, "{}", job.log);
    project.assert_packed_and_verified();
    for artifact in pipeline.artifacts() {
        assert!(
            project.path(&artifact).is_file(),
            "the job leaves no {artifact}"
        );
    }
    job.assert_password_nowhere(&project);
}

#[test]
fn a_window_below_the_floor_fails_the_gitlab_job_and_leaves_its_reports() {
    let project = Project::new(GITLAB, SHORT);
    let pipeline = Pipeline::read();

    let job = pipeline.run(&project);

    assert_eq!(job.exit_code, 3, "{}", job.log);
    assert!(!project.path("image.tar").exists());
    for report in pipeline.reports() {
        let report = std::fs::read_to_string(project.path(&report)).unwrap();
        assert!(report.contains("window-below-floor"), "{report}");
    }
    job.assert_password_nowhere(&project);
}
