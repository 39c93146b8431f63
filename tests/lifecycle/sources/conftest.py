"""An empty database for a source, on every engine that its tool knows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from lifecycle.sources.base import Place
from tests.lifecycle.sources.contract import Target


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Classes with a `source` get their `target` on each of its engines."""
    source = getattr(metafunc.cls, "source", None)
    if source is not None and "target" in metafunc.fixturenames:
        metafunc.parametrize("target", sorted(source.engines), indirect=True)


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return empty(request, tmp_path / "shop.sqlite", request.param)


@pytest.fixture
def twin(request: pytest.FixtureRequest, target: Target, tmp_path: Path) -> Target:
    """Another empty database like `target`, for the real tool to work on alone."""
    return empty(request, tmp_path / "twin.sqlite", target.place.engine)


def empty(request: pytest.FixtureRequest, path: Path, engine: str) -> Target:
    source = request.cls.source
    if engine == "sqlite":
        d1 = request.cls.d1
        sqlite3.connect(path).close()
        url = f"sqlite:///{path}" + ("?flavour=d1" if d1 else "")
        return Target(url=url, source=source, place=Place(engine="sqlite", database=str(path), d1=d1))
    server = request.getfixturevalue("postgres")
    name = server.create_database()
    return Target(url=server.url(name), source=source, place=Place(engine="postgresql", database=name))
