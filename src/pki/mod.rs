//! Keys, requests, certificates, chains and windows as values. Nothing here reads a file, a clock
//! or the network.

pub mod ber;
pub mod certificate;
pub mod chain;
pub mod credential;
pub mod crl;
pub mod csr;
pub mod digest;
pub mod encrypted;
mod facts;
pub mod host_name;
pub mod key;
pub mod kind;
pub mod name;
pub mod path;
pub mod pem;
pub mod pkcs12;
pub mod pkcs7;
pub mod profile;
pub mod proof;
pub mod received;
pub mod request;
pub mod serial;
mod signature;
pub mod trusted;
pub mod usages;
pub mod window;

pub use certificate::Certificate;
pub use chain::Chain;
pub use credential::Credential;
pub use key::{KeyAlgorithm, PrivateKey};
pub use name::{AltName, Subject};
pub use path::{Anchors, Usage};
pub use received::ReceivedRequest;
pub use request::SigningRequest;
pub use window::{Floor, Phase, ValidityWindow};
