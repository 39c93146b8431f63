"""List pages over many rows, the console's own against Django's default ModelAdmin with the same columns and filters.

`python -m tests.bench.pages fill LAST [FIRST]` makes the rows of these numbers; `python -m tests.bench.pages time`
prints one JSON line with the median milliseconds and the number of statements of every page. With BENCH_PEER set both
are about the peer, whose tables have the indexes that Django gives by itself: of keys and of relations.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Any

from tests.bench import consoles, filling

REPEATS = 3
OURS = {  # by what is shown: the address, with {middle} for a row in the middle of the table
    "operations": "/operations/",
    "operations, failed ones": "/operations/?state=failed",
    "operations, far back": "/operations/?before={middle}",
    "audit history": "/audit/",
    "audit history, refusals": "/audit/?outcome=denied",
    "audit history, far back": "/audit/?before={middle}",
    "backups of one database": "/databases/shop-1/backups/",
    "backups (admin)": "/admin/lifecycle/backup/",
    "backups (admin), damaged ones": "/admin/lifecycle/backup/?state__exact=bad",
    "operations (admin)": "/admin/opsconsole/operation/",
    "audit history (admin)": "/admin/opsconsole/auditevent/",
}
PEERS = {
    "operations": "/admin/opsconsole/operation/",
    "operations, failed ones": "/admin/opsconsole/operation/?state__exact=failed",
    "operations, far back": "/admin/opsconsole/operation/?p={operation_page}",
    "audit history": "/admin/opsconsole/auditevent/",
    "audit history, refusals": "/admin/opsconsole/auditevent/?outcome=denied",
    "audit history, far back": "/admin/opsconsole/auditevent/?p={event_page}",
    "backups of one database": "/admin/lifecycle/backup/?database__id__exact=1",
    "backups (admin)": "/admin/lifecycle/backup/",
    "backups (admin), damaged ones": "/admin/lifecycle/backup/?state__exact=bad",
    "operations (admin)": "/admin/opsconsole/operation/",
    "audit history (admin)": "/admin/opsconsole/auditevent/",
}


def timed() -> dict[str, dict[str, float]]:
    """By page: `ms` (median) and `queries`."""
    from opsconsole.models import Operation

    middle = Operation.objects.count() // 2
    words = {"middle": middle, "operation_page": middle // 40, "event_page": middle // 50}
    client = consoles.browser("audrey")
    pages = PEERS if os.environ.get("BENCH_PEER") else OURS
    return {name: _measure(client, address.format(**words)) for name, address in pages.items()}


def _measure(client: Any, address: str) -> dict[str, float]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:  # the first one warms the caches
        answer = client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
    queries = len(captured)  # the next request begins its own count
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        client.get(address)
        taken.append((time.perf_counter() - began) * 1000)
    return {"ms": statistics.median(taken), "queries": queries}


def main(words: list[str]) -> None:
    consoles.enter()
    if words[0] == "fill":
        _, last, *first = words
        if not first:
            consoles.migrate()
        filling.fill(int(last), *map(int, first))
        if os.environ.get("BENCH_PEER"):
            filling.drop_our_indexes()
    else:
        print(json.dumps(timed()))


if __name__ == "__main__":
    main(sys.argv[1:])
