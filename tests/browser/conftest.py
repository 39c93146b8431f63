"""A whole console with its demo, as `make run` starts it, and people in front of real browsers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from opsconsole import process
from tests.browser.desk import Demo, Desk
from tests.support.console import MANAGE, QUICK
from tests.support.running import started
from tests.support.servers import missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They share one console, so they run one after the other."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The console on a free port, its demo loaded, its worker running."""
    if not shutil.which("chromium"):
        missing("chromium", "apt-get install chromium")
    home = tmp_path_factory.mktemp("browser") / "my home"
    with started(home, QUICK | {"LOSS_SECONDS": "120"}) as running:
        running.wait_until_ready()
        yield Demo(running)
    process.run(
        [process.python(), str(MANAGE), "demo", "--remove"], env={"OPSCONSOLE_HOME": str(home), "HOME": str(home)},
        cwd=MANAGE.parent,
    )  # fmt: skip


@pytest.fixture(scope="module")
def chromium(demo: Demo) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def sit(demo: Demo, chromium: Browser) -> Iterator[Callable[..., Desk]]:
    """`sit("ada")` signs ada in, in a browser of her own. What the browser complains of fails the test."""
    desks: list[Desk] = []

    def at(login: str, *, width: int = 1280, dark: bool = False) -> Desk:
        context = chromium.new_context(
            base_url=demo.url, viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        desks.append(Desk(demo, context.new_page()))
        desks[-1].sign_in(login)
        return desks[-1]

    yield at
    for desk in desks:
        desk.page.context.close()
    assert [line for desk in desks for line in desk.complaints] == []
