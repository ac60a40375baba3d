"""Checks Sealpost's catalogue against the senders' own SDKs, both ways; see README.md.

usage: run.py --sealpost BINARY [--only NAME…] [--providers FILE…] [--allow-missing] [--verbose]
"""

import argparse
import base64
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing is written into the checkout

import install  # noqa: E402
from gateway import Gateway  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
FEWEST = 40
"""Fewer senders than this mean that the table or the catalogue has lost some."""


class Worker:
    """One process with all SDKs of one language."""

    def __init__(self, language: str, command: list, folder: pathlib.Path, errors, **environment):
        self.language = language
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self.language} worker ended with {self.process.wait(10)}")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def workers(scratch: pathlib.Path, errors) -> list[Worker]:
    python, node = install.install()
    # Node finds packages from where its file is, so its files go beside them for this run.
    beside = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=node))
    for file in (HERE / "node").glob("*.mjs"):
        shutil.copy(file, beside)
    cache = str(python / "compiled")
    return [
        Worker(
            "python",
            [python / "venv/bin/python", HERE / "python/worker.py"],
            scratch,
            errors,
            PYTHONPYCACHEPREFIX=cache,
        ),
        Worker("node", ["node", beside / "worker.mjs"], beside, errors),
    ]


def check(worker: Worker, sender: dict, gateway: Gateway, refusal: int, library: str | None) -> tuple[int, list[str]]:
    """The number of checks of one sender, and what failed."""
    failures, route = [], sender["route_name"]
    made = worker.ask(do="sign", label=sender["label"])
    if "error" in made:
        return 2, [made["error"]]
    status = gateway.post(made["changed"])
    if status != refusal or gateway.upstream.of(route):
        arrived = "arrived" if gateway.upstream.of(route) else "did not arrive"
        failures.append(f"signed by the SDK and changed: {status}, {arrived} ({gateway.reasons(route)})")
    before = len(gateway.upstream.of(route))
    status = gateway.post(made["delivery"])
    arrived = gateway.upstream.of(route)[before:]
    exact = [body for headers, body in arrived if headers.get("sealpost-verified") == "true"] == [
        base64.b64decode(made["delivery"]["body"])
    ]
    if not (200 <= status < 300 and exact):
        failures.append(f"signed by the SDK: {status}, {len(arrived)} arrived ({gateway.reasons(route)})")
    # The library reads what it verified as JSON, so that is all that it can be asked about.
    verifiable = [(headers, body) for headers, body in arrived if library and is_json(body)]
    for headers, body in verifiable:
        # Whoever sent it: what goes on carries the gateway's own signature.
        forwarded = {"method": "POST", "url": "/", "headers": headers, "body": base64.b64encode(body).decode()}
        said = worker.ask(do="verify", label=library, delivery=forwarded)
        if not said.get("accepted") or said.get("changed_accepted"):
            failures.append(f"signed for the upstream: {said}")
    if not sender["takes_sealpost"]:
        return 2 + len(verifiable), failures
    try:
        unsigned = worker.ask(do="unsigned", label=sender["label"])["delivery"]
        said = worker.ask(do="verify", label=sender["label"], delivery=gateway.sign(sender, unsigned))
    except RuntimeError as error:
        return 4 + len(verifiable), failures if sender["differs"] else [*failures, f"sealpost sign: {error}"]
    if "error" in said:
        failures.append(f"signed by sealpost: {said['error']}")
    elif sender["differs"]:
        if said["accepted"]:
            failures.append("signed by sealpost: the SDK accepts it now; take `differs` out of the table")
    elif not said["accepted"]:
        failures.append(f"signed by sealpost: the SDK refuses it: {said['said']}")
    elif said["changed_accepted"]:
        failures.append("signed by sealpost: the SDK accepts a changed copy")
    return 4 + len(verifiable), failures


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def described(sender: dict, language: str, checks: int) -> str:
    """One sender's line of the report."""
    ways = "signs and verifies" if sender["sdk_signs"] else "verifies"
    note = f" ({sender['note']})" if sender["note"] else ""
    note += f"; known to differ: {sender['differs']}" if sender["differs"] else ""
    return f"{sender['label']}: {language} {sender['package']} {sender['version']} {ways}, {checks} checks{note}"


