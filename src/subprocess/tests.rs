//! How programs end, and what is left of them.

use super::*;

fn run(script: &str, change: impl FnOnce(&mut Program<'_>)) -> Result<Ended, RunError> {
    let argv = ["sh", "-c", script].map(str::to_owned);
    let mut program = Program {
        argv: &argv,
        directory: None,
        environment: None,
        input: b"",
        group: Group::Own,
        output_limit: 100,
        complaint_limit: 10,
        deadline: Instant::now() + Duration::from_secs(10),
    };
    change(&mut program);
    program.run()
}

#[test]
fn input_goes_in_and_output_status_and_the_last_complaint_come_out() {
    let ended = run(
        "cat; echo first >&2; echo the last >&2; exit 3",
        |program| {
            program.input = b"asked";
        },
    )
    .ok()
    .unwrap();
    assert_eq!(ended.output.as_slice(), b"asked");
    assert_eq!(ended.status.code(), Some(3));
    assert_eq!(ended.complaint.text, b"\nthe last\n");
    assert!(ended.complaint.is_cut);
}

#[test]
fn a_program_that_reads_and_writes_nothing_is_no_error() {
    let ended = run("exec <&- >&- 2>&-; exit 0", |program| {
        program.input = &[b'x'; 1 << 20];
    });
    assert!(ended.is_ok_and(|ended| ended.output.is_empty()));
}

#[test]
fn too_much_output_ends_it_at_once() {
    let started = Instant::now();
    let ended = run("yes", |_| {});
    assert!(matches!(ended, Err(RunError::TooLong { limit: 100 })));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn at_the_deadline_it_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let script = format!(
        "echo working >&2; (sleep 1; touch {0}) & sleep 30",
        mark.display()
    );
    let ended = run(&script, |program| {
        program.deadline = Instant::now() + Duration::from_millis(300);
    });
    let Err(RunError::TimedOut(complaint)) = ended else {
        panic!("it ended");
    };
    assert_eq!(complaint.text, b"working\n");
    std::thread::sleep(Duration::from_millis(1200));
    assert!(!mark.exists(), "a process that it started lived on");
}

#[test]
fn what_it_leaves_behind_neither_holds_us_up_nor_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let script = format!("(sleep 4; touch {0}) & echo done", mark.display());
    let started = Instant::now();
    let ended = run(&script, |_| {}).ok().unwrap();
    assert_eq!(ended.output.as_slice(), b"done\n");
    assert!(started.elapsed() < Duration::from_millis(3900));
    std::thread::sleep(Duration::from_millis(4200).saturating_sub(started.elapsed()));
    assert!(!mark.exists(), "it lived on");
}

#[test]
fn only_the_environment_that_is_given_is_there() {
    let ended = run(
        "env | sort | grep -v -e ^PWD= -e ^_= -e ^SHLVL=",
        |program| {
            program.environment = Some(vec![
                ("PATH".into(), "/usr/bin:/bin".into()),
                ("TOKEN".into(), "x".into()),
            ]);
        },
    )
    .ok()
    .unwrap();
    assert_eq!(ended.output.as_slice(), b"PATH=/usr/bin:/bin\nTOKEN=x\n");
}
