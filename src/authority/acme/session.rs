//! What all orders share: a client that trusts the right server, the directory, and the account.

use std::sync::Arc;
use std::time::Instant;

use super::account::Account;
use super::directory::Directory;
use super::settings::Checked;
use super::wire::Wire;
use crate::authority::AuthorityError;
use crate::authority::waits::Teller;
use crate::net::Client;
use crate::secret::Secret;

/// A CA whose directory has been read.
pub struct Reached {
    pub client: Arc<Client>,
    pub directory: Arc<Directory>,
    pub teller: Teller,
}

impl Reached {
    pub fn open(settings: &Checked, deadline: Instant) -> Result<Self, AuthorityError> {
        let client = Arc::new(settings.connection.open(None, None)?.client);
        let directory = Directory::fetch(&client, &settings.connection.url, deadline)?;
        Ok(Self {
            client,
            directory: Arc::new(directory),
            teller: settings.connection.teller(),
        })
    }

    pub fn wire(&self, deadline: Instant) -> Arc<Wire> {
        Wire::new(self, deadline, Vec::new())
    }
}

/// A CA that knows us.
pub struct Session {
    pub reached: Arc<Reached>,
    pub account: Account,
    /// The key of the external account binding, where the account was made with it just now.
    external: Option<Secret>,
}

impl Session {
    pub fn open(
        settings: &Checked,
        reached: &Arc<Reached>,
        deadline: Instant,
    ) -> Result<Self, AuthorityError> {
        let (account, external) = Account::read_or_make(settings, reached, deadline)?;
        Ok(Self {
            reached: Arc::clone(reached),
            account,
            external,
        })
    }

    /// A conversation in which nothing of what the CA says can hold our secrets.
    pub fn wire(&self, deadline: Instant) -> Arc<Wire> {
        let withheld = self.external.iter().cloned().collect();
        Wire::new(&self.reached, deadline, withheld)
    }
}
