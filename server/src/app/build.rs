//! Binds, opens, and starts nothing.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener};

use crate::api::auth::Auth;
use crate::api::auth::cookie::Cookie;
use crate::clock::SharedClock;
use crate::config::{Backend, Config};
use crate::configuration::{SecretKey, SecretKeyError};
use crate::control::ControlError;
use crate::lifecycle::Lifecycle;
use crate::listen::{ListenError, listen};
use crate::store::{Store, StoreError};

/// In the data directory of a running node: the same API for processes of its own user.
pub const SOCKET_FILE: &str = "api.sock";

/// Why the node cannot start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A folder or file cannot be made.
    #[error("could not prepare {}: {source}", path.display())]
    Prepare {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key for secrets cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretKeyError),
    /// A verb was refused.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The file of certificate authorities cannot be used.
    #[error("catalog.ca_file: {0}")]
    Authorities(String),
    /// The system has no thread for starting modules.
    #[error("could not start the supervisor: {0}")]
    Supervisor(#[source] io::Error),
    /// A part that must not end has ended.
    #[error("{0} ended by itself; the log says why")]
    Crashed(&'static str),
}

/// A node that is ready to run.
#[derive(Debug)]
pub struct App {
    pub(super) config: Config,
    pub(super) clock: SharedClockField,
    pub(super) life: Lifecycle,
    pub(super) listener: TcpListener,
    pub(super) socket: Option<UnixListener>,
    pub(super) face: Option<TcpListener>,
    pub(super) address: SocketAddr,
    pub(super) store: Store,
    pub(super) key: SecretKey,
    pub(super) auth: Auth,
}

/// The clock, which has nothing to show.
pub(super) struct SharedClockField(pub(super) SharedClock);

impl std::fmt::Debug for SharedClockField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl App {
    /// Takes the data directory, opens the database and binds the listeners.
    ///
    /// # Errors
    /// See [`AppError`]; each names the way out.
    pub async fn build(config: Config, clock: SharedClock) -> Result<Self, AppError> {
        private_folder(&config.data_dir)?;
        folder(&config.modules.dir)?;
        let store = Store::open(&config.data_dir, clock.clone()).await?;
        let listener = listen(config.http.listen).await?;
        let face = face_listener(&config).await?;
        let prepare = |path: &Path, source| AppError::Prepare {
            path: path.to_owned(),
            source,
        };
        let address = listener
            .local_addr()
            .map_err(|source| prepare(&config.data_dir, source))?;
        let key = SecretKey::open_or_create(&config.data_dir)?;
        let cookie = Cookie::write(&config.data_dir)
            .map_err(|source| prepare(&config.data_dir.join(".cookie"), source))?;
        let socket = unix_socket(&config.data_dir);
        Ok(Self {
            auth: Auth::new(store.clone(), cookie, address.port()),
            life: Lifecycle::new(),
            clock: SharedClockField(clock),
            config,
            listener,
            socket,
            face,
            address,
            store,
            key,
        })
    }

    /// Where the API and the dashboard are.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a URL, by which people of this machine reach it.
    pub fn url(&self) -> String {
        let mut reachable = self.address;
        if reachable.ip().is_unspecified() {
            reachable.set_ip([127, 0, 0, 1].into());
        }
        format!("http://{reachable}")
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tokens by which it is asked to end, and its readiness.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.life
    }
}

/// A folder that nobody else can look into.
fn private_folder(path: &Path) -> Result<(), AppError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| AppError::Prepare {
            path: path.to_owned(),
            source,
        })
}

fn folder(path: &Path) -> Result<(), AppError> {
    fs::create_dir_all(path).map_err(|source| AppError::Prepare {
        path: path.to_owned(),
        source,
    })
}

/// The listener for tools of Bitcoin Core. Without a base node there is nothing to ask there; an
/// address that nobody asked for may be another node's.
async fn face_listener(config: &Config) -> Result<Option<TcpListener>, AppError> {
    let face = &config.face;
    let Some(address) = face.listen else {
        return Ok(None);
    };
    if config.node.backend == Backend::None && !face.required {
        return Ok(None);
    }
    match listen(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if face.required => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "no Core-compatible face; `face.listen` gives it another address");
            Ok(None)
        }
    }
}

/// The socket for processes of our own user. The data directory is ours, so a socket that is there
/// is a leftover. A node without it does all its work, so its absence is only told.
fn unix_socket(data_dir: &Path) -> Option<UnixListener> {
    let path = data_dir.join(SOCKET_FILE);
    let _ = fs::remove_file(&path);
    let bound = UnixListener::bind(&path).and_then(|socket| {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(socket)
    });
    match bound {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no unix socket; the API is on its TCP address only");
            None
        }
    }
}
