//! Ports for servers that a test starts.
#![allow(dead_code, clippy::unwrap_used)] // each test program uses a part

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port of 127.0.0.1 that nobody listens on, none twice. Not one that the system picks: it gives
/// those to outgoing connections too, and a server that starts a moment later finds it taken. The port
/// after it is left free as well: Vault takes that for its cluster.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin apart.
    let first = std::process::id().wrapping_mul(193);
    loop {
        let offset = first.wrapping_add(NEXT.fetch_add(2, Ordering::Relaxed).into()) % 20_000;
        let port = 12_000 + u16::try_from(offset).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
