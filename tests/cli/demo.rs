//! `sealpost demo`

use crate::sealpost::Folder;

#[test]
fn everything_comes_out_as_promised_and_no_colour_is_in_a_file() {
    let ended = Folder::with(&[]).run("demo");
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("9 of 9 as promised"), "{}", ended.out);
    assert!(ended.out.contains("receiver saw 3 events"), "{}", ended.out);
    assert!(!ended.out.contains('\x1b'));
}
