"""Scenes of the migrations' own tests."""

from tests.lifecycle.migrating.conftest import on_postgres as on_postgres
from tests.lifecycle.migrating.conftest import on_sqlite as on_sqlite
from tests.lifecycle.migrating.conftest import scene_on as scene_on
