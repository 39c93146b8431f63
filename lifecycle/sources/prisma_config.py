"""Where a project keeps Prisma's migrations, as prisma.config.* or package.json say it in plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath

from lifecycle.sources.base import Folder

_CONFIG = re.compile(r"(\.config/)?prisma(\.config)?\.(ts|mts|cts|js|mjs|cjs)")
_MIGRATIONS = re.compile(r"""\bmigrations["']?\s*:\s*\{[^}]*?\bpath["']?\s*:\s*(["'`])(?P<path>[^"'`\n$]+)\1""")
_SCHEMA = re.compile(r"""\bschema["']?\s*:\s*(["'`])(?P<path>[^"'`\n$]+)\1""")


def configured(project: Folder) -> list[Mapping[str, str]]:
    """`dir` of each configuration; nothing of it is executed. Unless said otherwise, it lies beside the schema."""
    found = [_in_config(project.files[path].decode(errors="replace")) for path in _configs(project)]
    found.append(_in_package(project.files.get("package.json", b"")))
    return [{"dir": normpath(path)} for path in found if path]


def _configs(project: Folder) -> list[str]:
    return [path for path in sorted(project.files) if _CONFIG.fullmatch(path)]


def _in_config(text: str) -> str:
    if told := _MIGRATIONS.search(text):
        return told["path"]
    return _beside(told["path"]) if (told := _SCHEMA.search(text)) else ""


def _in_package(data: bytes) -> str:
    try:
        schema = json.loads(data)["prisma"]["schema"]
    except (ValueError, KeyError, TypeError):
        return ""
    return _beside(schema) if isinstance(schema, str) else ""


def _beside(schema: str) -> str:
    return join(dirname(schema) if schema.endswith(".prisma") else schema, "migrations")
