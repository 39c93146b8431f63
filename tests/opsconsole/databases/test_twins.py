"""What a row says of its target grows old; the other names of a target are asked again, and count when in doubt."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from opsconsole import approvals, arming, databases, kinds, operations
from opsconsole.clock import now
from opsconsole.databases.addresses import cipher, parse
from opsconsole.engines.base import Likeness
from opsconsole.engines.postgresql.address import likeness
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent, Database, Environment, OwnerGroup
from opsconsole.targets import plan_target
from tests.opsconsole.databases.conftest import Shop
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.registering import register

UNREACHABLE = "postgresql://app:x@nowhere.invalid/{name}"


@pytest.fixture
def alias(shop_file: Path, ignition: Any) -> Any:
    """The SQLite shop under a second name, in production."""
    return register("ignition-prod", f"sqlite:///{shop_file}", environment="production")


def replace_file(path: Path) -> None:
    """Put a copy in the place of a file, as a deployment does: another inode under the same name."""
    copy = path.with_suffix(".new")
    shutil.copy(path, copy)
    os.replace(copy, path)


def readdress(row: Any, url: str) -> None:
    """Let a row lead elsewhere, as a moved server or a changed variable does."""
    Database.objects.filter(pk=row.pk).update(url_sealed=cipher().seal(url), display=parse(url).display)
    row.refresh_from_db()


def unidentified(name: str, url: str, environment: str = "production") -> Any:
    """A row whose target could not be reached when it was registered."""
    return Database.objects.create(
        name=name, engine=parse(url).engine, url_sealed=cipher().seal(url), display=parse(url).display,
        environment=Environment.objects.get(name=environment), owner_group=OwnerGroup.objects.get(name="default"),
    )  # fmt: skip


def is_gated(row: Any) -> bool:
    """Whether a restore of what this name leads to asks somebody else, planned now."""
    targets = [plan_target(row, databases.engine_for(row).identity())]
    return approvals.requirement_for(kinds.get("restore"), targets, at=now()).gated


def test_a_replaced_file_stays_protected_under_every_name(ignition: Any, alias: Any, shop_file: Path) -> None:
    replace_file(shop_file)
    assert is_gated(ignition)
    alias.refresh_from_db()
    assert alias.identity == ignition.identity
    assert AuditEvent.objects.filter(type="database.identity_changed", database_id=alias.pk).exists()


def test_a_name_through_a_symlink_is_asked_again_too(ignition: Any, shop_file: Path) -> None:
    link = shop_file.with_name("current.sqlite3")
    link.symlink_to(shop_file)
    behind = register("current", f"sqlite:///{link}", environment="production")
    replace_file(shop_file)
    assert is_gated(ignition)
    behind.refresh_from_db()
    assert behind.identity == ignition.identity


def test_a_link_that_leads_to_the_file_now_is_noticed_when_the_file_is_planned(ignition: Any, shop_file: Path) -> None:
    other, link = shop_file.with_name("other.sqlite3"), shop_file.with_name("current.sqlite3")
    shutil.copy(shop_file, other)
    link.symlink_to(other)
    register("current", f"sqlite:///{link}", environment="production")
    assert not is_gated(ignition)
    link.unlink()
    link.symlink_to(shop_file)
    assert is_gated(ignition)


def test_a_file_that_was_missing_when_registered_counts_by_its_place(ignition: Any, shop_file: Path) -> None:
    unidentified("ignition-prod", f"sqlite:///{shop_file}")
    assert databases.protected(ignition)
    assert is_gated(ignition)


def test_another_file_stays_as_free_as_it_was(ignition: Any, shop_file: Path) -> None:
    unidentified("far", f"sqlite:///{shop_file.with_name('absent.sqlite3')}")
    assert not databases.protected(ignition)
    assert not is_gated(ignition)


def test_a_database_that_moved_with_its_names_stays_protected(savings: Any, shop: Shop) -> None:
    plain = register("playground", shop.url.replace("127.0.0.1", "localhost"), environment="development")
    Database.objects.filter(pk__in=[plain.pk, savings.pk]).update(identity="postgresql:1:before")
    plain.refresh_from_db()
    assert is_gated(plain)
    savings.refresh_from_db()
    assert savings.identity == plain.identity != "postgresql:1:before"


def test_a_former_twin_that_is_silent_keeps_its_name_from_becoming_another(savings: Any, shop: Shop) -> None:
    plain = register("playground", shop.url, environment="development")
    readdress(savings, UNREACHABLE.format(name=shop.name))
    Database.objects.filter(pk__in=[plain.pk, savings.pk]).update(identity="postgresql:1:before")
    plain.refresh_from_db()
    with pytest.raises(Refused) as caught:
        is_gated(plain)
    assert caught.value.code == "twin_unknown"
    plain.refresh_from_db()
    assert plain.identity == "postgresql:1:before"


def test_a_twin_at_the_same_address_counts_though_its_password_is_wrong(savings: Any, shop: Shop) -> None:
    plain = register("playground", shop.url, environment="development")
    readdress(savings, shop.url.replace(f":{shop.role.password}@", ":wrong@"))
    Database.objects.filter(pk=savings.pk).update(identity="postgresql:1:before")
    assert is_gated(plain)
    savings.refresh_from_db()
    assert savings.identity == plain.identity
    assert "password" in savings.problem


def test_a_name_that_was_never_identified_counts_until_its_address_rules_it_out(console: Console, shop: Shop) -> None:
    plain = register("playground", shop.url, environment="development")
    far = unidentified("far", UNREACHABLE.format(name="another"))
    assert not is_gated(plain)
    readdress(far, UNREACHABLE.format(name=shop.name))
    assert is_gated(plain)
    assert databases.protected(plain)


def test_a_name_that_can_be_asked_now_is_identified_when_its_twin_is_planned(console: Console, shop: Shop) -> None:
    plain = register("playground", shop.url, environment="development")
    late = unidentified("savings", shop.url.replace("127.0.0.1", "localhost"))
    assert is_gated(plain)
    late.refresh_from_db()
    assert late.identity == plain.identity


def test_a_target_that_really_became_another_leaves_its_twin(savings: Any, shop: Shop) -> None:
    server = shop.server
    name = server.create_database(owner=shop.role)
    plain = register("playground", shop.url, environment="development")
    readdress(plain, server.url(name, role=shop.role))
    assert not is_gated(plain)
    server.drop_database(name)


def test_other_names_are_asked_again_before_the_votes_are_counted(ignition: Any, shop_file: Path, team: Cast) -> None:
    operation = operations.request("backup", ignition, {}, account=team.ada)
    late = unidentified("current", f"sqlite:///{shop_file.with_name('current.sqlite3')}")
    shop_file.with_name("current.sqlite3").symlink_to(shop_file)
    arming.check_preconditions(operation.plan, {"target": databases.engine_for(ignition)})
    late.refresh_from_db()
    assert late.identity == ignition.identity
    assert databases.protected(ignition)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a@10.0.0.1/d", "b@10.0.0.1:5432/d", Likeness.SAME),
        ("a@localhost/d", "a@127.0.0.1/d", Likeness.SAME),
        ("a@db.example.test/d", "b@db.example.test/d", Likeness.SAME),
        ("a@10.0.0.1/d", "a@10.0.0.1/e", Likeness.OTHER),
        ("a@10.0.0.1/d", "a@10.0.0.2/d", Likeness.OTHER),
        ("a@10.0.0.1:6432/d", "a@10.0.0.1/d", Likeness.POSSIBLE),
        ("a@db.example.test/d", "a@10.0.0.2/d", Likeness.POSSIBLE),
        ("a@localhost/d", "a@10.0.0.2/d", Likeness.POSSIBLE),
        ("a@/d?host=/run/postgresql", "a@localhost/d", Likeness.POSSIBLE),
    ],
)
def test_two_addresses_of_servers_are_compared_by_what_they_lead_to(one: str, other: str, expected: Likeness) -> None:
    found = likeness(f"postgresql://{one}", f"postgresql://{other}")
    assert found is likeness(f"postgresql://{other}", f"postgresql://{one}") is expected
