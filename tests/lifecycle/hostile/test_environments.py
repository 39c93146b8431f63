"""What the processes of one run are given: looked at while they work, without a whole console around them."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole import operations
from opsconsole.instance import instance_id
from opsconsole.states import State
from tests.lifecycle.hostile.conftest import told
from tests.support.cases import work
from tests.support.watching import Watch

CANARIES = {
    "SECRET_KEY": "canary-secret-key-" + "k" * 40,
    "BROKER_URL": "redis://:canary-broker-Hm2p@127.0.0.1:1/0",
    "MIGRATE_DATABASE_URL": "postgres://owner:canary-owner-T5r@127.0.0.1/console",
    "OPSCONSOLE_TOKEN": "ops_00000000_canary-token",
    "OTHER_URL": "postgresql://ada:canary-other-9w@127.0.0.1/other",
    "PGPASSWORD": "canary-pgpassword",
}


@pytest.mark.parametrize(
    ("kind", "parameters"), [pytest.param("backup", {}, marks=pytest.mark.nightly), ("restore", {"method": "swap"})]
)
def test_a_run_holds_no_secret_but_its_own_and_hands_none_on(
    console: Any, cast: Any, postgres_shop: Any, kind: str, parameters: dict[str, str]
) -> None:
    shop, row = postgres_shop
    work(console, operations.request("backup", row, {}, account=cast.ada))
    operation = operations.request(kind, row, parameters, account=cast.ada, confirm="shop")
    secrets = CANARIES | {"password": shop.server.password, "field keys": console.env["FIELD_KEYS"]}
    with Watch([f"OPSCONSOLE_INSTANCE={instance_id()}"]) as watch:
        assert work(console, operation, **CANARIES).state == State.SUCCEEDED, told(operation)
    assert {"runner", "pg_dump", "copy worker"} <= watch.roles()
    assert watch.leaks(secrets, "argv") | watch.leaks(secrets, "open") == set()
    assert watch.leaks(secrets, "environ") == {("runner", "field keys")}
