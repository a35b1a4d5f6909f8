"""Commands that describe and learn: descriptors, train and predict."""

import shutil
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter
from cyclopts.types import PositiveFloat
from cyclopts.validators import Number

from glassviz.cli.common import (
    NonNegativeInt,
    PositiveInt,
    Several,
    app,
    at_temperature,
    console,
    errors,
    progress_bar,
    require_new_netcdf,
    require_writable,
    tell,
    typed_command,
    whole,
)
from glassviz.mixture import InvalidData

Levels = Annotated[tuple[Annotated[float, Parameter(validator=Number(gt=0, lte=1))], ...], Several]


def relaxed(ds):
    """Configurations with inherent structures, their own where they have them."""
    from glassviz.simulate.inherent import inherent_structures

    if "inherent_position" in ds:
        return ds
    with progress_bar("inherent structures") as progress:
        return inherent_structures(ds, progress)


@app.command
def descriptors(
    source: Path, output: Path, *, cutoff: PositiveFloat = 16.0, tessellation: Literal["radical", "plain"] = "radical"
):
    """Compute the 176 structural descriptors of every particle.

    Parameters
    ----------
    source
        Configurations file; inherent structures are computed where it has none.
    output
        NetCDF file to write.
    cutoff
        Range of the sums, in σ.
    tessellation
        Cells whose perimeters count.
    """
    from glassviz.files import netcdf, read
    from glassviz.structure.descriptors import check_cutoff
    from glassviz.structure.descriptors import descriptors as compute

    ds = read(source)
    require_new_netcdf(output, source)
    check_cutoff(cutoff)
    ds = relaxed(ds)
    with progress_bar("descriptors") as progress:
        values = compute(ds, cutoff=cutoff, tessellation=tessellation, progress=progress)
    netcdf.save(values.to_dataset(name="descriptors").assign_attrs(values.attrs | typed_command()), output)
    tell(output)


@app.command
def train(
    labels: Annotated[list[Path], Several],
    *,
    output: Path | None = None,
    model: Literal["tglassmlp", "glassmlp", "ridge"] = "tglassmlp",
    preset: Literal["paper", "precomputed", "quick"] = "precomputed",
    species: Annotated[
        tuple[Annotated[int, Parameter(converter=whole, validator=Number(gte=1, lte=3))], ...], Several
    ] = (1,),
    minimum_temperature: float = 0.0,
    configurations: Annotated[list[Path] | None, Several] = None,
    plan: Annotated[bool, Parameter(negative="")] = False,
    seeds: PositiveInt | None = None,
    seed: NonNegativeInt = 0,
    steps: PositiveInt | None = None,
    threads: PositiveInt = 1,
):
    """Train an ensemble of networks on propensity files: in two steps (tGlassMLP), or a baseline.

    A training that was stopped goes on where it was when the same command is given again.

    Parameters
    ----------
    labels
        Propensity files, or folders of them; test structures are left out.
    output
        Network file to write (.safetensors); needed unless `--plan` is given.
    model
        tglassmlp, or a baseline: glassmlp learns one state alone, the lowest temperature that reaches ⟨C̄_B⟩ = 0.8,
        ridge is linear.
    preset
        The paper's numbers of steps and rates, those of the networks that ship, or a quick look (2 minutes).
    species
        Species to train networks for, 1 to 3; species 1 is always needed.
    minimum_temperature
        Labels at lower temperatures are left out, T_min.
    configurations
        Configuration files whose structures get transferred labels; by default those of
        `precomputed` (or of GLASSVIZ_DATA).
    plan
        Print which states are simulated, transferred and predicted, as in the paper's Table 1, and train nothing.
    seeds
        Networks trained for each level and in step 2, instead of the preset's.
    seed
        Seed of initial weights and of the order of structures.
    steps
        Steps of each of the trainings, instead of the preset's.
    threads
        Threads of the compiled kernels and the matrix library.
    """
    from glassviz.files import netcdf
    from glassviz.learn import baselines, training, twostep
    from glassviz.learn.labels import require_propensities
    from glassviz.learn.plan import PRESETS

    paths = [path for given in labels for path in (sorted(given.glob("[!.]*.nc")) if given.is_dir() else [given])]
    datasets = {path: netcdf.load(path) for path in (path.resolve() for path in paths)}
    for path, ds in datasets.items():
        require_propensities(ds, path)
    datasets = list(datasets.values())
    if plan:
        structures = _structures(configurations, datasets)
        console.print(
            str(twostep.planned(datasets, structures, minimum_temperature=minimum_temperature)), highlight=False
        )
        return
    if output is None or output.suffix != ".safetensors":
        raise InvalidData("--output: expected a file ending in .safetensors.")
    require_writable(output)
    if 1 not in species:
        raise InvalidData(
            f"--species: {', '.join(map(str, species))}; expected 1 among them, whose mean is constrained."
        )
    chosen = PRESETS[preset].changed(seeds, steps)
    kinds = sorted({number - 1 for number in species})
    common = {"seed": seed, "record": typed_command()}
    folder = output.with_suffix(".partial")
    with ExitStack() as bars:
        told = _stage_progress(bars)
        if model == "tglassmlp":
            ensemble = twostep.two_step(
                datasets,
                _structures(configurations, datasets),
                chosen,
                species=kinds,
                minimum_temperature=minimum_temperature,
                threads=threads,
                folder=folder,
                progress=told,
                **common,
            )
            errors.print(ensemble.header["pattern"]["text"], highlight=False, soft_wrap=True)
        else:
            parts = []
            for kind in kinds:
                points, _ = twostep.gathered(datasets, [], kind, minimum_temperature=minimum_temperature)
                if model == "ridge":
                    parts.append(baselines.ridge(points, species=kind, **common))
                else:
                    title = f"species {kind + 1}"
                    parts.append(
                        baselines.glassmlp(
                            points, chosen, species=kind, threads=threads, progress=told(title), **common
                        )
                    )
            ensemble = training.combine(parts)
        ensemble.save(output)
    shutil.rmtree(folder, ignore_errors=True)


