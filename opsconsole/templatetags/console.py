"""How states, times, sizes, counts and environments look everywhere. `{% load console %}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.forms import BoundField
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from opsconsole import kinds
from opsconsole.models import Environment
from opsconsole.states import FACES, Face, State

register = template.Library()
THIN = "\N{NARROW NO-BREAK SPACE}"
UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))
_COUNTED = re.compile(r"(?<![\w.:-])\d{5,18}(?= (?:rows|tables|events|bytes))")
NULL = mark_safe('<span class="oc-subtle">NULL</span>')
COLOURS = frozenset({"amber", "blue", "green", "red", "grey", "violet", "orange", "teal", "pink"})


@register.simple_tag
@lru_cache(maxsize=1000, typed=True)  # a list shows the same few again and again; a safe text is none of them
def badge(word: str, colour: str = "grey", icon: str = "") -> SafeString:
    """A pill: a word, a colour of console.css and the name of a Material symbol."""
    sign = format_html('<span class="material-symbols-outlined" aria-hidden="true">{}</span>', icon) if icon else ""
    return format_html('<span class="oc-badge oc-{}">{}{}</span>', _colour(colour), sign, word)


@register.filter
def cells(values: Sequence[Any]) -> SafeString:
    """Values of one row as cells of a table, in which NULL is told from the text NULL."""
    return format_html("<td>{}</td>" * len(values), *(NULL if value is None else value for value in values))


@register.filter
def coloured(spans: Iterable[tuple[str, str]]) -> SafeString:
    """Pieces of SQL, (kind, text), each in the colour of its kind."""
    return format_html_join(
        "", '<span class="{}">{}</span>', ((f"oc-sql-{kind or 'rest'}", text) for kind, text in spans)
    )


@register.filter
def state_badge(value: Any) -> SafeString:
    """The badge of an operation, or of a state's name."""
    face: Face = FACES[State(getattr(value, "state", value))]
    return badge(face.word, face.colour, face.icon)


@register.filter
def env_chip(environment: Environment | None) -> SafeString | str:
    """An environment as a chip in its colour; a protected one carries a lock."""
    return badge(environment.label, environment.colour, "lock" if environment.protected else "") if environment else ""


@register.filter
def noun(kind: str) -> str:
    """What sentences call an operation of that kind."""
    return kinds.noun(kind)


@register.filter
def engine_name(name: str) -> str:
    """An engine as its makers write it."""
    return {"postgresql": "PostgreSQL", "sqlite": "SQLite"}.get(name, name)


@register.filter
def when(moment: datetime | None) -> SafeString:
    """`4 minutes ago`, with the exact time in UTC on focus and hover; console.js keeps it true."""
    if moment is None:
        return format_html('<span class="oc-subtle">{}</span>', "never")
    exact = moment.astimezone(timezone.get_fixed_timezone(0)).strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html(
        '<time class="oc-when" datetime="{}" data-exact="{}" title="{}" tabindex="0">{}</time>',
        moment.isoformat(),
        exact,
        exact,
        relative(moment),
    )


@register.filter
def relative(moment: datetime) -> str:
    """`4 minutes ago`, `in 3 hours`, `just now`."""
    away = (moment - timezone.now()).total_seconds()
    if abs(away) < 45:
        return "just now" if away <= 0 else "in a moment"
    text = _largest(abs(away))
    return f"in {text}" if away > 0 else f"{text} ago"


@register.filter
def until(moment: datetime | None) -> SafeString | str:
    """`3 h 12 min left`, or `over`, with the exact time on focus and hover; console.js keeps it true."""
    if moment is None:
        return ""
    left = (moment - timezone.now()).total_seconds()
    exact = moment.astimezone(timezone.get_fixed_timezone(0)).strftime("%Y-%m-%d %H:%M:%S UTC")
    words = f"{duration(left)} left" if left > 0 else "over"
    return format_html(
        '<time class="oc-until" datetime="{}" title="{}" tabindex="0">{}</time>', moment.isoformat(), exact, words
    )


@register.filter
def clock(moment: datetime) -> str:
    """A moment near now as people say it: `today 14:05 UTC`, `tomorrow 14:05 UTC`, `3 December 14:05 UTC`."""
    exact = moment.astimezone(UTC)
    days = (exact.date() - timezone.now().astimezone(UTC).date()).days
    day = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(days, f"{exact.day} {exact:%B}")
    return f"{day} {exact:%H:%M} UTC"


@register.filter
def duration(value: float | timedelta | None) -> str:
    """Seconds or a timedelta as `850 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`, `3 days 4 h`."""
    if value is None:
        return "not known"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86400:
        minutes = whole % 3600 // 60
        return f"{whole // 3600} h {minutes} min" if minutes else f"{whole // 3600} h"
    days, hours = whole // 86400, whole % 86400 // 3600
    return f"{days} day{'s' * (days != 1)}{f' {hours} h' if hours else ''}"


@register.filter
def milliseconds(value: int) -> str:
    """Milliseconds as `duration` has it."""
    return duration(value / 1000)


@register.filter(name="bytes")
def size(value: float | None) -> str:
    """Bytes in binary units: `512 B`, `61.4 MiB`."""
    if value is None:
        return "not known"
    amount = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1024:
            return f"{amount:.0f}{THIN}{unit}" if unit == "B" or amount >= 100 else f"{amount:.1f}{THIN}{unit}"
        amount /= 1024
    return f"{amount:.1f}{THIN}TiB"


@register.filter
def count(value: int | None) -> str:
    """A whole number with thin separators: `1 234 567`."""
    return "not known" if value is None else f"{int(value):,}".replace(",", THIN)


@register.filter
def legible(text: Any) -> str:
    """A sentence whose counts of five digits or more get thin separators (`300 000 rows`)."""
    return _COUNTED.sub(lambda found: count(int(found.group())), str(text))


@register.filter
def signed(value: int | None) -> str:
    """A difference: `+12`, `−3`, `0`."""
    if value is None:
        return "not known"
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{count(abs(value))}"


@register.filter
def quantity(value: float | None, unit: str) -> str:
    """A number in the unit that a run reports its progress in (`bytes`, or a noun)."""
    return size(value) if unit == "bytes" else f"{count(int(value or 0))} {unit}".strip()


@register.filter
def short(digest: str) -> str:
    """The first twelve digits of a digest; the page shows the whole one elsewhere."""
    return digest.removeprefix("sha256:")[:12]


@register.inclusion_tag("console/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form's field with its label, help and errors tied to it."""
    described = " ".join(
        f"{bound.auto_id}_{part}" for part, there in (("help", bound.help_text), ("error", bound.errors)) if there
    )
    attrs: dict[str, str | bool] = {"aria-describedby": described} if described else {}
    if bound.errors:
        attrs["aria-invalid"] = "true"
    kind = getattr(bound.field.widget, "input_type", "text")
    if bound.field.widget.use_fieldset:
        kind, attrs = "group", {}
    optional = not (bound.field.required or bound.field.initial or hasattr(bound.field, "choices"))
    return {
        "field": bound,
        "widget": bound.as_widget(attrs=attrs),
        "kind": kind,
        "optional": optional,
        "described": described,
    }


def _largest(seconds: float) -> str:
    for name, length in UNITS:
        amount = int(seconds // length)
        if amount:
            return f"{amount} {name}{'s' if amount != 1 else ''}"
    return f"{int(seconds)} seconds"


def _colour(name: str) -> str:
    return name if name in COLOURS else "grey"
