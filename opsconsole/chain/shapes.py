r"""The shape that `record` gives a payload, and how each database tells what the event's other columns hold.

One regular expression takes a payload and what is told of its index together: only canonical payloads of that shape,
and only an index that says the same. It does not take anything else (another shape, an escaped sign, nested data),
which says nothing against it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

from opsconsole.verify_audit import ROTATED, moment_of

# A choice that repeats stands in (?>...): Python 3.11.2 loses its place in one that is possessive itself.
SIGNS = r"[ !#-\[\]-\U0010ffff]"  # what a text holds without escapes
VALUE = rf'(?:"{SIGNS}*+"|null|true|false|0|-?[1-9][0-9]{{0,14}}+)'
TOKENS = {  # <name> is a text, <name:20> one that is not cut, <#name> a number; the index holds each that has a name
    "": rf'"{SIGNS}*+"',
    "#": r"(?:null|[1-9][0-9]{0,14}+)",
    "day": r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})",
    "data": rf'\{{(?P<data>(?>(?:"[a-z_]++":{VALUE}(?:,(?=")|(?=\}})))+))?\}}',
}
PAYLOAD = (
    '{"actor":{"account":<#>,"auth":<>,"key":<actor:120>,"kind":<>,"name":<actor_name:150>,"person":<#>,"session":<>},'
    '"after":<>,"at":"<day>T<time>Z","before":<>,"data":<data>,"id":<uid:36>,"outcome":<outcome:20>,"reason":<>,'
    '"source":{"host":<>,"ip":<>,"request":<>,"user_agent":<>},'
    '"subject":{"database":<#database_id>,"environment":<>,"kind":<kind:40>,"name":<database_name:63>,"object":<>,'
    '"operation":<#operation_id>,"title":<>},'
    f'"type":(?!"{re.escape(ROTATED)}")<type:60>,"v":1}}'
)
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
TIME = {  # PostgreSQL tells no zeros at the end of a fraction
    "sqlite": rf"(?P<time>{CLOCK}\.[0-9]{{6}})",
    "postgresql": rf"(?=[0-9:]{{8}}\.[0-9]{{6}}Z)(?P<time>{CLOCK}(?:\.[0-9]{{0,5}}[1-9])?)\.?0*+",
}
INDEX = {  # no other values are told like these: JSON escapes a quote, and a payload's text with one is not taken
    "sqlite": "json_array(e.at, e.actor, e.actor_name, e.uid, e.outcome, e.database_id, e.kind, e.database_name,"
    " e.operation_id, e.type)",
    "postgresql": r"""textsend(concat_ws('"', e.at, coalesce(e.actor, E'\n'), coalesce(e.actor_name, E'\n'),
    coalesce(e.uid, E'\n'), coalesce(e.outcome, E'\n'), coalesce(e.database_id::text, 'null'), coalesce(e.kind, E'\n'),
    coalesce(e.database_name, E'\n'), coalesce(e.operation_id::text, 'null'), coalesce(e.type, E'\n')))""",
}
TOLD = {
    "sqlite": r'\["(?P<at><day> <time>)","<actor>","<actor_name>","<uid>","<outcome>",<database_id>,"<kind>",'
    r'"<database_name>",<operation_id>,"<type>"]',
    "postgresql": r'(?P<at><day> <time>)\+00"<actor>"<actor_name>"<uid>"<outcome>"<database_id>"<kind>"<database_name>"'
    '<operation_id>"<type>',
}
NAMES = re.compile(r'"([a-z_]+)":')  # of flat data; a text in it holds no quote


@cache
def lines(vendor: str) -> re.Pattern[str]:
    """Takes a payload and its index, a line each; no token takes the end of one, so neither is taken for the other.

    Its groups are the columns of the index, `at` as it is told there, and `data` (without braces; none where empty).
    """
    escaped = re.sub(r"([{}])", r"\\\1", PAYLOAD)
    payload = re.sub(r"<(#?)(\w*):?(\d*)>", lambda found: _token(vendor, *found.groups()), escaped)
    told = re.sub(r"(?<!P)<(\w+)>", r"(?P=\1)", TOLD[vendor])
    return re.compile(f"{payload}\n{told}")


def _token(vendor: str, number: str, name: str, most: str) -> str:
    if name == "time":
        return TIME[vendor]
    if (known := number + name) in TOKENS:
        return TOKENS[known]
    return f"(?P<{name}>null|[1-9][0-9]{{0,14}}+)" if number else f'"(?P<{name}>{SIGNS}{{0,{most}}}+)"'


def midnight_after(day: str) -> str:
    """What every time of that date is told before. Raises ValueError for a date that is not in the calendar."""
    moment_of(f"{day}T00:00:00.000000Z")
    return f"{day} 24"


def in_order(data: str) -> bool:
    """Whether flat data has each name once and in order, as its canonical form does."""
    names = NAMES.findall(data)
    return names == sorted(set(names))


def moment_told(index: str | bytes) -> datetime:
    """The time that an index begins with. Raises ValueError for what is none."""
    told = index if isinstance(index, str) else str(index, "utf-8")
    moment = datetime.fromisoformat(told.removeprefix('["').partition('"')[0])
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
