"""Ensembles on disk: safetensors with a JSON header, nothing that could run code.

Tensors are named `species1/attention`, `species1/mlp1.0.weight`, … with a leading axis over the networks and all 176
columns (zero where masked), beside `species1/mean`, `species1/std` and `species1/kept`. The header, under the metadata
key `glassviz`, holds `format`, `layers`, `columns` (observable, length, neighbor_species), `cutoff`, `tessellation`,
`reference_temperature`, `attention_scale` (the factor on the softmax), `training`, the record of how it was made, and
where it says so `kind` ("tglassmlp" by default, or a baseline of `baselines`), `minimum_temperature` of the labels and
`pattern`, which states were simulated, transferred or only predicted.
"""

import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from glassviz.files.store import precomputed
from glassviz.learn import architecture
from glassviz.learn.factorised import Branch
from glassviz.learn.inference import Ensemble
from glassviz.learn.tables import COLUMN_DIMS
from glassviz.mixture import InvalidData

FORMAT = 1
SUFFIX = ".safetensors"
KEY = "glassviz"
LAYERS = {"mlp1": list(architecture.MLP1), "mlp2": list(architecture.MLP2), "head": list(architecture.HEAD)}
KINDS = ("tglassmlp", "glassmlp", "ridge")
POSITIVE = ("cutoff", "reference_temperature")
REQUIRED = ("columns", "cutoff", "tessellation", "reference_temperature", "training")


