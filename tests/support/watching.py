"""Watching every process of a console: what its arguments, its environment and its open files give away."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROLES = (  # the first whose word is in the command line
    ("runner", b"opsconsole.runner_process"), ("copy worker", b"copy_worker.py"), ("copy worker", b"digest_worker.py"),
    ("probe", b"probe.py"), ("pg_dump", b"pg_dump"), ("pg_restore", b"pg_restore"), ("embedded server", b"/postgres"),
    ("web", b"gunicorn"), ("web", b"opsconsole-web"), ("beat", b"celery\0--quiet\0-A\0opsconsole\0beat"),
    ("worker", b"celery"), ("ticker", b"manage.py\0ticker"), ("migrate", b"manage.py\0migrate"),
    ("collectstatic", b"manage.py\0collectstatic"), ("up", b"manage.py\0up"), ("command", b"manage.py"),
)  # fmt: skip


@dataclass
class Seen:
    """What was seen of one process: its command lines, environments, and the names of what it had open."""

    role: str
    texts: dict[str, set[bytes]] = field(default_factory=lambda: {"argv": set(), "environ": set(), "open": set()})


class Watch:
    """Looks at /proc without a pause, in a thread, for processes whose environment carries one of `marks`."""

    def __init__(self, marks: Iterable[str]) -> None:
        self._marks = [mark.encode() for mark in marks]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: dict[tuple[int, str], Seen] = {}

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def roles(self) -> set[str]:
        return {found.role for found in self.seen.values()}

    def leaks(self, secrets: Mapping[str, str], where: str) -> set[tuple[str, str]]:
        """(role, name of the secret) of what was found in argv, environ or the names of open files."""
        return {
            (found.role, name)
            for found in self.seen.values()
            for name, secret in secrets.items()
            if any(secret.encode() in text for text in found.texts[where])
        }

    def _look(self) -> None:
        while not self._over.wait(0.01):
            for entry in os.scandir("/proc"):
                if entry.name.isdigit() and int(entry.name) != os.getpid():
                    self._note(int(entry.name), Path(entry.path))

    def _note(self, pid: int, entry: Path) -> None:
        try:
            environ, argv = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
            if not argv or not any(mark in environ for mark in self._marks):
                return
            role = next((role for role, word in ROLES if word in argv), "other: " + argv[:80].decode(errors="replace"))
            found = self.seen.setdefault((pid, role), Seen(role))
            found.texts["argv"].add(argv)
            found.texts["environ"].add(environ)
            for descriptor in (entry / "fd").iterdir():
                found.texts["open"].add(os.readlink(descriptor).encode())
        except OSError:
            return
