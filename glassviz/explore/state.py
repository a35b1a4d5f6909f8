"""What is chosen in the explorer, without any user interface: one state for each session over a shared library."""

from dataclasses import dataclass

import param

from glassviz.explore.colors import MAPS
from glassviz.explore.derive import LEVELS
from glassviz.explore.library import Sample

OPENING_TEMPERATURE = 0.23
TABS = ("Live", "Compare", "Length scales", "Time", "Inside")
"""The tabs of the page, in their order."""


@dataclass(frozen=True)
class Choice:
    """A state of the explorer at one moment, safe to hand to a thread."""

    temperature: float
    mean_propensity: float
    sample: Sample
    network: str
    selected: tuple = ()


class ExplorerState(param.Parameterized):
    """The chosen temperature, mean propensity, sample, network ensemble and tab.

    Parameters
    ----------
    library : Library
        Samples and networks to choose from.
    **chosen
        First values of the parameters below; the sample by its label.

    Attributes
    ----------
    preferred : Sample or None
        The sample chosen last, which comes back at the temperatures that have it.
    """

    temperature = param.Selector(
        objects=[], check_on_set=True, doc="Temperature T (ε/k_B), one of those with configurations."
    )
    mean_propensity = param.Number(
        0.8, bounds=(float(LEVELS[-1]), float(LEVELS[0])), doc="Mean propensity ⟨C̄_B⟩ of species 1."
    )
    sample = param.Selector(objects=[], check_on_set=True, doc="The configuration shown, by its label.")
    network = param.Selector(objects=[], check_on_set=True, doc="The network ensemble that predicts.")
    selected = param.List([], item_type=int, doc="Particles of the sample that are looked at; none of another sample.")
    tab = param.Selector(objects=list(TABS), check_on_set=True, doc="The tab that is open.")
    colors = param.Selector(objects=list(MAPS), check_on_set=True, doc="The colours of the propensity.")
    panels = param.List([], item_type=str, doc="What Compare shows side by side; if none, dynamics and the network.")
    published_level = param.Boolean(True, doc="Length scales at the mean propensity of the paper, or the one chosen.")
    anchors = param.Boolean(True, doc="The paper's relaxation times are used in the tab Time, or ours alone.")

    def __init__(self, library, **chosen):
        super().__init__()
        self.library = library
        self.preferred = None
        self.param.temperature.objects = library.offered
        self.param.network.objects = library.networks
        self.network = library.networks[0]
        self.temperature = chosen.pop("temperature", _nearest(library.temperatures, OPENING_TEMPERATURE))
        selected = chosen.pop("selected", [])
        self.param.update(**chosen)
        self.selected = selected  # last: another sample drops what was selected

    @param.depends("temperature", watch=True)
    def _offer_samples(self):
        """Offer the samples of the new temperature: the one chosen last, or one of its size, else the opening one."""
        preferred = self.preferred
        self.param.sample.objects = [sample.label for sample in self.library.samples(self.temperature)]
        self.sample = self.library.sample_at(self.temperature, preferred).label
        self.selected = []  # the sample is of the new temperature by now, also for those who look
        self.preferred = preferred

    def show(self, library, sample=None, network=None):
        """Go to a `Sample` or a network, by name, that a library has and the present one lacks."""
        self.library = library
        self.param.temperature.objects = self.library.offered
        self.param.network.objects = self.library.networks
        self.param.sample.objects = [s.label for s in self.library.samples(self.temperature)]
        if sample is not None:
            self.temperature = sample.temperature
            self.sample = sample.label
        if network is not None:
            self.network = network

    @param.depends("sample", watch=True)
    def _prefer(self):
        """What was chosen last comes back at the temperatures that have it."""
        self.preferred = self.chosen_sample
        self.selected = []

    def select(self, particles, add=False):
        """Look at some particles of the sample: these alone, or these too; numbers that it does not have are dropped.

        Parameters
        ----------
        particles : iterable of int
        add : bool, optional
            Keep what is selected; a particle that is already there leaves.
        """
        known = {int(i) for i in particles if 0 <= i < self.chosen_sample.particles}
        self.selected = sorted(known ^ set(self.selected) if add else known)

    @property
    def chosen_sample(self):
        """The `Sample` behind the label."""
        return next(s for s in self.library.samples(self.temperature) if s.label == self.sample)

    def choice(self):
        """The present choice as an immutable record."""
        return Choice(self.temperature, self.mean_propensity, self.chosen_sample, self.network, tuple(self.selected))


def _nearest(temperatures, wanted):
    return min(temperatures, key=lambda temperature: abs(temperature - wanted))
