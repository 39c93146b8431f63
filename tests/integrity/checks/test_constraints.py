"""Constraints that do not hold for every row."""

from __future__ import annotations

from integrity.checks.base import Held
from integrity.checks.constraints import WeakConstraint


def test_what_is_not_valid_or_switched_off_is_told_and_validating_sets_it_right(on_postgres):
    on_postgres.change(
        """
        CREATE DOMAIN positive AS integer; CREATE DOMAIN fine AS integer CHECK (VALUE > 0);
        CREATE TABLE owners (id integer PRIMARY KEY); CREATE TABLE "Pets" (
          id integer PRIMARY KEY, owner integer, age positive, CONSTRAINT adult CHECK (id > 0));
        ALTER DOMAIN positive ADD CONSTRAINT above CHECK (VALUE > 0) NOT VALID;
        ALTER TABLE "Pets" ADD CONSTRAINT owned FOREIGN KEY (owner) REFERENCES owners NOT VALID,
          ADD CONSTRAINT young CHECK (age < 30) NOT VALID;
        CREATE TABLE visits (pet integer CONSTRAINT of_pet REFERENCES "Pets"); ALTER TABLE visits DISABLE TRIGGER ALL
        """
    )
    found = on_postgres.found(WeakConstraint())
    off = "public.visits: of_pet"
    assert set(found) == {"public.Pets: owned", "public.Pets: young", "domain public.positive: above", off}
    assert (found[off].proposals, "switched off" in found[off].sentence) == ((), True)
    for each in found.values():
        for proposal in each.proposals:
            assert proposal.action == "validate_constraint"
            on_postgres.change(proposal.statement)
    assert set(on_postgres.found(WeakConstraint())) == {off}
    held = {each.subject for each in on_postgres.look(WeakConstraint()) if isinstance(each, Held)}
    assert held == {*found} - {off} | {"public.Pets: adult", "domain public.fine: fine_check"}


def test_sqlite_lets_a_foreign_key_refer_to_nothing(on_sqlite):
    on_sqlite.change(
        """
        CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE, a INT, b INT, UNIQUE (a, b));
        CREATE TABLE lost (x INTEGER REFERENCES gone);
        CREATE TABLE loose (name TEXT REFERENCES owners (name));
        CREATE TABLE keyless (x); CREATE TABLE of_keyless (x REFERENCES keyless);
        CREATE TABLE sound (id REFERENCES Owners, email REFERENCES owners (Email), a, b,
          FOREIGN KEY (b, a) REFERENCES owners (b, a))
        """
    )
    found = on_sqlite.found(WeakConstraint())
    assert set(found) == {"lost: x", "loose: name", "of_keyless: x"}
    assert found["lost: x"].sentence == "The foreign key on x of lost refers to gone, which is not a table here."
    held = {each.subject for each in on_sqlite.look(WeakConstraint()) if isinstance(each, Held)}
    assert held == {"sound: id", "sound: email", "sound: b, a"}
