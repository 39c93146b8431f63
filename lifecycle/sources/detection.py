"""Whose migrations these are, and where in what was brought: by the folder's shape, confirmed by the database's ledger.

What is not clear is asked (`Unclear`), because a wrong tool would run files again, or never.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lifecycle.sources import base
from lifecycle.sources.base import Folder, Place
from lifecycle.sources.ledgers import FoundLedger
from lifecycle.sources.looking import BOTH, Candidate, Tree, above, candidates
from lifecycle.sources.wrangler_config import NAMES as WRANGLER_FILES
from opsconsole.exceptions import Refused


@dataclass(frozen=True, kw_only=True)
class Unsupported:
    """A tool that is recognised and not taken: why, and what to do instead."""

    name: str
    label: str
    why: str
    next: str


@dataclass(frozen=True, kw_only=True)
class Detected:
    """One tool's folder within what was brought. `folder` carries the options that were found for it."""

    tool: str
    path: str  # within what was brought; "" is all of it, and "." where somebody said so
    folder: Folder
    because: str  # one sentence
    confirmed: bool  # the database holds this tool's ledger


class Unclear(Refused):
    """A question: give `parameter` one of `choices` (value, what it means)."""

    def __init__(self, code: str, why: str, parameter: str, choices: Sequence[tuple[str, str]]) -> None:
        told = [f"{parameter}={value}" + (f" ({label})" if label else "") for value, label in choices[:_TOLD]]
        more = f"; and {len(choices) - _TOLD} more" if len(choices) > _TOLD else ""
        super().__init__(code, why, f"Say which: {'; '.join(told)}{more}.")
        self.parameter, self.choices = parameter, tuple(choices)


_TOLD = 12  # choices that a sentence lists
_UNSUPPORTED: dict[str, Unsupported] = {}
_NONE = "Bring the tool's own folder, or a repository that has it, and say path= and tool= when it is not recognised."


def refuse(tool: Unsupported) -> None:
    """Add a tool to those that are recognised and refused. Raises TypeError for a second one of that name."""
    if tool.name in _UNSUPPORTED:
        raise TypeError(f"the tool {tool.name} is refused twice")
    _UNSUPPORTED[tool.name] = tool


def detect(brought: Folder, found: Sequence[FoundLedger], place: Place, *, tool: str = "", path: str = "") -> Detected:
    """The tool and its folder. `tool` and `path` are what somebody has said already.

    Raises Unclear when it has to be asked, Refused for a tool that is not taken or when there is nothing, Usage for an
    unknown tool.
    """
    if tool:
        _require_fitting(tool, place)
    said, path = bool(path), _within(path)
    tree = Tree(brought)
    looked = [_Case(each, _options_of(tree, each.path), found, place) for each in _candidates(tree)]
    cases = [case for case in looked if case.tools]
    if said or tool:
        cases = [case for case in cases if (not said or case.path == path) and (not tool or tool in case.possible)]
        cases = cases or _as_said(tree, found, place, path=path, tool=tool)
    if not cases:
        raise Refused("no_migrations", _nothing(brought, looked, place), _NONE)
    detected = _chosen(_one_of(cases), tool, brought)
    return replace(detected, path=".") if said and not path else detected


def label_of(tool: str) -> str:
    """The tool's name as people write it."""
    known = {source.name: source.label for source in base.every()}
    return known.get(tool) or (_UNSUPPORTED[tool].label if tool in _UNSUPPORTED else tool)


class _Case:
    """One candidate, seen together with the database."""

    def __init__(
        self, candidate: Candidate, options: dict[str, dict[str, str]], found: Sequence[FoundLedger], place: Place
    ) -> None:
        self.candidate, self.options, self.found, self.place = candidate, options, found, place
        self.path = candidate.path
        fits = place.engine in candidate.engines
        able = {*candidate.tools, *candidate.also, "wrangler"}  # a configuration speaks for what can read the folder
        self.said = [each for each in options if each in able and place.engine in _engines_of(each)]
        named = dict.fromkeys([*self.said, *candidate.tools])
        self.tools = [each for each in named if fits and place.engine in _engines_of(each)]
        self.possible = list(dict.fromkeys([*self.tools, *self._taking(candidate.also)]))
        present = {ledger.tool for ledger in found}
        self.confirmed = [each for each in self.possible if each in present]

    @property
    def likely(self) -> list[str]:
        """The tools between which it stands; one, when it is clear; none, when the ledger is another tool's."""
        seen = self.candidate
        if self.confirmed or self.found:
            return self.confirmed
        if self.place.d1 and ("wrangler" in (*self.said, *seen.also) or ("wrangler" in seen.tools and seen.also)):
            return ["wrangler"]  # whoever wrote the files
        first = list(seen.tools[:1]) if seen.sure else []
        return list(dict.fromkeys([*self.said, *self._taking(first)])) or self.possible

    def _taking(self, tools: Iterable[str]) -> list[str]:
        return [each for each in tools if self.place.engine in _engines_of(each)]

    def ledger_of(self, tool: str) -> FoundLedger | None:
        """The one ledger of that tool, where it is not where the tool looks by itself."""
        own = [ledger for ledger in self.found if ledger.tool == tool]
        return own[0] if len(own) == 1 and not own[0].usual else None


