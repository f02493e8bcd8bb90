//! Opens listening sockets, and says who is in the way where the system tells.

use std::fmt;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address}: {source}{}", in_use_by(.holder.as_ref()))]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Who listens there already.
    pub holder: Option<Holder>,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

fn in_use_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!("; {holder} listens there"))
}

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// Listens on an address; port 0 takes a free one.
///
/// # Errors
/// [`ListenError`], with the process that is in the way where the system tells.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| {
        let taken = source.kind() == std::io::ErrorKind::AddrInUse;
        ListenError {
            address,
            holder: if taken {
                holder_of(address.port())
            } else {
                None
            },
            source,
        }
    })
}

/// The process that listens on a TCP port of this machine, as `/proc` tells.
fn holder_of(port: u16) -> Option<Holder> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .find_map(|table| inode_of(&table, port))?;
    let socket = format!("socket:[{inode}]");
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            std::fs::read_dir(entry.path().join("fd"))
                .ok()?
                .flatten()
                .filter_map(|fd| std::fs::read_link(fd.path()).ok())
                .find(|target| target.as_os_str() == socket.as_str())?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            let name = name.trim().to_owned();
            Some(Holder { pid, name })
        })
}

/// The socket that listens on a port, out of the kernel's table.
fn inode_of(table: &str, port: u16) -> Option<String> {
    const LISTENING: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (_, local_port) = columns.get(1)?.rsplit_once(':')?;
        let is_it =
            u16::from_str_radix(local_port, 16).ok()? == port && *columns.get(3)? == LISTENING;
        is_it.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_told_with_its_holder() {
        let first = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address).await.unwrap_err();
        assert!(
            error.to_string().contains("could not listen on 127.0.0.1:"),
            "{error}"
        );
        if cfg!(target_os = "linux") {
            assert_eq!(
                error.holder.map(|holder| holder.pid),
                Some(std::process::id())
            );
        }
    }
}
