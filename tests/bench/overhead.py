"""What the console adds to the path of a backup itself: request, plan, claim, arm, progress, manifest, events.

`python -m tests.bench.overhead prepare` registers the database in TARGET_URL in a new console; `run` takes one backup
of it from the request to its success and prints one JSON line: `wall` without the start of the runner's interpreter,
and `start`, which is that.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time

from opsconsole import process
from tests.bench import consoles

RUNNER = """
from opsconsole import loading
with loading.without_pages():
    from opsconsole import kinds, runner
kinds.get("backup")
runner.main(0, 0, 0, 0)
"""


def prepare() -> None:
    from tests.support.people import close_bootstrap
    from tests.support.registering import register

    consoles.migrate()
    register("savings", os.environ["TARGET_URL"], environment="development")
    close_bootstrap()


def run() -> dict[str, float]:
    from django.conf import settings

    from opsconsole import operations, worker
    from opsconsole.models import Account, Database, Operation

    start = _start_of_a_runner()
    database, account = Database.objects.get(name="savings"), Account.objects.get(username="ada")
    began = time.monotonic()
    operation = operations.request("backup", database, {}, account=account, confirm="savings")
    worker.run_operation(operation.pk)
    wall = time.monotonic() - began
    ended = Operation.objects.get(pk=operation.pk)
    assert ended.state == "succeeded", f"{ended.state}: {ended.failure_why}"
    shutil.rmtree(settings.OPSCONSOLE_STORE / "backups")
    return {"wall": wall - start, "start": start}


def _start_of_a_runner() -> float:
    """Seconds until a runner has started, loaded what a backup needs, and found that there is no such operation."""
    argv = [process.python(), "-c", RUNNER]
    began = time.monotonic()
    process.run(argv, env=dict(os.environ))
    return time.monotonic() - began


def main(act: str) -> None:
    consoles.enter()
    if act == "prepare":
        prepare()
    else:
        print(json.dumps(run()))


if __name__ == "__main__":
    main(sys.argv[1])
