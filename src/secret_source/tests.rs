//! Each source, read and refused.

#![allow(clippy::disallowed_methods)]
use super::error::EXPOSED;
use super::*;
use std::fs::Permissions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

fn read(source: &str) -> Result<Vec<u8>, SecretSourceError> {
    let source: SecretSource = source.parse().unwrap();
    source.read().map(|secret| secret.expose().to_vec())
}

fn file_with(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
    file
}

#[test]
fn a_plain_value_is_refused_without_being_repeated() {
    for text in ["xyzzy-canary", "hunter2:xyzzy-canary", "env:xyzzy-canary"] {
        let error = text.parse::<SecretSource>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("xyzzy"), "{error:?}");
    }
    let error = "env:$EST_PASSWORD".parse::<SecretSource>().unwrap_err();
    assert!(error.to_string().contains("without $"), "{error}");
    let error = "xyzzy".parse::<SecretSource>().unwrap_err().to_string();
    for form in ["env:NAME", "file:PATH", "fd:N", "cmd:PROGRAM"] {
        assert!(error.contains(form), "{error}");
    }
}

#[test]
fn a_file_is_read_without_its_line_end() {
    let file = file_with(b"xyzzy\n", 0o600);
    assert_eq!(
        read(&format!("file:{}", file.path().display())).unwrap(),
        b"xyzzy"
    );
    let file = file_with(b" two lines\n\r\n", 0o400);
    assert_eq!(
        read(&format!("file:{}", file.path().display())).unwrap(),
        b" two lines\n"
    );
}

#[test]
fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
    let file = file_with(b"xyzzy", 0o640);
    let error = read(&format!("file:{}", file.path().display())).unwrap_err();
    let finding = error.finding();
    assert_eq!(finding.code, EXPOSED);
    assert_eq!(finding.facts["mode"], "0640");
    assert_eq!(
        finding.hint,
        format!("chmod 0600 {}", file.path().display())
    );
}

#[test]
fn a_folder_a_fifo_and_a_missing_file_are_errors_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .args(["-m", "600"])
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    for path in [folder.path(), &fifo] {
        let error = read(&format!("file:{}", path.display())).unwrap_err();
        assert!(matches!(error.reason, Reason::NotAFile), "{error}");
    }
    let missing = folder.path().join("missing");
    let error = read(&format!("file:{}", missing.display())).unwrap_err();
    assert!(matches!(error.reason, Reason::Io(_)), "{error}");
}

#[test]
fn a_variable_that_is_not_set_is_an_error_that_names_it() {
    let error = read("env:CERTBAKE_TEST_IS_NOT_SET").unwrap_err();
    assert_eq!(
        error.to_string(),
        "reading env:CERTBAKE_TEST_IS_NOT_SET: the environment variable is not set"
    );
}

#[test]
fn an_empty_secret_and_an_endless_one_are_errors() {
    let empty = file_with(b"\n", 0o600);
    let error = read(&format!("file:{}", empty.path().display())).unwrap_err();
    assert!(matches!(error.reason, Reason::Empty), "{error}");
    let long = file_with(&[b'x'; 64 * 1024 + 1], 0o600);
    let error = read(&format!("file:{}", long.path().display())).unwrap_err();
    assert!(matches!(error.reason, Reason::TooLong), "{error}");
    let error = read("cmd:cat /dev/zero").unwrap_err();
    assert!(matches!(error.reason, Reason::TooLong), "{error}");
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"from a pipe\n").unwrap();
    drop(writer);
    assert_eq!(
        read(&format!("fd:{}", reader.as_raw_fd())).unwrap(),
        b"from a pipe"
    );
}

/// A shell opened it for this command (`4<fifo`), and whoever wrote into it has ended.
#[test]
fn a_fifo_whose_writer_is_gone_gives_what_was_written() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let both = File::options().read(true).write(true).open(&path).unwrap();
    let reader = File::open(&path).unwrap();
    (&both).write_all(b"from a fifo\n").unwrap();
    drop(both);
    let source = format!("fd:{}", reader.as_raw_fd());
    assert_eq!(read(&source).unwrap(), b"from a fifo");
    let error = read(&source).unwrap_err();
    assert!(matches!(error.reason, Reason::Empty), "{error}");
}

#[test]
fn the_program_of_a_command_is_seen_from_the_files_directory() {
    for (written, seen) in [
        ("cmd:./pw now", "cmd:/build/pw"),
        ("cmd:bin/pw", "cmd:/build/bin/pw"),
        ("cmd:../pw", "cmd:/build/../pw"),
        ("cmd:.//../pw", "cmd:/build/.//../pw"),
        ("cmd:/usr/bin/pw", "cmd:/usr/bin/pw"),
        ("cmd:pw", "cmd:pw"),
    ] {
        let source: SecretSource = written.parse().unwrap();
        let source = source.relative_to(Path::new("/build"));
        assert_eq!(source.to_string(), seen, "{written}");
    }
}

#[test]
fn a_command_gives_what_it_prints_and_no_shell_reads_its_arguments() {
    assert_eq!(
        read("cmd:printf '%s|%s\n' 'a  b' \"c;d\"").unwrap(),
        b"a  b|c;d"
    );
    assert_eq!(
        read(r#"cmd:["printf", "%s", "$HOME `id`"]"#).unwrap(),
        b"$HOME `id`"
    );
}

/// As one that a process without rights has of the process with them that started it.
#[test]
fn a_descriptor_that_cannot_be_opened_anew_is_read_all_the_same() {
    use std::io::Write;
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.write_all(b"xyzzy-canary\n").unwrap();
    drop(ours);
    assert_eq!(
        read(&format!("fd:{}", theirs.as_raw_fd())).unwrap(),
        b"xyzzy-canary"
    );
}

#[test]
fn a_descriptor_that_is_closed_and_a_program_that_is_not_there_are_called_so() {
    let error = read("fd:987").unwrap_err();
    assert_eq!(
        error.to_string(),
        "reading fd:987: the descriptor is not open"
    );
    assert!(error.finding().hint.contains("987<FILE"));
    let error = read("cmd:no-such-program-as-this").unwrap_err();
    assert!(matches!(error.reason, Reason::NoProgram), "{error}");
}

#[test]
fn a_failing_command_tells_how_it_ended_and_nothing_that_it_wrote() {
    let script = "echo xyzzy-canary; echo password xyzzy-canary expired >&2; exit 3";
    let error = read(&format!("cmd:sh -c '{script}'")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "reading cmd:sh: the command ended with exit status: 3"
    );
    let finding = error.finding();
    assert!(finding.hint.starts_with("run the command by hand"));
    assert!(!format!("{error:?} {finding:?}").contains("xyzzy"));
}

#[test]
fn a_command_that_hangs_is_stopped() {
    let argv = ["sleep".to_owned(), "600".to_owned()];
    let error = command::output(&argv, Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, Reason::TimedOut), "{error}");
}

#[test]
fn printing_a_source_shows_no_argument_of_its_command() {
    let source: SecretSource = "cmd:vault read -token=xyzzy secret".parse().unwrap();
    assert_eq!(source.to_string(), "cmd:vault");
    assert_eq!(format!("{source:?}"), "SecretSource(cmd:vault)");
}