def save(ensemble, path):
    """Write an ensemble, under a temporary name first.

    Parameters
    ----------
    ensemble : Ensemble
        What to write.
    path : str or Path
        Ends in `.safetensors`.

    Returns
    -------
    Path
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise InvalidData(f"{path.name}: networks are written as {SUFFIX}; expected a name ending so.")
    tensors = {}
    for species, branch in ensemble.branches.items():
        prefix = f"species{species + 1}/"
        for name, values in branch.weights.items():
            tensors[prefix + name] = np.ascontiguousarray(values, dtype=np.float32)
        tensors[prefix + "mean"] = branch.mean.astype(np.float64)
        tensors[prefix + "std"] = branch.std.astype(np.float64)
        tensors[prefix + "kept"] = branch.kept.astype(np.uint8)
    header = {"format": FORMAT, "layers": LAYERS, "attention_scale": "kept columns", **ensemble.header}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(tensors, temporary, metadata={KEY: json.dumps(header)})
        temporary.chmod(0o644)  # safetensors writes for the owner alone
        os.replace(temporary, path)
    except SafetensorError as error:  # which is no OSError
        raise OSError(f"{path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def available_networks():
    """Names of the ensembles in the folder `networks` of the precomputed data, what to show first coming first.

    Returns
    -------
    list of str
        tGlassMLP before the baselines, those trained to lower temperatures before others, then by name.
    """
    return [path.stem for path in sorted(precomputed("networks").glob(f"*{SUFFIX}"), key=_rank)]


def _rank(path):
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[KEY])
        return KINDS.index(header.get("kind", KINDS[0])), float(header.get("minimum_temperature", np.inf)), path.stem
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError):
        return len(KINDS), np.inf, path.stem


def load_networks(name_or_path):
    """An ensemble by the name `available_networks` lists, or from a file.

    Parameters
    ----------
    name_or_path : str or Path
        Name, or path of a `.safetensors` file.

    Returns
    -------
    Ensemble

    Raises
    ------
    InvalidData
        Where there is no such file, or it does not hold networks of this kind.
    """
    path = Path(name_or_path)
    if path.suffix != SUFFIX and not path.is_file():
        path = precomputed("networks") / f"{name_or_path}{SUFFIX}"
    if not path.is_file():
        known = ", ".join(available_networks()) or "none"
        raise InvalidData(f"{name_or_path}: there is no such network file; expected a path or one of: {known}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise InvalidData(f"{path.name}: not a readable safetensors file; expected networks of glassviz.") from error
    header = _checked_header(metadata, path.name)
    branches = {}
    for prefix in sorted({name.split("/")[0] for name in tensors}):
        if prefix not in ("species1", "species2", "species3"):
            raise InvalidData(f"{path.name}: unknown tensors '{prefix}'; expected those of species 1, 2 or 3.")
        part = {n.removeprefix(prefix + "/"): t for n, t in tensors.items() if n.startswith(prefix + "/")}
        branches[int(prefix[-1]) - 1] = _checked_branch(part, header, path.name)
    counts = {len(b.weights["attention"]) for b in branches.values()}
    if len(counts) != 1 or 0 in counts:
        raise InvalidData(f"{path.name}: expected equally many networks of every species, at least one.")
    return Ensemble(branches, header, name=path.stem)


def _checked_header(metadata, source):
    try:
        header = json.loads(metadata[KEY])
    except (KeyError, ValueError) as error:
        raise InvalidData(f"{source}: there is no header '{KEY}' in JSON; expected networks of glassviz.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("layers") != LAYERS:
        raise InvalidData(f"{source}: another format or other layers; expected format {FORMAT} with {LAYERS}.")
    if header.get("kind", KINDS[0]) not in KINDS:
        raise InvalidData(f"{source}: kind {header['kind']!r} is unknown; expected one of {', '.join(KINDS)}.")
    missing = [key for key in REQUIRED if key not in header]
    if missing:
        raise InvalidData(f"{source}: the header lacks {', '.join(missing)}.")
    columns = header["columns"]
    if not isinstance(columns, dict) or set(columns) != set(COLUMN_DIMS) or not all(map(_is_list, columns.values())):
        raise InvalidData(f"{source}: the header's columns are unusable; expected lists of {', '.join(COLUMN_DIMS)}.")
    if not isinstance(header["training"], dict) or not all(map(_is_positive, (header[key] for key in POSITIVE))):
        raise InvalidData(f"{source}: the header is unusable; expected a record, and {' and '.join(POSITIVE)} above 0.")
    for record in header["training"].values():
        states = record.get("states", []) if isinstance(record, dict) else []
        if not isinstance(states, list) or not all(map(_is_state, states)):
            raise InvalidData(f"{source}: the record of training is unusable; expected temperatures, names and times.")
        plan = (record.get("plan") or {}) if isinstance(record, dict) else {}
        if not isinstance(plan, dict) or not (plan.get("stretch", 0) == 0 or _is_positive(plan["stretch"])):
            raise InvalidData(f"{source}: the plan of training is unusable; expected settings, a stretch of 0 or more.")
    return header


def _is_state(state):
    if not isinstance(state, dict) or not _is_positive(state.get("temperature")):
        return False
    return all(isinstance(state.get(name, []), list) for name in ("names", "times"))


def _is_list(values):
    return isinstance(values, list) and len(values) > 0


def _is_positive(value):
    return isinstance(value, (int, float)) and 0 < value < np.inf


def _checked_branch(part, header, source):
    columns = int(np.prod([len(values) for values in header["columns"].values()]))
    expected = architecture.parameter_shapes(columns)
    wanted = {*expected, "mean", "std", "kept"}
    if set(part) != wanted:
        raise InvalidData(f"{source}: tensors missing or unknown: {', '.join(sorted(set(part) ^ wanted)[:3])}.")
    networks = part["attention"].shape[:1]
    shapes = {**{n: (*networks, *s) for n, s in expected.items()}, **dict.fromkeys(("mean", "std", "kept"), (columns,))}
    for name, values in part.items():
        if values.shape != shapes[name]:
            raise InvalidData(f"{source}: {name} has shape {values.shape}; expected {shapes[name]}.")
        if not np.isfinite(values).all():
            raise InvalidData(f"{source}: {name} holds a value that is not finite; expected numbers.")
    kept = part["kept"].astype(bool)
    if not kept.any() or not (part["std"][kept] > 0).all():
        raise InvalidData(f"{source}: the standardisation is not positive; expected std > 0 in the columns that count.")
    weights = {name: np.ascontiguousarray(part[name], dtype=np.float32) for name in expected}
    return Branch(weights, part["mean"], part["std"], kept)
