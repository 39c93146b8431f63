"""The one list of what the console's own database refuses, whoever asks: form, command, shell, fixture or raw SQL.

These are backstops. The code above them never tries what they refuse, and whoever owns the database can switch them
off; the audit history tells of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from django.db.models import Model

from opsconsole.models import (
    Account,
    AuditCheckpoint,
    AuditEvent,
    AuditSeal,
    Bootstrap,
    CredentialSeal,
    Database,
    Environment,
    ExecutionGrant,
    Membership,
    Operation,
    OperationTarget,
    Person,
    Policy,
    Schedule,
    ScheduleSlot,
    Store,
    TrustedKey,
    Vote,
)
from opsconsole.states import ACTIVE, EDGES, TERMINAL, State
from opsconsole.triggers.guards import Guard

APPEND_ONLY: tuple[type[Model], ...] = (
    AuditEvent,
    AuditSeal,
    AuditCheckpoint,
    Vote,
    ExecutionGrant,
    CredentialSeal,
    Policy,
    Schedule,
    ScheduleSlot,
)
GUARDED: tuple[type[Model], ...] = (*APPEND_ONLY, Operation, OperationTarget, Membership, Database, Environment, Person,
                                    Account, Bootstrap, Store, TrustedKey)  # fmt: skip
PEOPLE_WHO_DECIDE = "('approvers','administrators')"
SEALED_COLUMNS = (
    "kind", "database_id", "requester_id", "requester_person_id", "token_id", "retry_of_id", "parent_id", "standing_id",
    "plan_text", "digest", "plan_format", "gated", "votes_needed", "requirement", "created_at",
)  # fmt: skip
RUN_COLUMNS = ("fence", "lease_until", "worker", "claim_nonce", "progress", "progress_at", "witness", "committed_at")
TARGET_COLUMNS = ("url_sealed", "url_env", "environment_id", "owner_group_id", "guarded_tables", "tags", "target_hours",
                  "removed_at")  # fmt: skip
STORE_COLUMNS = ("name", *Store.SETTINGS, "credentials_sealed", "retired_at")

NOT_BY_HAND = "Ask for it in the console; another person confirms it, and then it is done."
AS_A_REQUEST = "it changes only through a request that another person confirms"


_OF_APPS: list[Callable[[], Iterable[Guard]]] = []


def add(guards: Callable[[], Iterable[Guard]]) -> None:
    """Have an app's own guards installed and compared with the kernel's; it calls this when Django starts."""
    _OF_APPS.append(guards)


def every() -> list[Guard]:
    """All guards, in the order of their names. Raises TypeError for two of one name."""
    found = [*_append_only(), *_chain(), *_operations(), *_targets(), *_console_rows(), *_bootstrap(), *_not_replaced()]
    found += [guard for guards in _OF_APPS for guard in guards()]
    if len({guard.name for guard in found}) < len(found):
        raise TypeError("two guards have the same name")
    return sorted(found, key=lambda guard: guard.name)


def table_of(model: type[Model]) -> str:
    return model._meta.db_table


def guard_on(model: type[Model], event: str, what: str, condition: str, code: str, why: str, next_step: str) -> Guard:
    on = frozenset({"postgresql"}) if event == "TRUNCATE" else frozenset({"postgresql", "sqlite"})
    name = f"{model._meta.model_name}_{event.lower()}_{what}"
    return Guard(name=name, table=table_of(model), event=event, condition=condition, code=code, why=why,
                 next_step=next_step, on=on)  # fmt: skip


def append_only(model: type[Model], events: Iterable[str] = ("UPDATE", "DELETE", "TRUNCATE")) -> Iterator[Guard]:
    """Rows of the model are neither changed nor removed."""
    for event in events:
        yield guard_on(
            model, event, "never", "1 = 1", "append_only",
            f"{table_of(model)} is append-only: its rows are evidence and are neither changed nor removed.",
            "Leave the row as it is and record what is true now as a new one.",
        )  # fmt: skip


def not_replaced(model: type[Model], keys: Iterable[Iterable[str]]) -> Guard:
    """SQLite's INSERT OR REPLACE removes a row without asking its other triggers; a taken key is refused."""
    taken = " OR ".join("(" + " AND ".join(f"t.{column} = NEW.{column}" for column in key) + ")" for key in keys)
    return Guard(
        name=f"{model._meta.model_name}_insert_replace", table=table_of(model), event="INSERT",
        on=frozenset({"sqlite"}), code="replaced",
        condition=f"EXISTS (SELECT 1 FROM {table_of(model)} t WHERE {taken})",
        why=f"A row of {table_of(model)} with this key exists and cannot be replaced.", next_step="Add a new row.",
    )  # fmt: skip


