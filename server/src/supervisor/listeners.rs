//! The sockets that the host holds for a module: opened once, handed to every process of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::sockopt;

/// The listen backlog: what waits while a reload changes processes.
const BACKLOG: i32 = 1024;

/// Why a listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the listener `{name}` could not open {address}: {source}{}", holder.as_ref().map(|who| format!("; it is held by {who}")).unwrap_or_default())]
pub struct ListenerError {
    /// Its name.
    pub name: String,
    /// The address.
    pub address: SocketAddr,
    /// Who holds it, where the system tells.
    pub holder: Option<String>,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// One module's sockets, in the order of their names.
#[derive(Debug, Default)]
pub struct Listeners(BTreeMap<String, (SocketAddr, TcpListener)>);

impl Listeners {
    /// Opens what is granted and not open yet, and closes what is not granted any more.
    ///
    /// # Errors
    /// The first one that cannot be opened; those that are open stay.
    pub fn open(&mut self, granted: &BTreeMap<String, SocketAddr>) -> Result<(), ListenerError> {
        self.0
            .retain(|name, (asked, _)| granted.get(name) == Some(asked));
        for (name, address) in granted {
            if self.0.contains_key(name) {
                continue;
            }
            let socket = listen(*address).map_err(|source| ListenerError {
                name: name.clone(),
                address: *address,
                holder: (source.kind() == std::io::ErrorKind::AddrInUse)
                    .then(|| holder(*address))
                    .flatten(),
                source,
            })?;
            self.0.insert(name.clone(), (*address, socket));
        }
        Ok(())
    }

    /// Closes all.
    pub fn close(&mut self) {
        self.0.clear();
    }

    /// The addresses that are really bound: a port 0 shows what the system chose.
    pub fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.0
            .iter()
            .map(|(name, (asked, socket))| (name.clone(), socket.local_addr().unwrap_or(*asked)))
            .collect()
    }

    /// Copies for one process.
    ///
    /// # Errors
    /// When the host has no more descriptors.
    pub fn descriptors(&self) -> std::io::Result<Vec<OwnedFd>> {
        self.0
            .values()
            .map(|(_, socket)| socket.as_fd().try_clone_to_owned())
            .collect()
    }

    /// `LISTEN_FDNAMES`: the channel, then the listeners.
    pub fn names(&self) -> String {
        let names = self.0.keys().map(String::as_str);
        [bllvm_launch::CHANNEL_NAME]
            .into_iter()
            .chain(names)
            .collect::<Vec<_>>()
            .join(":")
    }
}

/// As `TcpListener::bind`, with a backlog for the length of a reload.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// The process that listens on a port, by the kernel's table of sockets and everybody's open files.
fn holder(address: SocketAddr) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening_inodes(&table, address.port()))
        .collect();
    let wanted: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name();
        let Some(pid) = pid.to_str().filter(|pid| pid.parse::<u32>().is_ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path())
                .is_ok_and(|target| wanted.iter().any(|one| target.as_os_str() == one.as_str()))
        });
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("process {pid} ({})", name.trim()));
        }
    }
    None
}

/// The inodes of the sockets that listen on a port. Columns: slot, local, remote, state, …, inode.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let port = format!("{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let local = columns.get(1)?.rsplit_once(':')?.1;
            let listens = columns.get(3) == Some(&"0A");
            (local == port && listens).then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn sockets_stay_while_they_are_granted() {
        let mut held = Listeners::default();
        let granted = BTreeMap::from([("http".to_owned(), any_port())]);
        held.open(&granted).unwrap();
        let before = held.addresses();
        held.open(&granted).unwrap();
        assert_eq!(held.addresses(), before);
        assert_eq!(held.names(), "bllvm:http");
        held.open(&BTreeMap::new()).unwrap();
        assert!(held.addresses().is_empty());
    }

    #[test]
    fn a_port_in_use_names_its_holder() {
        let taken = TcpListener::bind(any_port()).unwrap();
        let address = taken.local_addr().unwrap();
        let granted = BTreeMap::from([("http".to_owned(), address)]);
        let error = Listeners::default().open(&granted).unwrap_err();
        let own = format!("process {}", std::process::id());
        assert!(
            error.holder.as_ref().is_some_and(|who| who.contains(&own)),
            "{error}"
        );
    }
}
