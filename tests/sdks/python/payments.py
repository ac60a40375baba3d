"""Senders that move money."""

import datetime
import json
import urllib.parse

from kit import Delivery, Sender, b64mac, hexmac, now, refuses

SECRET = "sealpost-sdks-cross-check-secret"
STRIPE = "whsec_sealpostSdksCrossCheck01"
HEX = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"


def stripe_sign(delivery: Delivery):
    from stripe import WebhookSignature

    return {"Stripe-Signature": WebhookSignature.generate_signature_header(delivery.text, STRIPE)}


def stripe(delivery: Delivery):
    from stripe import Webhook

    return Webhook.construct_event(delivery.body, delivery.headers["stripe-signature"], STRIPE)


def square(delivery: Delivery):
    from square.utils.webhooks_helper import verify_signature

    return verify_signature(
        request_body=delivery.text,
        signature_header=delivery.headers["x-square-hmacsha256-signature"],
        signature_key=SECRET,
        notification_url=delivery.url,
    )


def paddle_sign(delivery: Delivery):
    from paddle_billing.Notifications.PaddleSignature import PaddleSignature

    sent = now()
    mac = PaddleSignature.calculate_hmac(SECRET, f"{sent}:{delivery.text}".encode()).hexdigest()
    return {"Paddle-Signature": f"ts={sent};h1={mac}"}


def paddle(delivery: Delivery):
    from paddle_billing.Notifications import Secret, Verifier

    class Request:
        body = delivery.body
        content = delivery.body
        data = delivery.body
        headers = {"Paddle-Signature": delivery.headers["paddle-signature"]}

    return Verifier().verify(Request(), Secret(SECRET))


def razorpay(delivery: Delivery):
    import razorpay as sdk

    utility = sdk.Client(auth=("id", "secret")).utility
    return utility.verify_webhook_signature(delivery.text, delivery.headers["x-razorpay-signature"], SECRET)


def gocardless(delivery: Delivery):
    from gocardless_pro import webhooks

    return webhooks.parse(delivery.text, SECRET, delivery.headers["webhook-signature"])


def braintree_gateway():
    import braintree

    return braintree.BraintreeGateway(
        braintree.Configuration(braintree.Environment.Sandbox, "merchant", "public_key_1", "private_key_1")
    )


def braintree_body() -> str:
    return "bt_signature=&bt_payload="


def braintree_sign(delivery: Delivery):
    sample = braintree_gateway().webhook_testing.sample_notification("subscription_canceled", "sub_1")
    fields = {"bt_signature": sample["bt_signature"], "bt_payload": sample["bt_payload"].decode()}
    delivery.body = urllib.parse.urlencode(fields).encode()


def braintree(delivery: Delivery):
    return braintree_gateway().webhook_notification.parse(delivery.form["bt_signature"], delivery.form["bt_payload"])


ADYEN_ITEM = {
    "pspReference": "7914073381342284",
    "originalReference": "",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "TestPayment-1407325143704",
    "amount": {"value": 1130, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
    "eventDate": "2026-01-01T00:00:00+01:00",
}


def adyen_body() -> dict:
    item = {**ADYEN_ITEM, "additionalData": {"hmacSignature": ""}}
    return {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}


def adyen_sign(delivery: Delivery):
    from Adyen.util import generate_notification_sig

    body = adyen_body()
    signature = generate_notification_sig(ADYEN_ITEM, HEX).decode()
    body["notificationItems"][0]["NotificationRequestItem"]["additionalData"]["hmacSignature"] = signature
    delivery.body = json.dumps(body).encode()


def adyen(delivery: Delivery):
    from Adyen.util import is_valid_hmac_notification

    return is_valid_hmac_notification(delivery.json, HEX)


def adyen_platform_sign(delivery: Delivery):
    from Adyen.util import generate_payload_sig

    return {"HmacSignature": generate_payload_sig(delivery.body, HEX).decode()}


def adyen_platform(delivery: Delivery):
    from Adyen.util import is_valid_hmac_payload

    return is_valid_hmac_payload(delivery.headers["hmacsignature"], HEX, delivery.body)


def coinbase_sign(delivery: Delivery):
    from coinbase_commerce.webhook import WebhookSignature

    return {"X-CC-Webhook-Signature": WebhookSignature._compute_signature(delivery.text, SECRET)}


def coinbase(delivery: Delivery):
    from coinbase_commerce.webhook import Webhook

    return Webhook.construct_event(delivery.text, delivery.headers["x-cc-webhook-signature"], SECRET)


def orb_sign(delivery: Delivery):
    sent = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None).isoformat()
    return {"X-Orb-Timestamp": sent, "X-Orb-Signature": "v1=" + hexmac(SECRET, f"v1:{sent}:{delivery.text}")}