def keys_of(model: type[Model]) -> list[list[str]]:
    """The columns of each unique key that is made of plain columns."""
    fields = model._meta.local_concrete_fields
    single = [[str(field.column)] for field in fields if field.unique]
    column = {field.name: str(field.column) for field in fields}
    several = [[column[name] for name in each.fields] for each in model._meta.total_unique_constraints]
    return single + several


def _append_only() -> Iterator[Guard]:
    for model in APPEND_ONLY:
        yield from append_only(model)


def _chain() -> Iterator[Guard]:
    seals = table_of(AuditSeal)
    yield guard_on(
        AuditSeal, "INSERT", "next",
        f"NEW.seq <> COALESCE((SELECT max(s.seq) FROM {seals} s), 0) + 1 OR EXISTS "
        f"(SELECT 1 FROM {seals} s WHERE s.seq = NEW.seq - 1 AND s.hash <> NEW.previous)",
        "chain", "A seal must follow the last one of the chain.", "Let the console seal its events.",
    )  # fmt: skip


def _operations() -> Iterator[Guard]:
    follow = "Ask for a new operation; a retry points back to this one."
    yield guard_on(
        Operation, "INSERT", "planned", "NEW.state <> 'planned' OR (NEW.gated AND NEW.votes_needed < 1)", "edge",
        "An operation begins as planned, and one that needs approval asks for at least one vote.",
        "Ask for operations in the console or with manage.py operate.",
    )  # fmt: skip
    yield guard_on(
        Operation, "UPDATE", "ended", f"OLD.state IN ({_quoted(TERMINAL)})", "terminal",
        "This operation has ended; how it ended is never changed.", follow,
    )  # fmt: skip
    yield guard_on(
        Operation, "UPDATE", "edge", _no_edge(), "edge", "An operation cannot go from its state to that one.",
        "Look at the operation's page: it shows what can be done with it now.",
    )  # fmt: skip
    yield guard_on(
        Operation, "UPDATE", "sealed", differs(SEALED_COLUMNS), "sealed",
        "The plan of an operation, its digest and what it asks of people are sealed when it is made.", follow,
    )  # fmt: skip
    yield guard_on(
        Operation, "UPDATE", "run",
        f"({differs(RUN_COLUMNS)}) AND OLD.state NOT IN ({_quoted(ACTIVE)}) AND NEW.state NOT IN ({_quoted(ACTIVE)})",
        "not_running", "Only an operation that runs has a lease and makes progress.", "Let a worker claim it.",
    )  # fmt: skip
    yield guard_on(
        Operation, "UPDATE", "votes", _votes_missing(), "votes_missing",
        "This operation needs approvals for exactly its plan, and they are not there.",
        "Have it approved on its page by people other than its requester.",
    )  # fmt: skip
    for event in ("DELETE", "TRUNCATE"):
        yield guard_on(
            Operation, event, "never", "1 = 1", "append_only", "Operations are history and are never removed.",
            "Cancel it if it has not run yet.",
        )  # fmt: skip


