"""Senders for developers: voices, identity, files, media and jobs."""

import datetime
import json

from kit import Delivery, Sender, hexmac, now, refuses

SECRET = "sealpost-sdks-cross-check-secret"


def elevenlabs(delivery: Delivery):
    from elevenlabs.webhooks_custom import WebhooksClient

    client = WebhooksClient(client_wrapper=None)
    return client.construct_event(delivery.text, delivery.headers["elevenlabs-signature"], SECRET)


def stamped(separator: str, signature: str, template: str = "{sent}.", unit: int = 1):
    """A signer for `t=…,NAME=…` headers over a time and the body."""

    def sign(delivery: Delivery) -> str:
        sent = str(now() * unit)
        return f"t={sent}{separator}{signature}={hexmac(SECRET, template.format(sent=sent).encode() + delivery.body)}"

    return sign


def retell(delivery: Delivery):
    from retell.lib.webhook_auth import verify

    return verify(delivery.text, SECRET, delivery.headers["x-retell-signature"])


def retell_sign(delivery: Delivery):
    from retell.lib.webhook_auth import symmetric

    return {"X-Retell-Signature": symmetric["sign"](delivery.text, SECRET)}


def workos(delivery: Delivery):
    from workos.webhooks._verification import verify_header

    signature = delivery.headers["workos-signature"]
    return refuses(verify_header, event_body=delivery.body, event_signature=signature, secret=SECRET)


def onfido(delivery: Delivery):
    from onfido.webhook_event_verifier import WebhookEventVerifier

    return WebhookEventVerifier(SECRET).read_payload(delivery.text, delivery.headers["x-sha2-signature"])


def cloudinary_sign(algorithm: str):
    def sign(delivery: Delivery):
        from cloudinary.utils import compute_hex_hash

        sent = str(now())
        signature = compute_hex_hash(f"{delivery.text}{sent}{SECRET}", algorithm)
        return {"X-Cld-Timestamp": sent, "X-Cld-Signature": signature}

    return sign


def cloudinary(delivery: Delivery):
    import cloudinary as sdk
    from cloudinary.utils import verify_notification_signature

    sdk.config(api_secret=SECRET)
    sent, signature = delivery.headers["x-cld-timestamp"], delivery.headers["x-cld-signature"]
    # The account chooses the algorithm; sealpost sign takes the longer one.
    algorithm = "sha256" if len(signature) == 64 else "sha1"
    return verify_notification_signature(delivery.text, sent, signature, algorithm=algorithm)


def pusher_body() -> str:
    return json.dumps({"time_ms": now() * 1000, "events": [{"name": "channel_occupied", "channel": "c"}]})


def pusher(delivery: Delivery):
    from pusher import Pusher

    client = Pusher(app_id="1", key="key1", secret=SECRET)
    headers = delivery.headers
    return client.validate_webhook(headers["x-pusher-key"], headers["x-pusher-signature"], delivery.text)


BOX = {"box-signature-version": "1", "box-signature-algorithm": "HmacSHA256", "box-delivery-id": "d1"}


def box_sign(delivery: Delivery):
    from box_sdk_gen.internal.utils import compute_webhook_signature

    sent = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=-8))).isoformat(timespec="seconds")
    headers = {**delivery.headers, "box-delivery-timestamp": sent}
    signature = compute_webhook_signature(delivery.text, headers, SECRET)
    return {"box-delivery-timestamp": sent, "box-signature-primary": signature}


def box(delivery: Delivery):
    from box_sdk_gen.managers.webhooks import WebhooksManager

    return WebhooksManager.validate_message(delivery.text, {**BOX, **delivery.headers}, SECRET)


ONFIDO = {
    "payload": {
        "resource_type": "workflow_run",
        "action": "workflow_run.completed",
        "object": {
            "id": "11111111-2222-3333-4444-555555555555",
            "status": "approved",
            "href": "https://api.example.com/1",
        },
    }
}

SENDERS = [
    Sender(
        "elevenlabs",
        "elevenlabs",
        SECRET,
        {"type": "post_call_transcription", "data": {"conversation_id": "conv_1"}},
        elevenlabs,
        lambda d: {"ElevenLabs-Signature": stamped(",", "v0")(d)},
        signs=False,
    ),
    Sender("retell", "retell-sdk", SECRET, {"event": "call_ended", "call": {"call_id": "call_1"}}, retell, retell_sign),
    Sender(
        "workos",
        "workos",
        SECRET,
        {"id": "event_1", "event": "user.created", "data": {"id": "user_1"}},
        workos,
        lambda d: {"WorkOS-Signature": stamped(", ", "v1", unit=1000)(d)},
        signs=False,
    ),
    Sender(
        "onfido",
        "onfido-python",
        SECRET,
        ONFIDO,
        onfido,
        lambda d: {"X-SHA2-Signature": hexmac(SECRET, d.body)},
        signs=False,
    ),
    Sender(
        "cloudinary",
        "cloudinary",
        SECRET,
        {"notification_type": "upload", "request_id": "r1", "asset_id": "a1"},
        cloudinary,
        cloudinary_sign("sha1"),
    ),
    Sender(
        "cloudinary",
        "cloudinary",
        SECRET,
        {"notification_type": "upload", "request_id": "r2", "asset_id": "a2"},
        cloudinary,
        cloudinary_sign("sha256"),
        variant="sha256",
    ),
    Sender(
        "pusher",
        "pusher",
        SECRET,
        pusher_body,
        pusher,
        lambda d: {"X-Pusher-Signature": hexmac(SECRET, d.body)},
        signs=False,
        headers={"x-pusher-key": "key1"},
    ),
    Sender(
        "box",
        "boxsdk",
        SECRET,
        {"type": "webhook_event", "id": "bx1", "trigger": "FILE.UPLOADED"},
        box,
        box_sign,
        headers=BOX,
    ),
]
