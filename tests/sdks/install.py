"""Installs the SDKs at the versions of the lock files, outside the checkout, and finds them until those change."""

import concurrent.futures
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
FORGOTTEN_AFTER = 30 * 86400
"""Seconds after which an installation that no run used is removed."""


class Missing(Exception):
    """What the machine lacks, in one sentence."""


def home() -> pathlib.Path:
    """SEALPOST_SDK_DIR, else a folder in the build's output, else one in the user's cache; never in the checkout."""
    if given := os.environ.get("SEALPOST_SDK_DIR"):
        folder = pathlib.Path(given).resolve()
    elif target := os.environ.get("CARGO_TARGET_DIR"):
        folder = pathlib.Path(target).resolve() / "sdks"
    else:
        folder = None
    if folder is None or folder.is_relative_to(CHECKOUT):
        cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(cache).resolve() / "sealpost-sdks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tools() -> str:
    """Checks what is needed on the machine and returns Node's version.

    # Errors
    `Missing` if Python is too old or has no `venv`, or if Node or npm is not there.
    """
    if sys.version_info < (3, 11):
        raise Missing(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise Missing("Python's venv is missing (Debian: apt-get install python3-venv)") from error
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Missing("node and npm are missing (Debian: apt-get install nodejs npm)")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 20:
        raise Missing(f"Node 20 or newer is needed, this is {version}")
    return version


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def run(command: list, folder: pathlib.Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900)
    if done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        raise RuntimeError(f"`{' '.join(map(str, command[:4]))} …` failed with {done.returncode}:\n{said}")


def python(folder: pathlib.Path) -> None:
    run([sys.executable, "-m", "venv", "venv"], folder)
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The lock has every dependency, so nothing is resolved; only what is imported is compiled, when it is.
    lock = HERE / "python/requirements.txt"
    run([*pip, "--no-deps", "--no-compile", "--no-cache-dir", "--require-hashes", "-r", lock], folder)
    run([folder / "venv/bin/python", "-m", "pip", "uninstall", "--quiet", "--yes", "pip"], folder)


def node(folder: pathlib.Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, folder)
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)
    # A third of what came is types and source maps, which nothing reads here.
    for pattern in ("*.map", "*.d.ts", "*.d.mts", "*.d.cts"):
        for file in (folder / "node_modules").rglob(pattern):
            file.unlink()


def ready(folder: pathlib.Path, make) -> str:
    """Makes `folder` with `make` unless it is complete; says what was done."""
    stamp = folder / ".complete"
    if stamp.exists():
        stamp.touch()
        return f"{folder.name} is there"
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    make(folder)
    stamp.touch()
    return f"{folder.name} installed in {time.monotonic() - started:.0f} s"


@contextlib.contextmanager
def locked(folder: pathlib.Path):
    """One installation at a time, also between processes."""
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install() -> tuple[pathlib.Path, pathlib.Path]:
    """Where the Python and the Node packages are, after installing what is not there, both at once.

    # Errors
    `Missing` if a tool is not there, `RuntimeError` with what pip or npm said.
    """
    version, folder = tools(), home()
    print(f"SDKs in {folder}", flush=True)
    made = {
        folder / f"python-{digest((HERE / 'python/requirements.txt').read_bytes(), sys.version.encode())}": python,
        folder / f"node-{digest((HERE / 'node/package-lock.json').read_bytes(), version.encode())}": node,
    }
    with locked(folder), concurrent.futures.ThreadPoolExecutor() as pool:
        for said in pool.map(ready, made.keys(), made.values()):
            print(said, flush=True)
        for old in [*folder.glob("python-*"), *folder.glob("node-*")]:
            stamp = old / ".complete"
            if old not in made and (not stamp.exists() or stamp.stat().st_mtime < time.time() - FORGOTTEN_AFTER):
                shutil.rmtree(old, ignore_errors=True)
    return tuple(made)
