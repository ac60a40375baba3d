"""The running gateway of the cross-check, the upstream behind it that records, and `sealpost sign`."""

import base64
import http.client
import http.server
import json
import pathlib
import queue
import subprocess
import threading
import time
import urllib.parse

ORIGIN = "https://hooks.example.com"
PATIENCE = 20
"""Seconds for anything that should take milliseconds."""


class Upstream:
    """Answers 200 to everything and keeps what came, by route."""

    def __init__(self):
        upstream = self
        self.received: dict[str, list[tuple[dict, bytes]]] = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                upstream.received.setdefault(headers.get("sealpost-route", "?"), []).append((headers, body))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def of(self, route: str) -> list[tuple[dict, bytes]]:
        return self.received.get(route, [])


class Gateway:
    """`sealpost run` with a route for every sender; `with` starts and ends it."""

    def __init__(
        self, binary: str, folder: pathlib.Path, senders: list[dict], own: list[pathlib.Path], signs_with: str
    ):
        self.binary, self.folder, self.own = binary, folder, own
        (folder / "upstream.secret").write_text(signs_with)
        self.upstream = Upstream()
        self.log: list[dict] = []
        self.addresses: queue.Queue = queue.Queue()
        self.file = folder / "gateway.yaml"
        self.file.write_text(self.configuration(senders))

    def configuration(self, senders: list[dict]) -> str:
        """A line of JSON, which is YAML, for each route; `providers` are copied as they are written."""
        routes = []
        for sender in senders:
            (self.folder / f"{sender['route_name']}.secret").write_text(sender["secret"])
            (self.folder / f"{sender['route_name']}.signing").write_text(sender["signing_secret"])
            route = {
                "name": sender["route_name"],
                "match": {"path": sender["path"]},
                "provider": sender["name"],
                "secrets": [f"file:{self.folder}/{sender['route_name']}.secret"],
                "upstream": {
                    "url": self.upstream.url,
                    "sign": {"secret": f"file:{self.folder}/upstream.secret"},
                },
                "public_url": ORIGIN,
            }
            routes.append({**route, **sender["route"]})
        lines = ["listen: [{ address: 127.0.0.1:0 }]"]
        if self.own:
            lines.append("providers:")
        for file in self.own:
            lines.append(f"  {file.stem}:")
            lines += [f"    {line}" for line in file.read_text().splitlines() if not line.startswith("name:")]
        return "\n".join([*lines, "routes:", *(f"  - {json.dumps(route)}" for route in routes), ""])

    def __enter__(self):
        self.process = subprocess.Popen(
            [self.binary, "run", str(self.file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self.read_log, daemon=True).start()
        address = self.addresses.get(timeout=PATIENCE)
        if address is None:
            said = subprocess.run([self.binary, "check", str(self.file)], capture_output=True, text=True, timeout=60)
            self.process.wait(PATIENCE)
            raise RuntimeError(f"the gateway does not start:\n{said.stdout}{said.stderr}")
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        return self

    def read_log(self):
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"message": line}
            self.log.append(entry)
            if entry.get("message") == "listening" and entry.get("kind") == "gateway":
                self.addresses.put(entry["address"])
        self.addresses.put(None)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.upstream.server.shutdown()

    def post(self, delivery: dict) -> int:
        """Sends a delivery and returns the status."""
        parts = urllib.parse.urlsplit(delivery["url"])
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(delivery["method"], target, base64.b64decode(delivery["body"]), delivery["headers"])
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def reasons(self, route: str) -> str:
        """What the log says about a route, for a report."""
        time.sleep(0.2)  # lines are written in bundles
        words = [str(entry.get("reason")) for entry in self.log if entry.get("route") == route and entry.get("reason")]
        return ", ".join(words) or f"nothing in the log of {self.log[-3:]}"

    def sign(self, sender: dict, unsigned: dict) -> dict:
        """A delivery signed by `sealpost sign` over what the sender would send.

        # Errors
        `RuntimeError` with what it said.
        """
        secret = self.folder / f"{sender['route_name']}.signing"
        command = [self.binary, "sign", "--provider", sender["name"], "--secret", f"file:{secret}", "--body", "-"]
        command += ["--url", unsigned["url"], "--format", "json"]
        if self.own:
            command += ["--config", str(self.file)]
        body = base64.b64decode(unsigned["body"])
        done = subprocess.run(command, input=body, capture_output=True, timeout=PATIENCE)
        if done.returncode:
            raise RuntimeError(done.stderr.decode().strip())
        said = json.loads(done.stdout)
        return {
            "method": said["method"],
            "url": said["url"],
            "headers": {**unsigned["headers"], **{name.lower(): value for name, value in said["headers"].items()}},
            "body": base64.b64encode(said["body"].encode()).decode(),
        }
