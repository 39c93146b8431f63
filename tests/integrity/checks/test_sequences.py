"""Sequences behind their column and near their end, and keys that come to the end of their type."""

from __future__ import annotations

import pytest

from integrity.checks.base import Held, Severity
from integrity.checks.exhaustion import KeyExhaustion
from integrity.checks.sequences import SequenceBehind, SequenceNearEnd, full_to

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING


@pytest.mark.parametrize(
    ("percent", "severity"), [(79.9, None), (80, WARNING), (94.9, WARNING), (95, CRITICAL), (120, CRITICAL)]
)
def test_eighty_percent_is_a_warning_and_ninety_five_are_critical(percent, severity):
    assert full_to(percent) is severity


def test_a_sequence_is_behind_when_it_will_give_a_number_that_is_taken(on_postgres):
    on_postgres.change(
        """
        CREATE TABLE "Imported" (id serial PRIMARY KEY); INSERT INTO "Imported" VALUES (1), (2), (7);
        CREATE TABLE tickets (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
        INSERT INTO tickets OVERRIDING SYSTEM VALUE VALUES (1);
        CREATE TABLE lines (number bigserial); INSERT INTO lines VALUES (3);
        CREATE SEQUENCE of_node_1 INCREMENT 10 START 1;
        CREATE TABLE shared (id bigint PRIMARY KEY DEFAULT nextval('of_node_1')); INSERT INTO shared VALUES (2), (12);
        CREATE SEQUENCE of_node_2 INCREMENT 10 START 2;
        CREATE TABLE collides (id bigint PRIMARY KEY DEFAULT nextval('of_node_2'));
        INSERT INTO collides VALUES (2), (31), (32);
        CREATE TABLE sound (id serial PRIMARY KEY); INSERT INTO sound DEFAULT VALUES;
        CREATE TABLE empty (id serial PRIMARY KEY);
        CREATE TABLE parted (id bigserial, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE parted_26 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
        INSERT INTO parted (at) VALUES ('2026-05-05');
        CREATE SEQUENCE of_falling INCREMENT -1;
        CREATE TABLE falling (id int PRIMARY KEY DEFAULT nextval('of_falling'));
        INSERT INTO falling VALUES (-1), (-7);
        CREATE SEQUENCE of_fallen INCREMENT -1; CREATE TABLE fallen (id int PRIMARY KEY DEFAULT nextval('of_fallen'));
        INSERT INTO fallen VALUES (5), (DEFAULT);
        CREATE SEQUENCE in_round MAXVALUE 100 CYCLE; SELECT setval('in_round', 5);
        CREATE TABLE turns (id int PRIMARY KEY DEFAULT nextval('in_round')); INSERT INTO turns VALUES (7), (100);
        CREATE TABLE daily (day date, no int DEFAULT nextval('in_round'), PRIMARY KEY (day, no));
        INSERT INTO daily VALUES ('2026-05-05', 6);
        CREATE TABLE stuck (id int PRIMARY KEY DEFAULT nextval('in_round')); INSERT INTO stuck VALUES (6);
        CREATE SEQUENCE of_tens; CREATE TABLE tens (id int PRIMARY KEY DEFAULT nextval('of_tens') * 10);
        INSERT INTO tens DEFAULT VALUES; INSERT INTO tens DEFAULT VALUES;
        CREATE SEQUENCE of_few MAXVALUE 1000;
        CREATE TABLE apart (id int PRIMARY KEY DEFAULT nextval('of_few')); INSERT INTO apart VALUES (5000);
        CREATE TABLE mixed (id int PRIMARY KEY DEFAULT nextval('of_few')); INSERT INTO mixed VALUES (8), (5000)
        """
    )
    found = on_postgres.found(SequenceBehind())
    assert {subject: each.severity for subject, each in found.items()} == {
        "public.Imported.id": CRITICAL,
        "public.tickets.id": CRITICAL,
        "public.collides.id": CRITICAL,
        "public.lines.number": WARNING,  # nothing is unique there
        "public.falling.id": CRITICAL,
        "public.stuck.id": CRITICAL,
        "public.mixed.id": CRITICAL,
    }
    held = {each.subject for each in on_postgres.look(SequenceBehind()) if isinstance(each, Held)}
    assert held == {
        "public.shared.id", "public.sound.id", "public.empty.id", "public.parted.id", "public.fallen.id",
        "public.turns.id", "public.daily.no",  # the numbers of its last round are meant to be there
        "public.apart.id",  # the sequence never comes to such numbers
    }  # fmt: skip
    assert found["public.Imported.id"].sentence == (
        "The sequence public.Imported_id_seq gives 1 next, and public.Imported has rows up to id 7."
    )
    for proposal in (each for subject in found for each in found[subject].proposals):
        on_postgres.change(proposal.statement)
        on_postgres.change(proposal.statement)  # twice does no harm
    assert set(on_postgres.found(SequenceBehind())) == {"public.stuck.id"}  # which no advance helps
    on_postgres.change(
        'INSERT INTO "Imported" DEFAULT VALUES; INSERT INTO collides DEFAULT VALUES;'
        "INSERT INTO falling DEFAULT VALUES; INSERT INTO mixed DEFAULT VALUES"
    )
    with on_postgres.moment() as moment:
        tops = ("max(id) FROM public.collides", "min(id) FROM public.falling", "array_agg(id) FROM public.mixed")
        assert [moment.inquiry.ask(f"SELECT {each}")[0][0] for each in tops] == [42, -8, [8, 5000, 9]]


