"""Snapshots for notebooks: the explorer's own pixels, and one sentence for what cannot be drawn."""

import numpy as np
import pytest
import xarray as xr

from glassviz.explore import derive
from glassviz.explore.colors import MAPS, palette
from glassviz.explore.picture import PAPER, Stage, snapshot
from glassviz.mixture import InvalidData


@pytest.fixture
def small(library):
    """A small sample, its configuration and its propensities at 0.8."""
    temperature = library.temperatures[0]
    sample = library.samples(temperature)[-1]
    ds = library.configurations(temperature, sample.particles).isel(configuration=[sample.index])
    return sample, ds, derive.frames(library, sample, library.networks[0]).at(0.8)


@pytest.mark.parametrize("colors", MAPS)
def test_it_is_the_picture_of_the_explorer(library, small, colors):
    sample, ds, propensity = small
    stage = Stage(library, sample, library.networks[0], 300, "square", colors)
    picture = snapshot(ds, propensity[None, :, None], 300, colors)
    np.testing.assert_array_equal(np.asarray(picture), stage.image(0.8))


def test_active_is_at_one_end_of_the_colours_and_arrested_at_the_other(small):
    _, ds, propensity = small
    for value, end in ((0.0, 0), (1.0, -2)):
        colours, counts = np.unique(
            np.asarray(snapshot(ds, np.full(propensity.shape, value), 240)).reshape(-1, 3), axis=0, return_counts=True
        )
        most = [tuple(colours[k].tolist()) for k in np.argsort(-counts)[:2]]
        assert set(most) == {tuple(palette(MAPS[0])[end].tolist()), PAPER}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda ds, C: (ds, C[1:]), "expected one configuration, and one propensity for each particle"),
        (lambda ds, C: (xr.concat([ds, ds], "configuration").assign_coords(configuration=["a", "b"]), C), "2 config"),
        (lambda ds, C: (ds, C, 10), "expected Red to blue or Cividis, 240 to 2160 pixels"),
        (lambda ds, C: (ds, C, 300, "Jet"), "'Jet'"),
    ],
)
def test_what_cannot_be_drawn_ends_in_one_sentence(small, change, sentence):
    _, ds, propensity = small
    with pytest.raises(InvalidData, match=sentence):
        snapshot(*change(ds, propensity))
