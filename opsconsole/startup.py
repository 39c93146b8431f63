"""The programs of a console: how each is started, in which order, and the file that says what runs."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from opsconsole import process
from opsconsole.embedded.redis import EmbeddedRedis
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.process_tree import Member, ProcessTree, how_it_ended

WORKER_GRACE_SECONDS = 30.0
READY_SECONDS = 120.0
MANAGE = settings.BASE_DIR / "manage.py"


class HomeLock:
    """One `up` a home. The kernel frees the lock when its holder ends, however that happens."""

    def __init__(self, home: Path) -> None:
        self._path = home / "up.lock"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = read_run_file(home)
            where = f" at {running['url']}" if "url" in running else ""
            raise Refused(
                "already_running",
                f"A console is already running on {home}{where}.",
                "Use that one, stop it first, or give this one another OPSCONSOLE_HOME.",
            ) from None


def refuse_used_port(host: str, port: int) -> None:
    """Say that a port is taken before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(
                "port_in_use",
                f"The console cannot listen on {host}:{port} ({error.strerror}).",
                f"Choose another port, for example: make run PORT={port + 1}",
            ) from None


def start_broker(tree: ProcessTree) -> str:
    """The broker's address: the configured one, else of a server of our own."""
    if settings.BROKER_URL:
        return str(settings.BROKER_URL)
    server = EmbeddedRedis(settings.OPSCONSOLE_HOME / "broker")
    log = tree.log("broker")
    server.start(log=log)
    assert server.child is not None
    tree.adopt("broker", server.child, log)
    return server.url()


def migrate(tree: ProcessTree) -> None:
    """In a process of its own, so that MIGRATE_DATABASE_URL counts for it alone."""
    tree.run("migrate", manage("migrate", "--no-input"), env={}, cwd=settings.BASE_DIR)


def collect_static(tree: ProcessTree) -> None:
    """Collect and compress static files, unless nothing has changed since the last time."""
    stamp = settings.STATIC_ROOT / ".collected"
    wanted = _static_digest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    tree.run("collectstatic", manage("collectstatic", "--no-input", "-v0"), env={}, cwd=settings.BASE_DIR)
    stamp.write_text(wanted)


def start_web(tree: ProcessTree, host: str, port: int, broker: str) -> None:
    argv = [process.python(), "-m", "gunicorn", "-c", "python:opsconsole.web_server"]
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    env = {"OPSCONSOLE_BIND": bind, "BROKER_URL": broker, "DJANGO_SETTINGS_MODULE": "opsconsole.settings"}
    tree.start("web", argv, env=env, cwd=settings.BASE_DIR, grace=15.0)


def start_worker(tree: ProcessTree, queues: Sequence[str], broker: str) -> None:
    """The Celery worker and the ticker beside it."""
    env = {"BROKER_URL": broker, "WORKER_QUEUES": ",".join(queues)}
    argv = [
        *celery("worker"), "--pool", "prefork", "--concurrency", str(settings.WORKER_CONCURRENCY),
        "--queues", ",".join(queues), "--hostname", f"worker-{os.getpid()}@%h",
        "--without-gossip", "--without-mingle", "--loglevel", "INFO",
    ]  # fmt: skip
    tree.start("ticker", manage("ticker"), env=env, cwd=settings.BASE_DIR, grace=WORKER_GRACE_SECONDS)
    tree.start("worker", argv, env=env, cwd=settings.BASE_DIR, grace=WORKER_GRACE_SECONDS)


def start_beat(tree: ProcessTree, broker: str) -> None:
    folder = settings.OPSCONSOLE_HOME / "beat"
    folder.mkdir(mode=0o700, exist_ok=True)
    argv = [*celery("beat"), "--pidfile", "", "--schedule", folder / "schedule", "--loglevel", "WARNING"]
    tree.start("beat", argv, env={"BROKER_URL": broker}, cwd=settings.BASE_DIR)


def wait_until_ready(tree: ProcessTree, host: str, port: int) -> None:
    """Wait until the login page answers. Raises OperationFailed when a program ends first, or nothing answers."""
    deadline = time.monotonic() + READY_SECONDS
    while not tree.asked_to_stop:
        if member := tree.ended():
            raise OperationFailed("start_failed", how_it_ended(member))
        if _login_page_answers(host, port):
            return
        if time.monotonic() > deadline:
            raise OperationFailed("not_ready", f"The login page did not answer within {READY_SECONDS:.0f} seconds.")
        time.sleep(0.1)


def url_of(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def told_broker(broker: str) -> str:
    """What `run.json` says of the broker: its address, or nothing where that holds a password."""
    return "" if urlsplit(broker).password else broker


def write_run_file(home: Path, content: dict[str, Any]) -> None:
    """What runs, for commands in another shell; replaced at once, readable by its owner only."""
    fresh = home / f".run.json.{os.getpid()}"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(content, indent=2) + "\n")
    fresh.replace(home / "run.json")


def read_run_file(home: Path) -> dict[str, Any]:
    """Its content, or nothing when there is none."""
    try:
        found = json.loads((home / "run.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remove_run_file(home: Path) -> None:
    (home / "run.json").unlink(missing_ok=True)


def manage(*words: str) -> list[str | Path]:
    return [process.python(), MANAGE, *words]


def celery(*words: str) -> list[str | Path]:
    return [process.python(), "-m", "celery", "--quiet", "-A", "opsconsole", *words]


def report_end(member: Member) -> str:
    """What to say when a program of the tree ended by itself."""
    return f"{how_it_ended(member)}\nThe console was stopped because of that."


def _login_page_answers(host: str, port: int) -> bool:
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only compared with
    line = http.client.HTTPConnection(reachable, port, timeout=5)
    try:
        line.request("GET", "/login/", headers={"Host": names[0] if names else reachable})
        return line.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def _static_digest() -> str:
    """Changes when a static file of ours or a pinned package does."""
    total = hashlib.sha256((settings.BASE_DIR / "requirements.txt").read_bytes())
    for folder in settings.STATICFILES_DIRS:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                total.update(f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}".encode())
    return total.hexdigest()
