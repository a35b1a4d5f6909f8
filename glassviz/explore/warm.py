"""What an installation does in advance: compile every kernel and cache the descriptors of what ships."""

import tempfile
from pathlib import Path

from glassviz.explore import derive, heterogeneity
from glassviz.explore.library import Library
from glassviz.explore.movie import render_movie
from glassviz.explore.state import Choice
from glassviz.observe.structure_factor import fit_xi4, structure_factor
from glassviz.simulate.equilibration import BLOCKS, equilibrate
from glassviz.simulate.inherent import inherent_structures
from glassviz.simulate.isoconfigurational import isoconfigurational
from glassviz.structure.descriptors import descriptors

LEVEL = 0.8  # any; all levels are derived together
PARTICLES = 200  # of the box that the kernels are tried on


def warm(progress):
    """Compile the kernels by using them; cache all shipped descriptors and what the first networks make of them.

    Parameters
    ----------
    progress : callable
        Called with (steps done, steps in all).

    Raises
    ------
    InvalidData
        Where there is nothing to explore.
    """
    library = Library()
    stored = [
        (temperature, particles) for temperature in library.temperatures for particles in library.sizes(temperature)
    ]
    total = len(stored) + 2
    ds = inherent_structures(equilibrate(temperature=0.5, sweeps=BLOCKS, particles=PARTICLES))
    descriptors(ds.drop_vars("inherent_energy"))
    isoconfigurational(ds, [0.1], replicas=8)
    progress(1, total)
    _show(library)
    progress(2, total)
    for done, (temperature, particles) in enumerate(stored, 3):
        for network in library.networks:
            library.descriptors(temperature, particles, network)
        _derive(library, temperature, particles, library.networks[0])
        progress(done, total)


def _derive(library, temperature, particles, network):
    """What the page shows first at a temperature and size."""
    if not derive.transfer(library, temperature, particles, network)[0]:
        return
    derive.predictions(library, temperature, particles, network)
    heterogeneity.fluctuations(library, temperature, network)
    if particles == library.sizes(temperature)[0]:
        heterogeneity.dynamic_length(library, temperature, network)
    if library.ensemble(network).has_attention:
        derive.attention(library, Choice(temperature, LEVEL, library.opening_sample(temperature, particles), network))


def _show(library):
    """Two frames and one fit: everything a view calls."""
    temperature = library.temperatures[0]
    sample = library.samples(temperature)[-1]
    with tempfile.TemporaryDirectory() as folder:
        movie = Path(folder) / "warm.gif"
        render_movie(movie, temperature=temperature, sample=sample.label, size=240, frames=2, library=library)
    network = library.networks[0]
    columns = library.descriptors(temperature, sample.particles, network)
    ds = library.configurations(temperature, sample.particles)
    ensemble = library.ensemble(network)
    fit_xi4(structure_factor(ensemble.predict(columns, temperature, [0.8, 0.5]), ds))
    if ensemble.has_attention:
        ensemble.attention(columns, temperature, 0.8)
    if ensemble.has_bottleneck:
        ensemble.bottleneck(columns, temperature, 0.8)
