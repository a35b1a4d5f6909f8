import numpy as np
import pytest
import xarray as xr

from glassviz.mixture import InvalidData
from glassviz.observe.chords import chord_length, chord_segments, count_chords, lattice

SIDE = 20
SPACING = 1.5
LENGTH = SIDE * SPACING


def on_lattice(passive, copies=1):
    """One particle in the middle of every site; propensity 1 where passive, else 0."""
    corner = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).reshape(-1, 2)
    ds = xr.Dataset(
        {
            "position": (("configuration", "particle", "space"), [(corner + 0.5) * SPACING] * copies),
            "species": (("configuration", "particle"), np.zeros((copies, len(corner)), np.int8)),
        },
        attrs={"box_length": LENGTH},
    )
    return xr.DataArray(np.asarray(passive, dtype=np.float64).ravel(), dims="particle"), ds


def naive(mobile):
    """All chord lengths in sites, by walking every line from a passive site."""
    chords = []
    for line in [*mobile, *mobile.T]:
        if line.all():
            chords.append(len(line))
            continue
        line = np.roll(line, -int(np.argmin(line)))
        chords += [len(run) for run in "".join("x" if m else " " for m in line).split()]
    return chords


def test_error_is_the_scatter_of_few_structures():
    """Structures of random squares 2, 4 or 5 sites wide; the bare bootstrap of three has √⅔ of the scatter."""
    generator, found = np.random.default_rng(5), []
    _, ds = on_lattice(np.zeros(SIDE * SIDE), copies=3)
    for _ in range(300):
        squares = [
            np.kron(generator.normal(size=(SIDE // width, SIDE // width)), np.ones((width, width))).ravel()
            for width in generator.choice([2, 4, 5], 3)
        ]
        found.append(chord_length(xr.DataArray(np.array(squares), dims=("configuration", "particle")), ds))
    found = xr.concat(found, "sample")
    estimated = np.sqrt((found.structure_error**2).mean())
    assert float(estimated / found.std(ddof=1)) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("width", [1, 2, 5, 10])
def test_stripes(width):
    """Stripes of mobile and passive rows, equally wide: chords of `width` across, of the box along."""
    rows = (np.arange(SIDE) // width) % 2
    C, ds = on_lattice(np.repeat(rows, SIDE))
    across, along = SIDE * SIDE // (2 * width), SIDE // 2
    expected = (across * width * SPACING + along * LENGTH) / (across + along)
    assert float(chord_length(C, ds)) == pytest.approx(expected)


def test_a_chord_goes_on_through_the_boundary():
    mobile = np.zeros((SIDE, SIDE), bool)
    mobile[:10] = True
    for shift in range(SIDE):
        C, ds = on_lattice(~np.roll(mobile, shift, axis=0))
        assert float(chord_length(C, ds)) == pytest.approx((20 * 10 * SPACING + 10 * LENGTH) / 30)


@pytest.mark.parametrize("seed", range(5))
def test_equals_walking_the_lines(seed):
    generator = np.random.default_rng(seed)
    length, particles = 23.0, 180
    position = generator.uniform(0, length, (particles, 2))
    values = generator.uniform(size=(3, particles))
    sites, nearest, side = lattice(position, length, 1.5)
    assert side == 15
    mobile, chords = count_chords(values, np.full(3, 0.6), sites, nearest, side)
    step = length / side
    for f in range(3):
        a = np.zeros((side, side))
        for i in range(side):
            for j in range(side):
                inside = (position // step).astype(int) == [i, j]
                members = np.flatnonzero(inside.all(axis=1))
                if not members.size:
                    gap = position - (np.array([i, j]) + 0.5) * step
                    gap -= length * np.rint(gap / length)
                    members = [np.argmin((gap**2).sum(axis=1))]
                a[i, j] = (values[f, members] >= 0.6).mean()
        expected = naive(a < 0.5)
        assert (mobile[f], chords[f]) == (sum(expected), len(expected))


def test_spacing_divides_the_box_and_changes_the_answer():
    blocks = np.kron((np.add.outer(np.arange(4), np.arange(4)) % 2), np.ones((5, 5)))
    C, ds = on_lattice(blocks)
    coarse, fine = chord_length(C, ds, spacing=1.5), chord_length(C, ds, spacing=0.76)
    assert coarse.attrs["spacing"] == pytest.approx(1.5)
    assert fine.attrs["spacing"] == pytest.approx(LENGTH / 39)
    assert float(fine) == pytest.approx(float(coarse), rel=0.1)


def test_only_species_1_counts():
    rows = np.repeat((np.arange(SIDE) // 2) % 2, SIDE)
    C, ds = on_lattice(rows)
    double = xr.concat([ds, ds], "particle")
    double["species"] = ("configuration", "particle"), np.repeat([[0, 2]], SIDE * SIDE, axis=1)
    noise = xr.DataArray(np.random.default_rng(0).uniform(size=SIDE * SIDE), dims="particle")
    assert float(chord_length(xr.concat([C, noise], "particle"), double)) == float(chord_length(C, ds))


def test_median_is_taken_over_all_structures_and_chords_are_pooled():
    C, ds = on_lattice(np.ones(SIDE * SIDE), copies=2)
    # one structure all mobile, one all passive: 40 chords of the box length
    both = xr.concat([C, C - 1], "configuration")
    assert float(chord_length(both, ds)) == pytest.approx(LENGTH)


def test_nothing_mobile_gives_no_number():
    C, ds = on_lattice(np.ones((SIDE, SIDE)))
    assert np.isnan(chord_length(C, ds))


def test_networks_are_averaged_and_their_spread_is_given():
    fields = np.stack([np.repeat((np.arange(SIDE) // w) % 2, SIDE) for w in (2, 5)])
    _, ds = on_lattice(fields[0])
    C = xr.DataArray(fields.astype(np.float32), dims=("network", "particle"))
    each = [float(chord_length(C[n], ds)) for n in range(2)]
    mean = chord_length(C, ds)
    assert float(mean) == pytest.approx(np.mean(each))
    assert float(mean.error) == pytest.approx(np.std(each, ddof=1))


def test_a_spacing_that_makes_no_lattice_is_refused():
    C, ds = on_lattice(np.ones((SIDE, SIDE)))
    for spacing in (0.0, -1.0, 20.0):
        with pytest.raises(InvalidData, match="spacing"):
            chord_length(C, ds, spacing)


def test_segments_along_both_axes_are_the_chords_that_are_averaged():
    generator = np.random.default_rng(3)
    n = 700
    position = generator.uniform(0, LENGTH, (1, n, 2))
    species = (np.arange(n) % 3 == 2).astype(np.int8)[None]
    value = xr.DataArray(np.cos(position[0, :, 0] / 3) + generator.normal(size=n), dims="particle")

    def box(position):
        variables = {
            "position": (("configuration", "particle", "space"), position),
            "species": (("configuration", "particle"), species),
        }
        return xr.Dataset(variables, attrs={"box_length": LENGTH})

    both = [chord_segments(value, box(p)) for p in (position, position[..., ::-1])]
    lengths = np.concatenate([s[:, 2] - s[:, 0] for s in both])
    assert lengths.mean() == pytest.approx(float(chord_length(value, box(position))))
    for segments in both:
        assert (segments[:, 1] == segments[:, 3]).all()
        assert ((segments[:, 0] >= 0) & (segments[:, 0] < LENGTH)).all()


def test_segments_lie_in_the_mobile_stripe():
    rows = np.where((np.arange(SIDE) >= 18) | (np.arange(SIDE) < 3), 0, 1)  # mobile across the border
    C, ds = on_lattice(np.repeat(rows, SIDE))
    C = C + 1e-3 * (np.arange(SIDE * SIDE) % 7 == 0) * (C > 0)  # the median lies among the passive ones
    segments = chord_segments(C, ds)
    step = LENGTH / SIDE
    middles = (np.arange(SIDE) + 0.5) * step
    expected = np.stack([np.full(SIDE, 18 * step), middles, np.full(SIDE, (SIDE + 3) * step), middles], axis=-1)
    np.testing.assert_allclose(segments[np.argsort(segments[:, 1])], expected)
    with pytest.raises(InvalidData, match="one of each"):
        chord_segments(xr.concat([C, C], "state"), ds)
