//! HashiCorp Vault, and OpenBao by the same API: a role of a PKI secrets engine signs the request.
//! <https://developer.hashicorp.com/vault/api-docs/secret/pki>

mod limits;
mod login;
mod pki;
mod preflight;
mod refusal;
mod role;
mod server;
mod session;
mod settings;

use std::sync::Arc;
use std::time::Instant;

use self::limits::Limits;
use self::refusal::CAUSE;
use self::server::Server;
use self::session::Session;
use self::settings::{Checked, Words};
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Current, Depth, Entry, Finish, Issued, Opened, Order,
    Preflight, Renew, Revocation, Revoke, Settings, SettingsError, with_connection,
};
use crate::finding::Finding;
use crate::outcome::AuthorityPlace;

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "vault",
    summary: "Vault's PKI engine, and OpenBao's (not tested): login by token, AppRole, JWT, certificate and more",
    abilities: &[Ability::Renew, Ability::Preflight, Ability::Revoke],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let vault = Arc::new(Vault {
        settings: Checked::read(settings)?,
        server: Shared::default(),
        session: Shared::default(),
        limits: Shared::default(),
    });
    Ok(Opened {
        secrets: vault.settings.secrets(),
        authority: vault.clone(),
        renew: Some(vault.clone()),
        preflight: Some(vault.clone()),
        revoke: Some(vault.clone()),
        finish: Some(vault),
        keys_in: None,
    })
}

/// A Vault, the one login of all orders, and what was read of its limits.
struct Vault {
    settings: Checked,
    server: Shared<Server>,
    session: Shared<Session>,
    limits: Shared<Limits>,
}

impl Vault {
    fn server(&self) -> Result<Arc<Server>, AuthorityError> {
        self.server.get(|| Server::open(&self.settings))
    }

    fn session(&self, deadline: Instant) -> Result<Arc<Session>, AuthorityError> {
        self.session
            .get(|| Session::open(self.server()?, &self.settings, deadline))
    }

    fn limits(&self, session: &Session, deadline: Instant) -> Result<Arc<Limits>, AuthorityError> {
        self.limits
            .get(|| Limits::read(session, &self.settings, deadline))
    }

    /// Asks with the token there is, and once more with a new one when a login's has ended meanwhile.
    fn ask<T>(
        &self,
        deadline: Instant,
        ask: impl Fn(&Session) -> Result<T, AuthorityError>,
    ) -> Result<T, AuthorityError> {
        let session = self.session(deadline)?;
        match ask(&session) {
            Err(AuthorityError::Refused(finding))
                if session.came_by_login()
                    && finding
                        .facts
                        .get(CAUSE)
                        .is_some_and(|cause| cause == "token") =>
            {
                self.session.forget(&session);
                ask(&*self.session(deadline)?)
            }
            answer => answer,
        }
    }
}

impl Authority for Vault {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        self.ask(order.deadline, |session| {
            pki::sign(session, &self.settings, order)
        })
    }

    fn place(&self) -> AuthorityPlace {
        let url = self.settings.connection.at("/v1");
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: format!("{url}/{}", self.settings.sign_path()),
        }
    }
}

impl Renew for Vault {
    /// Another order, with the login: nothing in Vault's API takes the present certificate for one.
    fn renew(&self, order: &Order, _: &Current<'_>) -> Result<Issued, AuthorityError> {
        self.issue(order)
    }
}

impl Preflight for Vault {
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        match depth {
            Depth::Order => preflight::before_an_order(self, order),
            Depth::Whole => preflight::whole(self, order),
        }
    }
}

impl Revoke for Vault {
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        self.ask(revocation.deadline, |session| {
            pki::revoke(session, &self.settings, revocation)
        })
    }
}

impl Finish for Vault {
    fn finish(&self) -> Vec<Finding> {
        let session = self.session.take();
        session
            .and_then(|session| session.close())
            .into_iter()
            .collect()
    }
}
