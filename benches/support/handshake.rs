//! TLS handshakes with a server, and nothing else, as certbake's client makes them.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use certbake::pki::Certificate;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

pub struct Dialer {
    config: Arc<ClientConfig>,
    address: SocketAddr,
}

impl Dialer {
    pub fn new(address: SocketAddr, root: &Certificate) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(root.der())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        let config = Arc::new(config);
        Self { config, address }
    }

    /// TCP, then TLS until both sides are done.
    pub fn dial(&self) {
        let name = ServerName::from(self.address.ip());
        let mut tls = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let mut tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_nodelay(true).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).unwrap();
        }
        tcp.flush().unwrap();
    }
}
