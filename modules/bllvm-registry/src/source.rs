//! Where a registry's files are: a folder, or an address on the web.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, SeekFrom};

use crate::error::at;
use crate::web::{Sink, Web};
use crate::{Authorities, RegistryError};

/// How much of a folder's file is copied at once.
const PIECE: usize = 256 << 10;

/// Where a registry's files are. Read from a text by [`FromStr`].
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A web server.
    Web(Web),
}

impl FromStr for Source {
    type Err = RegistryError;

    fn from_str(address: &str) -> Result<Self, RegistryError> {
        let refused = |why| RegistryError::Address {
            address: address
                .chars()
                .take(200)
                .flat_map(char::escape_debug)
                .collect(),
            why,
        };
        if address.trim() != address || address.is_empty() || address.len() > 1000 {
            return Err(refused(
                "it is empty, too long, or begins or ends with a space",
            ));
        }
        if address.contains("://") {
            return Web::of(address).map(Self::Web).map_err(refused);
        }
        if address.contains(char::is_control) {
            return Err(refused("it has a control character"));
        }
        Ok(Self::Folder(PathBuf::from(address)))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Web(web) => f.write_str(web.base()),
        }
    }
}

impl Source {
    /// Believes these authorities, where it is read by https.
    #[must_use]
    pub fn trusting(self, authorities: &Authorities) -> Self {
        match self {
            Self::Web(web) => Self::Web(web.trusting(authorities)),
            folder @ Self::Folder(_) => folder,
        }
    }

    /// A small file, whole.
    pub(crate) async fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                let file = File::open(&path).await.map_err(at(&path))?;
                let mut piece = file.take(limit + 1);
                piece.read_to_end(&mut bytes).await.map_err(at(&path))?;
            }
            Self::Web(web) => web.get(path, 0, Sink::Memory(&mut bytes, limit)).await?,
        }
        if bytes.len() as u64 > limit {
            return Err(RegistryError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
        Ok(bytes)
    }

    /// The rest of a file behind the `have` bytes that `to` has; never more than `size` altogether.
    pub(crate) async fn append(&self, path: &str, to: &mut Part<'_>) -> Result<(), RegistryError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                let mut file = File::open(&path).await.map_err(at(&path))?;
                file.seek(SeekFrom::Start(to.have))
                    .await
                    .map_err(at(&path))?;
                let mut piece = vec![0; PIECE];
                while to.have < to.size {
                    let read = file.read(&mut piece).await.map_err(at(&path))?;
                    if read == 0 {
                        break;
                    }
                    to.take(&piece[..read]).await?;
                }
                Ok(())
            }
            Self::Web(web) => web.get(path, to.have, Sink::File(to)).await,
        }
    }
}

/// A file that grows.
pub(crate) struct Part<'a> {
    pub(crate) file: File,
    pub(crate) path: &'a std::path::Path,
    pub(crate) have: u64,
    pub(crate) size: u64,
    pub(crate) moved: &'a (dyn Fn(i64) + Send + Sync),
}

impl Part<'_> {
    pub(crate) async fn take(&mut self, data: &[u8]) -> Result<(), RegistryError> {
        let room = usize::try_from(self.size - self.have).unwrap_or(usize::MAX);
        let data = &data[..data.len().min(room)];
        self.file.write_all(data).await.map_err(at(self.path))?;
        self.have += data.len() as u64;
        (self.moved)(signed(data.len() as u64));
        Ok(())
    }

    /// Forgets what is there.
    pub(crate) async fn begin_anew(&mut self) -> Result<(), RegistryError> {
        self.file.flush().await.map_err(at(self.path))?;
        self.file.set_len(0).await.map_err(at(self.path))?;
        self.file.rewind().await.map_err(at(self.path))?;
        (self.moved)(-signed(self.have));
        self.have = 0;
        Ok(())
    }
}

pub(crate) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
