//! One TLS configuration for REST and WebSocket alike: rustls with ring.
//!
//! The provider is named explicitly. Left to itself, rustls looks for the one provider compiled in and panics
//! when it finds none or two, which depends on the features of crates that are not ours.

use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`client`] gives: REST and WebSocket share it.
pub type TlsConfig = Arc<ClientConfig>;

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of own certificates cannot be read.
    #[error("cannot read the certificate file {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// It holds no usable certificate.
    #[error("the certificate file {} holds no usable PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The provider lacks what TLS 1.2 and 1.3 need.
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

/// Makes ring the provider of the whole process, for crates that ask for the process's own. Called first
/// thing in `main`; a second call changes nothing.
pub fn install_provider() {
    // An error says that one is installed already.
    let _ = provider::default_provider().install_default();
}

/// The configuration of a client that trusts the public authorities, and the certificates in `ca_file`.
///
/// # Errors
/// When `ca_file` cannot be read or holds no certificate.
pub fn client(ca_file: Option<&Path>) -> Result<TlsConfig, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let pem =
            std::fs::read(path).map_err(|why| TlsError::Read { path: path.to_path_buf(), why })?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let (added, bad) = roots.add_parsable_certificates(certificates.unwrap_or_default());
        if added == 0 || bad > 0 {
            return Err(TlsError::NoCertificate(path.to_path_buf()));
        }
    }
    let provider: Arc<CryptoProvider> = Arc::new(provider::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What TLS itself objected to, somewhere in the chain below `error`; `None` when it was not TLS.
pub fn objection(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An io::Error hides what it wraps from `source`.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = match wrapped {
            Some(inner) => inner.downcast_ref::<rustls::Error>(),
            None => error.downcast_ref::<rustls::Error>(),
        };
        if let Some(tls) = tls {
            return Some(tls.to_string());
        }
        next = match wrapped {
            Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    None
}
