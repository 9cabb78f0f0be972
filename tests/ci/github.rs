//! A GitHub workflow with one job, and as much of its runner as the example needs: steps in order
//! until one fails, the shell of `defaults`, expressions, and the files behind GITHUB_OUTPUT and
//! GITHUB_STEP_SUMMARY.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax>

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use saphyr::Yaml;

use super::{Job, Project, at, parse, repository, strings, text};
use crate::servers::{certbake, skips};

pub struct Workflow(Yaml<'static>);

/// A step that runs a script.
pub struct Step {
    id: Option<String>,
    environment: BTreeMap<String, String>,
    pub run: String,
}

impl Workflow {
    pub fn path() -> PathBuf {
        repository().join("examples/github-actions/image.yml")
    }

    pub fn read() -> Self {
        Self(parse(&Self::path()))
    }

    /// The rights of the job's token.
    pub fn permissions(&self) -> Vec<(String, String)> {
        strings(&self.0, "permissions").into_iter().collect()
    }

    /// The actions that the steps use.
    pub fn actions(&self) -> Vec<String> {
        self.all_steps()
            .filter_map(|step| step.as_mapping_get("uses"))
            .map(text)
            .collect()
    }

    /// The steps that run a script, in order.
    pub fn steps(&self) -> Vec<Step> {
        self.all_steps()
            .filter(|step| step.contains_mapping_key("run"))
            .map(Step::new)
            .collect()
    }

    fn job(&self) -> &Yaml<'static> {
        let jobs = at(&self.0, "jobs").as_mapping().unwrap();
        assert_eq!(jobs.len(), 1);
        jobs.front().unwrap().1
    }

    fn all_steps(&self) -> impl Iterator<Item = &Yaml<'static>> {
        at(self.job(), "steps").as_sequence().unwrap().iter()
    }

    /// Runs the job as the runner does.
    pub fn run(&self, project: &Project) -> Job {
        let shell = strings(at(&self.0, "defaults"), "run").remove("shell");
        assert_eq!(
            shell.as_deref(),
            Some("bash"),
            "only this shell is known here"
        );
        // What the runner gives bash when a workflow names it: `bash --noprofile --norc -eo pipefail {0}`.
        let options = ["--noprofile", "--norc", "-eo", "pipefail"];

        let (summary, added) = (project.path("step-summary"), project.path("added-to-path"));
        fs::write(&added, "").unwrap();
        let mut job = Job {
            exit_code: 0,
            log: String::new(),
            outputs: BTreeMap::new(),
            summary: String::new(),
        };
        let download = project.download();
        for step in &self.steps() {
            let output = project.path("step-output");
            fs::write(&output, "").unwrap();
            let mut environment = environment_of_the_runner(project);
            environment.extend(strings(self.job(), "env"));
            for (name, value) in &download {
                let said = environment.insert(name.clone(), value.clone());
                assert!(said.is_some(), "{name} is to be said by the reader");
            }
            environment.extend(
                step.environment
                    .iter()
                    .map(|(name, value)| (name.clone(), evaluate(value, &job))),
            );
            let of_this_step = [
                ("GITHUB_OUTPUT", output.display().to_string()),
                ("GITHUB_PATH", added.display().to_string()),
                ("GITHUB_STEP_SUMMARY", summary.display().to_string()),
                ("PATH", path_with(&fs::read_to_string(&added).unwrap())),
            ];
            environment.extend(of_this_step.map(|(name, value)| (name.to_owned(), value)));

            let ran = project.bash(&options, &step.run, &environment);
            job.log.push_str(&ran.log);
            job.exit_code = ran.exit_code;
            if let Some(id) = &step.id {
                job.outputs
                    .insert(id.clone(), outputs(&fs::read_to_string(&output).unwrap()));
            }
            if ran.exit_code != 0 {
                break;
            }
        }
        job.summary = fs::read_to_string(summary).unwrap_or_default();
        job
    }
}

impl Step {
    fn new(step: &Yaml<'_>) -> Self {
        Self {
            id: step.as_mapping_get("id").map(text),
            environment: strings(step, "env"),
            run: text(at(step, "run")),
        }
    }

    /// Whether an expression of the step mentions `what`.
    pub fn sees(&self, what: &str) -> bool {
        self.run.contains(what) || self.environment.values().any(|value| value.contains(what))
    }
}

/// Whether the runner's user may be root without a password, as on GitHub's own runners. Where not, the test is to
/// return: this has said so.
pub fn sudo_works() -> bool {
    let run = Command::new("sudo").args(["-n", "true"]).output();
    let works = run.is_ok_and(|run| run.status.success());
    if !works {
        skips::skipped("needs sudo without a password, which a GitHub runner has");
    }
    works
}

/// PATH after the lines of GITHUB_PATH, the last of which comes first.
fn path_with(added: &str) -> String {
    let of_the_runner = std::env::var("PATH").unwrap();
    let lines = added.lines().map(str::to_owned);
    lines.fold(of_the_runner, |path, line| format!("{line}:{path}"))
}

fn environment_of_the_runner(project: &Project) -> BTreeMap<String, String> {
    let workspace = project.directory.path().display().to_string();
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "example/app"),
        ("GITHUB_RUN_ID", "1234567"),
        ("GITHUB_SERVER_URL", "https://github.example"),
        ("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567"),
        ("GITHUB_WORKFLOW", "image"),
        ("GITHUB_WORKSPACE", &workspace),
        ("RUNNER_TEMP", &workspace),
    ];
    variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// An `env` value with its one expression, `${{ … }}`, evaluated.
fn evaluate(value: &str, job: &Job) -> String {
    let Some((before, rest)) = value.split_once("${{") else {
        return value.to_owned();
    };
    let (expression, after) = rest.split_once("}}").expect("an expression ends");
    let path: Vec<&str> = expression.trim().split('.').collect();
    let evaluated = match path.as_slice() {
        ["secrets", "EST_PASSWORD"] => certbake::PASSWORD,
        ["steps", id, "outputs", name] => job
            .outputs
            .get(*id)
            .and_then(|step| step.get(*name))
            .map_or("", |value| value),
        _ => panic!("{expression} is not known here"),
    };
    format!("{before}{evaluated}{after}")
}

/// The lines of GITHUB_OUTPUT: `name=value`, or `name<<DELIMITER`, lines, `DELIMITER`.
fn outputs(file: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = file.lines();
    while let Some(line) = lines.next() {
        let equals = line.find('=').unwrap_or(usize::MAX);
        if let Some(at) = line.find("<<").filter(|at| *at < equals) {
            let (name, delimiter) = (&line[..at], &line[at + 2..]);
            let value: Vec<&str> = lines
                .by_ref()
                .take_while(|line| *line != delimiter)
                .collect();
            outputs.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line
                .split_once('=')
                .unwrap_or_else(|| panic!("{line} is no output"));
            outputs.insert(name.to_owned(), value.to_owned());
        }
    }
    outputs
}
