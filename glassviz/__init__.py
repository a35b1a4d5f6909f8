"""glassviz: structure, dynamics and machine-learned propensity of a two-dimensional glass former.

The stream is simulate → structure → learn → observe → explore. Names are imported when they are first used, so that a
script pays only for the rooms it enters.
"""

from importlib import import_module

_ROOMS = {
    "read": "glassviz.files",
    "write": "glassviz.files",
    "available_configurations": "glassviz.files.store",
    "available_propensities": "glassviz.files.store",
    "equilibrate": "glassviz.simulate.equilibration",
    "assess": "glassviz.simulate.verdict",
    "compare_energies": "glassviz.simulate.verdict",
    "inherent_structures": "glassviz.simulate.inherent",
    "isoconfigurational": "glassviz.simulate.isoconfigurational",
    "descriptors": "glassviz.structure.descriptors",
    "load_networks": "glassviz.learn.networkfile",
    "available_networks": "glassviz.learn.networkfile",
    "train": "glassviz.learn.training",
    "evaluate": "glassviz.learn.evaluation",
    "attribution": "glassviz.learn.attribution",
    "size_transfer": "glassviz.learn.transfer",
    "bond_breaking": "glassviz.observe.propensity",
    "superposition": "glassviz.observe.superposition",
    "chi4": "glassviz.observe.susceptibility",
    "structure_factor": "glassviz.observe.structure_factor",
    "fit_xi4": "glassviz.observe.structure_factor",
    "chord_length": "glassviz.observe.chords",
    "length_distribution": "glassviz.observe.attention",
    "xi_int": "glassviz.observe.attention",
    "pearson": "glassviz.observe.agreement",
    "snapshot": "glassviz.explore.picture",
}

__all__ = list(_ROOMS)


def __getattr__(name):
    if name not in _ROOMS:
        raise AttributeError(f"module 'glassviz' has no attribute {name!r}")
    value = getattr(import_module(_ROOMS[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
