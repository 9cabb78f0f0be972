//! A server that offers HTTP/2 alone, by hyper; it answers with the version it was asked in.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::lab::Identity;
use super::server::configuration;

pub struct Http2Server {
    address: SocketAddr,
    /// Dropped with the server, and everything on it.
    _runtime: Runtime,
}

impl Http2Server {
    pub fn start(identity: &Identity) -> Self {
        Self::with(configuration(identity, None, rustls::ALL_VERSIONS))
    }

    /// Demands a client certificate that leads to one of these roots.
    pub fn mtls(identity: &Identity, client_roots: &[Vec<u8>]) -> Self {
        Self::with(configuration(
            identity,
            Some(client_roots),
            rustls::ALL_VERSIONS,
        ))
    }

    fn with(config: Arc<ServerConfig>) -> Self {
        let mut config = (*config).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let stream = match acceptor.accept(stream).into_fallible().await {
                    Ok(stream) => stream,
                    Err((_, mut stream)) => {
                        // Closing with unread bytes would reset the connection and lose the alert.
                        let _ = stream.shutdown().await;
                        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                        continue;
                    }
                };
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .http2_only()
                    .serve_connection(TokioIo::new(stream), service_fn(version))
                    .await;
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }

    pub fn url(&self, path: &str) -> url::Url {
        format!("https://{}{path}", self.address).parse().unwrap()
    }
}

async fn version(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let version = format!("{:?}", request.version());
    Ok(Response::new(Full::new(version.into())))
}