def run_language(
    worker: Worker, senders: list[dict], gateway: Gateway, refusals: dict[str, int], library: str | None
) -> list:
    results = []
    for sender in senders:
        try:
            checks, failures = check(worker, sender, gateway, refusals[sender["name"]], library)
        except Exception as error:
            checks, failures = 1, [f"{type(error).__name__}: {error}"]
        print(("ok     " if not failures else "FAILED ") + described(sender, worker.language, checks), flush=True)
        for failure in failures:
            print(f"       {failure}", flush=True)
        results.append((sender["name"], checks, len(failures)))
    return results


def catalogue(binary: str) -> dict[str, int]:
    """The catalogue's names with the status that each refuses with."""
    said = subprocess.run([binary, "providers", "--json"], capture_output=True, text=True, check=True, timeout=60)
    return {entry["name"]: entry["defaults"]["refusal_status"] for entry in json.loads(said.stdout)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sealpost", required=True, help="the binary to check")
    parser.add_argument("--only", nargs="+", help="names or labels of senders")
    parser.add_argument(
        "--providers", nargs="+", type=pathlib.Path, default=[], help="files of senders not yet in the binary"
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="pass although the catalogue lacks senders of the table"
    )
    parser.add_argument("--verbose", action="store_true", help="show what the SDKs print")
    # The test of cargo passes on no arguments, so scripts/sdks hands its own over in a variable.
    options = parser.parse_args(sys.argv[1:] + os.environ.get("SEALPOST_SDK_ARGUMENTS", "").split())
    try:
        return checked(options)
    except (install.Missing, RuntimeError, subprocess.SubprocessError) as error:
        print(f"sdks: {error}", file=sys.stderr)
        return 1


def checked(options: argparse.Namespace) -> int:
    """Runs everything and prints the report; the result is the exit code."""
    started = time.monotonic()
    binary = str(pathlib.Path(options.sealpost).resolve())
    known = {file.stem: 401 for file in options.providers} | catalogue(binary)
    errors = None if options.verbose else subprocess.DEVNULL
    with tempfile.TemporaryDirectory(prefix="sealpost-sdks-") as scratch:
        scratch = pathlib.Path(scratch)
        running = workers(scratch, errors)
        tables, missing, libraries, signs_with = {}, set(), {}, None
        for worker in running:
            table = worker.ask(do="table")
            if isinstance(table, dict):
                raise RuntimeError(f"the {worker.language} worker: {table['error']}")
            # The reference library, which verifies what the gateway signs for the upstream.
            reference = [s for s in table if (s["name"], s["package"]) == ("standard-webhooks", "standardwebhooks")]
            libraries[worker] = reference[0]["label"] if reference else None
            signs_with = reference[0]["secret"] if reference else signs_with
            wanted = [s for s in table if not options.only or {s["name"], s["label"]} & set(options.only)]
            missing |= {sender["name"] for sender in wanted if sender["name"] not in known}
            tables[worker] = [sender for sender in wanted if sender["name"] in known]
            for sender in tables[worker]:
                sender["route_name"] = f"{worker.language}-{sender['label']}"
                sender["path"] = f"/{worker.language}/{sender['label']}"
        everyone = [sender for table in tables.values() for sender in table]
        own = [file for file in options.providers if file.stem not in catalogue(binary)]
        with (
            Gateway(binary, scratch, everyone, own, signs_with) as gateway,
            concurrent.futures.ThreadPoolExecutor() as pool,
        ):
            runs = [
                pool.submit(run_language, worker, tables[worker], gateway, known, libraries[worker])
                for worker in running
            ]
            results = [result for run in runs for result in run.result()]
        for worker in running:
            worker.end()
        shutil.rmtree(pathlib.Path(running[1].process.args[1]).parent, ignore_errors=True)
    if missing:
        print(f"not in the catalogue: {' '.join(sorted(missing))}")
    failed = sum(failures for _, _, failures in results) + (0 if options.allow_missing else len(missing))
    names = {name for name, _, _ in results}
    if len(names) < FEWEST and not options.only:
        print(f"at least {FEWEST} senders should be there")
        failed += 1
    print(f"{len(names)} senders, {sum(checks for _, checks, _ in results)} checks, {failed} failed")
    print(f"after {time.monotonic() - started:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
