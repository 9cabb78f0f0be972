//! What can be read of the limits of a Vault: role, mount and issuer. Read once a run.

use std::time::Instant;

use serde::Deserialize;

use super::pki;
use super::refusal::TurnedDown;
use super::role::Role;
use super::server::data;
use super::session::Session;
use super::settings::Checked;
use crate::authority::foresight::CAPPED;
use crate::authority::{AuthorityError, Order, answer, foresight};
use crate::finding::Finding;
use crate::pki::Certificate;
use crate::span::Span;

pub struct Limits {
    /// `None` where the token may not read it, as is usual.
    pub role: Option<Role>,
    /// What Vault answered then.
    pub unread: Option<u16>,
    /// The longest lifetime of the mount, in seconds; looked up where the role does not say.
    mount: Option<i64>,
    pub issuer: Option<Certificate>,
}

/// `GET sys/internal/ui/mounts/<mount>`: for every token that may use it.
#[derive(Deserialize)]
struct Mount {
    config: Option<MountConfig>,
}

#[derive(Deserialize)]
struct MountConfig {
    max_lease_ttl: Option<i64>,
}

impl Limits {
    pub fn read(
        session: &Session,
        settings: &Checked,
        until: Instant,
    ) -> Result<Self, AuthorityError> {
        let (role, unread) = match role(session, settings, until)? {
            Ok(role) => (Some(role), None),
            Err(status) => (None, Some(status)),
        };
        let of_role = role.as_ref().and_then(Role::longest);
        let by_role = role.as_ref().and_then(|role| role.issuer_ref.as_deref());
        let issuer = pki::issuer(&session.server, settings, by_role, until)?;
        Ok(Self {
            mount: match of_role {
                Some(_) => None,
                None => mount(session, &settings.mount, until),
            },
            issuer: issuer.into_iter().next(),
            role,
            unread,
        })
    }

    /// What would be cut of an order, or refused.
    pub fn against(&self, order: &Order, settings: &Checked) -> Vec<Finding> {
        let mut findings = Vec::new();
        let of_role = self.role.as_ref().and_then(Role::longest);
        findings.extend(cut(
            order,
            of_role,
            "the role",
            &settings.role,
            "max_ttl of the role",
        ));
        let raise = "`vault secrets tune -max-lease-ttl`";
        findings.extend(cut(order, self.mount, "the mount", &settings.mount, raise));
        findings.extend(self.issuer_ends(order, settings));
        if let Some(role) = &self.role {
            findings.extend(role.against(order, settings));
        }
        findings
    }

    fn issuer_ends(&self, order: &Order, settings: &Checked) -> Option<Finding> {
        let asked = order.ttl?;
        let issuer = self.issuer.as_ref()?;
        let end = issuer.window().not_after;
        let left = Span::from(end - settings.clock.now());
        (asked > left).then(|| {
            let name = issuer.title();
            Finding::warning(
                CAPPED,
                format!("{asked} was requested, but the issuer \"{name}\" expires in {left}"),
            )
            .fact("asked_seconds", asked.as_seconds())
            .fact(foresight::MOST_GRANTED, left.as_seconds())
            .instant("not_after", end)
            .hint(format!(
                "have the issuer renewed, or ask for a ttl of at most {left}: Vault refuses or cuts what \
                 would outlive it (leaf_not_after_behavior)"
            ))
        })
    }
}

fn cut(order: &Order, most: Option<i64>, who: &str, name: &str, raise: &str) -> Option<Finding> {
    let (asked, most) = (order.ttl?, Span::seconds(most?));
    (asked > most).then(|| {
        Finding::warning(
            CAPPED,
            format!("{asked} was requested, but {who} \"{name}\" grants {most} at most"),
        )
        .fact("asked_seconds", asked.as_seconds())
        .fact(foresight::MOST_GRANTED, most.as_seconds())
        .hint(format!(
            "ask for a ttl of at most {most}, or have the limit raised ({raise})"
        ))
    })
}

/// The role, or the status of an answer without it.
fn role(
    session: &Session,
    settings: &Checked,
    until: Instant,
) -> Result<Result<Role, u16>, AuthorityError> {
    let Checked { mount, role, .. } = settings;
    let path = format!("{mount}/roles/{role}");
    let what = format!("GET {path}");
    let request = session.get(&path, until);
    let response = session.send(&request)?;
    match response.status {
        200 => data(&what, &response).map(Ok),
        404 => {
            let turned_down = TurnedDown {
                what: &what,
                request: &request,
                response: &response,
            };
            Err(turned_down.refused(
                answer::REFUSED,
                format!(
                    "there is no role \"{role}\" on the mount \"{mount}\": see `vault list {mount}/roles`"
                ),
            ))
        }
        status => Ok(Err(status)),
    }
}

fn mount(session: &Session, mount: &str, until: Instant) -> Option<i64> {
    let path = format!("sys/internal/ui/mounts/{mount}");
    let response = session.send(&session.get(&path, until)).ok()?;
    let mount: Mount = data(&path, &response).ok()?;
    mount.config?.max_lease_ttl.filter(|most| *most > 0)
}
