"""Isoconfigurational dynamics of many structures at once, split once into training and test structures."""

import hashlib

from glassviz.campaign.jobs import Job
from glassviz.files import netcdf
from glassviz.files.integrity import remove_leftovers
from glassviz.mixture import InvalidData
from glassviz.simulate.isoconfigurational import isoconfigurational


def propensity_file(target, structure, times, replicas, role, seed, record, progress=None, **options):
    """Run one structure and write its propensities; what serves `glassviz dynamics` and the campaign alike.

    Parameters
    ----------
    target : pathlib.Path
        File to write; one that exists is kept as it is, and a checkpoint beside it is taken up.
    structure : xarray.Dataset
        One configuration.
    times, replicas, seed, **options
        See `glassviz.simulate.isoconfigurational`.
    role : {"train", "test"}
        What the structure is for, kept in the file.
    record : dict of str
        Command and version, kept in the file.
    progress : callable, optional
        Called with (time done, last time).

    Raises
    ------
    InvalidData
        Where the structure cannot be run or the checkpoint is of another run.
    """
    if target.exists():
        return
    structure = structure.drop_dims(["block", "stage", "interval"], errors="ignore")  # how the sample was made
    structure = structure.drop_vars(["energy", "inherent_energy"], errors="ignore")  # follow from the positions
    checkpoint = target.with_name(f".{target.stem}.checkpoint.nc")
    result = isoconfigurational(
        structure, times, replicas, seed=seed, checkpoint=checkpoint, progress=progress, **options
    )
    result.attrs |= {"role": role} | {f"dynamics_{key}": value for key, value in record.items()}
    netcdf.save(result, target, encoding=netcdf.compact(result))
    for path in (target, checkpoint):
        remove_leftovers(path)


def target_file(folder, structure):
    """Path of the propensities of one structure."""
    return folder / f"T{structure.attrs['temperature']:.2f}_{structure['configuration'].item()}.nc"


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
        Where the test structures would leave none for training, or there are too few for them.
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
        role = found.setdefault(names[0], attributes.get("role"))
        if role != attributes.get("role"):
            raise InvalidData(f"{path.name}: {names[0]} is a training and a test structure; expected one role.")
    return found


def dynamics_jobs(ds, output, times, replicas, test_replicas, shares, seed, record):
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
    record : dict of str
        Command and version, kept in every file.

    Returns
    -------
    list of glassviz.campaign.jobs.Job
        In the order of `shares`.
    """
    place = {name: k for k, name in enumerate(ds["configuration"].values)}
    jobs = []
    for name, role in shares.items():
        structure = ds.isel(configuration=[place[name]])
        count = test_replicas if role == "test" else replicas
        arguments = (structure, times, count, role, seed + place[name], record)
        jobs.append(Job(target_file(output, structure), propensity_file, arguments, priority=-len(jobs)))
    return jobs
