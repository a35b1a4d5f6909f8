"""How far a prediction is follows from what is being computed."""

import pytest

from glassviz.explore.own import OwnLibrary
from glassviz.explore.stages import STAGES, underway
from glassviz.explore.state import ExplorerState


class Stop(Exception):
    pass


@pytest.fixture(params=["shared", "own"])
def state(request, library):
    return ExplorerState(library if request.param == "shared" else OwnLibrary(library))


def test_a_stage_is_told_while_it_is_computed_and_not_after(state):
    choice, library = state.choice(), state.library
    own, seen = choice.sample.particles + 1, []  # of a size that the memory does not know
    choice = type(choice)(
        choice.temperature, 0.8, type(choice.sample)(choice.temperature, own, 0, "large", True), choice.network
    )
    small = library.sizes(choice.temperature)[-1]
    keys = [
        ("configurations", choice.temperature, own),
        ("digest", choice.temperature, own),
        ("descriptors", choice.temperature, own, 16.0, "radical"),
        ("transfer", choice.temperature, small, own, choice.network),
        ("propensities", choice.temperature, own, choice.network),
    ]

    def look():
        seen.append(underway(library, choice))
        raise Stop

    for key in keys:
        with pytest.raises(Stop):
            library.memo(key, look)
    assert [words for words, _ in seen] == [words for _, box, words, _ in STAGES if box == "own"]
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert underway(library, choice) is None
    assert library.memo.underway == set()


def test_an_inner_stage_is_told_before_the_one_that_waits_for_it(state):
    choice, library = state.choice(), state.library
    outer = ("transfer", choice.temperature, 1, choice.sample.particles + 1, choice.network)
    inner = ("descriptors", choice.temperature, choice.sample.particles, "test")
    seen = []

    def look():
        seen.append(underway(library, choice)[0])
        raise Stop

    with pytest.raises(Stop):
        library.memo(outer, lambda: library.memo(inner, look))
    assert seen[0].startswith("descriptors")
