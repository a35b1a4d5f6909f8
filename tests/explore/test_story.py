import re
from html.parser import HTMLParser

import pytest

from glassviz.explore import story

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
        assert story.small_sample(library, temperature) in [s.label for s in library.samples(temperature)]


@pytest.mark.slow
@pytest.mark.parametrize("step", [s for s in story.STEPS if s.evidence], ids=lambda step: step.evidence.__name__)
def test_evidence_is_computed_from_what_is_loaded(library, step):
    said = step.evidence(library, library.networks[0])
    Balanced(said)
    assert said.endswith(".")
    numbers = re.findall(r"\d+\.\d+", said)
    assert numbers, said
    assert "nan" not in said
