//! The text armour of keys (RFC 7468): what stands between `BEGIN` and `END`.

use super::AuthError;
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// What a PEM block says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// `RSA PRIVATE KEY`, PKCS#1.
    RsaPrivate,
    /// `PRIVATE KEY`, PKCS#8.
    Private,
    /// `RSA PUBLIC KEY`, PKCS#1.
    RsaPublic,
    /// `PUBLIC KEY`, SPKI.
    Public,
}

/// A decoded block; its bytes are wiped when dropped.
pub(super) struct Block {
    pub(super) label: Label,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// The first PEM block of `text`; what stands before it (a byte order mark, remarks) is passed over.
pub(super) fn decode(text: &str) -> Result<Block, AuthError> {
    if text.trim().is_empty() {
        return Err(AuthError::Empty);
    }
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(AuthError::NotPem)?;
    let (words, rest) = rest.split_once("-----").ok_or(AuthError::NotPem)?;
    let label = label(words)?;
    let (body, _) = rest.split_once(&format!("-----END {words}-----")).ok_or(AuthError::CutOff)?;
    if body.contains("ENCRYPTED") {
        return Err(AuthError::Encrypted); // `Proc-Type: 4,ENCRYPTED` of old PKCS#1 files
    }
    let packed = body.bytes().filter(|b| !b.is_ascii_whitespace());
    let packed: Zeroizing<Vec<u8>> = Zeroizing::new(packed.collect());
    let der = STANDARD.decode(&packed).map_err(|_| AuthError::Damaged)?;
    Ok(Block { label, der: Zeroizing::new(der) })
}

/// Unknown words are not repeated: a mangled file may have key text in their place.
fn label(words: &str) -> Result<Label, AuthError> {
    match words {
        "RSA PRIVATE KEY" => Ok(Label::RsaPrivate),
        "PRIVATE KEY" => Ok(Label::Private),
        "RSA PUBLIC KEY" => Ok(Label::RsaPublic),
        "PUBLIC KEY" => Ok(Label::Public),
        "ENCRYPTED PRIVATE KEY" => Err(AuthError::Encrypted),
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(AuthError::Certificate),
        "EC PRIVATE KEY" | "EC PARAMETERS" => Err(AuthError::Kind("elliptic curve (ECDSA)")),
        "DSA PRIVATE KEY" => Err(AuthError::Kind("DSA")),
        "OPENSSH PRIVATE KEY" => Err(AuthError::Kind("OpenSSH")),
        _ => Err(AuthError::Kind("such")),
    }
}
