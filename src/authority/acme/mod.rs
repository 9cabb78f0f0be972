//! ACME (RFC 8555), with renewal information (RFC 9773), external accounts and profiles: names are
//! proven to the CA, and it signs our own request.

mod account;
mod challenge;
mod directory;
mod names;
mod order;
mod post;
mod preflight;
mod problem;
mod proof;
mod renewal;
mod session;
mod settings;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use instant_acme::{RevocationReason, RevocationRequest};
use rustls::pki_types::CertificateDer;
use serde_json::json;

use self::account::Kept;
use self::challenge::Challenges;
use self::order::{Conversation, Terms};
use self::post::Author;
use self::session::{Reached, Session};
use self::settings::{Checked, Words};
use self::wire::What;
use super::clock::Clock;
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Current, Depth, Entry, Issued, Opened, Order, Preflight,
    Reason, Renew, Revocation, Revoke, Settings, SettingsError, with_connection,
};
use crate::finding::Finding;
use crate::net::Repeat;
use crate::outcome::AuthorityPlace;

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "acme",
    summary: "any ACME CA (RFC 8555): http-01, tls-alpn-01, dns-01; external accounts, profiles, ARI",
    abilities: &[Ability::Renew, Ability::Preflight, Ability::Revoke],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let checked = Checked::read(settings)?;
    let acme = Arc::new(Acme {
        challenges: Challenges::new(checked.proof.clone()),
        settings: checked,
        clock: Clock::of_run(settings),
        reached: Shared::default(),
        session: Shared::default(),
    });
    Ok(Opened {
        secrets: acme.settings.secrets(),
        authority: acme.clone(),
        renew: Some(acme.clone()),
        preflight: Some(acme.clone()),
        revoke: Some(acme),
        finish: None,
        keys_in: None,
    })
}

/// An ACME CA and what has been learnt from it.
struct Acme {
    settings: Checked,
    challenges: Challenges,
    clock: Clock,
    reached: Shared<Reached>,
    session: Shared<Session>,
}

impl Acme {
    fn reached(&self, deadline: Instant) -> Result<Arc<Reached>, AuthorityError> {
        self.reached.get(|| Reached::open(&self.settings, deadline))
    }

    /// The one account of all orders.
    fn session(&self, deadline: Instant) -> Result<Arc<Session>, AuthorityError> {
        let reached = self.reached(deadline)?;
        self.session
            .get(|| Session::open(&self.settings, &reached, deadline))
    }

    fn terms(&self, order: &Order) -> Terms<'_> {
        Terms {
            profile: self.settings.profile.as_deref(),
            not_after: order
                .ttl
                .filter(|_| self.settings.ask_lifetime)
                .and_then(|ttl| self.clock.now().checked_add(ttl.duration())),
            replaces: None,
        }
    }

    fn conversation<'a>(
        &'a self,
        session: &'a Session,
        order: &Order,
    ) -> Result<Conversation<'a>, AuthorityError> {
        Conversation::open(session, &self.challenges, order.deadline)
    }
}

impl Authority for Acme {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        // Before an account is made for what cannot be ordered.
        names::identifiers(&order.request)?;
        let session = self.session(order.deadline)?;
        let conversation = self.conversation(&session, order)?;
        Ok(conversation.issue(order, &self.terms(order))?)
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.connection.url.to_string(),
        }
    }
}

impl Renew for Acme {
    /// An order that names the certificate it replaces, where the CA takes that: such orders are not
    /// held against the CA's limits.
    fn renew(&self, order: &Order, current: &Current<'_>) -> Result<Issued, AuthorityError> {
        names::identifiers(&order.request)?;
        let session = self.session(order.deadline)?;
        let conversation = self.conversation(&session, order)?;
        let terms = self.terms(order);
        let leaf = current.chain.first().map(Vec::as_slice);
        let replaced = leaf
            .filter(|_| session.reached.directory.suggests_renewal)
            .and_then(renewal::identifier);
        let Some(replaced) = replaced else {
            return Ok(conversation.issue(order, &terms)?);
        };
        let mut notes: Vec<Finding> = renewal::window(&conversation, &replaced, self.clock.now())
            .into_iter()
            .collect();
        let replacing = Terms {
            replaces: Some(&replaced),
            ..self.terms(order)
        };
        let mut issued = match conversation.issue(order, &replacing) {
            // By an order that was not ours, or by one of ours whose answer was lost.
            Err(trouble) if trouble.is("alreadyReplaced") => {
                notes.push(renewal::already_replaced(&trouble));
                conversation.issue(order, &terms)?
            }
            other => other?,
        };
        issued.findings.splice(0..0, notes);
        Ok(issued)
    }
}

impl Preflight for Acme {
    fn preflight(&self, order: &Order, _: Depth) -> Result<Vec<Finding>, AuthorityError> {
        let reached = self.reached(order.deadline)?;
        preflight::whole(&self.settings, &self.challenges, &reached, order)
    }

    /// Whatever an order alone would tell, only an order tells.
    fn looks_before_orders(&self) -> bool {
        false
    }
}

impl Revoke for Acme {
    /// RFC 8555 section 7.6: signed by the certificate's key where that is at hand, else by the
    /// account, which must be the one that ordered it.
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        let what = What::of("asking for the revocation");
        let der = CertificateDer::from(revocation.certificate.der());
        let deadline = revocation.deadline;
        let outcome = match revocation.key {
            Some(key) => {
                let reached = self.reached(deadline)?;
                let wire = reached.wire(deadline);
                let Some(url) = &reached.directory.revoke_cert else {
                    return Err(preflight::no_revocation());
                };
                let payload = json!({
                    "certificate": data_encoding::BASE64URL_NOPAD.encode(&der),
                    "reason": revocation.reason.code(),
                });
                wire.ask(what, Repeat::IfTurnedAway, async || {
                    post::post(&wire, Author::Key(key), url, &payload).map(drop)
                })
            }
            None => {
                let (file, url) = (&self.settings.account, &self.settings.connection.url);
                if !matches!(Kept::read(file, url)?, Kept::Account(_)) {
                    return Err(account::missing(file));
                }
                let session = self.session(deadline)?;
                if session.reached.directory.revoke_cert.is_none() {
                    return Err(preflight::no_revocation());
                }
                let wire = session.wire(deadline);
                let account = session.account.speaking(&wire)?;
                let request = RevocationRequest {
                    certificate: &der,
                    reason: Some(reason(revocation.reason)),
                };
                wire.ask(what, Repeat::IfTurnedAway, async || {
                    account.revoke(&request).await
                })
            }
        };
        match outcome {
            Err(trouble) if !trouble.is("alreadyRevoked") => Err(trouble.into()),
            _ => Ok(Vec::new()),
        }
    }
}

const fn reason(reason: Reason) -> RevocationReason {
    match reason {
        Reason::Unspecified => RevocationReason::Unspecified,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
    }
}
