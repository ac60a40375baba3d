//! As much of DER and PEM as public and private keys need; everything else is refused.

use base64::Engine as _;

use super::encoding::BASE64;

/// `rsaEncryption` with its NULL.
pub(crate) const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];
/// `id-ecPublicKey` on `prime256v1`.
pub(crate) const P256: &[u8] =
    &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// `id-ecPublicKey` on `secp384r1`.
pub(crate) const P384: &[u8] =
    &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 5, 0x2b, 0x81, 0x04, 0, 34];
/// `id-ecPublicKey` on `secp521r1`.
pub(crate) const P521: &[u8] =
    &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 5, 0x2b, 0x81, 0x04, 0, 35];
/// `id-Ed25519`.
pub(crate) const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];

pub(crate) const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
pub(crate) const SEQUENCE: u8 = 0x30;

/// A PEM block's label and bytes.
pub(crate) type Pem<'t> = (&'t str, Vec<u8>);

/// The first PEM block.
pub(crate) fn pem(text: &str) -> Option<Pem<'_>> {
    next_pem(text).map(|(block, _)| block)
}

/// Every PEM block; `None` if one of them is broken.
pub(crate) fn pems(text: &str) -> Option<Vec<Pem<'_>>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while rest.contains("-----BEGIN ") {
        let (block, after) = next_pem(rest)?;
        blocks.push(block);
        rest = after;
    }
    Some(blocks)
}

fn next_pem(text: &str) -> Option<(Pem<'_>, &str)> {
    let (_, from_label) = text.split_once("-----BEGIN ")?;
    let (label, from_body) = from_label.split_once("-----")?;
    let (body, from_end) = from_body.split_once("-----END ")?;
    let after = from_end.strip_prefix(label)?.strip_prefix("-----")?;
    let compact: String = body.split_ascii_whitespace().collect();
    Some(((label, BASE64.decode(compact).ok()?), after))
}

/// The algorithm and the key of a `SubjectPublicKeyInfo` (RFC 5280).
pub(crate) fn spki(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut inside = only(der, SEQUENCE)?;
    let algorithm = element(&mut inside, SEQUENCE)?;
    let bits = only(inside, BIT_STRING)?;
    Some((algorithm, bits.strip_prefix(&[0])?))
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017).
pub(crate) fn two_integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut inside = only(der, SEQUENCE)?;
    let first = element(&mut inside, INTEGER)?;
    Some((first, only(inside, INTEGER)?))
}

/// The content of an element after which nothing follows.
pub(crate) fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    let mut rest = der;
    let content = element(&mut rest, tag)?;
    rest.is_empty().then_some(content)
}

/// The content of the next element, which must have this tag and less than 64 KiB.
pub(crate) fn element<'d>(rest: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let (length, from_content) = match **rest {
        [first, 0x82, high, low, ref content @ ..] if first == tag => {
            (usize::from(u16::from_be_bytes([high, low])), content)
        }
        [first, 0x81, length, ref content @ ..] if first == tag => (usize::from(length), content),
        [first, length, ref content @ ..] if first == tag && length < 0x80 => (usize::from(length), content),
        _ => return None,
    };
    let (content, after) = from_content.split_at_checked(length)?;
    *rest = after;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_read_in_all_three_forms() {
        for length in [0_usize, 1, 127, 128, 255, 256, 65_535] {
            let content = vec![7; length];
            let header = match length {
                0..128 => vec![INTEGER, length as u8],
                128..256 => vec![INTEGER, 0x81, length as u8],
                _ => [&[INTEGER, 0x82], &(length as u16).to_be_bytes()[..]].concat(),
            };
            let der = [header, content.clone()].concat();
            assert_eq!(only(&der, INTEGER), Some(content.as_slice()), "{length}");
            assert_eq!(only(&der, SEQUENCE), None);
            assert_eq!(only(&[der, vec![0]].concat(), INTEGER), None, "something follows");
        }
    }

    #[test]
    fn a_pem_block_ends_with_its_own_label() {
        assert_eq!(pem("x\n-----BEGIN A-----\nAA\nAA\r\n-----END A-----\n"), Some(("A", vec![0, 0, 0])));
        assert_eq!(pem("-----BEGIN A-----\nAAAA\n-----END B-----"), None);
        assert_eq!(pem("-----BEGIN A-----\nAA!A\n-----END A-----"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text: String) {
            spki(&bytes);
            two_integers(&[&[SEQUENCE, 0x81], bytes.as_slice()].concat());
            pem(&text);
            pems(&text);
        }
    }
}
