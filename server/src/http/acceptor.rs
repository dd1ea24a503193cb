//! Takes connections: what is written to them is sent at once, and those that stay silent are closed.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// An acceptor whose connections end when they were silent for so long.
///
/// poem's own bound wakes a task of its own at every read and write; this one looks at the clock.
pub struct ClosesSilent {
    inner: TcpAcceptor,
    silence_max: Duration,
}

impl ClosesSilent {
    /// Over `inner`.
    pub fn new(inner: TcpAcceptor, silence_max: Duration) -> Self {
        Self { inner, silence_max }
    }
}

impl Acceptor for ClosesSilent {
    type Io = Connection<TcpStream>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, local, remote, scheme) = self.inner.accept().await?;
        // An answer's last part does not wait until the client has confirmed the part before. Where it cannot be set, it waits.
        let _ = stream.set_nodelay(true);
        Ok((Connection::new(stream, self.silence_max), local, remote, scheme))
    }
}

/// A connection that looks ended to its reader when nothing was read or written for some time.
pub struct Connection<S> {
    stream: S,
    silence_max: Duration,
    active: Instant,
    /// Not before the silence is over; moved only when it has come.
    alarm: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    fn new(stream: S, silence_max: Duration) -> Self {
        let active = Instant::now();
        Self { stream, silence_max, active, alarm: Box::pin(sleep_until(active + silence_max)) }
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let end = self.active + self.silence_max;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(end);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.poll_silence(context).map(Ok),
            read => {
                self.active = Instant::now();
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.active = Instant::now();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.active = Instant::now();
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_silent_connection_ends() {
        let (_client, server) = duplex(64);
        let mut connection = Connection::new(server, SHORT);
        assert_eq!(connection.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_was_written_since_keeps_it_open() {
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server, SHORT);
        connection.alarm.as_mut().await;
        connection.silence_max = LONG;
        connection.write_all(b"answer").await.unwrap();
        let mut bytes = [0; 8];
        let mut buffer = ReadBuf::new(&mut bytes);
        let waits =
            poll_fn(|context| Poll::Ready(Pin::new(&mut connection).poll_read(context, &mut buffer).is_pending()));
        assert!(waits.await);
        assert!(!connection.alarm.is_elapsed(), "it looks again when the new silence would be over");
        client.write_all(b"more").await.unwrap();
        assert_eq!(connection.read(&mut [0; 8]).await.unwrap(), 4);
    }
}