def _targets() -> Iterator[Guard]:
    active = f"(SELECT o.state FROM {table_of(Operation)} o WHERE o.id = NEW.operation_id) IN ({_quoted(ACTIVE)})"
    yield guard_on(
        OperationTarget, "INSERT", "idle", f"NEW.active AND NOT {active}", "target",
        "Only an operation that runs holds its target.", "Let a worker claim it.",
    )  # fmt: skip
    yield guard_on(
        OperationTarget, "UPDATE", "held", f"({differs(('operation_id', 'database_id', 'identity', 'role'))})"
        f" OR (NEW.active AND NOT {active}) OR (OLD.active AND NOT NEW.active AND {active})", "target",
        "An operation holds its targets as long as it is active, and no longer; which they are never changes.",
        "Cancel or settle the operation; its targets are then free.",
    )  # fmt: skip
    for event in ("DELETE", "TRUNCATE"):
        yield guard_on(
            OperationTarget, event, "never", "1 = 1", "append_only", "What an operation touched is history.",
            "Cancel or settle the operation; its targets are then free.",
        )  # fmt: skip


def _console_rows() -> Iterator[Guard]:
    """Rows that decide who may do what, and to what: they change within a confirmed change only."""
    by_it, any_change = confirmed("NEW.changed_by_id"), confirmed(None)
    deciding = f"NEW.role IN {PEOPLE_WHO_DECIDE}", f"OLD.role IN {PEOPLE_WHO_DECIDE}"
    rows: tuple[tuple[type[Model], str, str, str, str], ...] = (
        (Membership, "INSERT", deciding[0], by_it, "Who approves and who administers is guarded"),
        (Membership, "UPDATE", " OR ".join(deciding), by_it, "Who approves and who administers is guarded"),
        (Membership, "DELETE", deciding[1], any_change, "Who approves and who administers is guarded"),
        (Policy, "INSERT", "1 = 1", by_it, "A policy is guarded"),
        (Schedule, "INSERT", "1 = 1", by_it, "A schedule is guarded"),
        (CredentialSeal, "INSERT", "NEW.how <> 'self'", by_it, "A password that somebody else sets is guarded"),
        (Database, "INSERT", "1 = 1", by_it, "A database is guarded"),
        (Database, "UPDATE", differs(TARGET_COLUMNS), by_it, "Where a database is, and who owns it, is guarded"),
        (Database, "DELETE", "1 = 1", any_change, "A database is guarded"),
        (Environment, "INSERT", "1 = 1", by_it, "An environment is guarded"),
        (
            Environment,
            "UPDATE",
            differs(("protected", "stores")),
            by_it,
            "The protection of an environment, and where its backups go, is guarded",
        ),
        (Environment, "DELETE", "1 = 1", any_change, "An environment is guarded"),
        (Store, "INSERT", "1 = 1", by_it, "A store is guarded"),
        (Store, "UPDATE", differs(STORE_COLUMNS), by_it, "Where a store is, and what goes there, is guarded"),
        (Store, "DELETE", "1 = 1", any_change, "A store is guarded"),
        (TrustedKey, "INSERT", "1 = 1", by_it, "Whose backups are trusted is guarded"),
        (TrustedKey, "UPDATE", "1 = 1", by_it, "Whose backups are trusted is guarded"),
        (TrustedKey, "DELETE", "1 = 1", any_change, "Whose backups are trusted is guarded"),
        (
            Person,
            "UPDATE",
            differs(("email", "is_service", "owner_id")),
            by_it,
            "The e-mail address that identifies a person is guarded",
        ),
        (Account, "UPDATE", differs(("person_id",)), by_it, "Whose login it is, is guarded"),
    )
    for model, event, when, allowed, what in rows:
        yield guard_on(
            model,
            event,
            "confirmed",
            f"({when}) AND NOT ({allowed})",
            "not_confirmed",
            f"{what}: {AS_A_REQUEST}.",
            NOT_BY_HAND,
        )
    for model in (Membership, Database, Environment, Store, TrustedKey):
        yield guard_on(
            model,
            "TRUNCATE",
            "never",
            "1 = 1",
            "not_confirmed",
            f"{table_of(model)} is guarded: {AS_A_REQUEST}.",
            NOT_BY_HAND,
        )


