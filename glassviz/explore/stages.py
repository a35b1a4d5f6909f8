"""How far the prediction of a sample is, told by which of its stages is being computed."""

STAGES = (
    # what is computed, for a box of which size, in words, share of the time that has passed when it begins
    ("configurations", "own", "reading", 0.0),
    ("digest", "small", "reading", 0.0),
    ("digest", "own", "reading", 0.0),
    ("descriptors", "small", "descriptors of the small boxes", 0.0),
    ("descriptors", "own", "descriptors", 0.16),
    ("transfer", "own", "size-transfer test", 0.26),
    ("propensities", "own", "predictions at 40 times", 0.56),
)
"""In their order; the shares are those measured for N = 82560 at T = 0.23 with nothing on disk, on two cores."""


def underway(library, choice):
    """The stage which the predictions of the chosen sample and network have reached.

    Parameters
    ----------
    library : Library
    choice : Choice

    Returns
    -------
    (str, float) or None
        Its name and the share of the whole that lies behind it; None where nothing is being computed.
    """
    temperature, particles = choice.sample.temperature, choice.sample.particles
    sizes = {"own": particles, "small": library.sizes(temperature)[-1]}
    computed = library.memo.underway
    for name, box, words, share in STAGES:
        if any(_is(key, name, temperature, sizes[box]) for key in computed):
            return words, share
    return None


def _is(key, name, temperature, particles):
    """Whether a key of the memory belongs to a stage; the key of the transfer test names both boxes."""
    return key[0] == name and key[1] == temperature and particles in key[2:4]
