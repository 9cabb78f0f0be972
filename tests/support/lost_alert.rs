//! A server that demands a client certificate, over TLS 1.3, and whose first alert is lost.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};

use super::lab::Identity;
use super::server::configuration;

pub struct LosesFirstAlert {
    address: SocketAddr,
    connections: Arc<AtomicU32>,
}

impl LosesFirstAlert {
    /// Its thread ends with the test program.
    pub fn start(identity: &Identity, client_roots: &[Vec<u8>]) -> Self {
        let versions = &[&rustls::version::TLS13];
        let config = configuration(identity, Some(client_roots), versions);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                let _ = turn_down(stream.unwrap(), &config, is_first);
            }
        });
        Self {
            address,
            connections,
        }
    }

    pub fn url(&self, path: &str) -> url::Url {
        format!("https://{}{path}", self.address).parse().unwrap()
    }

    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }
}

fn turn_down(
    mut stream: TcpStream,
    config: &Arc<ServerConfig>,
    loses_alert: bool,
) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut tls = ServerConnection::new(Arc::clone(config)).unwrap();
    while tls.read_tls(&mut stream)? > 0 {
        let turned_down = tls.process_new_packets().is_err();
        while tls.wants_write() && !(turned_down && loses_alert) {
            tls.write_tls(&mut stream)?;
        }
        if turned_down {
            break;
        }
    }
    stream.shutdown(Shutdown::Write)?;
    // Closing with unread bytes would reset the connection.
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
