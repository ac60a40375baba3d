//! As much of X.509 (RFC 5280) as keys and marks need: a certificate's public key, and which extensions it has.

use rustls_pki_types::CertificateDer;

use super::der::{self, SEQUENCE};

/// Between the algorithm and the extensions of a certificate.
const EXTENSIONS: u8 = 0xa3;
const OBJECT_IDENTIFIER: u8 = 0x06;
const LARGEST_OID: usize = 64;

/// The `SubjectPublicKeyInfo` of a certificate in DER.
pub(crate) fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let der = CertificateDer::from(der);
    let certificate = webpki::EndEntityCert::try_from(&der).ok()?;
    Some(certificate.subject_public_key_info().to_vec())
}

/// Whether a certificate has the extension of this object identifier, whatever it says.
pub(crate) fn has_extension(der: &[u8], oid: &str) -> bool {
    let Some(wanted) = oid_bytes(oid) else { return false };
    let found = extensions(der).and_then(|mut rest| {
        while !rest.is_empty() {
            let mut extension = der::element(&mut rest, SEQUENCE)?;
            if der::element(&mut extension, OBJECT_IDENTIFIER)? == wanted {
                return Some(true);
            }
        }
        Some(false)
    });
    found.unwrap_or(false)
}

/// The extensions, one after the other.
fn extensions(der: &[u8]) -> Option<&[u8]> {
    let mut certificate = der::only(der, SEQUENCE)?;
    let mut rest = der::element(&mut certificate, SEQUENCE)?;
    while !rest.is_empty() {
        let tag = *rest.first()?;
        let content = der::element(&mut rest, tag)?;
        if tag == EXTENSIONS {
            return der::only(content, SEQUENCE);
        }
    }
    None
}

/// `1.2.840` as DER writes it (X.690, section 8.19).
pub(crate) fn oid_bytes(text: &str) -> Option<Vec<u8>> {
    let mut arcs = text.split('.').map(|arc| {
        let plain = !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| arc.parse::<u32>().ok()).flatten()
    });
    let (first, second) = (arcs.next()??, arcs.next()??);
    if first > 2 || (first < 2 && second > 39) {
        return None;
    }
    let mut bytes = Vec::new();
    push_arc(&mut bytes, first.checked_mul(40)?.checked_add(second)?);
    for arc in arcs {
        push_arc(&mut bytes, arc?);
    }
    (bytes.len() <= LARGEST_OID).then_some(bytes)
}

/// Seven bits a byte, the highest bit set on all but the last.
fn push_arc(bytes: &mut Vec<u8>, arc: u32) {
    let started = bytes.len();
    for shift in [28_u32, 21, 14, 7, 0] {
        let [.., group] = (arc >> shift).to_be_bytes();
        let group = group & 0x7f;
        if group != 0 || shift == 0 || bytes.len() > started {
            bytes.push(if shift == 0 { group } else { group | 0x80 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn object_identifiers_are_written_as_der_does() {
        assert_eq!(oid_bytes("1.2.840.113549").unwrap(), [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
        assert_eq!(oid_bytes("2.5.29.15").unwrap(), [0x55, 0x1d, 0x0f]);
        assert_eq!(oid_bytes("1.3.4294967295").unwrap(), [0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f]);
        for text in ["", "1", "1.", "3.1", "1.40", "1.2.x", "1.2.4294967296", "1..2", "+1.2"] {
            assert_eq!(oid_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn extensions_are_found_by_their_identifier() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        let mark = rcgen::CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 6, 11, 1], vec![5, 0]);
        parameters.custom_extensions = vec![mark];
        let der = parameters.self_signed(&pair).unwrap();
        assert!(has_extension(der.der(), "1.2.840.113635.100.6.11.1"));
        assert!(has_extension(der.der(), "2.5.29.15"));
        assert!(!has_extension(der.der(), "1.2.840.113635.100.6.11"));
        assert!(!has_extension(der.der(), "1.2.840.113635.100.6.2.1"));
        assert_eq!(public_key(der.der()).unwrap(), rcgen::PublicKeyData::subject_public_key_info(&pair));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[0-9.]{0,40}", position: prop::sample::Index) {
            let _ = (public_key(&bytes), has_extension(&bytes, "1.2.3"), oid_bytes(&text));
            let pair = rcgen::KeyPair::generate().unwrap();
            let mut der = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().to_vec();
            let at = position.index(der.len());
            der[at] ^= bytes.first().copied().unwrap_or(1);
            let _ = (public_key(&der), has_extension(&der, "1.2.3"));
            der.truncate(at);
            let _ = (public_key(&der), has_extension(&der, "1.2.3"));
        }
    }
}