def _one_of(cases: Sequence[_Case]) -> _Case:
    """The only folder, or the only one whose ledger is there. Raises Unclear between several."""
    confirmed = [case for case in cases if case.confirmed]
    left = confirmed or [case for case in cases if not set(case.tools) <= set(_UNSUPPORTED)] or list(cases)
    if len(left) == 1:
        return left[0]
    raise Unclear(
        "folder_unclear",
        f"There are {len(left)} folders of migrations that could be meant.",
        "path",
        [(case.path or ".", f"{' or '.join(map(label_of, case.tools))}: {case.candidate.seen}") for case in left],
    )


def _chosen(case: _Case, tool: str, brought: Folder) -> Detected:
    likely = [tool] if tool else case.likely
    if len(likely) != 1:
        raise Unclear("tool_unclear", _why_unclear(case), "tool", [(each, label_of(each)) for each in case.possible])
    _require_taken(likely[0])
    options = dict(case.options.get(likely[0], {}))
    if ledger := case.ledger_of(likely[0]):
        options.setdefault("table", ledger.table)
        if ledger.schema:
            options.setdefault("schema", ledger.schema)
    return Detected(
        tool=likely[0],
        path=case.path,
        folder=replace(brought.below(case.path), options=options),
        because=_because(case, likely[0], asked=bool(tool)),
        confirmed=likely[0] in case.confirmed,
    )


def _candidates(tree: Tree) -> list[Candidate]:
    """By shape, and by wrangler's configuration, which may name a folder that has no known shape."""
    found = {each.path: each for each in candidates(tree)}
    for project, names in tree.files.items():
        if names & set(WRANGLER_FILES):
            for path, _ in _configured(tree, "wrangler", project):
                if path not in found and any(key == path or key.startswith(path + "/") for key in tree.files):
                    found[path] = Candidate(path=path, tools=("wrangler",), sure=True, seen="wrangler's configuration")
    return [found[path] for path in sorted(found)]


def _options_of(tree: Tree, path: str) -> dict[str, dict[str, str]]:
    """By tool, what a configuration in or around the folder says of exactly this folder; the nearest one wins."""
    said: dict[str, dict[str, str]] = {}
    for project in above(path):
        for source in base.every():
            for where, options in _configured(tree, source.name, project):
                if where == path:
                    said.setdefault(source.name, options)
    return said


def _configured(tree: Tree, tool: str, project: str) -> Iterable[tuple[str, dict[str, str]]]:
    source = next((each for each in base.every() if each.name == tool), None)
    for told in source.configured(tree.folder(project)) if source else ():
        where = "/".join(part for part in (project, told.get("dir", "")) if part)
        yield where, {key: value for key, value in told.items() if key != "dir"}


def _as_said(tree: Tree, found: Sequence[FoundLedger], place: Place, *, path: str, tool: str) -> list[_Case]:
    """A folder that nobody recognises, when somebody names both what it is and, unless it is all, where it is."""
    held = any(key == path or key.startswith(path + "/") for key in tree.files) if path else bool(tree.files)
    if path and not held:
        raise Refused("no_such_path", f"There is no folder {path} in what was brought.", "Look at its spelling.")
    if not tool:
        return []
    made = Candidate(path=path, tools=(tool,), sure=True, seen="what was asked for", engines=BOTH)
    return [_Case(made, _options_of(tree, path), found, place)]


def _within(path: str) -> str:
    """A path as folders are known by: "" for all of it."""
    normal = posixpath.normpath(path.strip("/"))
    return "" if normal == "." else normal


def _require_fitting(tool: str, place: Place) -> None:
    _require_taken(tool)
    source = base.source_named(tool)
    if place.engine not in source.engines:
        raise Refused(
            "wrong_engine",
            f"{source.label} is for {' and '.join(sorted(source.engines))}, and {place.database} is {place.engine}.",
            "Choose another tool, or another database.",
        )


def _require_taken(tool: str) -> None:
    if refused := _UNSUPPORTED.get(tool):
        raise Refused("tool_refused", refused.why, refused.next)


def _engines_of(tool: str) -> frozenset[str]:
    return next((source.engines for source in base.every() if source.name == tool), BOTH)


def _because(case: _Case, tool: str, *, asked: bool) -> str:
    label = label_of(tool)
    if tool in case.confirmed:
        return f"The database holds the ledger of {label}, and the folder fits ({case.candidate.seen})."
    if asked:
        return "That was said by whoever asked; the database holds no ledger of it yet."
    return f"The folder is one of {label} ({case.candidate.seen}); the database holds no ledger yet."


def _why_unclear(case: _Case) -> str:
    if case.found and not case.confirmed:
        others = ", ".join(sorted({label_of(ledger.tool) for ledger in case.found}))
        likely = " or ".join(map(label_of, case.tools))
        return (
            f"The folder looks like one of {likely} ({case.candidate.seen}), but the database's ledger is of {others}."
        )
    likely = " or ".join(map(label_of, case.likely))
    return f"The folder could be one of {likely} ({case.candidate.seen}), and no ledger in the database decides it."


def _nothing(brought: Folder, looked: Sequence[_Case], place: Place) -> str:
    if looked:
        seen = ", ".join(f"{case.path or '.'} ({' or '.join(map(label_of, case.candidate.tools))})" for case in looked)
        return f"{brought.name} has no migrations for {place.engine}; what it has is for other databases: {seen}."
    return f"No migrations of a known tool were found among the {len(brought.files)} files of {brought.name}."
