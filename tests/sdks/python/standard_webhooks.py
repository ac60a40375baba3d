"""Senders in the shape of Standard Webhooks, by their own SDKs; a few by its reference library."""

import base64
import datetime

from kit import Delivery, Sender, now, refuses, standard

KEY = b"sealpost-sdks-cross-check-key-01"
WHSEC = "whsec_" + base64.b64encode(KEY).decode()
BARE = base64.b64encode(KEY).decode()
TEXT = "sealpost-sdks-cross-check-secret"
WHOLE = "polar_whs_AbCdEf0123456789-abcdefgh"


def library(prefix: str = "webhook", package: str = "standardwebhooks", secret: str = WHSEC):
    """`sign` and `verify` of svix or standardwebhooks, whose functions are the same."""

    def hook():
        import importlib

        return importlib.import_module(package).Webhook(secret)

    def sign(delivery: Delivery):
        message, sent = f"msg_{now():x}{prefix}", datetime.datetime.now(datetime.timezone.utc)
        signature = hook().sign(message, sent, delivery.text)
        stamp = str(int(sent.timestamp()))
        return {f"{prefix}-id": message, f"{prefix}-timestamp": stamp, f"{prefix}-signature": signature}

    return {"sign": sign, "verify": lambda d: refuses(hook().verify, d.body, d.headers)}


def openai(secret: str):
    def verify(delivery: Delivery):
        from openai import OpenAI

        client = OpenAI(api_key="unused", webhook_secret=secret)
        return refuses(client.webhooks.unwrap, delivery.text, delivery.headers)

    return verify


def anthropic(delivery: Delivery):
    from anthropic import Anthropic

    return refuses(Anthropic(api_key="unused").beta.webhooks.unwrap, delivery.text, headers=delivery.headers, key=WHSEC)


def increase(delivery: Delivery):
    from increase import Increase

    return refuses(Increase(api_key="unused").events.unwrap, delivery.text, headers=delivery.headers, key=WHSEC)


def lithic(delivery: Delivery):
    from lithic import Lithic

    client = Lithic(api_key="unused", webhook_secret=WHSEC)
    return refuses(client.webhooks.verify_signature, delivery.text, delivery.headers)


def replicate(delivery: Delivery):
    from replicate.webhook import Webhooks, WebhookSigningSecret

    secret = WebhookSigningSecret(key=WHSEC)
    return refuses(Webhooks.validate, headers=delivery.headers, body=delivery.text, secret=secret, tolerance=300)


def resend(delivery: Delivery):
    from resend.webhooks._webhooks import Webhooks

    headers = {part: delivery.headers[f"svix-{part}"] for part in ("id", "timestamp", "signature")}
    return refuses(Webhooks.verify, {"payload": delivery.text, "headers": headers, "webhook_secret": WHSEC})


def finch(delivery: Delivery):
    from finch import Finch

    client = Finch(webhook_secret=BARE)
    return refuses(client.webhooks.verify_signature, delivery.text, delivery.headers)


def polar(delivery: Delivery):
    from polar.webhooks import validate_event

    return validate_event(delivery.body, delivery.headers, WHOLE, frozenset(["order.paid"]), lambda data: data)


FINCH = {"id": "finch-event-id", "timestamp": "finch-timestamp", "signature": "finch-signature"}
OPENAI = {"id": "evt_1", "object": "event", "type": "response.completed", "created_at": 1, "data": {"id": "resp_1"}}

SENDERS = [
    Sender("standard-webhooks", "standardwebhooks", WHSEC, {"type": "user.created", "data": {"id": "u1"}}, **library()),
    Sender("svix", "svix", WHSEC, {"type": "user.created", "data": {"id": "u2"}}, **library("svix", "svix.webhooks")),
    Sender(
        "svix",
        "svix",
        WHSEC,
        {"type": "user.created", "data": {"id": "u3"}},
        variant="neutral-headers",
        takes_sealpost=False,
        note="sealpost sign writes the svix-* headers",
        **library("webhook", "svix.webhooks"),
    ),
    Sender(
        "supabase-auth-hooks",
        "standardwebhooks",
        "v1," + WHSEC,
        {"user": {"email": "a@example.com"}, "type": "send_email"},
        note="the library that the sender's documents name",
        **library(),
    ),
    Sender(
        "gitlab-signed",
        "standardwebhooks",
        WHSEC,
        {"object_kind": "push", "ref": "refs/heads/main"},
        note="the library that the sender's documents name",
        **library(),
    ),
    Sender(
        "openai",
        "openai",
        WHSEC,
        OPENAI,
        openai(WHSEC),
        standard(KEY),
        signs=False,
    ),
    Sender(
        "openai",
        "openai",
        TEXT,
        OPENAI,
        openai(TEXT),
        standard(TEXT.encode()),
        signs=False,
        variant="text-secret",
    ),
    Sender(
        "anthropic",
        "anthropic",
        WHSEC,
        {
            "id": "evt_1",
            "type": "event",
            "created_at": "2026-01-01T00:00:00Z",
            "data": {"type": "session.idle", "id": "s1"},
        },
        anthropic,
        standard(KEY),
        signs=False,
    ),
    Sender(
        "increase",
        "increase",
        WHSEC,
        {"id": "event_1", "category": "account.created", "type": "event", "associated_object_id": "a1"},
        increase,
        standard(KEY),
        signs=False,
    ),
    Sender(
        "lithic",
        "lithic",
        WHSEC,
        {"event_type": "card.created", "card_token": "c1"},
        lithic,
        standard(KEY),
        signs=False,
    ),
    Sender("replicate", "replicate", WHSEC, {"id": "p1", "status": "succeeded"}, replicate, standard(KEY), signs=False),
    Sender(
        "resend",
        "resend",
        WHSEC,
        {"type": "email.sent", "data": {"email_id": "e1"}},
        resend,
        standard(KEY, "svix"),
        signs=False,
    ),
    Sender(
        "finch",
        "finch-api",
        BARE,
        {"company_id": "c1", "event_type": "job.completed", "data": {"job_id": "j1"}},
        finch,
        standard(KEY, names=FINCH),
        signs=False,
    ),
    Sender(
        "polar",
        "polar-sdk",
        WHOLE,
        {"type": "order.paid", "data": {"id": "o1"}},
        polar,
        standard(WHOLE.encode()),
        signs=False,
    ),
]
