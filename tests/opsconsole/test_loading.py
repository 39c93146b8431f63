"""Programs that show no page load none of what only pages need, and lack nothing else."""

from __future__ import annotations

import json
from typing import Any

from opsconsole import process
from tests.support.console import MANAGE, Console

PAGES = ("django.contrib.admin", "unfold", "import_export", "axes", "opsconsole.admin", "opsconsole.pages", "celery")
TELL = """
import gc, json, sys
from opsconsole import loading
with loading.without_pages():
    from opsconsole import runner
from django.apps import apps
from opsconsole import kinds
from opsconsole.audit import catalogue
from opsconsole.triggers import fingerprint
print(json.dumps({
    "modules": sorted(sys.modules), "kinds": [kind.name for kind in kinds.every()], "guards": fingerprint(),
    "models": sorted(model._meta.label for model in apps.get_models()), "collects": gc.isenabled(),
    "events": [event.name for event in catalogue.every()],
}))
"""


def tell(console: Console) -> dict[str, Any]:
    done = process.run([process.python(), "-c", TELL], env=console.env, cwd=MANAGE.parent)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_runner_knows_what_the_console_knows_and_loads_no_page(console: Console) -> None:
    from django.apps import apps

    from opsconsole import kinds
    from opsconsole.audit import catalogue
    from opsconsole.triggers import fingerprint

    there = tell(console)
    assert [name for name in there["modules"] if name.startswith(PAGES)] == []
    assert there["kinds"] == [kind.name for kind in kinds.every()]
    assert there["guards"] == fingerprint()
    assert there["events"] == [event.name for event in catalogue.every()]
    ours = {model._meta.label for model in apps.get_models() if not model._meta.label.startswith(("admin.", "axes."))}
    assert set(there["models"]) == ours
    assert there["collects"]
