"""What the server says of rows that it does not take, in words that hold no value of theirs."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg

from opsconsole.masking import mask_text

DATA_ERRORS = ("21", "22", "23", "44", "P0")  # classes of errors that a row is to blame for
_LINE = re.compile(r"^COPY .*?, \S+ (\d+)(?:, \S+ ([^:]+))?", re.MULTILINE)  # COPY t, line 3, column email: "..."


@dataclass(frozen=True)
class Complaint:
    """What the server said about a row: its number among those that were sent, where it tells, and words for people.

    The words never hold a value.
    """

    row: int | None
    why: str


def is_of_data(error: psycopg.Error) -> bool:
    """Whether a row is to blame, rather than the server or the statement."""
    return (error.sqlstate or "")[:2] in DATA_ERRORS


def complaint_of(error: psycopg.Error, *, discreet: bool) -> Complaint:
    """What an error says of a row, without any value: the server's own words often quote one.

    What a trigger says is its author's, and left out where it has to be `discreet`.
    """
    match = _LINE.search(error.diag.context or "")
    column = error.diag.column_name or (match[2] if match and match[2] else "")
    where = f" ({column})" if column else ""
    rule = f" ({error.diag.constraint_name})" if error.diag.constraint_name else ""
    why = next((words for kind, words in _WORDS if isinstance(error, kind)), "")
    if not why:
        said = " ".join((error.diag.message_primary or "").split())
        told = "" if discreet or not said else ": " + re.sub(r'"[^"]*"', "…", mask_text(said))
        why = f"the database, or a trigger in it, refused it{told}"
    return Complaint(row=int(match[1]) if match else None, why=f"{why}{where or rule}")


_WORDS: tuple[tuple[type[psycopg.Error], str], ...] = (
    (psycopg.errors.NotNullViolation, "a value is missing that the column needs"),
    (psycopg.errors.UniqueViolation, "its key is taken by another row"),
    (psycopg.errors.ForeignKeyViolation, "it refers to a row that is not there"),
    (psycopg.errors.CheckViolation, "it breaks a rule of the table"),
    (psycopg.errors.ExclusionViolation, "it collides with another row"),
    (psycopg.errors.CardinalityViolation, "its key stands in the document twice"),
    (psycopg.errors.StringDataRightTruncation, "a text is too long for its column"),
    (psycopg.errors.NumericValueOutOfRange, "a number is too large for its column"),
    (psycopg.errors.InvalidTextRepresentation, "a value is none of the column's type"),
    (psycopg.errors.DatetimeFieldOverflow, "a time is out of range"),
    (psycopg.errors.InvalidDatetimeFormat, "a value is no time"),
    (psycopg.errors.UntranslatableCharacter, "a character does not exist in the database's encoding"),
)
