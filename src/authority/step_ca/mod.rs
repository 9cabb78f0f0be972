//! Smallstep's step-ca: `/1.0/sign` with a one-time token, `/1.0/renew` and `/1.0/rekey` with the
//! current certificate, `/1.0/revoke`. Facts of the wire: `api/` and `authority/provisioner/` of
//! github.com/smallstep/certificates.

mod clocks;
mod explain;
mod given;
mod jwe;
mod limits;
mod login;
mod order;
mod preflight;
mod provisioners;
mod revoke;
mod session;
mod settings;
mod token;

use std::sync::Arc;
use std::time::Instant;

use self::clocks::Clocks;
use self::session::Session;
use self::settings::{Checked, Words};
use self::token::Bearer;
use super::clock::Clock;
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Current, Depth, Entry, Issued, Opened, Order, Preflight,
    Renew, Revocation, Revoke, Settings, SettingsError, with_connection,
};
use crate::finding::Finding;
use crate::net::ClientCertificate;
use crate::outcome::AuthorityPlace;
use crate::pki::{Certificate, PrivateKey};
use crate::secret::Secret;

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "step-ca",
    summary: "Smallstep's step-ca: JWK, X5C or OIDC provisioner, one-time token, current certificate",
    abilities: &[Ability::Renew, Ability::Preflight, Ability::Revoke],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let step = Arc::new(StepCa {
        settings: Checked::read(settings)?,
        clocks: Arc::new(Clocks::new(Clock::of_run(settings))),
        session: Shared::default(),
    });
    Ok(Opened {
        secrets: step.settings.secrets(),
        authority: step.clone(),
        renew: Some(step.clone()),
        preflight: Some(step.clone()),
        revoke: Some(step),
        finish: None,
        keys_in: None,
    })
}

/// A step-ca, its clock, and the login that all orders share: the provisioner's key is unlocked once.
struct StepCa {
    settings: Checked,
    clocks: Arc<Clocks>,
    session: Shared<Session>,
}

impl StepCa {
    fn session(&self, deadline: Instant) -> Result<Arc<Session>, AuthorityError> {
        self.session
            .get(|| Session::open(&self.settings, &self.clocks, deadline))
    }

    /// A connection of its own that shows this certificate.
    fn shown(
        &self,
        chain: &[Vec<u8>],
        key: &PrivateKey,
        deadline: Instant,
    ) -> Result<Session, AuthorityError> {
        let certificate = ClientCertificate {
            chain: chain.to_vec(),
            key: Secret::new(key.expose_pkcs8().to_vec()),
        };
        Session::with_certificate(&self.settings, Some(certificate), &self.clocks, deadline)
    }
}

impl Authority for StepCa {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        let session = self.session(order.deadline)?;
        match session.bearer {
            Bearer::Certificate => order::rekey(&session, order),
            _ => order::sign(&self.settings, &session, order),
        }
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.connection.url.to_string(),
        }
    }
}

impl Renew for StepCa {
    /// Names and lifetime stay those of the current certificate. With the same key it is renewed, with
    /// another rekeyed; after its end, only renewed, and only where the provisioner allows that.
    fn renew(&self, order: &Order, current: &Current<'_>) -> Result<Issued, AuthorityError> {
        let refused = |summary: &str, hint: &str| {
            AuthorityError::Settings(Box::new(
                Finding::error(explain::RENEWAL, summary).hint(hint),
            ))
        };
        let leaf = current.chain.first().cloned().unwrap_or_default();
        let leaf = Certificate::from_der(leaf)
            .map_err(|error| refused(&format!("the current certificate: {error}"), "order anew"))?;
        let keeps_its_key = order.request.spki() == current.key.spki();
        if leaf.window().not_after >= self.clocks.there() {
            let session = self.shown(current.chain, current.key, order.deadline)?;
            return if keeps_its_key {
                order::renew(&session, order)
            } else {
                order::rekey(&session, order)
            };
        }
        if !keeps_its_key {
            return Err(refused(
                "the current certificate has expired, and only its own key can renew it",
                "renew with the same key, or order a new one with a provisioner's login",
            ));
        }
        if self.settings.connection.certificate.is_some() {
            return Err(refused(
                "the current certificate has expired, and client_certificate would be renewed instead",
                "leave client_certificate out to renew by the expired certificate's key, or order a new one",
            ));
        }
        let session =
            Session::with_certificate(&self.settings, None, &self.clocks, order.deadline)?;
        let subject = leaf.facts().common_name.clone().unwrap_or_default();
        order::renew_expired(&self.settings, &session, order, current, &subject)
    }
}

impl Preflight for StepCa {
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        let session = self.session(order.deadline)?;
        preflight::look(&self.settings, &session, order, depth)
    }
}

impl Revoke for StepCa {
    /// With the provisioner's key where there is one, else with the certificate's own.
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        if self.settings.login.makes_tokens() {
            let session = self.session(revocation.deadline)?;
            return revoke::by_token(&self.settings, &session, revocation);
        }
        let Some(key) = revocation.key else {
            return Err(token::unusable(
                "revoking needs the provisioner's key or the certificate's own, and neither is given",
                "give the certificate's private key, or the provisioner's password",
            ));
        };
        let chain = [revocation.certificate.der().to_vec()];
        let session = self.shown(&chain, key, revocation.deadline)?;
        revoke::by_certificate(&session, revocation)
    }
}
