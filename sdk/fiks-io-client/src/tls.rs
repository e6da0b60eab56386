//! The one TLS configuration, for HTTP and AMQP alike.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// TLS 1.2 and 1.3, trusting the roots of the platform and `extra_roots`.
///
/// The crypto provider is named here, so that the client depends on no process-wide default.
pub(crate) fn client_config(
    extra_roots: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let has_extra_roots = !extra_roots.is_empty();
    let config = match Verifier::new_with_extra_roots(extra_roots, provider) {
        Ok(verifier) => {
            let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier);
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
        // A machine without any roots can still talk in clear with its own loopback.
        Err(error) if !has_extra_roots => {
            tracing::warn!(%error, "the platform has no root certificates: every TLS connection will fail");
            builder.with_root_certificates(RootCertStore::empty())
        }
        Err(error) => return Err(error),
    };
    Ok(config.with_no_client_auth())
}
