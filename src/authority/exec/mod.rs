//! Any program as an authority: the request on its standard input, the chain on its standard output,
//! its exit status says how it went, its standard error why.

mod ending;
mod settings;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::ending::{Ending, Told};
use self::settings::{Checked, Surroundings, Words};
use super::answer::PENDING;
use super::shared::Shared;
use super::waits::Teller;
use super::{
    Ability, Authority, AuthorityError, Current, Depth, Entry, Issued, Opened, Order, Preflight,
    Renew, Revocation, Revoke, Settings, SettingsError, foresight, received,
};
use crate::finding::Finding;
use crate::outcome::AuthorityPlace;
use crate::pki::{AltName, digest, pem};
use crate::subprocess::{Ended, Group, Program, RunError};

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "exec",
    summary: "any program: the request on its standard input, the chain on its standard output",
    abilities: &[Ability::Renew, Ability::Preflight, Ability::Revoke],
    open,
    schema: || schemars::schema_for!(Words),
};

/// Longer than any chain.
const OUTPUT: usize = 1024 * 1024;
/// Holds the last lines of a program's complaint.
const COMPLAINT: usize = 16 * 1024;
/// The wait before a program that asked for it is run again; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let exec = Arc::new(Exec {
        settings: Checked::read(settings)?,
        surroundings: Shared::default(),
    });
    Ok(Opened {
        secrets: exec.settings.secrets(),
        authority: exec.clone(),
        renew: Some(exec.clone()),
        preflight: Some(exec.clone()),
        finish: None,
        keys_in: None,
        revoke: match &exec.settings.revoke {
            Some(_) => Some(exec),
            None => None,
        },
    })
}

/// A program, and the secrets that it is given.
struct Exec {
    settings: Checked,
    surroundings: Shared<Surroundings>,
}

/// One thing that the program is to do: what it finds in its environment and on its input.
struct Job<'a> {
    argv: &'a [String],
    facts: Vec<(&'static str, String)>,
    input: String,
    deadline: Instant,
}

