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
