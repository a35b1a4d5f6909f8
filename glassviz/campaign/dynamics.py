"""Isoconfigurational dynamics of many structures at once, split once into training and test structures."""

import hashlib
from functools import partial

import numpy as np

from glassviz.campaign.jobs import Job
from glassviz.files import netcdf
from glassviz.files.integrity import remove_leftovers, require_plain
from glassviz.mixture import InvalidData, temperature_name
from glassviz.simulate.dynamics import TIME_STEP
from glassviz.simulate.isoconfigurational import isoconfigurational, measured_times
from glassviz.simulate.lanes import LANES

KEPT = ("position", "inherent_position", "species", "seed")  # of a structure, in its propensity file


def propensity_file(target, structure, times, replicas, role, seed, record, progress=None, **options):
    """Run one structure and write its propensities; what serves `glassviz dynamics` and the campaign alike.

    A file of the same run that reaches the last time is kept as it is. One that does not is replaced by a longer one
    with the times it has and those asked for beyond them: the run goes on from the checkpoint beside it, or anew where
    that is gone.

    Parameters
    ----------
    target : pathlib.Path
        File to write. The state of the run stays beside it, in a hidden checkpoint.
    structure : xarray.Dataset
        One configuration.
    times, replicas, seed, **options
        See `glassviz.simulate.isoconfigurational`.
    role : {"train", "test"}
        What the structure is for, kept in the file.
    record : dict
        Command, version and, where the role was drawn, the seed of the split, kept in the file as `dynamics_command`
        and so on.
    progress : callable, optional
        Called with (time done, last time).

    Raises
    ------
    InvalidData
        Where the structure cannot be run, or the file that is there or the checkpoint is of another run.
    """
    _require_same_run(target, structure, replicas, role, seed)
    if reaches(target, times[-1]):
        return
    structure = structure[[name for name in KEPT if name in structure]]  # how it was made is in the configurations file
    checkpoint = target.with_name(f".{target.stem}.checkpoint.nc")
    known = measured_times(checkpoint)
    if target.exists():
        known = max(known, netcdf.load(target)["time"].values, key=len)
    times = np.concatenate([known, [time for time in times if time > max(known, default=0) + TIME_STEP / 2]])
    result = isoconfigurational(
        structure, times, replicas, seed=seed, checkpoint=checkpoint, progress=progress, **options
    )
    result.attrs |= {"role": role} | {f"dynamics_{key}": value for key, value in record.items()}
    netcdf.save(result, target, encoding=netcdf.compact(result))
    for path in (target, checkpoint):
        remove_leftovers(path)


def reaches(target, until):
    """Whether a file of propensities is there and goes up to a time."""
    return target.exists() and bool(netcdf.load(target)["time"].values[-1] > until - TIME_STEP / 2)


def _require_same_run(target, structure, replicas, role, seed):
    """`InvalidData` where a file that is there holds no propensities, or those of another run than is asked for."""
    if not target.exists():
        return
    found = netcdf.load(target)
    if not {"propensity", "position", "time"} <= set(found.variables):
        raise InvalidData(f"{target.name}: it holds no propensities; expected another folder to write to.")
    same = all(found[name].shape == structure[name].shape for name in ("position", "species"))
    same = same and np.array_equal(found["species"], structure["species"])
    same = same and np.allclose(found["position"], structure["position"], rtol=0, atol=1e-4)
    if not (same and np.isclose(found.attrs["box_length"], structure.attrs["box_length"], rtol=1e-5)):
        raise InvalidData(
            f"{target.name}: it was run from other particles; expected the positions, species and box of the structure "
            "of this name."
        )
    groups = -(-replicas // LANES)
    for key, value in {"replicas": LANES * groups, "dynamics_seed": seed, "role": role}.items():
        if found.attrs.get(key) != value:
            raise InvalidData(
                f"{target.name}: {key.replace('_', ' ')} {found.attrs.get(key)} where {value} is asked for; expected "
                "the same, or another folder."
            )


def target_file(folder, structure):
    """Path of the propensities of one structure; `InvalidData` where its name cannot be part of one."""
    name = str(structure["configuration"].item())
    require_plain(name)
    return folder / f"T{temperature_name(structure.attrs['temperature'])}_{name}.nc"


def split(names, tests, seed, known=None):
    """Share structures out between training and test.

    The names are drawn in an order that depends on each name and the seed alone, so that the same samples come out at
    every temperature; and who has a role already, at whatever temperature, keeps it, since a sample remembers what it
    was at the temperature above.

    Parameters
    ----------
    names : sequence of str
        Names of the structures.
    tests : int
        Number of test structures.
    seed : int
        Seed of the draw.
    known : dict, optional
        Roles that are decided, by name.

    Returns
    -------
    dict
        "test" or "train" by name, in the order of the draw.

    Raises
    ------
    InvalidData
        Where there are fewer structures than test structures, or less than none of these.
    """
    known = known or {}
    drawn = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    if not 0 <= tests <= len(drawn):
        raise InvalidData(f"split: {tests} test structures of {len(drawn)}; expected 0 to {len(drawn)}.")
    chosen = [name for name in drawn if known.get(name) == "test"]
    chosen += [name for name in drawn if name not in known][: max(0, tests - len(chosen))]
    return {name: "test" if name in chosen else "train" for name in drawn}


def roles(folder, particles):
    """Roles of the structures of one size that a folder of propensities holds, by name."""
    found = {}
    for path in sorted(folder.glob("[!.]*.nc")):
        attributes, shapes, names = netcdf.header(path)
        if "propensity" not in shapes or shapes["species"][-1] != particles:
            continue
        for name in names:
            role = found.setdefault(name, attributes.get("role"))
            if role != attributes.get("role"):
                raise InvalidData(f"{path.name}: {name} is a training and a test structure; expected one role.")
    return found


def dynamics_jobs(ds, output, times, replicas, test_replicas, shares, seed, record, device="cpu"):
    """Jobs that run the structures of one configurations file; one propensity file for each.

    Parameters
    ----------
    ds : xarray.Dataset
        Configurations at one temperature.
    output : pathlib.Path
        Folder that takes the files `T0.40_s0-3.nc`.
    times : sequence of float
        Output times.
    replicas, test_replicas : int
        Replicas of a training and of a test structure.
    shares : dict
        Role of each structure to run, by name, from `split`; the others are left out.
    seed : int
        Seed of the velocities; structure k of the file takes seed + k, as in `glassviz dynamics`.
    record : dict
        As in `propensity_file`, kept in every file.
    device : {"cpu", "cuda"}, optional
        Where the dynamics runs.

    Returns
    -------
    list of glassviz.campaign.jobs.Job
        In the order of `shares`.
    """
    place = {name: k for k, name in enumerate(ds["configuration"].values)}
    function, complete = partial(propensity_file, device=device), partial(reaches, until=times[-1])
    jobs = []
    for name, role in shares.items():
        structure = ds.isel(configuration=[place[name]])
        count = test_replicas if role == "test" else replicas
        arguments = (structure, times, count, role, seed + place[name], record)
        target = target_file(output, structure)
        _require_same_run(target, structure, count, role, seed + place[name])
        jobs.append(Job(target, function, arguments, priority=-len(jobs), complete=complete))
    return jobs
