//! What can be known before an order: the directory's own words, the account, and whether the CA's
//! validation will find us.

use super::account::{self, Kept};
use super::challenge::Challenges;
use super::names;
use super::problem::{self, PROFILE_UNKNOWN};
use super::session::Reached;
use super::settings::Checked;
use crate::authority::answer::REFUSED;
use crate::authority::{AuthorityError, Order, foresight};
use crate::finding::{Code, Finding};

const PUBLIC: Code = Code::new("acme-public-ca");
const NEW_ACCOUNT: Code = Code::new("acme-account-new");

const KEY_ALONE: &str = "contains only a key, for which no CA has created an account yet";

/// Hosts, or the ends of hosts, of CAs whose roots are in browsers.
const PUBLIC_HOSTS: &[(&str, &str)] = &[
    ("letsencrypt.org", "Let's Encrypt"),
    ("zerossl.com", "ZeroSSL"),
    ("pki.goog", "Google Trust Services"),
    ("buypass.com", "Buypass"),
    ("buypass.no", "Buypass"),
];

pub fn whole(
    settings: &Checked,
    challenges: &Challenges,
    reached: &Reached,
    order: &Order,
) -> Result<Vec<Finding>, AuthorityError> {
    let mut findings = Vec::new();
    findings.extend(
        names::identifiers(&order.request)
            .err()
            .map(AuthorityError::into_finding),
    );
    findings.extend(names::stray_common_name(&order.request));
    findings.extend(public(settings));
    findings.extend(profile(settings, reached));
    findings.extend(challenges.rehearse());
    let wire = reached.wire(order.deadline);
    let mut looked_at = vec!["names", "profile", "terms", "the way to prove names"];
    let mut login = String::new();
    match Kept::read(&settings.account, &settings.connection.url)? {
        kept @ (Kept::Nothing | Kept::Key(_)) => {
            account::rehearse(settings)?;
            let state = match kept {
                Kept::Nothing => "does not exist",
                _ => KEY_ALONE,
            };
            findings.push(new_account(settings, reached, state));
        }
        Kept::Account(account) => {
            account.confirm(&wire)?;
            login = "the account of the file".to_owned();
            looked_at.push("login");
        }
    }
    if !findings.iter().any(Finding::is_error) {
        let date = wire.date().or(reached.directory.date);
        findings.push(foresight::answers(&login, date, &looked_at));
    }
    Ok(findings)
}

fn new_account(settings: &Checked, reached: &Reached, state: &str) -> Finding {
    account::obstacle(settings, &reached.directory).unwrap_or_else(|| {
        let shown = settings.account.display();
        Finding::note(
            NEW_ACCOUNT,
            format!("{shown} {state}: the first order creates an account"),
        )
        .hint("keep the file for later runs: only this account may revoke what it orders")
    })
}

/// A CA for web servers: it signs, and what it signs is of no use here.
fn public(settings: &Checked) -> Option<Finding> {
    let host = settings.connection.url.host_str()?;
    let (_, name) = PUBLIC_HOSTS
        .iter()
        .find(|(end, _)| host == *end || host.ends_with(&format!(".{end}")))?;
    Some(
        Finding::warning(PUBLIC, format!("{name} is a public CA: it signs only for servers, without clientAuth"))
            .fact("host", host)
            .hint("ask a private CA for client certificates (step-ca, Vault and EJBCA speak ACME); a certificate without clientAuth fails the build (usage-missing)"),
    )
}

fn profile(settings: &Checked, reached: &Reached) -> Option<Finding> {
    let profile = settings.profile.as_deref()?;
    let profiles = reached.directory.profiles();
    (!profiles.contains(&profile)).then(|| {
        Finding::error(
            PROFILE_UNKNOWN,
            format!("the CA offers no profile {profile}"),
        )
        .fact("offered", profiles)
        .hint(problem::offered(&reached.directory))
    })
}

pub fn no_revocation() -> AuthorityError {
    AuthorityError::Refused(Box::new(
        Finding::error(
            REFUSED,
            "the CA's directory has no revokeCert: it does not revoke by ACME",
        )
        .hint("ask the CA's operators to revoke it"),
    ))
}
