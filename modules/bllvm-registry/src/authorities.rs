//! Whose certificates are believed when a registry is read by https.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// The system's certificates, read at the first use.
static OF_SYSTEM: OnceCell<Authorities> = OnceCell::const_new();

/// Certificate authorities: the system's, and those that an operator names.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<ClientConfig>);

impl Authorities {
    /// The system's and those of a file of certificates (PEM). Blocks.
    ///
    /// # Errors
    /// Where the file cannot be read, or has no certificate, in words for its reader.
    pub fn with_file(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let named: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| format!("{shown} cannot be read as certificates (PEM): {error}"))?;
        if named.is_empty() {
            return Err(format!(
                "{shown} has no certificate: name a file in PEM form"
            ));
        }
        let mut roots = RootCertStore::empty();
        // A system without any is no reason to refuse: the operator's are enough.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in named {
            roots
                .add(certificate)
                .map_err(|error| format!("{shown} has a certificate of no authority: {error}"))?;
        }
        Self::of(roots)
    }

    /// The system's.
    pub(crate) async fn of_system() -> Result<Self, String> {
        OF_SYSTEM.get_or_try_init(read_system).await.cloned()
    }

    fn of(roots: RootCertStore) -> Result<Self, String> {
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

async fn read_system() -> Result<Authorities, String> {
    let read = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let read = read.map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(read.certs);
    if added == 0 {
        return Err(
            "this system has no certificate authorities: install its `ca-certificates` package, or \
             name a file in SSL_CERT_FILE"
                .to_owned(),
        );
    }
    Authorities::of(roots)
}
