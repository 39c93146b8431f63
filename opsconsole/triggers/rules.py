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
from opsconsole.states import ACTIVE, EDGES, TERMINAL
from opsconsole.triggers.building import (
    AS_A_REQUEST,
    NOT_BY_HAND,
    append_only,
    confirmed,
    differs,
    guard_on,
    keys_of,
    not_replaced,
    quoted,
    table_of,
)
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
ALWAYS, BY_IT, ANY = "1 = 1", confirmed("NEW.changed_by_id"), confirmed(None)  # within its own change, or within any
STORE_COLUMNS = ("name", *Store.SETTINGS, "credentials_sealed", "retired_at")

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
        Operation, "UPDATE", "ended", f"OLD.state IN ({quoted(TERMINAL)})", "terminal",
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
        f"({differs(RUN_COLUMNS)}) AND OLD.state NOT IN ({quoted(ACTIVE)}) AND NEW.state NOT IN ({quoted(ACTIVE)})",
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
    active = f"(SELECT o.state FROM {table_of(Operation)} o WHERE o.id = NEW.operation_id) IN ({quoted(ACTIVE)})"
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


_DECIDING: tuple[tuple[type[Model], str, str, str, str], ...] = (
    (Membership, "INSERT", f"NEW.role IN {PEOPLE_WHO_DECIDE}", BY_IT, "Who approves and who administers is guarded"),
    (
        Membership, "UPDATE", f"NEW.role IN {PEOPLE_WHO_DECIDE} OR OLD.role IN {PEOPLE_WHO_DECIDE}", BY_IT,
        "Who approves and who administers is guarded",
    ),
    (Membership, "DELETE", f"OLD.role IN {PEOPLE_WHO_DECIDE}", ANY, "Who approves and who administers is guarded"),
    (Policy, "INSERT", ALWAYS, BY_IT, "A policy is guarded"),
    (Schedule, "INSERT", ALWAYS, BY_IT, "A schedule is guarded"),
    (CredentialSeal, "INSERT", "NEW.how <> 'self'", BY_IT, "A password that somebody else sets is guarded"),
    (Database, "INSERT", ALWAYS, BY_IT, "A database is guarded"),
    (Database, "UPDATE", differs(TARGET_COLUMNS), BY_IT, "Where a database is, and who owns it, is guarded"),
    (Database, "DELETE", ALWAYS, ANY, "A database is guarded"),
    (Environment, "INSERT", ALWAYS, BY_IT, "An environment is guarded"),
    (
        Environment, "UPDATE", differs(("protected", "stores")), BY_IT,
        "The protection of an environment, and where its backups go, is guarded",
    ),
    (Environment, "DELETE", ALWAYS, ANY, "An environment is guarded"),
    (Store, "INSERT", ALWAYS, BY_IT, "A store is guarded"),
    (Store, "UPDATE", differs(STORE_COLUMNS), BY_IT, "Where a store is, and what goes there, is guarded"),
    (Store, "DELETE", ALWAYS, ANY, "A store is guarded"),
    (TrustedKey, "INSERT", ALWAYS, BY_IT, "Whose backups are trusted is guarded"),
    (TrustedKey, "UPDATE", ALWAYS, BY_IT, "Whose backups are trusted is guarded"),
    (TrustedKey, "DELETE", ALWAYS, ANY, "Whose backups are trusted is guarded"),
    (
        Person, "UPDATE", differs(("email", "is_service", "owner_id")), BY_IT,
        "The e-mail address that identifies a person is guarded",
    ),
    (Account, "UPDATE", differs(("person_id",)), BY_IT, "Whose login it is, is guarded"),
)  # fmt: skip


def _console_rows() -> Iterator[Guard]:
    """Rows that decide who may do what, and to what: they change within a confirmed change only."""
    for model, event, when, allowed, what in _DECIDING:
        condition, why = f"({when}) AND NOT ({allowed})", f"{what}: {AS_A_REQUEST}."
        yield guard_on(model, event, "confirmed", condition, "not_confirmed", why, NOT_BY_HAND)
    for model in (Membership, Database, Environment, Store, TrustedKey):
        why = f"{table_of(model)} is guarded: {AS_A_REQUEST}."
        yield guard_on(model, "TRUNCATE", "never", "1 = 1", "not_confirmed", why, NOT_BY_HAND)


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


def _no_edge() -> str:
    edges = " OR ".join(
        f"(OLD.state = '{frm}' AND NEW.state IN ({quoted(targets)}))"
        for frm, targets in sorted(EDGES.items())
        if targets
    )
    ended = f"OLD.state IN ({quoted(TERMINAL)})"  # another guard says so more plainly
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
