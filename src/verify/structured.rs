//! Structured field values (RFC 8941), as far as HTTP message signatures and digests use them: read strictly, written again.

use std::fmt;

use base64::Engine as _;

use super::encoding::BASE64;

/// Longer headers hold no signature.
const LONGEST: usize = 16 * 1024;
/// More members than any sender writes.
const MOST_MEMBERS: usize = 16;
/// More components than any sender covers.
const MOST_ITEMS: usize = 64;
/// More parameters than any standard names.
const MOST_PARAMETERS: usize = 16;

/// A value that is no list. Decimals and dates stand in no signature and are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    String(String),
    Token(String),
    Integer(i64),
    Bytes(Vec<u8>),
    Boolean(bool),
}

/// Parameters in their order; none stands there twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(pub(crate) Vec<(String, Item)>);

/// A list in brackets, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InnerList {
    pub(crate) items: Vec<(Item, Parameters)>,
    pub(crate) parameters: Parameters,
}

/// A member of a dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Item(Item),
    List(InnerList),
}

/// The members of a dictionary; `None` if it is none, too long, or has two members of one name.
pub(crate) fn dictionary(text: &str) -> Option<Vec<(String, Member)>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut parser = Parser { rest: text.trim_matches(' ') };
    let mut members: Vec<(String, Member)> = Vec::new();
    while !parser.rest.is_empty() {
        let name = parser.key()?;
        let member = parser.member()?;
        if members.len() >= MOST_MEMBERS || members.iter().any(|(known, _)| *known == name) {
            return None;
        }
        members.push((name, member));
        parser.spaces_and_tabs();
        if parser.rest.is_empty() {
            break;
        }
        parser.take(',')?;
        parser.spaces_and_tabs();
        if parser.rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&Item> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, item)| item)
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|character| !wanted(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn spaces_and_tabs(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn key(&mut self) -> Option<String> {
        if !self.peek().is_some_and(|first| first.is_ascii_lowercase() || first == '*') {
            return None;
        }
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c);
        Some(self.take_while(inside).to_owned())
    }

    fn member(&mut self) -> Option<Member> {
        if self.take('=').is_none() {
            self.parameters()?;
            return Some(Member::Item(Item::Boolean(true)));
        }
        if self.peek() == Some('(') {
            return self.inner_list().map(Member::List);
        }
        let item = self.item()?;
        self.parameters()?;
        Some(Member::Item(item))
    }

    fn inner_list(&mut self) -> Option<InnerList> {
        self.take('(')?;
        let mut items = Vec::new();
        loop {
            self.take_while(|character| character == ' ');
            if self.take(')').is_some() {
                return Some(InnerList { items, parameters: self.parameters()? });
            }
            let item = self.item()?;
            items.push((item, self.parameters()?));
            if items.len() > MOST_ITEMS || !matches!(self.peek(), Some(' ' | ')')) {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let mut parameters = Parameters::default();
        while self.take(';').is_some() {
            self.take_while(|character| character == ' ');
            let name = self.key()?;
            let value = if self.take('=').is_some() { self.item()? } else { Item::Boolean(true) };
            if parameters.0.len() >= MOST_PARAMETERS || parameters.get(&name).is_some() {
                return None;
            }
            parameters.0.push((name, value));
        }
        Some(parameters)
    }

    fn item(&mut self) -> Option<Item> {
        match self.peek()? {
            '"' => self.string().map(Item::String),
            ':' => self.bytes().map(Item::Bytes),
            '?' => {
                self.take('?')?;
                let yes = self.take('1').is_some();
                (yes || self.take('0').is_some()).then_some(Item::Boolean(yes))
            }
            '-' | '0'..='9' => self.integer().map(Item::Integer),
            first if first.is_ascii_alphabetic() || first == '*' => {
                let inside = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c);
                Some(Item::Token(self.take_while(inside).to_owned()))
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take('"')?;
        let mut text = String::new();
        loop {
            let plain = self.take_while(|c| matches!(c, ' '..='~') && c != '"' && c != '\\');
            text.push_str(plain);
            if self.take('"').is_some() {
                return Some(text);
            }
            self.take('\\')?;
            let escaped = self.peek().filter(|character| matches!(character, '"' | '\\'))?;
            self.take(escaped)?;
            text.push(escaped);
        }
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        self.take(':')?;
        let bytes = BASE64.decode(self.take_while(|character| character != ':')).ok()?;
        self.take(':')?;
        Some(bytes)
    }

    /// Up to fifteen digits, as the standard allows.
    fn integer(&mut self) -> Option<i64> {
        let negative = self.take('-').is_some();
        let digits = self.take_while(|character| character.is_ascii_digit());
        let value: i64 = if digits.len() <= 15 { digits.parse().ok()? } else { return None };
        if self.peek() == Some('.') {
            return None;
        }
        if negative { value.checked_neg() } else { Some(value) }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            Self::Token(token) => f.write_str(token),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Bytes(bytes) => write!(f, ":{}:", BASE64.encode(bytes)),
            Self::Boolean(true) => f.write_str("?1"),
            Self::Boolean(false) => f.write_str("?0"),
        }
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| match value {
            Item::Boolean(true) => write!(f, ";{name}"),
            value => write!(f, ";{name}={value}"),
        })
    }
}

impl fmt::Display for InnerList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, (item, parameters)) in self.items.iter().enumerate() {
            write!(f, "{}{item}{parameters}", if index == 0 { "" } else { " " })?;
        }
        write!(f, "){}", self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written_again(text: &str) -> Option<String> {
        let members = dictionary(text)?.into_iter().map(|(name, member)| match member {
            Member::Item(item) => format!("{name}={item}"),
            Member::List(list) => format!("{name}={list}"),
        });
        Some(members.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn what_is_written_as_the_standard_wants_comes_back_the_same() {
        for text in [
            "",
            r#"sig1=("@method" "content-digest";sf "@query-param";name="a b");created=1618884473;keyid="k\"\\";alg=x/y"#,
            "a=1, b=:AQI=:, *c.d=?0, e=-5, f=()",
        ] {
            assert_eq!(written_again(text).as_deref(), Some(text));
        }
        assert_eq!(written_again("a ,\tb=(1   2 );x;  y=?1").as_deref(), Some("a=?1, b=(1 2);x;y"));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "A=1",
            "a=",
            "a=1,",
            ",a=1",
            "a=1 b=2",
            "a=1,a=2",
            "a=1.5",
            "a=1234567890123456",
            "a=@1",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"\u{e4}\"",
            "a=(1",
            "a=(1)x",
            "a=(\"x\"\"y\")",
            "a=:AQ",
            "a=:!:",
            "a=?2",
            "a=-",
            "a=1;x=1;x=2",
            "a=1; X",
        ] {
            assert_eq!(dictionary(text), None, "{text}");
        }
        assert!(dictionary(&vec!["a"; 17].join(",")).is_none());
        assert!(dictionary(&format!("a=({})", "1 ".repeat(65))).is_none());
        assert!(dictionary(&format!("a=\"{}\"", "x".repeat(LONGEST))).is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_read_is_written_once(
            text in "\\PC{0,60}|([a-c]=?[(]?(\"[ -~]{0,3}\"|:[A-Za-z0-9]{4}:|[?][01]|-?[0-9]{1,3})?[)]?(;[a-c])?,? ?){0,4}",
        ) {
            if let Some(written) = written_again(&text) {
                prop_assert_eq!(written_again(&written), Some(written.clone()));
            }
        }
    }
}
