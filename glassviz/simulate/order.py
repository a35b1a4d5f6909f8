r"""Is a configuration still the disordered mixture: no crystal, no demixing.

Both measures are freud's. Measured on the shipped samples of every temperature (T = 0.40 … 0.15, N = 1290 and 82560)
the averaged hexatic order lies between 0.36 and 0.44, whatever the temperature, and the partial g_ab(r) stay within
0.015 of 1 between 4 and 8 σ; a triangular crystal has order 1, and a demixed box a g_ab that is off by 1.
"""

import numpy as np

from glassviz import mixture

EQUATION = r"\psi_6^i = \frac{1}{n_i} \sum_j e^{6 \mathrm{i} \theta_{ij}}"
CAPTION = "|ψ6|, averaged over a particle and its neighbours, is 1 in a triangular crystal and 0.4 in this mixture."

FARTHEST = 8.0  # range in which a mixed box has g_ab(r) = 1 (σ)
CRYSTALLINE = 0.6  # averaged hexatic order beyond which a box counts as crystalline
DEMIXED = 0.2  # |g_ab − 1| beyond which it counts as demixed
FEWEST_PAIRS = (4 / DEMIXED) ** 2  # whose number scatters by a quarter of that


def require_apart(position, source):
    """`InvalidData` where two particles are at one place: nothing moves them apart, and voro++ ends the process."""
    if len(np.unique(position, axis=0)) < len(position):
        raise mixture.InvalidData(f"{source}: two particles are at the same place; expected each at its own.")


def _freud_system(position, length):
    import freud  # takes a second to import

    require_apart(position, "order")
    points = np.zeros((len(position), 3), dtype=np.float32)
    points[:, :2] = np.asarray(position) - length / 2
    return freud.box.Box.square(length), points


def hexatic_order(position, box_length):
    """Bond-orientational order |ψ6|, each particle's ψ6 averaged with those of its Voronoi neighbours.

    Parameters
    ----------
    position : (n, 2) array_like
        Positions (σ) in [0, L).
    box_length : float
        Side of the periodic box (σ).

    Returns
    -------
    float
        Mean over the particles, in [0, 1]. The average is local, so that grains of different orientation count.
    """
    import freud

    system = _freud_system(position, box_length)
    bonds = freud.locality.Voronoi().compute(system).nlist
    psi = freud.order.Hexatic(k=6).compute(system, neighbors=bonds).particle_order
    around = np.zeros_like(psi)
    np.add.at(around, bonds.query_point_indices, psi[bonds.point_indices])
    return float(np.abs((psi + around) / (1 + bonds.neighbor_counts)).mean())


def demixing(position, species, box_length):
    """Largest deviation from 1 of a partial g_ab(r) far from contact, where a mixture has forgotten the particle.

    Parameters
    ----------
    position : (n, 2) array_like
        Positions (σ) in [0, L).
    species : (n,) array_like of int
        Species, 0-based.
    box_length : float
        Side of the periodic box (σ).

    Returns
    -------
    float
        max over a, b of |g_ab − 1|, averaged over the outer half of the range that ends at 8 σ or half the box. NaN
        where chance alone could look like demixing: where so few pairs are expected in that ring that their number
        scatters by more than a quarter of `DEMIXED`, whatever the species.
    """
    import freud

    box, points = _freud_system(position, box_length)
    species = np.asarray(species)
    farthest = min(FARTHEST, 0.49 * box_length)
    ring = 0.75 * np.pi * farthest**2 / box_length**2  # share of all pairs that lie in it
    deviations = []
    for a, b in zip(*np.triu_indices(3), strict=True):
        one, other = points[species == a], points[species == b]
        pairs = ring * len(one) * (len(other) if a != b else (len(one) - 1) / 2)
        if pairs < FEWEST_PAIRS:
            continue
        rdf = freud.density.RDF(bins=10, r_max=farthest, r_min=farthest / 2)
        rdf.compute((box, one), query_points=None if a == b else other)
        deviations.append(np.average(rdf.rdf, weights=rdf.bin_centers) - 1)
    return float(np.abs(deviations).max()) if deviations else np.nan


def with_order(ds):
    """Add what tells the disordered mixture from a crystal and from a demixed box.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations (`glassviz.mixture`).

    Returns
    -------
    xarray.Dataset
        `ds` with `hexatic_order` and `demixing` `(configuration)`.
    """
    ds = mixture.check(ds)
    length = ds.attrs["box_length"]
    pairs = list(zip(ds["position"].values, ds["species"].values, strict=True))
    return ds.assign(
        hexatic_order=("configuration", [hexatic_order(position, length) for position, _ in pairs]),
        demixing=("configuration", [demixing(position, species, length) for position, species in pairs]),
    )