def test_a_sequence_ends_where_its_column_does(on_postgres):
    on_postgres.change(
        """
        CREATE TABLE small (id smallserial); SELECT setval('small_id_seq', 30000);
        CREATE SEQUENCE wide; CREATE TABLE narrow (id integer DEFAULT nextval('wide'));
        SELECT setval('wide', 2140000000);
        CREATE TABLE fine (id serial); SELECT setval('fine_id_seq', 1600000000);
        CREATE SEQUENCE round MAXVALUE 10 CYCLE; SELECT setval('round', 10);
        CREATE SEQUENCE spent MAXVALUE 10; SELECT setval('spent', 10);
        CREATE SEQUENCE down INCREMENT -1; CREATE TABLE falls (id smallint DEFAULT nextval('down'));
        SELECT setval('down', -32700);
        CREATE SEQUENCE high INCREMENT -1; SELECT setval('high', -32700);
        CREATE SEQUENCE wider CYCLE; CREATE TABLE turns (id smallint DEFAULT nextval('wider'));
        SELECT setval('wider', 32700);
        CREATE TABLE identities (id smallint GENERATED ALWAYS AS IDENTITY (START 27000), at int);
        INSERT INTO identities (at) VALUES (1);
        CREATE TABLE big (id bigint GENERATED BY DEFAULT AS IDENTITY (START 9000000000)); INSERT INTO big DEFAULT VALUES
        """
    )
    found = on_postgres.found(SequenceNearEnd())
    assert {subject: each.severity for subject, each in found.items()} == {
        "public.small_id_seq": WARNING, "public.wide": CRITICAL, "public.spent": CRITICAL, "public.down": CRITICAL,
        "public.wider": CRITICAL,  # its column is full before it begins again
        "public.identities_id_seq": WARNING,
    }  # fmt: skip
    assert found["public.down"].sentence.endswith("it stands at -32700 of -32768.")
    assert "99 %" in found["public.wide"].sentence
    assert found["public.wide"].next_step.startswith("Change public.narrow.id from integer to bigint")


def test_a_narrow_key_is_judged_by_its_largest_number_and_a_reference_by_its_parents(on_postgres):
    on_postgres.change(
        """
        CREATE TABLE by_hand (id integer PRIMARY KEY); INSERT INTO by_hand VALUES (2100000000);
        CREATE TABLE codes (id smallint PRIMARY KEY); INSERT INTO codes VALUES (26000);
        CREATE TABLE wide (id bigint PRIMARY KEY); INSERT INTO wide VALUES (1800000000);
        CREATE TABLE refers (id bigint PRIMARY KEY, wide_id integer REFERENCES wide, code smallint REFERENCES codes);
        CREATE TABLE numbered (id serial PRIMARY KEY); INSERT INTO numbered VALUES (2140000000);
        CREATE SEQUENCE of_tens; CREATE TABLE tens (id int PRIMARY KEY DEFAULT nextval('of_tens') * 10);
        INSERT INTO tens VALUES (1900000000);
        CREATE TABLE fine (id integer PRIMARY KEY); INSERT INTO fine VALUES (1700000000)
        """
    )
    found = on_postgres.found(KeyExhaustion())
    assert {subject: each.severity for subject, each in found.items()} == {
        "public.by_hand.id": CRITICAL, "public.refers.wide_id": WARNING, "public.tens.id": WARNING
    }  # fmt: skip
    assert "public.wide.id, which it refers to, has come to 1800000000: 83 %" in found["public.refers.wide_id"].sentence


def test_sqlite_remembers_the_last_number_of_autoincrement(on_sqlite):
    on_sqlite.change(
        """
        CREATE TABLE sessions (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO sessions VALUES (10);
        CREATE TABLE lost (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO lost VALUES (4);
        CREATE TABLE sound (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO sound VALUES (5), (6);
        DELETE FROM sound WHERE id = 6;
        CREATE TABLE plain (id INTEGER PRIMARY KEY); INSERT INTO plain VALUES (9000000000000000);
        UPDATE sqlite_sequence SET seq = 3 WHERE name = 'sessions'; DELETE FROM sqlite_sequence WHERE name = 'lost';
        CREATE TABLE full (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO full VALUES (9223372036854775807)
        """
    )
    behind = on_sqlite.found(SequenceBehind())
    assert {subject: each.severity for subject, each in behind.items()} == {
        "sessions.id": WARNING, "lost.id": WARNING
    }  # fmt: skip
    assert set(on_sqlite.found(SequenceNearEnd())) == {"full.id"}
    assert set(on_sqlite.found(SequenceNearEnd(), d1=True)) == {"full.id", "plain.id"}  # beyond what JavaScript counts
    for each in behind.values():
        on_sqlite.change(each.proposals[0].statement)
    assert not on_sqlite.found(SequenceBehind())
