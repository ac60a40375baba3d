"""Senders around sales: marketing, shipping, books and calendars."""

import base64
import json
import unicodedata

from kit import Delivery, Sender, b64mac, hexmac, now, other

SECRET = "sealpost-sdks-cross-check-secret"
AIRTABLE = base64.b64encode(b"sealpost-sdks-cross-check-key-04").decode()
ACCENTED = "sealpost-sdks-cross-check-sécret"


def hubspot_signature(version: str, delivery: Delivery, sent: str | None = None) -> str:
    from hubspot.utils.signature import Signature

    return Signature.get_signature(SECRET, delivery.text, version, delivery.url, delivery.method, sent)


def hubspot_valid(version: str, delivery: Delivery, header: str, sent: str | None = None) -> bool:
    from hubspot.utils.signature import Signature

    return Signature.is_valid(
        signature=delivery.headers[header],
        client_secret=SECRET,
        request_body=delivery.text,
        http_uri=delivery.url,
        http_method=delivery.method,
        signature_version=version,
        timestamp=sent,
    )


def hubspot_sign(delivery: Delivery):
    sent = str(now() * 1000)
    signature = hubspot_signature("v3", delivery, sent)
    return {"X-HubSpot-Request-Timestamp": sent, "X-HubSpot-Signature-v3": signature}


def hubspot(delivery: Delivery):
    return hubspot_valid("v3", delivery, "x-hubspot-signature-v3", delivery.headers["x-hubspot-request-timestamp"])


def easypost(delivery: Delivery):
    from easypost.util import validate_webhook

    headers = {"X-Hmac-Signature": delivery.headers["x-hmac-signature"]}
    return validate_webhook(delivery.body, headers, ACCENTED)


def easypost_sign(delivery: Delivery):
    key = unicodedata.normalize("NFKD", ACCENTED)
    return {"X-Hmac-Signature": "hmac-sha256-hex=" + hexmac(key, delivery.body)}


def airtable(delivery: Delivery):
    from pyairtable.models.webhook import WebhookNotification

    return WebhookNotification.from_request(delivery.text, delivery.headers["x-airtable-content-mac"], AIRTABLE)


def airtable_sign(delivery: Delivery):
    return {"X-Airtable-Content-MAC": "hmac-sha256=" + hexmac(base64.b64decode(AIRTABLE), delivery.body)}


def quickbooks(delivery: Delivery):
    from quickbooks import QuickBooks

    client = QuickBooks(minorversion=75)
    return client.validate_webhook_signature(delivery.text, delivery.headers["intuit-signature"], SECRET)


def cronofy(delivery: Delivery):
    from pycronofy.client import Client

    client = Client(client_id="id", client_secret=SECRET, access_token="unused")
    return client.hmac_valid(delivery.headers["cronofy-hmac-sha256"], delivery.text)


BOUNDARY = "sealpost-sdks"
PART = 'Content-Disposition: form-data; name="json"'


def dropbox_sign_form(event: dict) -> bytes:
    """The form in which the sender sends its JSON."""
    text = json.dumps({"event": event})
    return f"--{BOUNDARY}\r\n{PART}\r\n\r\n{text}\r\n--{BOUNDARY}--\r\n".encode()


def dropbox_sign_event(delivery: Delivery) -> dict:
    return json.loads(delivery.text.split("\r\n")[3])["event"]


def dropbox_sign_body() -> bytes:
    event = {"event_time": str(now()), "event_type": "signature_request_sent", "event_hash": "", "event_metadata": {}}
    return dropbox_sign_form(event)


def dropbox_sign_sign(delivery: Delivery):
    event = dropbox_sign_event(delivery)
    event["event_hash"] = hexmac(SECRET, event["event_time"] + event["event_type"])
    delivery.body = dropbox_sign_form(event)


def dropbox_sign_change(delivery: Delivery):
    event = dropbox_sign_event(delivery)
    event["event_hash"] = other(event["event_hash"])
    delivery.body = dropbox_sign_form(event)


def dropbox_sign(delivery: Delivery):
    from dropbox_sign import EventCallbackRequest
    from dropbox_sign.event_callback_helper import EventCallbackHelper

    callback = EventCallbackRequest.init({"event": dropbox_sign_event(delivery)})
    return EventCallbackHelper.is_valid(SECRET, callback)


HUBSPOT = [{"eventId": 100, "subscriptionType": "contact.creation", "occurredAt": 1767225600000, "attemptNumber": 0}]

SENDERS = [
    Sender("hubspot", "hubspot-api-client", SECRET, HUBSPOT, hubspot, hubspot_sign),
    Sender(
        "hubspot",
        "hubspot-api-client",
        SECRET,
        HUBSPOT,
        hubspot,
        hubspot_sign,
        variant="query",
        query="portal=62515&kind=contact",
    ),
    Sender(
        "hubspot-v1",
        "hubspot-api-client",
        SECRET,
        HUBSPOT,
        lambda d: hubspot_valid("v1", d, "x-hubspot-signature"),
        lambda d: {"X-HubSpot-Signature": hubspot_signature("v1", d), "X-HubSpot-Signature-Version": "v1"},
    ),
    Sender(
        "hubspot-v2",
        "hubspot-api-client",
        SECRET,
        HUBSPOT,
        lambda d: hubspot_valid("v2", d, "x-hubspot-signature"),
        lambda d: {"X-HubSpot-Signature": hubspot_signature("v2", d), "X-HubSpot-Signature-Version": "v2"},
    ),
    Sender(
        "easypost",
        "easypost",
        ACCENTED,
        {"id": "evt_1", "description": "tracker.updated", "result": {"weight": 12}},
        easypost,
        easypost_sign,
        signs=False,
    ),
    Sender(
        "airtable",
        "pyairtable",
        AIRTABLE,
        {"base": {"id": "app1"}, "webhook": {"id": "ach1"}, "timestamp": "2026-01-01T00:00:00.000Z"},
        airtable,
        airtable_sign,
        signs=False,
        note="a library that is not the sender's own",
    ),
    Sender(
        "quickbooks",
        "python-quickbooks",
        SECRET,
        {"eventNotifications": [{"realmId": "1", "dataChangeEvent": {"entities": [{"name": "Customer", "id": "1"}]}}]},
        quickbooks,
        lambda d: {"intuit-signature": b64mac(SECRET, d.body)},
        signs=False,
        note="a library that is not the sender's own",
    ),
    Sender(
        "cronofy",
        "pycronofy",
        SECRET,
        {
            "notification": {"type": "change", "changes_since": "2026-01-01T00:00:00Z"},
            "channel": {"channel_id": "chn1"},
        },
        cronofy,
        lambda d: {"Cronofy-HMAC-SHA256": b64mac("another", d.body) + "," + b64mac(SECRET, d.body)},
        signs=False,
    ),
    Sender(
        "dropbox-sign",
        "dropbox-sign",
        SECRET,
        dropbox_sign_body,
        dropbox_sign,
        dropbox_sign_sign,
        signs=False,
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
        change=dropbox_sign_change,
        takes_sealpost=False,
        note="the body is not signed: the changed copy has another hash; sealpost sign writes no JSON inside a form",
    ),
]
