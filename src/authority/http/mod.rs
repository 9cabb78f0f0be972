//! Any in-house API over HTTP: the request from templates, the answer by JSON pointers, and rules for
//! what is pending, busy or refused.

mod exchange;
mod rules;
mod scope;
mod session;
mod settings;
mod template;
mod words;

use std::sync::Arc;

use self::exchange::Exchange;
use self::session::{Session, fill, place};
use self::settings::{Call, Checked};
use self::words::Words;
use super::clock::Clock;
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Current, Depth, Entry, Issued, Opened, Order, Preflight,
    Renew, Revocation, Revoke, Settings, SettingsError, answer, foresight, with_connection,
};
use crate::finding::Finding;
use crate::net::ClientCertificate;
use crate::outcome::AuthorityPlace;
use crate::secret::Secret;

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "http",
    summary: "any in-house API: request from templates, answer by JSON pointer or PEM",
    abilities: &[Ability::Renew, Ability::Preflight, Ability::Revoke],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let http = Arc::new(Http {
        settings: Checked::read(settings)?,
        session: Shared::default(),
        clock: Clock::of_run(settings),
    });
    Ok(Opened {
        secrets: http.settings.sources(),
        authority: http.clone(),
        renew: match &http.settings.renew {
            Some(_) => Some(http.clone()),
            None => None,
        },
        preflight: Some(http.clone()),
        finish: None,
        keys_in: None,
        revoke: match &http.settings.revoke {
            Some(_) => Some(http),
            None => None,
        },
    })
}

struct Http {
    settings: Checked,
    session: Shared<Session>,
    clock: Clock,
}

impl Http {
    fn session(&self) -> Result<Arc<Session>, AuthorityError> {
        self.session.get(|| Session::open(&self.settings, None))
    }

    fn sign(
        &self,
        session: &Session,
        call: &Call,
        order: &Order,
    ) -> Result<Issued, AuthorityError> {
        let now = self.clock.now();
        Exchange {
            settings: &self.settings,
            session,
            call,
            scope: &scope::of_order(order, now, &session.secrets),
            deadline: order.deadline,
        }
        .carry_out()?
        .issued(&self.settings, order.request.spki())
    }
}

impl Authority for Http {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        self.sign(&*self.session()?, &self.settings.request, order)
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.connection.url.to_string(),
        }
    }
}

impl Renew for Http {
    fn renew(&self, order: &Order, current: &Current<'_>) -> Result<Issued, AuthorityError> {
        let call = self
            .settings
            .renew
            .as_ref()
            .unwrap_or(&self.settings.request);
        let certificate = ClientCertificate {
            chain: current.chain.to_vec(),
            key: Secret::new(current.key.expose_pkcs8().to_vec()),
        };
        let session = Session::open(&self.settings, Some(certificate))?;
        self.sign(&session, call, order)
    }
}

impl Preflight for Http {
    /// That the templates can be filled in for this order is known without asking.
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        let session = self.session()?;
        let now = self.clock.now();
        let scope = scope::of_order(order, now, &session.secrets);
        session.call(
            &self.settings,
            &self.settings.request,
            &scope,
            order.deadline,
        )?;
        if depth == Depth::Order {
            return Ok(Vec::new());
        }
        let mut looked_at = vec!["TLS and trust", "the templates"];
        let url = match &self.settings.preflight {
            Some(path) => place(&self.settings, &fill(path, &scope)?),
            None => self.settings.connection.url.clone(),
        };
        let request = session.look(&self.settings, url, &scope, order.deadline)?;
        let response = session.send(&request)?;
        let login = self.settings.login();
        if let Some(path) = &self.settings.preflight {
            if !(200..300).contains(&response.status) {
                let what = format!("GET {}", path.source);
                return Err(answer::turned_down_early(
                    &what, &request, &response, &login,
                ));
            }
            looked_at.push("login");
        }
        Ok(vec![foresight::answers(&login, response.date, &looked_at)])
    }
}

impl Revoke for Http {
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        let Some(call) = &self.settings.revoke else {
            return Ok(Vec::new());
        };
        let session = self.session()?;
        Exchange {
            settings: &self.settings,
            session: &session,
            call,
            scope: &scope::of_revocation(revocation, &session.secrets),
            deadline: revocation.deadline,
        }
        .carry_out()?;
        Ok(Vec::new())
    }
}
