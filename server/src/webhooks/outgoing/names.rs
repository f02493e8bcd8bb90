//! Which addresses a name has. Tests put somebody in between who answers differently each time.

use std::io;
use std::net::IpAddr;

/// Who is asked.
#[derive(Clone, Debug, Default)]
pub(super) enum Names {
    /// The system's resolver.
    #[default]
    System,
    /// A test's.
    #[cfg(test)]
    Scripted(super::tests::Resolver),
}

impl Names {
    /// The addresses that a name has now. Asking once more may give others: who judges them must
    /// use the ones that were judged.
    pub(super) async fn addresses(&self, name: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        match self {
            Self::System => {
                let found = tokio::net::lookup_host((name, port)).await?;
                Ok(found.map(|address| address.ip()).collect())
            }
            #[cfg(test)]
            Self::Scripted(resolver) => Ok(resolver.answer(name)),
        }
    }
}
