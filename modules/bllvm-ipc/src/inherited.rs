//! The channel itself: one end of a socketpair, inherited as descriptor 3.
//!
//! There is no path to race and nothing to forge: the connection *is* the module's identity.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use interprocess::local_socket::tokio::Stream as LocalStream;

/// The descriptor number at which a module finds its channel.
pub const CHANNEL_FD: i32 = 3;
/// The channel's name in `LISTEN_FDNAMES`.
pub const CHANNEL_NAME: &str = "bllvm";

/// A connected local socket under tokio.
#[derive(Debug)]
pub struct Stream(LocalStream);

impl Stream {
    /// Takes over a connected Unix socket. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the descriptor is not a socket or cannot be registered.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let stream = UnixStream::from(fd);
        stream.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(stream)?;
        Ok(Self(LocalStream::UdSocket(stream.into())))
    }

    /// A connected pair: our end under tokio, and the blocking end that a child inherits.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self::from_fd(ours.into())?, theirs.into()))
    }

    /// The process at the other end of a named socket, by the kernel's word. On an inherited
    /// socketpair it is the pair's creator and proves nothing.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn peer_pid(&self) -> io::Result<Option<u32>> {
        let creds = self.tokio().peer_cred()?;
        Ok(creds.pid().and_then(|pid| u32::try_from(pid).ok()))
    }

    pub(crate) fn tokio(&self) -> &tokio::net::UnixStream {
        match &self.0 {
            LocalStream::UdSocket(stream) => stream.inner(),
        }
    }
}
