"""Senders whose proof is a signed token (JWT or JWS)."""

import base64
import datetime
import hashlib

from keys import p521_key, pem, public_pem
from kit import Delivery, Sender, now, refuses

SECRET = "sealpost-sdks-cross-check-secret"
QSTASH = "sig_" + "sealpostSdksCrossCheck0123456789"


def livekit_sign(delivery: Delivery):
    from livekit.api.access_token import AccessToken

    digest = base64.b64encode(hashlib.sha256(delivery.body).digest()).decode()
    return {"Authorization": AccessToken("key1", SECRET).with_sha256(digest).to_jwt()}


def livekit(delivery: Delivery):
    from livekit.api.access_token import TokenVerifier
    from livekit.api.webhook import WebhookReceiver

    receiver = WebhookReceiver(TokenVerifier("key1", SECRET))
    return receiver.receive(delivery.text, delivery.headers["authorization"])


def qstash_sign(delivery: Delivery):
    import jwt

    claims = {
        "iss": "Upstash",
        "sub": delivery.url,
        "exp": now() + 300,
        "nbf": now(),
        "iat": now(),
        "jti": f"jwt_{now()}",
        "body": base64.urlsafe_b64encode(hashlib.sha256(delivery.body).digest()).decode(),
    }
    return {"Upstash-Signature": jwt.encode(claims, QSTASH, algorithm="HS256")}


def qstash(delivery: Delivery):
    from qstash.receiver import Receiver

    receiver = Receiver(current_signing_key=QSTASH, next_signing_key="sig_next")
    token = delivery.headers["upstash-signature"]
    return refuses(receiver.verify, signature=token, body=delivery.text, url=delivery.url)


# The method is given as text: from Python 3.11 on this SDK's HttpMethod.POST is signed as "HttpMethod.POST".
def truelayer_sign(delivery: Delivery):
    from truelayer_signing import sign_with_pem

    signer = sign_with_pem("kid-1", pem(p521_key())).set_method("POST").set_path(delivery.path)
    for name, value in delivery.headers.items():
        if name.startswith("x-tl-"):
            signer = signer.add_header(name, value)
    return {
        "Tl-Signature": signer.set_body(delivery.text).set_jku("https://webhooks.truelayer.com/.well-known/jwks").sign()
    }


def truelayer(delivery: Delivery):
    from truelayer_signing import verify_with_pem

    verifier = verify_with_pem(public_pem(p521_key())).set_method("POST").set_path(delivery.path)
    verifier = verifier.add_headers(delivery.headers).set_body(delivery.text)
    return refuses(verifier.verify, delivery.headers["tl-signature"])


SENDERS = [
    Sender(
        "livekit",
        "livekit-api",
        SECRET,
        {"event": "room_started", "id": "EV_1", "room": {"name": "r"}},
        livekit,
        livekit_sign,
        differs="the SDK wants the API key's name as iss, which sealpost sign does not know",
    ),
    Sender(
        "upstash-qstash",
        "qstash",
        QSTASH,
        {"job": "as sent"},
        qstash,
        qstash_sign,
        signs=False,
        headers={"upstash-message-id": "msg_1"},
    ),
    Sender(
        "truelayer",
        "truelayer-signing",
        public_pem(p521_key()),
        {"event_id": "tl1", "type": "payment_executed"},
        truelayer,
        truelayer_sign,
        signing_secret=pem(p521_key()),
        headers={"x-tl-webhook-timestamp": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")},
        differs="the SDK wants a key id, which sealpost sign leaves out",
    ),
]