impl Exec {
    fn sign(
        &self,
        order: &Order,
        facts: Vec<(&'static str, String)>,
    ) -> Result<Issued, AuthorityError> {
        let job = Job {
            argv: &self.settings.command,
            facts,
            input: order.request.pem(),
            deadline: order.deadline,
        };
        let (output, told) = self.carry_out(&job)?;
        received::certificates(&output)
            .and_then(|certificates| received::issued(certificates, order.request.spki()))
            .map_err(|reason| told.unusable(&reason, output.len()))
    }

    /// Runs the program until it has done the job, refused it, or the deadline has come.
    fn carry_out(&self, job: &Job<'_>) -> Result<(Vec<u8>, Told), AuthorityError> {
        let surroundings = self.surroundings.get(|| self.settings.surroundings())?;
        let teller = Teller::new(&self.settings.command[0], self.settings.on_wait.clone());
        let waits = teller.waits(job.deadline);
        let mut waits = waits.between(FIRST_WAIT, LONGEST_WAIT);
        let mut asked_for_more = None;
        let mut runs = 0;
        loop {
            runs += 1;
            let ended = self.run(job, &surroundings, runs);
            let cut_short = matches!(ended, Err(RunError::TimedOut(_)));
            let told = Told::new(&job.argv[0], runs, &surroundings.secrets);
            match told.ending(ended, self.settings.timeout) {
                Ok(Ending::Done(output)) => return Ok((output, told)),
                Ok(Ending::Later(error)) => {
                    if waits.pause(None, why(&error)).is_err() {
                        return Err(error);
                    }
                    asked_for_more = Some(error);
                }
                // What it said when it had the time says more than that it was killed at the end.
                Err(error) if cut_short && Instant::now() >= job.deadline => {
                    return Err(asked_for_more.unwrap_or(error));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn run(
        &self,
        job: &Job<'_>,
        surroundings: &Surroundings,
        runs: u32,
    ) -> Result<Ended, RunError> {
        let mut environment = surroundings.environment.clone();
        let attempt = ("CERTBAKE_ATTEMPT", runs.to_string());
        for (name, value) in job.facts.iter().cloned().chain([attempt]) {
            environment.push((name.into(), OsString::from(value)));
        }
        Program {
            argv: job.argv,
            directory: Some(&self.settings.directory),
            environment: Some(environment),
            input: job.input.as_bytes(),
            group: Group::Own,
            output_limit: OUTPUT,
            complaint_limit: COMPLAINT,
            deadline: job.deadline.min(Instant::now() + self.settings.timeout),
        }
        .run()
    }
}

impl Authority for Exec {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        self.sign(order, facts(order, "issue"))
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.command[0].clone(),
        }
    }
}

/// The program is told that it is a renewal, and which certificate is renewed; the key stays here.
impl Renew for Exec {
    fn renew(&self, order: &Order, current: &Current<'_>) -> Result<Issued, AuthorityError> {
        let mut facts = facts(order, "renew");
        let chain: String = current
            .chain
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        facts.push(("CERTBAKE_CURRENT_CERTIFICATE", chain));
        self.sign(order, facts)
    }
}

/// That the programs are there and may be run is known without running them.
impl Preflight for Exec {
    fn preflight(&self, _: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        for argv in [Some(&self.settings.command), self.settings.revoke.as_ref()]
            .into_iter()
            .flatten()
        {
            ending::can_be_run(&argv[0], &self.settings.path)?;
        }
        if depth == Depth::Order {
            return Ok(Vec::new());
        }
        self.surroundings.get(|| self.settings.surroundings())?;
        let looked_at = ["that its programs may be run", "its secrets"];
        Ok(vec![foresight::answers("", None, &looked_at)])
    }
}

impl Revoke for Exec {
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        let Some(argv) = &self.settings.revoke else {
            return Ok(Vec::new());
        };
        let certificate = revocation.certificate;
        let job = Job {
            argv,
            facts: vec![
                ("CERTBAKE_OPERATION", "revoke".to_owned()),
                (
                    "CERTBAKE_SERIAL",
                    certificate.facts().serial.to_ascii_uppercase(),
                ),
                ("CERTBAKE_REASON", revocation.reason.crl_name().to_owned()),
            ],
            input: certificate.pem(),
            deadline: revocation.deadline,
        };
        self.carry_out(&job)?;
        Ok(Vec::new())
    }
}

fn why(error: &AuthorityError) -> &'static str {
    if error.clone().into_finding().code == PENDING {
        "it is pending"
    } else {
        "it asked for a retry"
    }
}

/// The order in words that scripts can use as they are: names as OpenSSL writes them, one a line.
fn facts(order: &Order, operation: &str) -> Vec<(&'static str, String)> {
    let request = &order.request;
    let names: Vec<String> = request.names.iter().filter_map(openssl_name).collect();
    let mut facts = vec![
        ("CERTBAKE_OPERATION", operation.to_owned()),
        (
            "CERTBAKE_COMMON_NAME",
            request.subject.common_name.clone().unwrap_or_default(),
        ),
        ("CERTBAKE_NAMES", names.join("\n")),
        ("CERTBAKE_USAGE", request.usage.purpose().to_owned()),
        ("CERTBAKE_REQUEST_SHA256", digest::sha256_hex(request.der())),
    ];
    if let Some(ttl) = order.ttl {
        facts.push(("CERTBAKE_TTL_SECONDS", ttl.as_seconds().to_string()));
    }
    facts
}

/// x509v3_config(5), "Subject Alternative Name".
fn openssl_name(name: &AltName) -> Option<String> {
    match name {
        AltName::Dns(name) => Some(format!("DNS:{name}")),
        AltName::Ip(address) => Some(format!("IP:{address}")),
        AltName::Uri(uri) => Some(format!("URI:{uri}")),
        AltName::Email(address) => Some(format!("email:{address}")),
        AltName::Other(_) => None,
    }
}
