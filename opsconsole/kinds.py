"""The contract of a kind of operation, and the registry of kinds.

A kind declares facts and has three methods. The kernel knows kinds only through this table; an app registers its
kinds in its `AppConfig.ready()`. A kind that needs another one asks the registry for it by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from opsconsole.exceptions import Moved, Usage
from opsconsole.plans import Demand, Growth, Plan, Step

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from opsconsole.engines.base import Engine, TargetLock
    from opsconsole.models import Account, Database, Operation, Token


class Witness(StrEnum):
    """What a later process reads about the commit point of an operation whose worker was lost."""

    DONE = "done"
    NOT_DONE = "not_done"
    PARTLY = "partly"  # some steps of several stand; the result that goes with it tells which
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One field of a kind's form and one `--set NAME=VALUE` of the command line."""

    name: str
    label: str
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    required: bool = False
    several: bool = False  # any of the choices, with commas between them
    secret: bool = False  # never in a plan, an argument or an event: kept encrypted for the operation, then removed
    local: bool = False  # a path on the machine of the command line, which reads it (see `Kind.bring`); in no form


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What had to be done on the command line's machine before planning.

    `parameters` are the settings as `plan` takes them; `first` is an operation that must succeed before.
    """

    parameters: Mapping[str, str]
    first: Operation | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody asks for. `parameters` are checked texts by name; `requester` is a login, for messages only."""

    database: Database
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # those parameters that are secret
    requester: str = ""
    visible: QuerySet[Database] | None = None  # what the requester may see; None: everything


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended well. `summary` is one sentence; `data` is JSON (ids, counts, digests), never a secret."""

    summary: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Afterwards:
    """What can be done about an operation that succeeded: a sentence, the request that does it, a page to look at."""

    sentence: str
    kind: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    label: str = ""  # of the button
    icon: str = "undo"  # of the button, a Material Symbols name
    link: str = ""  # a page of ours
    link_text: str = ""


class Run(Protocol):
    """What a kind may use while it runs (opsconsole/runner.py implements it; tests have an in-memory twin)."""

    operation_id: int
    fence: int
    plan: Plan
    workdir: Path  # private, on the store's disk, removed afterwards

    def database(self, role: str = "target") -> Database: ...
    def engine(self, role: str = "target") -> Engine:
        """The engine of the plan's database in that role, its sessions labelled with this operation and fence."""
        ...

    def lock(self, role: str = "target") -> TargetLock:
        """The lock in that database, held by the runner since before `run` was called."""
        ...

    def arm(self) -> None:
        """Check everything again just before the first write. Raises Stale, Cancelled, Refused or FenceLost."""
        ...

    def look_again(self) -> None:
        """Ask the kind what it would cost by now (see `Kind.moved`), as arming did. Raises Stale."""
        ...

    def recheck(self) -> None:
        """Probe the preconditions once more (right before a swap). Raises Stale."""
        ...

    def before_commit(self, *, witness: Mapping[str, Any] | None = None) -> None:
        """Re-read fence and cancel flag, store the witness; the commit point follows. Raises Cancelled, FenceLost."""
        ...

    def after_commit(self) -> None:
        """The commit point has passed: from now on it is too late to cancel."""
        ...

    def after_step(self, *, witness: Mapping[str, Any]) -> None:
        """The commit point of one step of several has passed: it stays, and the next one may still be cancelled.

        `witness` has `done` and `of`, numbers of steps, for pages too.
        """
        ...

    def progress(self, done: int, total: int, unit: str, *, step: str = "") -> None: ...
    def log(self, line: str) -> None: ...
    def check_cancel(self) -> None:
        """Raises Cancelled when somebody asked to stop and the commit point has not passed. Call it often."""
        ...

    def failpoint(self, name: str) -> None: ...
    def secret(self, name: str) -> str:
        """What was handed over for this operation as a secret parameter; "" when nothing was."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What `witness` may use: the sealed plan, what the dead runner stored, and engines; nothing else."""

    operation_id: int
    fence: int
    plan: Plan
    witness: Mapping[str, Any]
    engines: Mapping[str, Engine]  # by role


