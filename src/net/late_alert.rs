//! An alert that was lost on its way to us. Over TLS 1.3 a server turns a client certificate down only after
//! our own handshake; where its connection ends before the request is taken, hyper does not hand on why, and
//! where the server leaves the request unread, its reset may overtake the alert.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::alert::Alert;
use super::classify;

/// A server that turns somebody down does so at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shakes hands once more, sends nothing, and listens. `None` where the server has nothing against us, or
/// does not say so in time. `resolved` is what its name was found to be, if it has one.
pub(super) async fn hear(
    config: &Arc<ClientConfig>,
    server: &Url,
    resolved: &[SocketAddr],
    deadline: Instant,
) -> Option<Alert> {
    let heard = async {
        let (name, addresses) = place(server, resolved)?;
        let stream = TcpStream::connect(&*addresses).await.ok()?;
        let connector = TlsConnector::from(Arc::clone(config));
        let mut stream = connector.connect(name, stream).await.ok()?;
        let error = stream.read(&mut [0]).await.err()?;
        classify::alert(&error)
    };
    let until = deadline.min(Instant::now() + PATIENCE);
    timeout_at(until.into(), heard).await.ok().flatten()
}

fn place(server: &Url, resolved: &[SocketAddr]) -> Option<(ServerName<'static>, Vec<SocketAddr>)> {
    let port = server.port_or_known_default()?;
    let at = |address: IpAddr| SocketAddr::new(address, port);
    match server.host()? {
        Host::Domain(name) => Some((
            name.to_owned().try_into().ok()?,
            resolved.iter().map(|found| at(found.ip())).collect(),
        )),
        Host::Ipv4(address) => Some((IpAddr::V4(address).into(), vec![at(address.into())])),
        Host::Ipv6(address) => Some((IpAddr::V6(address).into(), vec![at(address.into())])),
    }
}
