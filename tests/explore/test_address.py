from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassviz.explore import address
from glassviz.explore.colors import MAPS
from glassviz.explore.comparison import DYNAMICS, MOST_PANELS
from glassviz.explore.derive import LEVELS
from glassviz.explore.state import TABS, ExplorerState

NAMES = ["T", "C", "sample", "networks", "tab", "colors", "particles", "panels", "lengths", "times"]
SHARED = ("temperature", "sample", "mean_propensity", "network", "tab", "colors", "selected", "panels")
SWITCHES = ("published_level", "anchors")


def opened(query, library):
    chosen, complaints = address.read(parse_qs(query.removeprefix("?")), library)
    return ExplorerState(library, **chosen), complaints


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_link_opens_the_state_it_was_copied_from(library, data):
    state = ExplorerState(library)
    state.temperature = data.draw(st.sampled_from(library.temperatures))
    state.sample = data.draw(st.sampled_from(state.param.sample.objects))
    state.mean_propensity = data.draw(st.floats(float(LEVELS[-1]), float(LEVELS[0])).map(lambda x: round(x, 3)))
    state.network = data.draw(st.sampled_from(library.networks))
    state.tab = data.draw(st.sampled_from(TABS))
    state.colors = data.draw(st.sampled_from(MAPS))
    sources = st.sampled_from([DYNAMICS, *library.networks])
    state.panels = data.draw(st.lists(sources, max_size=MOST_PANELS, unique=True))
    for name in SWITCHES:
        setattr(state, name, data.draw(st.booleans()))
    particles = st.integers(0, state.chosen_sample.particles - 1)
    state.selected = sorted(data.draw(st.sets(particles, max_size=address.MOST_SELECTED)))
    again, complaints = opened(address.write(state), library)
    assert complaints == []
    for name in (*SHARED, *SWITCHES):
        assert getattr(again, name) == getattr(state, name), name


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(NAMES) | st.text(max_size=5),
        st.lists(
            st.binary(max_size=600) | st.text(max_size=80) | st.sampled_from(["nan", "0.23", "1e999", "-1", "inf"])
        ),
    )
)
def test_garbage_ends_in_sentences_and_defaults(library, arguments):
    chosen, complaints = address.read(arguments, library)
    state = ExplorerState(library, **chosen)
    assert state.sample in state.param.sample.objects
    for complaint in complaints:
        assert complaint.startswith("The address asks for ")
        assert "\n" not in complaint
        assert len(complaint) < 400
    asked = {name for name, values in arguments.items() if values and name in NAMES}
    keys = {"temperature": "T", "mean_propensity": "C", "network": "networks", "selected": "particles"}
    keys |= {"published_level": "lengths", "anchors": "times"}
    answered = {keys.get(name, name) for name in chosen} | {c.split(" ")[4] for c in complaints}
    assert answered == asked


@pytest.mark.parametrize("query", ["?tab=Length-scales", "?tab=Length%20scales", "?tab=length+scales"])
def test_a_tab_is_found_by_its_name_as_the_page_shows_it(library, query):
    state, complaints = opened(query, library)
    assert (state.tab, complaints) == ("Length scales", [])


def test_panels_are_found_with_spaces_in_their_names(library):
    state, complaints = opened("?panels=Molecular%20dynamics", library)
    assert (state.panels, complaints) == (["Molecular dynamics"], [])


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?T=hot", "T = 'hot': that is not a number"),
        ("?T=0.5", "there are configurations at T = "),
        ("?C=nan", "not a number"),
        ("?C=1.5", "from 0.05 to 0.99"),
        ("?sample=1290-c01000", "needs the temperature"),
        ("?T=0.23&sample=<script>", "no such sample at T = 0.23"),
        ("?networks=../../etc/passwd", "the networks are "),
        ("?tab=Dead", "the tabs are "),
        ("?colors=jet", "red or cividis"),
        ("?particles=1.2", "need the sample"),
        ("?panels=tglassmlp~oracle", "expected up to 4 different ones of Molecular-dynamics, "),
        ("?panels=Molecular-dynamics~Molecular-dynamics", "different"),
        ("?lengths=long", "it is paper or chosen"),
        ("?times=On", "it is paper or ours"),
        ("?T=0.23&sample=1290-c01000&particles=00000000099999999", "numbers from 0 to 1289"),
    ],
)
def test_what_does_not_fit_is_named(library, query, sentence):
    if 0.23 not in library.temperatures:
        pytest.fail("the store holds no sample at T = 0.23")
    state, complaints = opened(query, library)
    assert len(complaints) == 1
    assert sentence in complaints[0]
    assert state.temperature in library.temperatures
