"""What is chosen in the explorer, without any user interface: one state for each session over a shared library."""

from dataclasses import dataclass

import param

from glassviz.explore.derive import LEVELS
from glassviz.explore.library import Sample

OPENING_TEMPERATURE = 0.23


@dataclass(frozen=True)
class Choice:
    """A state of the explorer at one moment, safe to hand to a thread."""

    temperature: float
    mean_propensity: float
    sample: Sample
    network: str


class ExplorerState(param.Parameterized):
    """The chosen temperature, mean propensity, sample and network ensemble.

    Parameters
    ----------
    library : Library
        Samples and networks to choose from.
    **chosen
        First values of the parameters below; the sample by its label.
    """

    temperature = param.Selector(
        objects=[], check_on_set=True, doc="Temperature T (ε/k_B), one of those with configurations."
    )
    mean_propensity = param.Number(
        0.8, bounds=(float(LEVELS[-1]), float(LEVELS[0])), doc="Mean propensity ⟨C̄_B⟩ of species 1."
    )
    sample = param.Selector(objects=[], check_on_set=True, doc="The configuration shown, by its label.")
    network = param.Selector(objects=[], check_on_set=True, doc="The network ensemble that predicts.")

    def __init__(self, library, **chosen):
        super().__init__()
        self.library = library
        self.param.temperature.objects = library.temperatures
        self.param.network.objects = library.networks
        self.network = library.networks[-1]
        self.temperature = chosen.pop("temperature", _nearest(library.temperatures, OPENING_TEMPERATURE))
        self.param.update(**chosen)

    @param.depends("temperature", watch=True)
    def _offer_samples(self):
        """Offer the samples of the new temperature; stay with the same one, or its size, else take the first."""
        samples = self.library.samples(self.temperature)
        same_size = [s.label for s in samples if self.sample and s.label.split(" ·")[0] == self.sample.split(" ·")[0]]
        labels = [sample.label for sample in samples]
        kept = self.sample if self.sample in labels else (same_size or labels)[0]
        with param.parameterized.batch_call_watchers(self):
            self.param.sample.objects = labels
            self.sample = kept

    @property
    def chosen_sample(self):
        """The `Sample` behind the label."""
        return next(s for s in self.library.samples(self.temperature) if s.label == self.sample)

    def choice(self):
        """The present choice as an immutable record."""
        return Choice(self.temperature, self.mean_propensity, self.chosen_sample, self.network)


def _nearest(temperatures, wanted):
    return min(temperatures, key=lambda temperature: abs(temperature - wanted))
