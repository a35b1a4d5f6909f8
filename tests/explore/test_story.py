import re
from html.parser import HTMLParser

import pytest

from glassviz.explore import comparison, story

VOID = {"br"}


class Balanced(HTMLParser):
    """Complains about tags that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.feed(text)
        assert self.open == [], text

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_story_has_six_to_eight_complete_steps():
    assert 6 <= len(story.STEPS) <= 8
    for step in story.STEPS:
        for text in (step.title, step.text, step.try_it):
            Balanced(text)
        assert 100 < len(re.sub("<.*?>", "", step.text)) < 700
        if step.source is not None:
            assert step.source.EQUATION
            assert step.source.CAPTION


def test_every_step_can_be_shown(library):
    for step in story.STEPS:
        temperature = story.temperature_of(step, library)
        assert temperature in library.temperatures
        assert library.opening_sample(temperature) in library.samples(temperature)


@pytest.mark.slow
@pytest.mark.parametrize("step", [s for s in story.STEPS if s.evidence], ids=lambda step: step.evidence.__name__)
def test_evidence_is_computed_from_what_is_loaded(library, step):
    said = step.evidence(library, library.networks[0])
    Balanced(said)
    assert said.endswith(".")
    numbers = re.findall(r"\d+\.\d+", said)
    assert numbers, said
    assert "nan" not in said


@pytest.mark.slow
def test_evidence_of_transfer_is_of_networks_that_learned_no_dynamics_there(library):
    said = story.agreement_with_dynamics(library, library.networks[0])
    name = re.search(r"the networks (\S+), which learned dynamics at T = ", said)[1]
    temperature = float(re.search(r"<i>T</i> = ([\d.]+)", said)[1])
    assert temperature < library.ensemble(name).temperatures[0]
    curve = comparison.pearson_curve(library, temperature, name)
    told = [
        f"{rho:.2f} ± {error:.2f}" for rho, error in zip(curve["pearson"].values, curve["error"].values, strict=True)
    ]
    assert any(one in said for one in told)
