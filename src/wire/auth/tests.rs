use super::*;
use proptest::prelude::*;
use std::io::Write as _;
use std::process::Command;

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/keys/", $name))
    };
}

const PRIVATE: [(&str, &str); 3] = [
    (key!("rsa_pkcs1.pem"), key!("rsa_pkcs1.pub")),
    (key!("rsa_pkcs8.pem"), key!("rsa_spki.pub")),
    (key!("ed25519.pem"), key!("ed25519.pub")),
];

fn signer(pem: &str) -> Result<Signer, AuthError> {
    Signer::from_pem("a1b2c3", &Secret::new(pem.to_owned()))
}

#[test]
fn a_signature_holds_for_its_own_time_method_and_path_only() {
    for (private, public) in PRIVATE {
        let signer = signer(private).unwrap();
        let [key, stamp, signature] =
            signer.headers(1_763_600_000_123, "get", "/trade-api/v2/markets?limit=5").unwrap();
        assert_eq!(key, (KEY_HEADER, "a1b2c3".to_owned()));
        assert_eq!(stamp, (TIMESTAMP_HEADER, "1763600000123".to_owned()));
        assert_eq!(signature.0, SIGNATURE_HEADER);
        for verifier in [signer.verifier(), Verifier::from_pem(public).unwrap()] {
            let accepts = |t, m, p| verifier.accepts(t, m, p, &signature.1);
            assert!(accepts("1763600000123", "GET", "/trade-api/v2/markets"), "query is cut off");
            assert!(accepts("1763600000123", "GET", "/trade-api/v2/markets?cursor=x"));
            assert!(!accepts("1763600000124", "GET", "/trade-api/v2/markets"));
            assert!(!accepts("1763600000123", "POST", "/trade-api/v2/markets"));
            assert!(!accepts("1763600000123", "GET", "/markets"), "the prefix is signed");
            assert!(!verifier.accepts("1763600000123", "GET", "/trade-api/v2/markets", "%%"));
        }
    }
}

#[test]
fn one_key_does_not_open_for_another() {
    let [_, stamp, signature] = Signer::simulator().headers(1, "GET", WS_PATH).unwrap();
    assert!(Signer::simulator().verifier().accepts(&stamp.1, "GET", WS_PATH, &signature.1));
    for (private, _) in PRIVATE {
        let other = signer(private).unwrap().verifier();
        assert!(!other.accepts(&stamp.1, "GET", WS_PATH, &signature.1));
    }
}

#[test]
fn signatures_of_rsa_keys_differ_each_time_and_are_256_bytes() {
    let signer = signer(PRIVATE[0].0).unwrap();
    let sign = || signer.headers(1, "GET", WS_PATH).unwrap()[2].1.clone();
    let (one, two) = (sign(), sign());
    assert_ne!(one, two, "the salt is random");
    assert_eq!(STANDARD.decode(one).unwrap().len(), 256);
}

/// Our own verifier could share a mistake with our signer; OpenSSL does not.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn openssl_accepts_an_rsa_signature_with_a_salt_of_32_bytes() {
    let Ok(version) = Command::new("openssl").arg("version").output() else {
        eprintln!("SKIPPED openssl_accepts_an_rsa_signature: `openssl` is not installed");
        return;
    };
    assert!(version.status.success());
    let dir = tempfile::tempdir().unwrap();
    let [_, stamp, signature] = signer(PRIVATE[1].0).unwrap().headers(77, "GET", WS_PATH).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    };
    let message = write("message", format!("{}GET{WS_PATH}", stamp.1).as_bytes());
    let public = write("public", PRIVATE[1].1.as_bytes());
    let signature = write("signature", &STANDARD.decode(signature.1).unwrap());
    let verdict = Command::new("openssl")
        .args(["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss"])
        .args(["-sigopt", "rsa_pss_saltlen:32", "-sigopt", "rsa_mgf1_md:sha256", "-verify"])
        .arg(&public)
        .arg("-signature")
        .args([&signature, &message])
        .output()
        .unwrap();
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stderr));
}

#[test]
fn an_unusable_key_says_what_it_is() {
    let good = PRIVATE[0].0;
    let cases = [
        ("", AuthError::Empty),
        (" \n\t", AuthError::Empty),
        ("0f4a9b", AuthError::NotPem),
        (&good[..good.len() / 2], AuthError::CutOff),
        (&good.replace("MIIE", "MII!"), AuthError::Damaged),
        (&good.replace("RSA PRIVATE", "PRIVATE"), AuthError::Damaged),
        (key!("rsa_pkcs1_encrypted.pem"), AuthError::Encrypted),
        (key!("rsa_pkcs8_encrypted.pem"), AuthError::Encrypted),
        (key!("rsa_spki.pub"), AuthError::Public),
        (key!("ed25519.pub"), AuthError::Public),
        (key!("rsa_1024.pem"), AuthError::TooShort(1024)),
        (key!("rsa_512.pem"), AuthError::TooShort(512)),
        (key!("ec.pem"), AuthError::Kind("elliptic curve (ECDSA)")),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", AuthError::Certificate),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----",
            AuthError::Kind("OpenSSH"),
        ),
    ];
    for (pem, want) in cases {
        assert_eq!(signer(pem).map(|_| ()), Err(want), "{want}");
    }
    assert_eq!(Verifier::from_pem(good).map(|_| ()), Err(AuthError::Private));
}

#[test]
fn a_key_id_that_would_break_the_header_is_refused() {
    let key = Secret::new(PRIVATE[2].0.to_owned());
    for id in ["", "a b", "a\r\nX-Evil: 1", "schlüssel", &"x".repeat(129)] {
        assert_eq!(Signer::from_pem(id, &key).map(|_| ()), Err(AuthError::KeyId));
    }
}

#[test]
fn windows_line_ends_and_indentation_do_not_matter() {
    for (private, _) in PRIVATE {
        assert!(signer(&private.replace('\n', "\r\n")).is_ok());
        assert!(signer(&private.replace('\n', "\n   ")).is_ok());
    }
}

#[test]
fn debug_shows_the_key_id_and_nothing_else() {
    for (private, _) in PRIVATE {
        assert_eq!(format!("{:?}", signer(private).unwrap()), "Signer(a1b2c3)");
    }
}

proptest! {
    #[test]
    fn a_damaged_key_never_panics_and_never_shows_its_text(
        which in 0usize..3, at in 0usize..2_000, byte in any::<u8>(), cut in 0usize..2_000,
    ) {
        let mut bytes = PRIVATE[which].0.as_bytes().to_vec();
        let len = bytes.len();
        bytes[at % len] = byte;
        bytes.truncate(len - cut % len);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Err(error) = signer(&text) {
            let shown = format!("{error} {error:?}");
            let body = PRIVATE[which].0.lines().skip(1);
            for line in body.filter(|l| !l.starts_with('-')) {
                prop_assert!(!shown.contains(&line[..line.len().min(8)]), "{}", shown);
            }
        }
    }
}