class Kind(ABC):
    """One verb."""

    name: ClassVar[str]
    label: ClassVar[str]  # "Back up", "Restore": the verb on a button
    noun: ClassVar[str] = ""  # "verification", where the name is no noun
    engines: ClassVar[frozenset[str]]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    mutates: ClassVar[bool] = True
    repeatable: ClassVar[bool] = False  # may be retried automatically
    gated: ClassVar[bool] = True  # whether the default policy asks for a second person
    compares: ClassVar[bool] = True  # its losses come of comparing rows on both sides: those set back are known, too
    like: ClassVar[str] = ""  # another kind, whose policies ask for their people here too
    demands_alike: ClassVar[bool] = False  # whether they ask for their evidence here, too
    stall_seconds: ClassVar[int] = 600  # no progress for so long ends the run
    deadline_seconds: ClassVar[int] = 6 * 3600

    @abstractmethod
    def plan(self, request: Request) -> Plan:
        """Read the target and write nothing. Raises Refused, TargetProblem or Usage."""

    @abstractmethod
    def run(self, run: Run) -> Result:
        """Do what the sealed plan says and nothing else. Calls `run.arm()` before its first write."""

    @abstractmethod
    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        """On which side of the commit point did the crash fall? With DONE, the result to record (if known).

        With PARTLY, a result is needed: its summary says what stands and what does not, its data may have `code` and
        `next`.
        """

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        """Values worth offering for a parameter in a form, as (value, label); others stay allowed.

        `visible` are the databases that the asking account may see; no other one is named.
        """
        return ()

    def bring(self, database: Database, given: Mapping[str, str], account: Account, token: Token | None) -> Errand:
        """Read what local parameters name, on the command line's machine. Raises Usage or Refused."""
        return Errand(parameters=given)

    def fields(self, database: Database, given: Mapping[str, str]) -> tuple[Parameter, ...]:
        """The parameters that a form shows, where `given` is what is known of the request already."""
        return tuple(parameter for parameter in self.parameters if not parameter.local)

    def instead(self, database: Database) -> tuple[Afterwards, ...]:
        """What somebody may be looking for instead, told below the form."""
        return ()

    def choices(self, parameter: Parameter, database: Database) -> tuple[tuple[str, str], ...]:
        """Those of a parameter's choices that can do anything for that database, for a form."""
        return parameter.choices

    def heading(self, database: Database) -> str:
        """Above the form in which it is asked for."""
        return f"{self.label} {database.name}"

    def button(self, database: Database) -> str:
        """The words on a database's page that lead to the form; empty when there is nothing to ask for now."""
        return self.heading(database)

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        """What the page of an operation of this kind that succeeded says about taking it back."""
        return ()

    def steps(self, plan: Plan) -> tuple[Step, ...]:
        """The steps as they are shown. A kind that keeps their exact bytes elsewhere in its plan puts them in here."""
        return plan.steps

    def clean_up(self, recovery: Recovery) -> None:
        """Remove what a dead runner left (staging databases, part files). Called before the state is settled."""

    def moved(self, plan: Plan, engines: Mapping[str, Engine], growth: Growth) -> list[Moved]:
        """What it would cost by now beyond what was approved and may have been added. Asked for before the first write.

        A kind whose plan has a `confirmation` looks again here. It raises, or says so, when it cannot look.
        """
        return []

    def evidence_problems(self, plan: Plan, demand: Demand) -> list[tuple[str, str, str]]:
        """What the evidence of a plan lacks by now of what policies demand: (code, why, next step), the gravest first.

        Asked when it is requested (then it is refused) and before the first write (then it is stale). A kind that has
        no such evidence lacks nothing.
        """
        return []

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        """The value now of a precondition that the kernel does not know itself (backup bytes, say)."""
        raise Usage("unknown_probe", f"The kind {self.name} does not know the precondition {name}.")


_REGISTRY: dict[str, Kind] = {}
_LATER: dict[str, Callable[[], None]] = {}  # what registers a kind once it is asked for


def register(kind: Kind) -> None:
    """Add a kind to the table. Raises TypeError for a duplicate or something that is no kind."""
    if not isinstance(kind, Kind):
        raise TypeError(f"{kind!r} is not a Kind")
    if kind.name in _REGISTRY:
        raise TypeError(f"the kind {kind.name} is registered twice")
    _REGISTRY[kind.name] = kind


def register_later(names: Iterable[str], load: Callable[[], None]) -> None:
    """Have `load` register these kinds when the first of them is asked for: a run needs one, and not all modules.

    Raises TypeError for a duplicate.
    """
    for name in names:
        if name in _LATER:
            raise TypeError(f"the kind {name} is to be registered twice")
        _LATER[name] = load


def get(name: str) -> Kind:
    """The kind of that name. Raises Usage with the list of what there is."""
    kind = _found(name)
    if kind is None:
        known = ", ".join(sorted({*_REGISTRY, *_LATER}))
        raise Usage("unknown_kind", f"There is no kind of operation called {name}.", f"Use one of: {known}.")
    return kind


def _found(name: str) -> Kind | None:
    """The kind of that name, loaded now if it is one of those that can wait."""
    if name not in _REGISTRY and name in _LATER:
        _LATER[name]()
        if name not in _REGISTRY:
            raise TypeError(f"the kind {name} was not registered by what was to do so")
    return _REGISTRY.get(name)


def noun(name: str) -> str:
    """What sentences call an operation of that kind; a kind that is not there (any more) keeps its name."""
    kind = _found(name)
    return kind.noun if kind and kind.noun else name


def costs(plan: Plan) -> bool:
    """Whether a plan says what only its own approval can answer for: losses, or exact statements or bytes."""
    loses = plan.confirmation is not None or any(effect.lost or effect.changed for effect in plan.effects)
    kind = _found(plan.kind)  # one that is not there any more starts nothing
    return loses or (kind is not None and kind.mutates and any(s.sql or s.artifact for s in kind.steps(plan)))


def every() -> list[Kind]:
    """All kinds by name."""
    for name in _LATER:
        _found(name)
    return [_REGISTRY[name] for name in sorted(_REGISTRY)]
