"""What a database says of itself in a moment: cheap enough to be asked once a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """Figures of one look; what does not apply to a vendor is None or "".

    `latency_ms` is how long a trivial question took, `connect_ms` what it took to open the session. Connections are
    of clients to the whole server, ours left out; transactions are of clients in this database. `unknown` says of a
    figure why the server did not tell it.
    """

    latency_ms: float
    connect_ms: float
    size_bytes: int | None = None
    role: str = ""  # primary or standby
    lag_seconds: float | None = None  # how far a standby is behind
    replicas: int | None = None  # standbys that are fed from here
    connections: int | None = None
    connections_most: int | None = None
    longest_transaction_seconds: float | None = None
    waiting: int | None = None  # sessions that wait for a lock
    journal: str = ""  # SQLite: wal, delete, ...
    wal_bytes: int | None = None
    free_bytes: int | None = None  # pages of the file that hold nothing
    unknown: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The figures that are known, and why others are not."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "", {})}