def orb(delivery: Delivery):
    from orb import Orb

    client = Orb(api_key="unused", webhook_secret=SECRET)
    return refuses(client.webhooks.verify_signature, delivery.body, delivery.headers)


def modern_treasury_client():
    from modern_treasury import ModernTreasury

    return ModernTreasury(api_key="unused", organization_id="unused", webhook_key=SECRET)


def modern_treasury(delivery: Delivery):
    return modern_treasury_client().webhooks.validate_signature(delivery.text, delivery.headers)


def mercadopago_sign(delivery: Delivery):
    sent, query = str(now()), delivery.query
    manifest = f"id:{query['data.id']};request-id:{delivery.headers['x-request-id']};ts:{sent};"
    return {"x-signature": f"ts={sent},v1={hexmac(SECRET, manifest)}"}


def mercadopago(delivery: Delivery):
    from mercadopago.webhook import WebhookSignatureValidator

    return refuses(
        WebhookSignatureValidator.validate,
        delivery.headers["x-signature"],
        delivery.headers.get("x-request-id"),
        delivery.query.get("data.id"),
        SECRET,
        tolerance_seconds=300,
    )


SENDERS = [
    Sender(
        "stripe",
        "stripe",
        STRIPE,
        {"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {}}},
        stripe,
        stripe_sign,
    ),
    Sender(
        "square",
        "squareup",
        SECRET,
        {"event_id": "sq_1", "type": "payment.updated", "merchant_id": "M1"},
        square,
        lambda d: {"x-square-hmacsha256-signature": b64mac(SECRET, d.url + d.text)},
        signs=False,
    ),
    Sender(
        "paddle",
        "paddle-python-sdk",
        SECRET,
        {"event_id": "pd_1", "event_type": "transaction.paid"},
        paddle,
        paddle_sign,
    ),
    Sender(
        "razorpay",
        "razorpay",
        SECRET,
        {"event": "payment.captured", "payload": {"payment": {"entity": {"id": "pay_1"}}}},
        razorpay,
        lambda d: {"X-Razorpay-Signature": hexmac(SECRET, d.body)},
        signs=False,
    ),
    Sender(
        "gocardless",
        "gocardless_pro",
        SECRET,
        {"events": [{"id": "EV1", "action": "paid_out", "resource_type": "payments"}], "meta": {"webhook_id": "WB1"}},
        gocardless,
        lambda d: {"Webhook-Signature": hexmac(SECRET, d.body)},
        signs=False,
    ),
    Sender(
        "braintree",
        "braintree",
        "private_key_1",
        braintree_body,
        braintree,
        braintree_sign,
        content_type="application/x-www-form-urlencoded",
        route={"verify_token": {"insecure": "public_key_1"}},
        differs="the SDK wants its public key beside the signature, which sealpost sign does not know",
    ),
    Sender(
        "adyen", "Adyen", HEX, adyen_body, adyen, adyen_sign, change=("body", b"7914073381342284", b"7914073381342285")
    ),
    Sender(
        "adyen-platform",
        "Adyen",
        HEX,
        {"data": {"id": "AP1"}, "type": "balancePlatform.created"},
        adyen_platform,
        adyen_platform_sign,
    ),
    Sender(
        "coinbase-commerce",
        "coinbase-commerce",
        SECRET,
        {"event": {"id": "cc_1", "type": "charge:confirmed"}},
        coinbase,
        coinbase_sign,
    ),
    Sender("orb", "orb-billing", SECRET, {"id": "orb_1", "type": "invoice.issued"}, orb, orb_sign, signs=False),
    Sender(
        "modern-treasury",
        "modern-treasury",
        SECRET,
        {"event": "created", "data": {"id": "mt_1"}},
        modern_treasury,
        lambda d: {"X-Signature": modern_treasury_client().webhooks.get_signature(d.text)},
    ),
    Sender(
        "mercadopago",
        "mercadopago",
        SECRET,
        {"id": 12345, "type": "payment", "action": "payment.updated", "data": {"id": "999009"}},
        mercadopago,
        mercadopago_sign,
        signs=False,
        headers={"x-request-id": "7d2c3b1a-0000-4000-8000-000000000001"},
        query="data.id=999009&type=payment",
        change=("query", "data.id"),
        note="the body is not signed: the changed copy has another data.id",
    ),
]
