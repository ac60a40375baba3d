"""What the senders' files share: a delivery, a row of the table, and signatures made without any SDK."""

import base64
import dataclasses
import hashlib
import hmac
import json
import time
import urllib.parse
from collections.abc import Callable
from importlib import metadata

ORIGIN = "https://hooks.example.com"
"""Where senders believe to deliver to; every route has it as its `public_url`."""


@dataclasses.dataclass
class Delivery:
    """One request. `headers` have lower-case names; `url` is what the sender believes to call."""

    url: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.text, keep_blank_values=True))

    @property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.url).query, keep_blank_values=True))

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.url).path


@dataclasses.dataclass
class Sender:
    """One row: a sender of the catalogue and the code of its SDK that signs or verifies.

    `sign` adds headers to (or changes) a delivery; `verify` says True or False or raises. `signs` is False where the
    SDK has no function that signs, and `sign` computes it without the SDK. `change` makes the copy that must be
    refused: None changes a byte of the body, otherwise it is ("header", name), ("query", name), ("body", old, new) or
    a function that changes the delivery. `signing_secret` is what `sealpost sign` takes where it is not `secret`: a
    private key. `takes_sealpost` is False where `sealpost sign` cannot be asked for this variant. `differs` says why
    `sealpost sign` is known to make nothing that the SDK accepts; when it does, the run fails until that is removed.
    """

    name: str
    package: str
    secret: str
    body: object
    verify: Callable[[Delivery], object]
    sign: Callable[[Delivery], object] | None = None
    signs: bool = True
    variant: str = ""
    signing_secret: str | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    query: str = ""
    content_type: str = "application/json"
    change: tuple | Callable | None = None
    route: dict[str, object] = dataclasses.field(default_factory=dict)
    takes_sealpost: bool = True
    differs: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name

    def unsigned(self) -> Delivery:
        body = self.body() if callable(self.body) else self.body
        if not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body, separators=(",", ":")).encode()
        url = f"{ORIGIN}/python/{self.label}" + (f"?{self.query}" if self.query else "")
        headers = {"content-type": self.content_type, **self.headers}
        return Delivery(url=url, headers=headers, body=body)

    def signed(self) -> Delivery:
        delivery = self.unsigned()
        added = self.sign(delivery)
        if added:
            delivery.headers.update({name.lower(): str(value) for name, value in added.items()})
        return delivery

    def version(self) -> str:
        return metadata.version(self.package)


def changed(delivery: Delivery, change: tuple | Callable | None) -> Delivery:
    """A copy in which one byte of what is signed is another one."""
    copy = dataclasses.replace(delivery, headers=dict(delivery.headers))
    if change is None:
        at = max(i for i, byte in enumerate(copy.body) if chr(byte).isalnum() and byte < 128 and byte not in b"zZ9")
        copy.body = copy.body[:at] + bytes([copy.body[at] + 1]) + copy.body[at + 1 :]
    elif callable(change):
        change(copy)
    elif change[0] == "body":
        assert copy.body.count(change[1]) == 1, f"{change[1]!r} is not once in the body"
        copy.body = copy.body.replace(change[1], change[2])
    elif change[0] == "header":
        copy.headers[change[1]] = other(copy.headers[change[1]])
    else:
        value = copy.query[change[1]]
        copy.url = copy.url.replace(f"{change[1]}={value}", f"{change[1]}={other(value)}")
    assert copy != delivery, "the copy is no other"
    return copy


def other(text: str) -> str:
    """The text with its first character another one."""
    return ("1" if text[0] != "1" else "2") + text[1:]


def now() -> int:
    return int(time.time())


def hexmac(secret: str | bytes, content: str | bytes, algorithm: str = "sha256") -> str:
    """HMAC in hex, by the standard library."""
    return hmac.new(raw(secret), raw(content), algorithm).hexdigest()


def b64mac(secret: str | bytes, content: str | bytes, algorithm: str = "sha256") -> str:
    """HMAC in base64, by the standard library."""
    return base64.b64encode(hmac.new(raw(secret), raw(content), algorithm).digest()).decode()


def sha256_hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def raw(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def standard(key: bytes, prefix: str = "webhook", names: dict[str, str] | None = None):
    """A signer in the shape of Standard Webhooks, by the standard library."""
    names = names or {part: f"{prefix}-{part}" for part in ("id", "timestamp", "signature")}

    def sign(delivery: Delivery):
        message, sent = f"msg_{time.time_ns():x}", str(now())
        signature = b64mac(key, f"{message}.{sent}.".encode() + delivery.body)
        return {names["id"]: message, names["timestamp"]: sent, names["signature"]: f"v1,{signature}"}

    return sign


def refuses(function: Callable, *arguments, **named) -> bool:
    """True if `function` returns without an exception: for SDKs that say no by raising."""
    function(*arguments, **named)
    return True
