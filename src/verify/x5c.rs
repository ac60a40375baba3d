//! The key that a token brings in certificates (RFC 7515, section 4.1.6), if they lead to a configured root.

use std::time::Duration;

use base64::Engine as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor};
use webpki::ring::{
    ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P384_SHA256, ECDSA_P384_SHA384, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
};
use webpki::{EndEntityCert, KeyUsage};

use crate::time::UnixTime;

use super::certificate::has_extension;
use super::encoding::BASE64;
use super::jose_form::X5cForm;
use super::public_key::PublicKey;
use super::read_key::read_spki;

/// What certificates may be signed with.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    ECDSA_P256_SHA256,
    ECDSA_P256_SHA384,
    ECDSA_P384_SHA256,
    ECDSA_P384_SHA384,
    ED25519,
    RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512,
];

/// `id-kp-codeSigning`: asked only of a certificate that limits what its key is for.
const PURPOSE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// The key of the first certificate, if all are valid now, lead to one of the roots, and are as many and as marked as the
/// sender's are. Whatever root the token itself brings is not trusted.
pub(crate) fn key(
    form: &X5cForm,
    certificates: &[String],
    roots: &[TrustAnchor<'_>],
    now: UnixTime,
) -> Option<PublicKey> {
    if certificates.len() != form.length {
        return None;
    }
    let ders: Vec<CertificateDer<'_>> = certificates
        .iter()
        .map(|text| BASE64.decode(text).ok().map(CertificateDer::from))
        .collect::<Option<_>>()?;
    let (leaf, above) = ders.split_first()?;
    let (_, between) = above.split_last()?;
    let end = EndEntityCert::try_from(leaf).ok()?;
    let now = Duration::from_millis(u64::try_from(now.millis()).ok()?);
    let now = rustls_pki_types::UnixTime::since_unix_epoch(now);
    let usage = KeyUsage::required_if_present(PURPOSE);
    let path = end.verify_for_usage(ALGORITHMS, roots, between, now, usage, None, None).ok()?;
    // The path must use every certificate between: a mark on one that is passed over would prove nothing.
    if path.intermediate_certificates().count() != between.len() {
        return None;
    }
    let marked = |der: &[u8], oid: &Option<String>| oid.as_ref().is_none_or(|oid| has_extension(der, oid));
    let issuer = path.intermediate_certificates().next().map(|certificate| certificate.der());
    let issuer_marked = match (&form.intermediate_oid, issuer) {
        (None, _) => true,
        (oid, Some(der)) => marked(&der, oid),
        (Some(_), None) => false,
    };
    let all = marked(leaf, &form.leaf_oid) && issuer_marked;
    all.then(|| read_spki(&end.subject_public_key_info()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};

    const LEAF: &[u64] = &[1, 2, 840, 113_635, 100, 6, 11, 1];
    const BETWEEN: &[u64] = &[1, 2, 840, 113_635, 100, 6, 2, 1];

    struct Pki {
        root: Vec<u8>,
        chain: Vec<String>,
        leaf: KeyPair,
    }

    fn marked(oids: &[&[u64]], is_ca: bool) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.custom_extensions =
            oids.iter().map(|oid| CustomExtension::from_oid_content(oid, vec![5, 0])).collect();
        parameters.not_before = rcgen::date_time_ymd(2024, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
        if is_ca {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let name = format!("{} {oids:?}", if is_ca { "authority" } else { "leaf" });
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        parameters
    }

    fn pki(leaf_oids: &[&[u64]], between_oids: &[&[u64]]) -> Pki {
        let pair = || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let root_parameters = marked(&[], true);
        let root_pair = pair();
        let root = root_parameters.self_signed(&root_pair).unwrap();
        let root_issuer = Issuer::new(root_parameters, root_pair);
        let (between_pair, between_parameters) = (pair(), marked(between_oids, true));
        let between = between_parameters.signed_by(&between_pair, &root_issuer).unwrap();
        let between_issuer = Issuer::new(between_parameters, between_pair);
        let leaf_pair = pair();
        let leaf = marked(leaf_oids, false).signed_by(&leaf_pair, &between_issuer).unwrap();
        let chain = [leaf.der(), between.der(), root.der()].map(|der| BASE64.encode(der)).into();
        Pki { root: root.der().to_vec(), chain, leaf: leaf_pair }
    }

    fn form() -> X5cForm {
        let text = |oid: &[u64]| oid.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
        X5cForm { length: 3, leaf_oid: Some(text(LEAF)), intermediate_oid: Some(text(BETWEEN)) }
    }

    /// A leaf of the root's own, between whose certificates a stranger's stands that nothing leads through.
    #[test]
    fn a_certificate_that_the_path_passes_over_is_refused() {
        let (root_parameters, root_pair) = (marked(&[], true), KeyPair::generate().unwrap());
        let root = root_parameters.self_signed(&root_pair).unwrap();
        let issuer = Issuer::new(root_parameters, root_pair);
        let leaf = marked(&[LEAF], false).signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        let between = pki(&[LEAF], &[BETWEEN]).chain[1].clone();
        let encoded = |der: &[u8]| BASE64.encode(der);
        let trusted = |length: usize, chain: &[String]| {
            let der = CertificateDer::from(root.der().to_vec());
            let anchors = [webpki::anchor_from_trusted_cert(&der).unwrap()];
            let form = X5cForm { length, leaf_oid: None, intermediate_oid: None };
            key(&form, chain, &anchors, UnixTime::from_seconds(IN_2026).unwrap()).is_some()
        };
        assert!(trusted(2, &[encoded(leaf.der()), encoded(root.der())]));
        assert!(!trusted(3, &[encoded(leaf.der()), between, encoded(root.der())]));
        assert!(!trusted(3, &[encoded(leaf.der()), encoded(root.der())]), "as many as the sender's are");
    }

    fn trusted(root: &[u8], chain: &[String], seconds: i64) -> Option<PublicKey> {
        let root = CertificateDer::from(root);
        let anchors = [webpki::anchor_from_trusted_cert(&root).unwrap()];
        key(&form(), chain, &anchors, UnixTime::from_seconds(seconds).unwrap())
    }

    const IN_2026: i64 = 1_773_829_800;

    #[test]
    fn a_chain_to_the_root_gives_the_leafs_key() {
        let pki = pki(&[LEAF], &[BETWEEN]);
        let expected = read_spki(&rcgen::PublicKeyData::subject_public_key_info(&pki.leaf)).unwrap();
        assert_eq!(trusted(&pki.root, &pki.chain, IN_2026), Some(expected));
    }

    /// The chain that Apple really sends, at a time when all of it was valid.
    #[test]
    fn apples_own_chain_is_accepted_while_it_is_valid() {
        let blocks = crate::verify::der::pems(include_str!("testdata/apple-certificates.pem")).unwrap();
        let chain: Vec<String> = blocks.iter().map(|(_, der)| BASE64.encode(der)).collect();
        let root = &blocks[2].1;
        assert!(trusted(root, &chain, 1_681_312_846).is_some());
        assert_eq!(trusted(root, &chain, IN_2026), None);
    }

    #[test]
    fn another_root_another_time_another_length_and_a_missing_mark_are_refused() {
        let (good, other) = (pki(&[LEAF], &[BETWEEN]), pki(&[LEAF], &[BETWEEN]));
        let refused = |root: &[u8], chain: &[String], at| assert_eq!(trusted(root, chain, at), None);
        refused(&other.root, &good.chain, IN_2026);
        refused(&good.root, &good.chain, 1_600_000_000);
        refused(&good.root, &good.chain, 1_900_000_000);
        refused(&good.root, &good.chain, -1);
        refused(&good.root, &good.chain[..2], IN_2026);
        refused(&good.root, &[good.chain.clone(), good.chain[2..].to_vec()].concat(), IN_2026);
        let [leaf, between, root] = good.chain.clone().try_into().unwrap();
        refused(&good.root, &[between.clone(), leaf.clone(), root.clone()], IN_2026);
        refused(&good.root, &[leaf.clone(), root.clone(), between], IN_2026);
        refused(&good.root, &[leaf, other.chain[1].clone(), root], IN_2026);
        let unmarked = pki(&[], &[BETWEEN]);
        refused(&unmarked.root, &unmarked.chain, IN_2026);
        let unmarked = pki(&[LEAF], &[LEAF]);
        refused(&unmarked.root, &unmarked.chain, IN_2026);
    }
}
