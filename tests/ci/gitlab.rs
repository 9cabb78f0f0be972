//! A GitLab pipeline with one job, and as much of its runner as the example needs: the lines of
//! `before_script` and `script` as one bash script that stops at the first failure.
//! <https://docs.gitlab.com/ci/yaml/>

use std::collections::BTreeMap;

use saphyr::Yaml;

use super::{Job, Project, at, list, parse, repository, strings, text};
use crate::servers::certbake;

/// The keys of GitLab's reference that a pipeline may have beside its jobs, and a job may have.
const GLOBAL: &[&str] = &["default", "include", "stages", "variables", "workflow"];
const OF_A_JOB: &[&str] = &[
    "after_script",
    "allow_failure",
    "artifacts",
    "before_script",
    "cache",
    "coverage",
    "environment",
    "extends",
    "id_tokens",
    "image",
    "interruptible",
    "needs",
    "parallel",
    "release",
    "resource_group",
    "retry",
    "rules",
    "script",
    "secrets",
    "services",
    "stage",
    "tags",
    "timeout",
    "variables",
    "when",
];
const OF_ARTIFACTS: &[&str] = &[
    "access",
    "exclude",
    "expire_in",
    "expose_as",
    "name",
    "paths",
    "reports",
    "untracked",
    "when",
];
const OF_REPORTS: &[&str] = &[
    "codequality",
    "dotenv",
    "junit",
    "sast",
    "secret_detection",
    "terraform",
];

pub struct Pipeline(Yaml<'static>);

impl Pipeline {
    pub fn read() -> Self {
        Self(parse(
            &repository().join("examples/gitlab-ci/image.gitlab-ci.yml"),
        ))
    }

    /// Keys that GitLab would refuse, and a stage that is not declared.
    pub fn unknown_keys(&self) -> Vec<String> {
        let (name, job) = self.job();
        let artifacts = at(job, "artifacts");
        let mut unknown = unknown_keys(job, OF_A_JOB, &name);
        unknown.extend(unknown_keys(artifacts, OF_ARTIFACTS, "artifacts"));
        unknown.extend(unknown_keys(
            at(artifacts, "reports"),
            OF_REPORTS,
            "reports",
        ));
        let stage = text(at(job, "stage"));
        if !list(&self.0, "stages").contains(&stage) {
            unknown.push(format!("stage {stage}"));
        }
        unknown
    }

    /// The one key that is not GitLab's own is the job.
    fn job(&self) -> (String, &Yaml<'static>) {
        let keys = self.0.as_mapping().unwrap().iter();
        let mut jobs = keys.filter(|(key, _)| !GLOBAL.contains(&key.as_str().unwrap()));
        let (name, job) = jobs.next().expect("a job");
        assert!(jobs.next().is_none(), "only one job is known here");
        (text(name), job)
    }

    /// The files that the job uploads when it succeeds.
    pub fn artifacts(&self) -> Vec<String> {
        let mut paths = list(at(self.job().1, "artifacts"), "paths");
        paths.extend(self.reports());
        paths
    }

    /// The files that the job uploads however it ends.
    pub fn reports(&self) -> Vec<String> {
        strings(at(self.job().1, "artifacts"), "reports")
            .into_values()
            .collect()
    }

    /// Runs the job as the runner does.
    pub fn run(&self, project: &Project) -> Job {
        self.run_with(project, &[])
    }

    /// [`run`](Self::run), with other values of some variables.
    pub fn run_with(&self, project: &Project, other: &[(&str, &str)]) -> Job {
        let (name, job) = self.job();
        let mut lines = list(job, "before_script");
        lines.extend(list(job, "script"));

        let directory = project.directory.path().display().to_string();
        let path = std::env::var("PATH").unwrap();
        let of_the_runner = [
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_SHA", "0123456789abcdef0123456789abcdef01234567"),
            ("CI_JOB_NAME", &name),
            ("CI_JOB_URL", "https://gitlab.example/app/-/jobs/1"),
            ("CI_PROJECT_DIR", &directory),
            ("CI_PROJECT_PATH", "example/app"),
            ("EST_PASSWORD", certbake::PASSWORD),
            ("PATH", &path),
            ("TMPDIR", &directory),
        ];
        let mut environment: BTreeMap<String, String> = strings(job, "variables");
        environment.extend(of_the_runner.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (name, value) in project.download() {
            let said = environment.insert(name.clone(), value);
            assert!(said.is_some(), "{name} is to be said by the reader");
        }
        environment.extend(
            other
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );

        let ran = project.bash(&["-eo", "pipefail"], &lines.join("\n"), &environment);
        Job {
            exit_code: ran.exit_code,
            log: ran.log,
            outputs: BTreeMap::new(),
            summary: String::new(),
        }
    }
}

fn unknown_keys(node: &Yaml<'_>, known: &[&str], place: &str) -> Vec<String> {
    let keys = node
        .as_mapping()
        .unwrap_or_else(|| panic!("{place} is not a mapping"))
        .keys()
        .map(text);
    keys.filter(|key| !known.contains(&key.as_str()))
        .map(|key| format!("{place}.{key}"))
        .collect()
}
