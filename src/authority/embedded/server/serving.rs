//! What the server answers with: the CA as it is in its directory, and all that follows from it.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use time::OffsetDateTime;

use super::super::CaDirectory;
use super::super::error::CaError;
use super::connection::Connections;
use super::identity::{self, Identity, IdentityError};
use super::operations::Operations;
use super::{Config, Event, Events};

pub(super) struct Serving {
    address: SocketAddr,
    config: Arc<Config>,
    events: Events,
    current: RwLock<Current>,
}

#[derive(Clone)]
struct Current {
    ca: Arc<CaDirectory>,
    identity: Arc<Identity>,
    connections: Arc<Connections>,
}

impl Serving {
    /// Issues the server's own certificate.
    pub(super) fn open(
        ca: CaDirectory,
        config: Config,
        address: SocketAddr,
        events: &Events,
    ) -> Result<Self, IdentityError> {
        let config = Arc::new(config);
        Ok(Self {
            current: RwLock::new(Current::with(ca, &config, address, events)?),
            address,
            config,
            events: Arc::clone(events),
        })
    }

    /// For whoever connects next.
    pub(super) fn connections(&self) -> Arc<Connections> {
        self.current().connections
    }

    /// Takes what has changed in the CA's directory, or else a new certificate for the server where one
    /// is due. What fails is told, and what was there before serves on.
    pub(super) fn renew(&self) {
        match self.take_changes() {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => self.trouble(format!("taking the CA's new intermediate: {error}")),
        }
        match self.current().identity.renew_when_due() {
            Ok(None) => {}
            Ok(Some(not_after)) => (self.events)(Event::Renewed { not_after }),
            Err(error) => self.trouble(format!("renewing the server's certificate: {error}")),
        }
    }

    /// An intermediate that was renewed signs from now on: the one before may have lost its key to
    /// others.
    fn take_changes(&self) -> Result<bool, IdentityError> {
        let current = self.current();
        let ca = match CaDirectory::open(current.ca.path()) {
            Ok(ca) => ca,
            // It is just being renewed.
            Err(CaError::Missing { .. }) => return Ok(false),
            Err(error) => {
                self.trouble(format!("looking for changes: {error}"));
                return Ok(false);
            }
        };
        if ca.intermediate() == current.ca.intermediate() {
            return Ok(false);
        }
        let intermediate = ca.intermediate().title();
        let not_after: OffsetDateTime = ca.intermediate().window().not_after;
        let changed = Current::with(ca, &self.config, self.address, &self.events)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = changed;
        (self.events)(Event::NewIntermediate {
            intermediate,
            not_after,
        });
        Ok(true)
    }

    fn current(&self) -> Current {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn trouble(&self, what: String) {
        (self.events)(Event::Trouble { peer: None, what });
    }
}

impl Current {
    fn with(
        ca: CaDirectory,
        config: &Arc<Config>,
        address: SocketAddr,
        events: &Events,
    ) -> Result<Self, IdentityError> {
        let ca = Arc::new(ca);
        let names = identity::names(address, &config.names);
        let identity = Identity::issue(Arc::clone(&ca), names, Arc::clone(&config.clock))?;
        let connections = Connections {
            tls: identity::tls(&identity, &config.client_anchors)?,
            limits: config.limits,
            operations: Arc::new(Operations::new(Arc::clone(&ca), Arc::clone(config))),
            events: Arc::clone(events),
        };
        Ok(Self {
            ca,
            identity,
            connections: Arc::new(connections),
        })
    }
}
