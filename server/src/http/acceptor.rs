//! Takes connections: what is written to them is sent at once, and those that stay silent, or send by drops, are closed.

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

/// How long a client may send as slowly as it likes before the first answer to it.
const TRICKLE_PATIENCE: Duration = Duration::from_secs(20);
/// Bytes in a second that it must send on the whole after that: a telephone sends more, who only holds a place sends less.
const TRICKLE_RATE: u64 = 50;

/// An acceptor whose connections end when they were silent for so long, or when a request comes by drops.
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
    /// When the first byte came since something was last written, and how many have come.
    coming: Option<(Instant, u64)>,
    /// Not before the silence is over; moved only when it has come.
    alarm: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    fn new(stream: S, silence_max: Duration) -> Self {
        let active = Instant::now();
        Self { stream, silence_max, active, coming: None, alarm: Box::pin(sleep_until(active + silence_max)) }
    }

    /// Counts what was read; whether it comes too slowly to be a request.
    fn trickles(&mut self, bytes: usize, now: Instant) -> bool {
        let (since, total) = self.coming.get_or_insert((now, 0));
        *total += bytes as u64;
        let lasts = now.duration_since(*since);
        lasts > TRICKLE_PATIENCE && *total < lasts.as_secs() * TRICKLE_RATE
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
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.poll_silence(context).map(Ok),
            read => {
                let now = Instant::now();
                self.active = now;
                if self.trickles(buffer.filled().len() - before, now) {
                    // As if the client had gone.
                    buffer.set_filled(before);
                }
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.active = Instant::now();
        self.coming = None;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.active = Instant::now();
        self.coming = None;
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
    async fn a_request_that_comes_by_drops_ends_and_a_slow_one_does_not() {
        for (bytes, ends) in [(1, true), (200, true), (300, false)] {
            let (_client, server) = duplex(64);
            let mut connection = Connection::new(server, LONG);
            let begin = Instant::now();
            let mut parts = (0..30).map(|part| connection.trickles(bytes, begin + part * Duration::from_secs(5)));
            assert_eq!(parts.any(|ended| ended), ends, "{bytes} bytes each five seconds");
        }
        // What is answered meanwhile, as a WebSocket's pings are, goes on.
        let (_client, server) = duplex(1024);
        let mut connection = Connection::new(server, LONG);
        for part in 0..30 {
            assert!(!connection.trickles(1, Instant::now() + part * Duration::from_secs(15)));
            connection.write_all(b"y").await.unwrap();
        }
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
