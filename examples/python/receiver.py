#!/usr/bin/env python3
"""A webhook receiver behind Sealpost, with nothing but Python's standard library.

No signature is checked here: the gateway has done it. Listen only where the gateway reaches this, never on a public address.

    python3 receiver.py [PORT]
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the gateway's connection open

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))  # always there and always right
        event = self.headers.get("sealpost-event-id", "-")
        kind = self.headers.get("sealpost-event-type", "-")
        attempt = self.headers.get("sealpost-attempt", "-")
        try:
            json.loads(body)
        except ValueError:
            return self.answer(422, {"error": "not JSON"})
        # Do the work here, then answer. 2xx means done: the gateway will not send this event again.
        # Anything else means the sender's retry is welcome.
        print(f"{kind} {event}, attempt {attempt}, {len(body)} bytes", flush=True)
        return self.answer(200, {"received": True})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
