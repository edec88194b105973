//! The two kinds of key that the exchange takes, behind one face.

use super::AuthError;
use super::pem::{Block, Label};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rsa::pkcs1::{self, DecodeRsaPublicKey, der::Decode};
use rsa::pkcs8::spki::{DecodePublicKey, SubjectPublicKeyInfoRef};
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use rsa::pss::{Signature, SigningKey, VerifyingKey};
use rsa::signature::{Keypair, SignatureEncoding, Signer, Verifier};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha2::Sha256;
use std::sync::Arc;

/// Shorter RSA keys are refused: they can be broken.
const RSA_BITS_MIN: usize = 2048;

const OID_RSA: ObjectIdentifier = pkcs1::ALGORITHM_OID;
const OID_RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const OID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const OID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A private key that can sign.
#[derive(Clone)]
pub(super) enum PrivateKey {
    Rsa(Arc<SigningKey<Sha256>>),
    Ed25519(Arc<Ed25519KeyPair>),
}

impl PrivateKey {
    pub(super) fn read(block: &Block) -> Result<PrivateKey, AuthError> {
        match block.label {
            Label::RsaPrivate => rsa_private(&block.der),
            Label::Private => {
                let info = PrivateKeyInfoRef::try_from(&block.der[..]);
                let info = info.map_err(|_| AuthError::Damaged)?;
                match info.algorithm.oid {
                    OID_RSA | OID_RSA_PSS => rsa_private(info.private_key.as_bytes()),
                    OID_ED25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&block.der)
                        .map(|pair| PrivateKey::Ed25519(Arc::new(pair)))
                        .map_err(|_| AuthError::Damaged),
                    oid => Err(unsupported(oid)),
                }
            }
            Label::RsaPublic | Label::Public => Err(AuthError::Public),
        }
    }

    pub(super) fn ed25519_of_seed(seed: &[u8; 32]) -> PrivateKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        PrivateKey::Ed25519(Arc::new(pair.expect("any 32 bytes are a seed (RFC 8032, 5.1.5)")))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AuthError> {
        match self {
            // Salt and blinding come from the operating system.
            PrivateKey::Rsa(key) => {
                key.try_sign(message).map(|s| s.to_vec()).map_err(|_| AuthError::Sign)
            }
            PrivateKey::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    pub(super) fn public(&self) -> PublicKey {
        match self {
            PrivateKey::Rsa(key) => PublicKey::Rsa(key.verifying_key()),
            PrivateKey::Ed25519(pair) => PublicKey::Ed25519(pair.public_key().as_ref().to_vec()),
        }
    }
}

/// A public key that can verify.
#[derive(Clone, Debug)]
pub(super) enum PublicKey {
    Rsa(VerifyingKey<Sha256>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    pub(super) fn read(block: &Block) -> Result<PublicKey, AuthError> {
        match block.label {
            Label::RsaPublic => rsa_public(RsaPublicKey::from_pkcs1_der(&block.der).ok()),
            Label::Public => {
                let info = SubjectPublicKeyInfoRef::try_from(&block.der[..]);
                let info = info.map_err(|_| AuthError::Damaged)?;
                match info.algorithm.oid {
                    OID_RSA | OID_RSA_PSS => {
                        rsa_public(RsaPublicKey::from_public_key_der(&block.der).ok())
                    }
                    OID_ED25519 => match info.subject_public_key.as_bytes() {
                        Some(bytes) if bytes.len() == 32 => Ok(PublicKey::Ed25519(bytes.to_vec())),
                        _ => Err(AuthError::Damaged),
                    },
                    oid => Err(unsupported(oid)),
                }
            }
            Label::RsaPrivate | Label::Private => Err(AuthError::Private),
        }
    }

    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            PublicKey::Rsa(key) => Signature::try_from(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            PublicKey::Ed25519(bytes) => {
                UnparsedPublicKey::new(&ED25519, bytes).verify(message, signature).is_ok()
            }
        }
    }
}

fn rsa_private(pkcs1_der: &[u8]) -> Result<PrivateKey, AuthError> {
    let parts = pkcs1::RsaPrivateKeyRef::from_der(pkcs1_der).map_err(|_| AuthError::Damaged)?;
    long_enough(parts.modulus.as_bytes().len() * 8)?;
    let key = RsaPrivateKey::try_from(parts).map_err(|_| AuthError::Damaged)?;
    Ok(PrivateKey::Rsa(Arc::new(SigningKey::new(key))))
}

fn rsa_public(key: Option<RsaPublicKey>) -> Result<PublicKey, AuthError> {
    let key = key.ok_or(AuthError::Damaged)?;
    long_enough(key.size() * 8)?;
    Ok(PublicKey::Rsa(VerifyingKey::new(key)))
}

fn long_enough(bits: usize) -> Result<(), AuthError> {
    if bits < RSA_BITS_MIN { Err(AuthError::TooShort(bits)) } else { Ok(()) }
}

fn unsupported(oid: ObjectIdentifier) -> AuthError {
    AuthError::Kind(if oid == OID_EC { "elliptic curve (ECDSA)" } else { "such" })
}