def _structures(configurations, datasets):
    """Configuration files to transfer labels to: as told, or the store's with as many particles."""
    from glassviz.files import store

    if configurations is not None:
        return configurations
    sizes = [ds.sizes["particle"] for ds in datasets if ds.attrs.get("role") != "test"]
    return [row.path for row in store.available_configurations() if sizes and row.particles == min(sizes)]


def _stage_progress(bars):
    """A function that opens a bar for each stage of a training; quarters of it are told with how it goes."""

    def stage(title, going="steps, held-out loss {:.3f}"):
        bars.close()
        bar = bars.enter_context(progress_bar(title))
        quarters = set()

        def told(done, total, value):
            bar(done, total)
            quarter = 4 * done // total
            if quarter not in quarters:
                quarters.add(quarter)
                errors.print(f"{title}: {done} of {total} {going.format(value)}", highlight=False)

        return told

    return stage


@app.command
def predict(
    source: Path,
    output: Path,
    *,
    network: str,
    mean_propensity: Levels,
    temperature: PositiveFloat | None = None,
):
    """Predict the propensity of every particle.

    Parameters
    ----------
    source
        Configurations file; inherent structures are computed where it has none.
    output
        NetCDF file to write.
    network
        Name or file of the ensemble.
    mean_propensity
        Levels of ⟨C̄_B⟩.
    temperature
        Temperature; that of the configurations by default.
    """
    from glassviz.files import netcdf, read
    from glassviz.learn.networkfile import load_networks
    from glassviz.structure.descriptors import descriptors as compute

    ensemble = load_networks(network)
    ds = read(source)
    require_new_netcdf(output, source)
    ds = at_temperature(ds, temperature, source)
    ds = relaxed(ds)
    with progress_bar("descriptors") as progress:
        columns = compute(
            ds, cutoff=ensemble.header["cutoff"], tessellation=ensemble.header["tessellation"], progress=progress
        )
    values = ensemble.predict(columns, ds.attrs["temperature"], np.array(mean_propensity))
    _warn_of_weakness(values, ensemble, ds.attrs["temperature"])
    netcdf.save(values.to_dataset(name="propensity").assign_attrs(values.attrs | typed_command()), output)
    tell(output)


def _warn_of_weakness(values, ensemble, temperature):
    """Say which predictions are not to be trusted, and why."""
    missed = int((~values["converged"]).sum())
    if missed:
        warnings.warn(
            f"at T = {temperature:g} {missed} of {values['converged'].size} predictions, one for each network and "
            "level, miss the mean propensity; they are not to be trusted.",
            stacklevel=2,
        )
    if where := ensemble.untrained_at(temperature):
        warnings.warn(
            f"{ensemble.name}: T = {temperature:g} is outside {where}, whose dynamics it learned; its predictions "
            "are extrapolated.",
            stacklevel=2,
        )
