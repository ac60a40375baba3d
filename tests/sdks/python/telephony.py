"""Senders of calls, text messages and mail."""

import base64
import urllib.parse

from keys import ed25519_key, p256_key, pem, public_raw, public_spki
from kit import Delivery, Sender, b64mac, now, refuses, sha256_hex

SECRET = "sealpost-sdks-cross-check-secret"
FORM = "application/x-www-form-urlencoded"
SETTINGS = "x-twilio-webhooks-signature-settings"


def twilio_validator():
    from twilio.request_validator import RequestValidator

    return RequestValidator(SECRET)


def twilio_algorithm(delivery: Delivery):
    from twilio.request_validator import get_signature_algorithm

    return get_signature_algorithm(delivery.headers[SETTINGS]) if SETTINGS in delivery.headers else None


def twilio_sign(delivery: Delivery):
    if delivery.headers["content-type"] == FORM:
        params = delivery.form
    else:
        delivery.url += "?bodySHA256=" + twilio_validator().compute_hash(delivery.text)
        params = {}
    return {
        "X-Twilio-Signature": twilio_validator().compute_signature(delivery.url, params, twilio_algorithm(delivery))
    }


def twilio(delivery: Delivery):
    params = delivery.form if delivery.headers["content-type"] == FORM else delivery.text
    return twilio_validator().validate(
        delivery.url, params, delivery.headers["x-twilio-signature"], twilio_algorithm(delivery)
    )


def sendgrid_sign(delivery: Delivery):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    sent = str(now())
    signature = p256_key().sign(sent.encode() + delivery.body, ec.ECDSA(hashes.SHA256()))
    prefix = "X-Twilio-Email-Event-Webhook-"
    return {prefix + "Timestamp": sent, prefix + "Signature": base64.b64encode(signature).decode()}


def sendgrid(delivery: Delivery):
    from sendgrid.helpers.eventwebhook import EventWebhook

    prefix = "x-twilio-email-event-webhook-"
    hook = EventWebhook(public_spki(p256_key()))
    return hook.verify_signature(
        delivery.text, delivery.headers[prefix + "signature"], delivery.headers[prefix + "timestamp"]
    )


def plivo_v2_sign(delivery: Delivery):
    nonce = f"{now()}0002"
    signature = b64mac(SECRET, delivery.url.split("?")[0] + nonce)
    return {"X-Plivo-Signature-V2": signature, "X-Plivo-Signature-V2-Nonce": nonce}


def plivo_v2(delivery: Delivery):
    from plivo.utils import validate_signature

    headers = delivery.headers
    return validate_signature(
        delivery.url, headers["x-plivo-signature-v2-nonce"], headers["x-plivo-signature-v2"], SECRET
    )


def telnyx_sign(delivery: Delivery):
    sent = str(now())
    signature = ed25519_key().sign(f"{sent}|".encode() + delivery.body)
    return {"telnyx-timestamp": sent, "telnyx-signature-ed25519": base64.b64encode(signature).decode()}


def telnyx(delivery: Delivery):
    from telnyx.lib.webhook_verification import verify_webhook_signature

    key = base64.b64encode(public_raw(ed25519_key())).decode()
    return refuses(verify_webhook_signature, delivery.body, delivery.headers, key)


def messagebird_sign(delivery: Delivery):
    import jwt

    claims = {
        "iss": "MessageBird",
        "nbf": now(),
        "exp": now() + 60,
        "jti": f"jti-{now()}",
        "url_hash": sha256_hex(delivery.url.encode()),
        "payload_hash": sha256_hex(delivery.body),
    }
    return {"MessageBird-Signature-JWT": jwt.encode(claims, SECRET, algorithm="HS256")}


def messagebird(delivery: Delivery):
    from messagebird.request_validator import RequestValidator

    token = delivery.headers["messagebird-signature-jwt"]
    return RequestValidator(SECRET).validate_signature(token, delivery.url, delivery.body)


def sinch_sign(delivery: Delivery):
    from sinch.domains.authentication.sinch_events.v1 import authentication_validation as sdk

    sent, nonce = str(now()), f"nonce-{now()}"
    signature = sdk.calculate_sinch_event_signature(sdk.compute_signed_data(delivery.text, nonce, sent), SECRET)
    prefix = "x-sinch-webhook-signature"
    return {
        prefix: signature,
        prefix + "-nonce": nonce,
        prefix + "-timestamp": sent,
        prefix + "-algorithm": "HmacSHA256",
    }


def sinch(delivery: Delivery):
    from sinch.domains.authentication.sinch_events.v1 import authentication_validation as sdk

    return sdk.validate_sinch_event_signature_with_nonce(SECRET, delivery.headers, delivery.text)


CALL = {"CallUUID": "c-1", "Event": "StartApp", "From": "15550001", "To": "15550002"}
SMS = {"MessageSid": "SM1", "SmsStatus": "sent", "To": "+15550001", "Body": "as sent, with 50% & more"}

SENDERS = [
    Sender("twilio", "twilio", SECRET, urllib.parse.urlencode(SMS), twilio, twilio_sign, content_type=FORM),
    Sender("twilio", "twilio", SECRET, {"MessageSid": "SM2"}, twilio, twilio_sign, variant="json"),
    Sender(
        "twilio",
        "twilio",
        SECRET,
        urllib.parse.urlencode(SMS),
        twilio,
        twilio_sign,
        variant="sha256",
        content_type=FORM,
        headers={SETTINGS: "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"},
        takes_sealpost=False,
        note="sealpost sign takes no header that asks for SHA-256",
    ),
    Sender(
        "sendgrid",
        "sendgrid",
        public_spki(p256_key()),
        '[{"sg_event_id":"sg1","event":"delivered"}]\r\n',
        sendgrid,
        sendgrid_sign,
        signs=False,
        signing_secret=pem(p256_key()),
    ),
    Sender(
        "plivo-v2",
        "plivo",
        SECRET,
        urllib.parse.urlencode(CALL),
        plivo_v2,
        plivo_v2_sign,
        signs=False,
        content_type=FORM,
        change=("header", "x-plivo-signature-v2-nonce"),
        note="the body is not signed: the changed copy has another nonce",
    ),
    Sender(
        "telnyx",
        "telnyx",
        base64.b64encode(public_raw(ed25519_key())).decode(),
        {"data": {"id": "tx1", "event_type": "message.received"}},
        telnyx,
        telnyx_sign,
        signs=False,
        signing_secret=pem(ed25519_key()),
    ),
    Sender(
        "messagebird",
        "messagebird",
        SECRET,
        {"id": "mb1", "status": "delivered"},
        messagebird,
        messagebird_sign,
        signs=False,
    ),
    Sender("sinch", "sinch", SECRET, {"type": "message_delivery_report", "id": "si1"}, sinch, sinch_sign),
]