def _bootstrap() -> Iterator[Guard]:
    told = ("bootstrap", "The console has been set up once, and that never opens again.", NOT_BY_HAND)
    yield guard_on(Bootstrap, "INSERT", "once", f"EXISTS (SELECT 1 FROM {table_of(Bootstrap)})", *told)
    yield guard_on(
        Bootstrap, "UPDATE", "once", f"OLD.closed_at IS NOT NULL AND ({differs(('id', 'closed_at'))})", *told
    )
    yield guard_on(Bootstrap, "DELETE", "never", "1 = 1", *told)
    yield guard_on(Bootstrap, "TRUNCATE", "never", "1 = 1", *told)


def _not_replaced() -> Iterator[Guard]:
    for model in GUARDED:
        yield not_replaced(model, keys_of(model) if model in APPEND_ONLY else [[str(model._meta.pk.column)]])


def differs(columns: Iterable[str]) -> str:
    """SQL that is true when an UPDATE changes one of the columns."""
    return " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)


def _quoted(states: Iterable[State]) -> str:
    return ",".join(f"'{state}'" for state in sorted(states))


def _no_edge() -> str:
    edges = " OR ".join(
        f"(OLD.state = '{frm}' AND NEW.state IN ({_quoted(targets)}))"
        for frm, targets in sorted(EDGES.items())
        if targets
    )
    ended = f"OLD.state IN ({_quoted(TERMINAL)})"  # another guard says so more plainly
    return f"NEW.state IS DISTINCT FROM OLD.state AND NOT ({ended}) AND NOT ({edges})"


def _votes_missing() -> str:
    """A gated operation starts to run with too few people whose last vote on its digest approves, or with a veto.

    For a run that was approved once, the votes on its schedule's change count, while that version is in force.
    """
    votes, people, operations = table_of(Vote), table_of(Person), table_of(Operation)
    change = f"(SELECT c.digest FROM {operations} c WHERE c.id = NEW.standing_id)"
    mine = f"v.operation_id = COALESCE(NEW.standing_id, NEW.id) AND v.digest = COALESCE({change}, NEW.digest)"
    later = "w.operation_id = v.operation_id AND w.digest = v.digest AND w.person_id = v.person_id AND w.id > v.id"
    approving = (
        f"SELECT count(DISTINCT v.person_id) FROM {votes} v JOIN {people} p ON p.id = v.person_id "
        f"WHERE {mine} AND v.decision = 'approve' AND NOT p.is_service "
        "AND v.person_id IS DISTINCT FROM NEW.requester_person_id "
        f"AND NOT EXISTS (SELECT 1 FROM {votes} w WHERE {later})"
    )
    veto = f"EXISTS (SELECT 1 FROM {votes} v WHERE {mine} AND v.decision = 'veto')"
    return (
        "NEW.state = 'running' AND OLD.state <> 'running' AND NEW.gated "
        f"AND (({approving}) < NEW.votes_needed OR {veto} OR (NEW.standing_id IS NOT NULL AND NOT ({_standing()})))"
    )


def _standing() -> str:
    """The change that a run names set the newest version of a schedule of its kind, which is on and has a template."""
    schedules = table_of(Schedule)
    return (
        f"EXISTS (SELECT 1 FROM {table_of(Operation)} c JOIN {schedules} s ON s.changed_by_id = c.id "
        "WHERE c.id = NEW.standing_id AND c.kind = 'change' AND c.state = 'succeeded' AND s.enabled "
        "AND s.kind = NEW.kind AND CAST(s.template AS text) <> '{}' "
        f"AND NOT EXISTS (SELECT 1 FROM {schedules} t WHERE t.name = s.name AND t.version > s.version))"
    )


def confirmed(column: str | None) -> str:
    """While the console is being set up, or within a running change (the one that the column names)."""
    named = f"o.id = {column} AND " if column else ""
    return (
        f"EXISTS (SELECT 1 FROM {table_of(Bootstrap)} b WHERE b.closed_at IS NULL) OR EXISTS "
        f"(SELECT 1 FROM {table_of(Operation)} o WHERE {named}o.kind = 'change' AND o.state = 'running')"
    )
