"""Runs of one structure with different velocities are one ensemble, as if all replicas had been run at once."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz.campaign.ensembles import one_ensemble, seeds
from glassviz.campaign.gather import gather_propensities
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.observe.propensity import label_ceiling

SPECIES = np.array([0, 1, 0, 0, 1, 0], np.int8)  # none of species 3
POSITION = np.random.default_rng(0).uniform(0, 5, (6, 2))


def surviving(replicas, seed=0, times=3):
    """Surviving bonds of each replica, (replica, time, particle)."""
    return np.random.default_rng(seed).integers(0, 7, (replicas, times, len(SPECIES))) / 6


def run(values, seed, **attributes):
    """The file that a run writes whose replicas kept so many of their bonds."""
    times = 10.0 ** np.arange(values.shape[1])
    first = np.full(values.shape[1], np.nan)
    components = np.stack([values[:, :, one == SPECIES].mean(-1).var(0, ddof=1) for one in (0, 1)] + [first], axis=-1)
    ds = xr.Dataset(
        {
            "position": (("configuration", "particle", "space"), POSITION[None]),
            "species": (("configuration", "particle"), SPECIES[None]),
            "propensity": (("configuration", "time", "particle"), values.mean(0)[None]),
            "propensity_variance": (("configuration", "time", "particle"), values.var(0, ddof=1)[None]),
            "mean_propensity": (("configuration", "time"), values.mean(0)[None, :, SPECIES == 0].mean(-1)),
            "mean_propensity_variance": (("configuration", "time", "component"), components[None]),
            "mean_square_displacement": (("configuration", "time"), values.sum(-1).mean(0)[None]),
            "self_scattering": (("configuration", "time"), values.max(-1).mean(0)[None]),
            "dynamics_seed": ("configuration", [seed]),
        },
        coords={"configuration": ["s51-0"], "time": times},
        attrs={
            "role": "test",
            "replicas": len(values),
            "temperature": 0.3,
            "box_length": 5.0,
            "dynamics_device": "cpu",
        },
    )
    return ds.assign_attrs(dynamics_command=f"run --seed {seed}", dynamics_device="cpu", **attributes)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(2, 24), min_size=2, max_size=4), st.integers(0, 99))
def test_runs_of_different_velocities_are_one_ensemble(counts, seed):
    values = surviving(sum(counts), seed)
    parts = np.split(values, np.cumsum(counts)[:-1])
    together = one_ensemble([run(part, k) for k, part in enumerate(parts)], "s51-0", "a.nc, b.nc")
    at_once = run(values, 0)
    assert together.attrs["replicas"] == sum(counts)
    assert seeds(together) == set(range(len(counts)))
    assert together.attrs["dynamics_command"] == "; ".join(f"run --seed {k}" for k in range(len(counts)))
    assert together.attrs["dynamics_device"] == "cpu"
    xr.testing.assert_allclose(
        together.drop_vars("dynamics_seed").drop_attrs(), at_once.drop_vars("dynamics_seed").drop_attrs(), atol=1e-12
    )
    assert set(together) == set(at_once)


def test_more_replicas_raise_the_ceiling_of_the_labels():
    random = np.random.default_rng(1)
    truth = random.uniform(0.2, 0.8, (1, 1, len(SPECIES)))
    one, other = (run(truth + random.normal(0, 0.2, (8, 3, len(SPECIES))), seed) for seed in (1, 2))
    together = one_ensemble([one, other], "s51-0", "a.nc, b.nc")
    assert (label_ceiling(together) > np.minimum(label_ceiling(one), label_ceiling(other))).all()


def test_no_replica_counts_twice():
    """Shorter runs, and runs that are in an ensemble already, add nothing, in whatever order they come."""
    one, other, third = run(surviving(8, 1), 1), run(surviving(8, 2), 2), run(surviving(8, 3), 3)
    both = one_ensemble([one, other], "s51-0", "a.nc, b.nc")
    xr.testing.assert_identical(one_ensemble([one.isel(time=slice(2)), both, other, both], "s51-0", "a.nc, b.nc"), both)
    assert one_ensemble([one.isel(time=slice(2)), one], "s51-0", "a.nc, b.nc") is one
    all_at_once = one_ensemble([third, other, one], "s51-0", "a.nc, b.nc")
    xr.testing.assert_allclose(one_ensemble([third, both, other], "s51-0", "a.nc, b.nc"), all_at_once)
    assert one_ensemble([third, both, other], "s51-0", "a.nc, b.nc").attrs["replicas"] == 24


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (
            run(surviving(16, 1), 1),
            "a.nc, b.nc: there is another run of s51-0; expected the same, or one of another seed",
        ),
        (run(surviving(8, 2), 2, role="train"), "another run of s51-0"),
        (run(surviving(8, 2), 2, time_step=0.005), "another run of s51-0"),
        (run(surviving(8, 2), 2).assign(position=lambda ds: ds["position"] + 0.1), "another run of s51-0"),
        (run(surviving(8, 2), 2).isel(particle=slice(3)), "another run of s51-0"),
        (run(surviving(8, 2, times=4), 2), "a.nc, b.nc: the runs of s51-0 have other output times or variables"),
        (run(surviving(8, 2), 2).drop_vars("self_scattering"), "the runs of s51-0 have other output times"),
    ],
    ids=["same velocities", "role", "time step", "positions", "particles", "times", "variables"],
)
def test_what_is_no_ensemble_is_refused(other, why):
    with pytest.raises(InvalidData, match=why):
        one_ensemble([run(surviving(8, 1), 1), other], "s51-0", "a.nc, b.nc")


def test_a_run_that_went_on_alone_is_refused():
    """Its later times would be of fewer replicas."""
    one, longer, other = run(surviving(8, 1), 1), run(surviving(8, 1, times=4), 1), run(surviving(8, 2), 2)
    with pytest.raises(InvalidData, match="another run of s51-0"):
        one_ensemble([one_ensemble([one, other], "s51-0", "a.nc, b.nc"), longer], "s51-0", "a.nc, b.nc")


def test_files_of_ensembles_with_different_numbers_of_runs(tmp_path):
    """Put together, and put together again with the runs they are made of."""
    runs, out, again = (tmp_path / name for name in ("runs", "out", "again"))
    runs.mkdir()
    for k, ds in enumerate([run(surviving(16, 1), 1), run(surviving(8, 2), 2)]):
        netcdf.save(ds, runs / f"a{k}.nc")
    alone = run(surviving(24, 3), 3).assign_coords(configuration=["s61-0"])
    netcdf.save(alone.assign(position=5 - alone["position"]), runs / "b.nc")
    gather_propensities([runs], out, lambda *_: None)
    gather_propensities([out, runs], again, lambda *_: None)
    for folder in (out, again):
        (path,) = folder.iterdir()
        assert path.name == "N6_T0.30_test_24x3_t100.nc"
        ds = netcdf.load(path)
        assert ds["configuration"].values.tolist() == ["s51-0", "s61-0"]
        assert ds["dynamics_seed"].values.tolist() == [[1, 2], [3, -1]]
        assert ds.attrs["dynamics_command"] == "run --seed 1; run --seed 2; run --seed 3"
        expected = np.concatenate([surviving(16, 1), surviving(8, 2)]).mean(0)
        np.testing.assert_allclose(ds["propensity"][0], expected, atol=0.51 / 254)
