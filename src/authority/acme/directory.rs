//! The directory (RFC 8555 section 7.1.1): where everything is, and what the CA says of itself.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

use crate::authority::{AuthorityError, answer};
use crate::net::{Client, Request};

/// What the directory says, and its bytes for who reads them again.
pub struct Directory {
    pub url: Url,
    pub body: Vec<u8>,
    /// The CA's clock when it was fetched.
    pub date: Option<OffsetDateTime>,
    pub new_nonce: Url,
    pub new_account: Url,
    pub new_order: Url,
    pub revoke_cert: Option<Url>,
    /// RFC 9773: it suggests when to renew, and takes `replaces`.
    pub suggests_renewal: bool,
    pub meta: Meta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    pub terms_of_service: Option<String>,
    pub external_account_required: bool,
    /// Name and description, by the profiles draft.
    pub profiles: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    new_nonce: String,
    new_account: String,
    new_order: String,
    revoke_cert: Option<String>,
    renewal_info: Option<String>,
    #[serde(default)]
    meta: Meta,
}

impl Directory {
    pub fn fetch(client: &Client, url: &Url, deadline: Instant) -> Result<Self, AuthorityError> {
        let what = "GET directory";
        let request = Request::get(url.clone()).until(deadline);
        let response = client
            .send(&request)
            .map_err(|error| answer::failed(&error))?;
        if response.status != 200 {
            return Err(answer::turned_down_early(
                what, &request, &response, "no login",
            ));
        }
        let unusable = || {
            let reason = "it is not an ACME directory with newNonce, newAccount and newOrder";
            answer::unusable(what, reason, &response)
        };
        let document: Document = serde_json::from_slice(&response.body).map_err(|_| unusable())?;
        let place = |text: &String| url.join(text).map_err(|_| unusable());
        Ok(Self {
            url: url.clone(),
            date: response.date,
            new_nonce: place(&document.new_nonce)?,
            new_account: place(&document.new_account)?,
            new_order: place(&document.new_order)?,
            revoke_cert: document.revoke_cert.as_ref().map(place).transpose()?,
            suggests_renewal: document.renewal_info.is_some(),
            meta: document.meta,
            body: response.body,
        })
    }

    /// The names of the profiles offered.
    pub fn profiles(&self) -> Vec<&str> {
        self.meta.profiles.keys().map(String::as_str).collect()
    }
}
