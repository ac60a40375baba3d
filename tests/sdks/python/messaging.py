"""Senders of chat messages."""

from keys import ed25519_key, pem, public_raw
from kit import Delivery, Sender, b64mac, hexmac, now, refuses

SECRET = "sealpost-sdks-cross-check-secret"
FORM = "application/x-www-form-urlencoded"


def slack_verifier():
    from slack_sdk.signature import SignatureVerifier

    return SignatureVerifier(SECRET)


def slack_sign(delivery: Delivery):
    sent = str(now())
    signature = slack_verifier().generate_signature(timestamp=sent, body=delivery.body)
    return {"X-Slack-Request-Timestamp": sent, "X-Slack-Signature": signature}


def discord_sign(delivery: Delivery):
    sent = str(now())
    return {
        "X-Signature-Timestamp": sent,
        "X-Signature-Ed25519": ed25519_key().sign(sent.encode() + delivery.body).hex(),
    }


def discord(delivery: Delivery):
    from discord_interactions import verify_key

    headers = delivery.headers
    key = public_raw(ed25519_key()).hex()
    return verify_key(delivery.body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], key)


def line(delivery: Delivery):
    from linebot.v3.webhook import SignatureValidator

    return SignatureValidator(SECRET).validate(delivery.text, delivery.headers["x-line-signature"])


def viber_api():
    from viberbot import Api
    from viberbot.api.bot_configuration import BotConfiguration

    return Api(BotConfiguration(SECRET, "bot", ""))


def viber(delivery: Delivery):
    return viber_api().verify_signature(delivery.body, delivery.headers["x-viber-content-signature"])


def whatsapp(delivery: Delivery):
    from pywa.utils import webhook_updates_validator

    return webhook_updates_validator(SECRET, delivery.body, delivery.headers["x-hub-signature-256"])


def wechat_url(delivery: Delivery):
    """Signs in the query, as the sender does: the token, the time and a nonce, sorted."""
    from wechatpy.utils import WeChatSigner

    query, signer = delivery.query, WeChatSigner()
    sent = str(now())
    signer.add_data(SECRET, sent, query["nonce"])
    delivery.url += f"&timestamp={sent}&signature={signer.signature}"


def wechat(delivery: Delivery):
    from wechatpy.utils import check_signature

    query = delivery.query
    return refuses(check_signature, SECRET, query["signature"], query["timestamp"], query["nonce"])


def getstream(delivery: Delivery):
    from stream_chat.webhook import verify_signature

    return verify_signature(delivery.body, delivery.headers["x-signature"], SECRET)


SENDERS = [
    Sender(
        "slack",
        "slack_sdk",
        SECRET,
        {"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}},
        lambda d: slack_verifier().is_valid_request(d.body, d.headers),
        slack_sign,
    ),
    Sender(
        "slack",
        "slack_sdk",
        SECRET,
        "command=%2Fweather&text=94070&user_id=U1",
        lambda d: slack_verifier().is_valid_request(d.body, d.headers),
        slack_sign,
        variant="command",
        content_type=FORM,
    ),
    Sender(
        "discord",
        "discord-interactions",
        public_raw(ed25519_key()).hex(),
        {"id": "1", "type": 2, "data": {"name": "roll"}},
        discord,
        discord_sign,
        signs=False,
        signing_secret=pem(ed25519_key()),
    ),
    Sender(
        "line",
        "line-bot-sdk",
        SECRET,
        {"destination": "U1", "events": [{"webhookEventId": "W1", "type": "follow"}]},
        line,
        lambda d: {"x-line-signature": b64mac(SECRET, d.body)},
        signs=False,
    ),
    Sender(
        "viber",
        "viberbot",
        SECRET,
        {"event": "message", "message_token": 4912661846655238145},
        viber,
        lambda d: {"X-Viber-Content-Signature": viber_api()._calculate_message_signature(d.body)},
    ),
    Sender(
        "whatsapp-meta",
        "pywa",
        SECRET,
        {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": []}]},
        whatsapp,
        lambda d: {"X-Hub-Signature-256": "sha256=" + hexmac(SECRET, d.body)},
        signs=False,
        note="a library that is not the sender's own",
    ),
    Sender(
        "wechat-official-account",
        "wechatpy",
        SECRET,
        "<xml><MsgId>23</MsgId><MsgType>text</MsgType></xml>",
        wechat,
        wechat_url,
        content_type="text/xml",
        query="nonce=nonce42",
        change=("query", "nonce"),
        note="a library that is not the sender's own; the body is not signed: the changed copy has another nonce",
    ),
    Sender(
        "getstream",
        "stream-chat",
        SECRET,
        {"type": "message.new", "message": {"id": "gs1"}},
        getstream,
        lambda d: {"X-Signature": hexmac(SECRET, d.body)},
        signs=False,
    ),
]
