"""Rows by the million for the console's lists, written past the guards, which are put back afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.tampering import guards_off

DATABASES = 10
SERIES = {
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last})"
    " SELECT n FROM s) s",
    "postgresql": "generate_series({first}, {last}) AS s(n)",
}
MOMENT = {  # of the n-th row, one a minute
    "sqlite": "datetime('2024-01-01', n || ' minutes')",
    "postgresql": "timestamptz '2024-01-01 00:00:00+00' + n * interval '1 minute'",
}
FALSE = {"sqlite": "0", "postgresql": "false"}
RESULT = {"sqlite": "'{{\"backup\": ' || n || '}}'", "postgresql": "jsonb_build_object('backup', n)"}
DIGEST = f"'sha256:' || substr('{'0' * 64}', 1, 64 - length(CAST(n AS varchar))) || n"
OPERATIONS = """INSERT INTO opsconsole_operation (kind, state, state_reason, database_id, requester_id,
    requester_person_id, reason, plan_text, digest, plan_format, gated, votes_needed, requirement, self_confirmed,
    queue, created_at, waiting_for, attempts, worker, claim_nonce, progress, witness, result, failure_code, failure_why,
    failure_next)
  SELECT CASE n % 500 WHEN 0 THEN 'restore' ELSE 'backup' END,
    CASE WHEN n % 997 = 0 THEN 'failed' WHEN n % 101 = 0 THEN 'cancelled' ELSE 'succeeded' END, '', 1 + n % {databases},
    {account}, {person}, 'The nightly one', '{plan}', {digest}, 1, {false}, 0, '{{}}', {false}, 'default', {moment},
    '', 1, 'bench:1', '', '{{}}', '{{}}', {result}, '', '', '' FROM {series}"""
EVENTS = """INSERT INTO opsconsole_auditevent (uid, payload, type, at, actor, actor_name, outcome, operation_id,
    database_id, database_name, kind)
  SELECT 'bench-' || n, {payload}, CASE WHEN n % 997 = 0 THEN 'denied.page' WHEN n % 7 = 0 THEN 'op.succeeded'
    ELSE 'auth.login' END, {moment}, 'person:' || (1 + n % 5), 'Person ' || (1 + n % 5),
    CASE WHEN n % 997 = 0 THEN 'denied' ELSE 'ok' END, n, 1 + n % {databases}, 'shop-' || (1 + n % {databases}),
    'backup' FROM {series}"""
BACKUPS = """INSERT INTO lifecycle_backup (database_id, operation_id, purpose, state, key, format, engine,
    server_version, identity, incarnation, schema_fingerprint, manifest_sha256, tables, rows, stored_bytes,
    plain_bytes, started_at, finished_at, checks, pin_reason)
  SELECT 1 + n % {databases}, {operation}, CASE n % 20 WHEN 0 THEN 'safety' ELSE 'requested' END,
    CASE n % 997 WHEN 0 THEN 'bad' ELSE 'good' END, 'backups/bench/' || n, 'native', 'postgresql', '15.1', 'one', 'one',
    {digest}, {digest}, 10, 7000000, 300000000 + n, 600000000, {moment}, {moment},
    '[{{"level": "V1", "at": "2026-01-01T00:00:00.000000Z", "ok": true, "detail": ""}}]', '' FROM {series}"""


def fill(last: int, first: int = 1) -> None:
    """Operations, events and backups of ten databases, numbered from `first` to `last`. The bootstrap must be open."""
    from django.db import connection

    from opsconsole.models import Account, Operation

    _databases()
    account = Account.objects.get(username="ada")
    words = {
        "databases": DATABASES, "account": account.pk, "person": account.person_id, "digest": DIGEST,
        "moment": MOMENT[connection.vendor], "false": FALSE[connection.vendor],
        "series": SERIES[connection.vendor].format(first=first, last=last), "payload": _payload(connection.vendor),
        "plan": _plan(), "result": RESULT[connection.vendor].format(),
    }  # fmt: skip
    with guards_off(), connection.cursor() as cursor:
        cursor.execute(OPERATIONS.format(**words))
        cursor.execute(EVENTS.format(**words))
        newest = Operation.objects.order_by("-id").values_list("id", flat=True)[0]
        cursor.execute(BACKUPS.format(**words, operation=newest))
    _settle()


def drop_our_indexes() -> None:
    """Leave the lists' tables with the indexes that Django makes without being told to."""
    from django.db import connection

    from lifecycle.models import Backup
    from opsconsole.models import AuditEvent, Operation

    with connection.schema_editor() as editor:
        for model in (Operation, AuditEvent, Backup):
            for index in model._meta.indexes:
                editor.remove_index(model, index)
    _settle()


def _settle() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("VACUUM" if connection.vendor == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)")


def _databases() -> None:
    from opsconsole.models import Database
    from tests.opsconsole.approvals.scenes import add_database

    if Database.objects.filter(name="shop-1").exists():
        return
    for number in range(1, DATABASES + 1):
        add_database(f"shop-{number}", "development")


def _plan() -> str:
    """A plan as long as a small one of a backup."""
    from opsconsole.plans import Effect, Plan, Step, Target

    target = Target(database="shop-1", database_id=1, identity="sqlite:1:shop-1:/shop-1", environment="development")
    step = Step(title="Copy every table in one snapshot", detail="Two workers; nothing in the database is changed.")
    effects = tuple(Effect(object=f"public.{name}", action="read", rows_before=5000) for name in ("users", "orders"))
    plan = Plan(kind="backup", summary="A backup of shop-1.", targets=(target,), steps=(step,), effects=effects)
    return plan.sealed(policy_digest="").to_bytes().decode()


def _payload(vendor: str) -> str:
    """SQL of a payload as long as a login's, with the row's number in it."""
    from opsconsole.plans import canonical_json
    from tests.bench.history import payload_of

    head, _, tail = canonical_json(payload_of(0, datetime.now(UTC), "login N")).decode().partition("login N")
    text = f"'{head}login ' || n || '{tail}'"
    return f"CAST({text} AS BLOB)" if vendor == "sqlite" else f"convert_to({text}, 'UTF8')"
