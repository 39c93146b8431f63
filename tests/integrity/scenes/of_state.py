"""Scenes of checks that look at the schema and at the server. Counters and ages are faults or none by a threshold."""

from __future__ import annotations

from integrity.checks.constraints import WeakConstraint
from integrity.checks.d1 import D1Schema, D1Size
from integrity.checks.exhaustion import KeyExhaustion
from integrity.checks.index_faults import DuplicateIndex, InvalidIndex, PrefixIndex, UnusedIndex
from integrity.checks.index_gaps import UnindexedReference, UnindexedUsual
from integrity.checks.keys import MissingPrimaryKey
from integrity.checks.sequences import SequenceBehind, SequenceNearEnd
from integrity.checks.sessions import IdleInTransaction, LongTransaction, PreparedTransaction
from integrity.checks.statements import SlowStatement
from integrity.checks.upkeep import MuchWritten, NeedsAnalyze, NeedsVacuum, UnusedRoom
from integrity.checks.wraparound import Wraparound
from tests.integrity.scenes.base import NUMBERS, POSTGRESQL, SQLITE, Scene

_FLUSH = "; SELECT pg_stat_force_next_flush()"
_QUIET = "CREATE TABLE {0} (id integer) WITH (autovacuum_enabled = off);"
_EMPTIED = f"{_QUIET.format('emptied')} INSERT INTO emptied SELECT generate_series(1, 200);"
_UNUSED = "CREATE TABLE read (id integer PRIMARY KEY, a integer); CREATE INDEX of_a ON read (a);"
_PAIRS = "CREATE TABLE pairs (id integer PRIMARY KEY, a integer, b integer); CREATE INDEX longer ON pairs (a, b);"
_NAMES = "CREATE TABLE names (id integer PRIMARY KEY, a integer); CREATE INDEX one ON names (a);"
_LINES = (
    "CREATE TABLE orders (id integer PRIMARY KEY);"
    "CREATE TABLE lines (id integer PRIMARY KEY, order_no integer REFERENCES orders);"
)
_TICKETS = "CREATE TABLE tickets (id integer PRIMARY KEY, status text);"

