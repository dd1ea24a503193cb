//! The yardstick behind poem, the HTTP server that Cardine uses: what is left of the difference is Cardine's own.

use std::io;
use std::sync::Arc;

use poem::http::uri::Scheme;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Request, Response, Server};
use tokio::net::{TcpListener, TcpStream};

use super::{Database, answer};

/// Sends what is written at once, as Cardine's acceptor does.
struct AtOnce(TcpAcceptor);

impl Acceptor for AtOnce {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let accepted = self.0.accept().await?;
        accepted.0.set_nodelay(true)?;
        Ok(accepted)
    }
}

struct Answers(Arc<Database>);

impl Endpoint for Answers {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let body = request.take_body().into_bytes().await?;
        Ok(match answer(&self.0, request.uri().path(), &body).await {
            Ok(body) => Response::builder().content_type("application/json").body(body),
            Err(error) => {
                Response::builder().status(poem::http::StatusCode::INTERNAL_SERVER_ERROR).body(format!("{error:#}"))
            }
        })
    }
}

/// Serves until the process is ended.
pub(super) async fn serve(listener: TcpListener, database: Arc<Database>) -> anyhow::Result<()> {
    let acceptor = AtOnce(TcpAcceptor::from_tokio(listener)?);
    Ok(Server::new_with_acceptor(acceptor).run(Answers(database)).await?)
}
