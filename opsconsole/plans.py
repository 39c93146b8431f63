"""A plan: what an operation would do, as one frozen value with exact canonical bytes and a digest.

The same object feeds the page an approver reads, the digest a vote binds to, the worker that runs it and `--plan`
on the command line. Canonical bytes follow RFC 8785 (JCS) for the subset used here: objects, arrays, strings,
integers, booleans and null; floats are refused, so that no two readers can disagree about a number.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from opsconsole.verify_audit import LARGEST_INTEGER as LARGEST_INTEGER
from opsconsole.verify_audit import canonical_json as canonical_json

PLAN_FORMAT = 2
READABLE_FORMATS = (1, PLAN_FORMAT)  # 1 knew neither losses nor confirmations; its bytes stay as they were


def digest_of(data: bytes) -> str:
    """`sha256:` followed by 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What happens to one table (or other object). Counts are rows; None means not known.

    `lost` rows are only in what is there now; `changed` ones are there before and after, and not the same. The newest
    times are RFC 3339 in UTC, "" where there is none. Without `exact`, `lost` and `changed` are estimates.
    """

    object: str
    action: str  # one word: replaced, created, removed, kept, read
    rows_before: int | None = None
    rows_after: int | None = None
    note: str = ""
    lost: int | None = None
    changed: int | None = None
    newest_before: str = ""
    newest_after: str = ""
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class Step:
    """One ordered step. `sql` holds exact bytes to be run; `artifact` is the digest of what it consumes."""

    title: str
    detail: str = ""
    sql: str = ""
    artifact: str = ""
    commit_point: bool = False  # after this step only a restore or an undo goes back


@dataclass(frozen=True, kw_only=True)
class Precondition:
    """A fact that must still hold when the operation is armed.

    `probe` names what to read (identity, incarnation, schema, backup, tool, ...), `subject` of what; `value` is what
    was read when planning.
    """

    probe: str
    subject: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """A database that the plan touches. `role` is target, source or shared (shared ones exclude nobody)."""

    database: str
    database_id: int
    identity: str
    role: str = "target"
    environment: str = ""
    protected: bool = False


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How far a loss may grow between approval and run: by `percent` of what was approved, or `rows`, the larger."""

    percent: int = 10
    rows: int = 100

    def allows(self, approved: int, now: int) -> bool:
        return now - approved <= max(approved * self.percent // 100, self.rows)


USUAL_GROWTH = Growth()


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What policies ask of the evidence of a plan: how old it may be, in hours; 0 asks for nothing.

    `rehearsal_hours` is since a rehearsal, `rehearsal_data_hours` since the moment of the rows it was made on.
    """

    rehearsal_hours: int = 0
    rehearsal_data_hours: int = 0

    def covers(self, other: Demand) -> bool:
        """Whether this asks for everything that `other` asks for."""
        return self == self.and_also(other)

    def and_also(self, other: Demand) -> Demand:
        """What both ask for."""
        return Demand(
            rehearsal_hours=_shorter(self.rehearsal_hours, other.rehearsal_hours),
            rehearsal_data_hours=_shorter(self.rehearsal_data_hours, other.rehearsal_data_hours),
        )

    @property
    def words(self) -> str:
        """As the end of a policy's sentence; "" when nothing is asked for."""
        if not (self.rehearsal_hours or self.rehearsal_data_hours):
            return ""
        age = f" not older than {self.rehearsal_hours} h" if self.rehearsal_hours else ""
        data = f" on data not older than {self.rehearsal_data_hours} h" if self.rehearsal_data_hours else ""
        return f"a migration, or taking one back, needs a rehearsal{age}{data}"


NO_DEMAND = Demand()


def _shorter(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What approving costs, and the number that an approver types beside the database's name to show having read it."""

    sentence: str  # "You would lose 412 orders of the last 6 h 10 min."
    number: int
    counts: str  # which number it is: "rows of orders that would be lost"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """See the module's docstring. `summary` is one sentence: what will be true afterwards."""

    kind: str
    summary: str
    targets: tuple[Target, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    effects: tuple[Effect, ...] = ()
    preconditions: tuple[Precondition, ...] = ()
    risk: str = "low"  # low, medium or high
    risk_reasons: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    way_back: str = ""
    confirmation: Confirmation | None = None
    policy_digest: str = ""  # the policies in force when it was sealed
    nonce: str = ""  # set when sealed, so that two equal plans have two digests
    format: int = PLAN_FORMAT

    def to_bytes(self) -> bytes:
        """The canonical bytes that are stored, shown, voted on and run."""
        return canonical_json(asdict(self) if self.format > 1 else _as_format_1(self))

    @property
    def digest(self) -> str:
        return digest_of(self.to_bytes())

    def sealed(self, *, policy_digest: str) -> Plan:
        """The plan as it is stored: bound to the policies of now, and different from every other plan."""
        return replace(self, policy_digest=policy_digest, nonce=secrets.token_hex(16))

    def target(self, role: str = "target") -> Target:
        """The database in a role. Raises KeyError when the plan has none."""
        for target in self.targets:
            if target.role == role:
                return target
        raise KeyError(role)

    @classmethod
    def from_bytes(cls, data: bytes | str) -> Plan:
        """Inverse of `to_bytes`. Raises ValueError when the format is newer than this code knows."""
        raw = json.loads(data)
        if raw.get("format") not in READABLE_FORMATS:
            raise ValueError(f"plan format {raw.get('format')} is not known to this version ({PLAN_FORMAT})")
        members = {f.name for f in fields(cls)}
        values = {key: raw[key] for key in raw if key in members}
        for name, member in (
            ("targets", Target),
            ("steps", Step),
            ("effects", Effect),
            ("preconditions", Precondition),
        ):
            values[name] = tuple(member(**item) for item in values.get(name, ()))
        values["risk_reasons"] = tuple(values.get("risk_reasons", ()))
        if values.get("confirmation"):
            values["confirmation"] = Confirmation(**values["confirmation"])
        return cls(**values)


_NEW_IN_FORMAT_2 = ("lost", "changed", "newest_before", "newest_after", "exact")


def _as_format_1(plan: Plan) -> dict[str, Any]:
    raw = asdict(plan)
    del raw["confirmation"]
    for effect in raw["effects"]:
        for name in _NEW_IN_FORMAT_2:
            del effect[name]
    return raw