OF_STATE = (
    Scene(
        what=MissingPrimaryKey(),
        subject="#.keyless",
        fault="CREATE TABLE keyless (a integer UNIQUE)",
        near="CREATE TABLE keyless (a integer, b integer, PRIMARY KEY (b, a))",
    ),
    Scene(
        what=WeakConstraint(),
        on=(POSTGRESQL,),
        subject="#.weak: above",
        fault="CREATE TABLE weak (a integer); ALTER TABLE weak ADD CONSTRAINT above CHECK (a > 0) NOT VALID",
        near="CREATE TABLE weak (a integer); ALTER TABLE weak ADD CONSTRAINT above CHECK (a > 0) NOT VALID;"
        "ALTER TABLE weak VALIDATE CONSTRAINT above",
    ),
    Scene(
        what=SequenceBehind(),
        on=(POSTGRESQL,),
        subject="#.numbered.id",
        fault="CREATE TABLE numbered (id serial PRIMARY KEY); INSERT INTO numbered VALUES (1)",
        near="CREATE TABLE numbered (id serial PRIMARY KEY); INSERT INTO numbered VALUES (DEFAULT), (0)",
    ),
    Scene(
        what=SequenceBehind(),
        on=(SQLITE,),
        subject="numbered.id",
        fault="CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO numbered VALUES (7);"
        "UPDATE sqlite_sequence SET seq = 6 WHERE name = 'numbered'",
        near="CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO numbered VALUES (7), (8);"
        "DELETE FROM numbered WHERE id = 8",
    ),
    Scene(
        what=SequenceNearEnd(),
        on=(POSTGRESQL,),
        subject="#.short",
        fault="CREATE SEQUENCE short INCREMENT -1 MINVALUE -100; SELECT setval('short', -80)",
        near="CREATE SEQUENCE short INCREMENT -1 MINVALUE -100; SELECT setval('short', -79)",
    ),
    Scene(
        what=SequenceNearEnd(),
        on=(SQLITE,),
        subject="long.id",
        fault="CREATE TABLE long (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO long VALUES (7400000000000000000)",
        near="CREATE TABLE long (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO long VALUES (7300000000000000000)",
    ),
    Scene(
        what=KeyExhaustion(),
        on=(POSTGRESQL,),
        subject="#.small.id",
        fault="CREATE TABLE small (id smallint PRIMARY KEY); INSERT INTO small VALUES (27000)",
        near="CREATE TABLE small (id smallint PRIMARY KEY); INSERT INTO small VALUES (26000), (-32768)",
    ),
    Scene(
        what=InvalidIndex(),
        on=(POSTGRESQL,),
        subject="#.broken",
        fault="CREATE TABLE b (a integer); CREATE INDEX broken ON b (a);"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass",
        near="CREATE TABLE b (a integer); CREATE INDEX broken ON b (a)",
    ),
    Scene(
        what=DuplicateIndex(),
        subject="#.names (a)",
        fault=f"{_NAMES} CREATE INDEX another ON names (a)",
        near=f"{_NAMES} CREATE INDEX another ON names (a DESC)",
    ),
    Scene(
        what=PrefixIndex(),
        subject="#.pairs",
        fault=f"{_PAIRS} CREATE INDEX shorter ON pairs (a)",
        near=f"{_PAIRS} CREATE INDEX shorter ON pairs (b)",
    ),
    Scene(
        what=UnusedIndex(days=0, least=0),
        on=(POSTGRESQL,),
        subject="#.of_a",
        fault=_UNUSED,
        near=f"{_UNUSED} SET enable_seqscan = off; SELECT * FROM read WHERE a = 1{_FLUSH}",
    ),
    Scene(
        what=UnindexedReference(),
        subject="#.lines (order_no)",
        fault=f"{_LINES} CREATE INDEX second ON lines (id, order_no)",
        near=f"{_LINES} CREATE INDEX first ON lines (order_no, id)",
    ),
    Scene(
        what=UnindexedUsual(),
        subject="#.tickets.status",
        fault=_TICKETS,
        near=f"{_TICKETS} CREATE INDEX open_ones ON tickets (id) WHERE status = 'open'",
    ),
    Scene(
        what=NeedsVacuum(rows=100),
        on=(POSTGRESQL,),
        subject="#.emptied",
        fault=f"{_EMPTIED} DELETE FROM emptied WHERE id <= 100{_FLUSH}",
        near=f"{_EMPTIED} DELETE FROM emptied WHERE id < 100{_FLUSH}",
    ),
    Scene(
        what=MuchWritten(rows=100),
        on=(POSTGRESQL,),
        subject="#.written",
        fault=f"{_QUIET.format('written')} INSERT INTO written SELECT generate_series(1, 101){_FLUSH}",
        near=f"{_QUIET.format('written')} INSERT INTO written SELECT generate_series(1, 100){_FLUSH}",
    ),
    Scene(what=Wraparound(warns=1), nearly=Wraparound(), on=(POSTGRESQL,), subject="transaction numbers"),
    Scene(what=LongTransaction(minutes=0), nearly=LongTransaction(), on=(POSTGRESQL,), subject="sessions"),
    Scene(what=IdleInTransaction(minutes=0), nearly=IdleInTransaction(), on=(POSTGRESQL,), subject="sessions"),
    Scene(what=PreparedTransaction(minutes=0), nearly=PreparedTransaction(), on=(POSTGRESQL,), subject="sessions"),
    Scene(
        what=SlowStatement(mean=10, calls=1),
        nearly=SlowStatement(mean=10, calls=1000),
        on=(POSTGRESQL,),
        subject="statement *",
        sound="statements",
        fault="CREATE EXTENSION pg_stat_statements; SELECT pg_sleep(0.02)",
        near="CREATE EXTENSION pg_stat_statements; SELECT pg_sleep(0.02)",
    ),
    Scene(
        what=UnusedRoom(least=1),
        on=(SQLITE,),
        subject="file",
        fault="CREATE TABLE room (b); INSERT INTO room VALUES (zeroblob(2000000)), (1); DELETE FROM room WHERE b <> 1",
        near="CREATE TABLE room (b); INSERT INTO room VALUES (zeroblob(2000000)), (1); DELETE FROM room WHERE b = 1",
    ),
    Scene(what=D1Size(most=1000), nearly=D1Size(), on=(SQLITE,), d1=True, subject="database"),
    Scene(
        what=D1Schema(),
        on=(SQLITE,),
        d1=True,
        subject="columns of wide",
        fault=f"CREATE TABLE wide ({', '.join(f'c{number}' for number in range(101))})",
        near=f"CREATE TABLE wide ({', '.join(f'c{number}' for number in range(100))})",
    ),
    Scene(
        what=NeedsAnalyze(least=1),
        nearly=NeedsAnalyze(),  # too small to matter
        on=(POSTGRESQL,),
        subject="#.uncounted",
        fault=f"{_QUIET.format('uncounted')} INSERT INTO uncounted SELECT generate_series(1, 10){_FLUSH}",
        near=f"{_QUIET.format('uncounted')} INSERT INTO uncounted SELECT generate_series(1, 10){_FLUSH}",
    ),
    Scene(  # the last one, for it is about all tables
        what=NeedsAnalyze(least=0),
        on=(SQLITE,),
        subject="statistics",
        fault=f"CREATE TABLE c (a UNIQUE); {NUMBERS.format(10)} INSERT INTO c SELECT i FROM n",
        near=f"CREATE TABLE c (a UNIQUE); {NUMBERS.format(10)} INSERT INTO c SELECT i FROM n; ANALYZE",
    ),
)
