"""What the plan of a fix is made of: findings with what is carried out for each, parts with rows, statements."""

from __future__ import annotations

from dataclasses import dataclass

from integrity.checks.base import Found, Proposal
from integrity.fixing.parts import Part
from integrity.fixing.statements import Statement
from opsconsole.engines.structure import Structure


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One finding and the proposal that is carried out."""

    found: Found
    proposal: Proposal
    rule: str = ""  # the digest of the rule that found it


@dataclass(frozen=True, kw_only=True)
class Laid:
    """What a plan is made of, as the database is now."""

    structure: Structure
    choices: tuple[Choice, ...]
    parts: tuple[Part, ...]
    statements: tuple[Statement, ...]
    rows: dict[str, int]  # by touched table
    stuck: tuple[str, ...]  # foreign keys against which the console's role could not put its rows back
    unknown: tuple[str, ...]  # of its statements: what could not be known beforehand, in words
    left: str = ""  # what was asked for with the rest, and nothing is proposed for
