"""Attributes of a Dataset as a file can hold them: text and numbers as they are, all else as JSON text."""

import json

import numpy as np

JSON_ATTRIBUTES = "json_attributes"  # lists, as JSON text, the names of the attributes that are JSON text


def to_json(value):
    """JSON text of plain values, NumPy scalars and arrays, lists and dictionaries of them."""
    return json.dumps(value, default=_plain)


def storable(attributes):
    """Attributes as NetCDF can hold them.

    Parameters
    ----------
    attributes : dict
        Text, numbers, arrays, None, bool, lists and dictionaries.

    Returns
    -------
    dict
        Text, numbers and arrays of numbers; the rest as JSON text, named in `json_attributes`.

    Raises
    ------
    TypeError
        Where a value is none of these.
    """
    attributes = {name: value for name, value in attributes.items() if name != JSON_ATTRIBUTES}
    as_json = sorted(name for name, value in attributes.items() if not _is_native(value))
    stored = {name: to_json(value) if name in as_json else value for name, value in attributes.items()}
    return stored | ({JSON_ATTRIBUTES: to_json(as_json)} if as_json else {})


def restored(attributes):
    """Attributes as they were before `storable`, NumPy scalars as plain numbers and tuples as lists."""
    as_json = json.loads(attributes.get(JSON_ATTRIBUTES, "[]"))
    attributes = {name: value for name, value in attributes.items() if name != JSON_ATTRIBUTES}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in attributes.items()}
    return plain | {name: json.loads(plain[name]) for name in as_json if name in plain}


def _is_native(value):
    if isinstance(value, bool | np.bool):
        return False
    if isinstance(value, str):
        return "\0" not in value and value.encode(errors="ignore").decode() == value  # no lone surrogates
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.size > 1 and value.dtype.kind in "iuf"
    return isinstance(value, float | np.integer | np.floating)


def _plain(value):
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"an attribute of type {type(value).__name__} cannot be stored; expected numbers, text or JSON")
