"""A pack is read whole or refused with the reason; what no app understands is not left out."""

from __future__ import annotations

import pytest

from opsconsole import packs
from opsconsole.exceptions import Refused, Usage
from opsconsole.packs.values import read

HEAD = """
format = 1
name = "shop"
version = 3
title = "Shop"
about = "What the shop needs."
engines = ["sqlite"]
"""


def test_a_pack_is_its_head_and_its_sections() -> None:
    pack = read(HEAD + "[health]\n")
    assert (pack.label, pack.title, pack.engines, dict(pack.sections)) == (
        "shop 3",
        "Shop",
        ("sqlite",),
        {"health": {}},
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name =", "not readable as TOML"),
        ("[health]", "format is missing"),
        (HEAD, "no sections"),
        (HEAD.replace("3", "0") + "[health]", "a number from 1"),
        (HEAD.replace("shop", "The Shop") + "[health]", "small letters"),
        (HEAD.replace("sqlite", "oracle") + "[health]", "postgresql, sqlite"),
    ],
)
def test_what_is_no_pack_is_refused(text: str, why: str) -> None:
    with pytest.raises(Usage, match=why):
        read(text)


def test_a_pack_of_a_newer_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(Refused) as refused:
        read(HEAD.replace("format = 1", "format = 2") + "[health]")
    assert (refused.value.code, "Use a newer release" in refused.value.next_step) == ("newer_pack", True)


def test_a_section_that_nobody_knows_is_refused_and_nothing_of_the_pack_is_loaded() -> None:
    newer = read(HEAD + "[health]\n[dashboards]\n")
    with pytest.raises(Refused) as refused:
        packs.contents(newer)
    assert refused.value.code == "unknown_section"
    assert "shop 3 has a section called dashboards" in refused.value.why


@pytest.mark.parametrize("name", ["avdaily", "ignition", "solana", "tasklets"])
def test_the_packs_of_this_release_are_understood(name: str) -> None:
    pack = packs.get(name)
    held = {section.name: len(lines) for section, lines in packs.contents(pack)}
    assert set(held) == set(pack.sections)
    assert held["rules"] > 5 and held["health"] > 2


def test_a_pack_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(Usage, match="avdaily, ignition, solana, tasklets"):
        packs.get("shop")
