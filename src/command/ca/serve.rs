//! `certbake ca serve`: the embedded CA as an EST server, until it is told to stop.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::authority::embedded::server::{
    self, Clock, Config, Event, Events, IdentityError, ServeError, Users, UsersError,
};
use crate::authority::embedded::{CaDirectory, CaError, IssueError, NewCa};
use crate::command::{Context, Failure};
use crate::finding::{Code, Finding};
use crate::os_error;
use crate::outcome::Outcome;
use crate::pki::{AltName, Certificate, pem};
use crate::secret_source::SecretSource;
use crate::span::Span;
use crate::subprocess;

const USERS: Code = Code::new("est-users-unusable");
const ANCHORS: Code = Code::new("est-client-anchors-unusable");
const START: Code = Code::new("est-server-cannot-start");

pub struct Plan {
    pub dir: PathBuf,
    pub listen: SocketAddr,
    pub names: Vec<AltName>,
    pub login: Login,
    /// PEM file of roots whose client certificates may log in.
    pub client_anchors: Option<PathBuf>,
    pub label: Option<String>,
    pub ttl: Span,
}

/// Who may log in by password.
pub enum Login {
    /// Nobody: client certificates alone.
    Certificates,
    One {
        name: String,
        password: SecretSource,
    },
    File(PathBuf),
}

/// Returns when the server was told to stop and has finished what it was doing.
///
/// # Errors
/// When it cannot start.
pub fn run(plan: Plan, context: &Context<'_>, clock: Clock, events: Events) -> Result<(), Failure> {
    let users = match &plan.login {
        Login::Certificates => Users::default(),
        Login::One { name, password } => Users::single(
            name,
            password.read().map_err(|error| Failure {
                finding: Box::new(error.finding()),
                outcome: Outcome::Usage,
            })?,
        ),
        Login::File(path) => users(path)?,
    };
    let client_anchors = match &plan.client_anchors {
        Some(path) => anchors(path)?,
        None => Vec::new(),
    };
    if let Login::File(path) = &plan.login
        && !users.can_log_in(!client_anchors.is_empty())
    {
        return Err(usage(nobody(path)));
    }
    let ca = match CaDirectory::open(&plan.dir) {
        Err(CaError::Missing { .. }) => {
            let made = CaDirectory::open_or_make(&plan.dir, &NewCa::default(), context.moment())?;
            events(Event::Made {
                directory: plan.dir,
            });
            made
        }
        opened => opened?,
    };
    let config = Config {
        names: plan.names,
        users,
        client_anchors,
        label: plan.label,
        ttl: plan.ttl,
        ..Config::new(plan.listen, clock)
    };
    // By the server, which ends in its own time.
    subprocess::signals_are_handled();
    server::serve(ca, config, events).map_err(cannot_start)
}

fn users(path: &Path) -> Result<Users, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(USERS, path, &error))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    Users::parse(&text, directory).map_err(|error| {
        if let UsersError::Password { name, source } = &error {
            return usage(source.finding().fact("user", name.as_str()));
        }
        let mut finding = Finding::error(USERS, format!("reading the users: {error}"))
            .in_file(path.display().to_string())
            .hint("`certbake docs est-server` shows the format of the file");
        if let UsersError::Text(fault) = error {
            finding.line = Some(fault.line);
            finding = finding.fact("key", fault.key);
            if !fault.hint.is_empty() {
                finding = finding.hint(fault.hint);
            }
        }
        usage(finding)
    })
}

fn nobody(path: &Path) -> Finding {
    Finding::error(USERS, "reading the users: none of them could log in")
        .in_file(path.display().to_string())
        .hint("give a user a password, or the roots of their certificates with --client-anchors")
}

fn anchors(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let text = fs::read(path).map_err(|error| unreadable(ANCHORS, path, &error))?;
    pem::required_parsed(&text).map_err(|reason| {
        usage(
            Finding::error(ANCHORS, format!("reading the client anchors: {reason}"))
                .in_file(path.display().to_string())
                .hint("give a PEM file of the roots whose client certificates may log in"),
        )
    })
}

fn unreadable(code: Code, path: &Path, error: &std::io::Error) -> Failure {
    usage(
        Finding::error(
            code,
            format!("reading {}: {}", path.display(), os_error::in_words(error)),
        )
        .hint("give a file that this user can read"),
    )
}

fn cannot_start(error: ServeError) -> Failure {
    let hint = match &error {
        ServeError::Listen { .. } => {
            "choose another address with --listen; port 0 lets the system choose the port"
        }
        ServeError::Identity(IdentityError::Issue(IssueError::IntermediateEnded {
            hint, ..
        })) => hint,
        _ => "see `certbake ca show` for the state of the CA",
    };
    usage(Finding::error(START, error.to_string()).hint(hint))
}

fn usage(finding: Finding) -> Failure {
    Failure {
        finding: Box::new(finding),
        outcome: Outcome::Usage,
    }
}
