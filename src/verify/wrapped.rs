//! A signature inside base64 of JSON: `{"kid":"…","signature":"…"}`.

use std::borrow::Cow;

use super::encoding::{self, encode};
use super::jose::malformed;
use super::json;
use super::locator::{Pointer, Step};
use super::rejection::Rejection;
use super::scheme::{Encoding, SignatureForm, Wrapped};

/// Longer texts hold no signature, and need not be decoded to know it.
const LONGEST: usize = 16 * 1024;

/// The text in which signatures stand, and the id of the key, for a form that wraps them; other texts stay as they are.
pub(crate) fn unwrap<'t>(
    form: &SignatureForm,
    text: &'t str,
) -> Result<(Cow<'t, str>, Option<String>), Rejection> {
    let Some(wrapped) = &form.wrapped else { return Ok((Cow::Borrowed(text), None)) };
    const WRONG: Rejection = malformed("it is not base64 of JSON that holds a signature");
    if text.len() > LONGEST {
        return Err(malformed("it is too long"));
    }
    let json = encoding::decode(text, Encoding::Base64).ok_or(WRONG)?;
    let one = |pointer: &Pointer| {
        let found = json::extract(&json, &[pointer]).ok_or(WRONG)?.into_iter().next().unwrap_or_default();
        match found.as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value.clone().into_owned())),
            _ => Err(WRONG),
        }
    };
    let signature = one(&wrapped.signature)?.ok_or(WRONG)?;
    let key_id = match &wrapped.key_id {
        Some(pointer) => one(pointer)?,
        None => None,
    };
    Ok((Cow::Owned(signature), key_id))
}

/// The text as its sender writes it, without a key's id.
pub(crate) fn wrap(wrapped: &Wrapped, signature: &str) -> Option<String> {
    let [Step::Key(name)] = wrapped.signature.steps() else { return None };
    let json = serde_json::json!({ name: signature }).to_string();
    Some(encode(json.as_bytes(), Encoding::Base64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{Alternative, Template};
    use proptest::prelude::*;

    fn form() -> SignatureForm {
        let template: Template = "{body}".parse().unwrap();
        let mut form = Alternative::new("header:x-signature".parse().unwrap(), template).signature;
        form.wrapped =
            Some(Wrapped { signature: "/signature".parse().unwrap(), key_id: Some("/kid".parse().unwrap()) });
        form
    }

    fn unwrapped(json: &str) -> Option<(String, Option<String>)> {
        let text = encode(json.as_bytes(), Encoding::Base64);
        unwrap(&form(), &text).ok().map(|(text, id)| (text.into_owned(), id))
    }

    #[test]
    fn signature_and_key_id_are_found() {
        assert_eq!(unwrapped(r#"{"kid":"k","signature":"ab"}"#), Some(("ab".into(), Some("k".into()))));
        assert_eq!(unwrapped(r#"{"signature":"ab"}"#), Some(("ab".into(), None)));
        for json in [r#"{"kid":"k"}"#, r#"{"signature":{}}"#, "[]", "", "x"] {
            assert_eq!(unwrapped(json), None, "{json}");
        }
        assert!(unwrap(&form(), "{}").is_err() && unwrap(&form(), "é").is_err());
        let again = wrap(form().wrapped.as_ref().unwrap(), "ab").unwrap();
        assert_eq!(unwrap(&form(), &again).unwrap().0, "ab");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = (unwrap(&form(), &text), unwrapped(&text));
        }
    }
}
