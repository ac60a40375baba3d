"""The Python side of the cross-check: answers the driver's requests, one line of JSON each, for all senders at once.

`table` lists the senders; `sign` has an SDK make a delivery, which that SDK must accept; `verify` asks an SDK about a
delivery and about a copy with a changed byte.
"""

import base64
import importlib
import json
import os
import sys
import warnings

from kit import Delivery, Sender, changed

# SDKs may print; only answers go to the driver.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
warnings.simplefilter("ignore")


FILES = ("commerce", "messaging", "payments", "platforms", "standard_webhooks", "telephony", "tokens")


def table() -> list[Sender]:
    return [sender for name in FILES for sender in importlib.import_module(name).SENDERS]


def described(sender: Sender) -> dict:
    return {
        "name": sender.name,
        "label": sender.label,
        "package": sender.package,
        "version": sender.version(),
        "secret": sender.secret,
        "signing_secret": sender.signing_secret or sender.secret,
        "route": sender.route,
        "sdk_signs": sender.signs,
        "takes_sealpost": sender.takes_sealpost,
        "differs": sender.differs,
        "note": sender.note,
    }


def accepts(sender: Sender, delivery: Delivery) -> tuple[bool, str]:
    """Whether the SDK accepts a delivery, and what it said if not."""
    try:
        said = sender.verify(delivery)
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"
    return bool(said), f"it returned {said!r}"


def sign(sender: Sender) -> dict:
    delivery = sender.signed()
    copy = changed(delivery, sender.change)
    well, said = accepts(sender, delivery)
    if not well:
        return {"error": f"the SDK refuses what was signed for it: {said}"}
    if accepts(sender, copy)[0]:
        return {"error": "the SDK accepts a changed copy of what was signed for it"}
    return {"delivery": written(delivery), "changed": written(copy)}


def verify(sender: Sender, delivery: Delivery) -> dict:
    well, said = accepts(sender, delivery)
    return {"accepted": well, "said": said, "changed_accepted": accepts(sender, changed(delivery, sender.change))[0]}


def written(delivery: Delivery) -> dict:
    body = base64.b64encode(delivery.body).decode()
    return {"method": delivery.method, "url": delivery.url, "headers": delivery.headers, "body": body}


def read(delivery: dict) -> Delivery:
    headers = {name.lower(): value for name, value in delivery["headers"].items()}
    return Delivery(delivery["url"], headers, base64.b64decode(delivery["body"]), delivery["method"])


def answer(request: dict, senders: dict[str, Sender]) -> object:
    if request["do"] == "table":
        return [described(sender) for sender in senders.values()]
    sender = senders[request["label"]]
    if request["do"] == "unsigned":
        return {"delivery": written(sender.unsigned())}
    if request["do"] == "sign":
        return sign(sender)
    return verify(sender, read(request["delivery"]))


def main() -> None:
    senders = {sender.label: sender for sender in table()}
    for line in sys.stdin:
        try:
            said = answer(json.loads(line), senders)
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), file=ANSWERS, flush=True)


main()
