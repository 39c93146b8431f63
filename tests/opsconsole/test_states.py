"""The picture in the documentation, the code and every label agree."""

import re
from pathlib import Path

from opsconsole.states import ACTIVE, EDGES, FACES, OPEN, TERMINAL, State
from opsconsole.transitions import EVENTS

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"


def drawn_edges() -> set[tuple[str, str]]:
    return set(re.findall(r"^    (\w+) --> (\w+)", PICTURE.read_text(), flags=re.MULTILINE))


def test_the_picture_draws_exactly_the_edges_of_the_code():
    assert drawn_edges() == {(str(frm), str(to)) for frm, targets in EDGES.items() for to in targets}


def test_every_state_has_a_face_and_every_reachable_one_an_event():
    assert set(FACES) == set(State)
    assert set(EVENTS) == set(State) - {State.PLANNED}


def test_terminal_states_lead_nowhere_and_every_other_state_leads_to_one():
    assert all(not EDGES[state] for state in TERMINAL)
    for state in OPEN:
        seen, todo = set(), [state]
        while todo:
            found = todo.pop()
            seen.add(found)
            todo += [s for s in EDGES[found] if s not in seen]
        assert seen & TERMINAL, state


def test_only_states_that_hold_a_target_are_active():
    assert frozenset({State.RUNNING, State.CANCELLING, State.RECOVERING, State.INDETERMINATE}) == ACTIVE


def test_no_two_states_share_word_and_icon():
    assert len({(face.word, face.icon) for face in FACES.values()}) == len(State)
