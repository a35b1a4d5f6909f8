"""The state of the explorer as the query of its address: what is shared by copying a link.

Whatever stands in an address may have been typed, cut or made up by anyone. It is checked against what the library has;
what does not fit is left out and named in one sentence, and the explorer opens with its defaults instead.
"""

import math
from functools import partial
from urllib.parse import urlencode

from glassviz.explore.colors import BY_WORD, MAPS
from glassviz.explore.comparison import DYNAMICS, MOST_PANELS
from glassviz.explore.derive import LEVELS
from glassviz.explore.state import TABS

LONGEST = 400  # characters of a value that are read
SHOWN = 40  # of them in a complaint
MOST_SELECTED = 40  # particles a link carries; more are a region that is quickly drawn again


def write(state):
    """The query that opens the explorer in a state, as far as others have it: without what the session was brought.

    Parameters
    ----------
    state : ExplorerState

    Returns
    -------
    str
        For example `?T=0.23&C=0.8&sample=1290-c01000&networks=tglassmlp&tab=Live`; nothing in it needs escaping in
        a text.
    """
    sample, store = state.chosen_sample, state.library.shared
    known = sample in store.samples(state.temperature)
    query = {
        "T": f"{state.temperature:g}" if state.temperature in store.temperatures else None,
        "C": f"{state.mean_propensity:.4g}",
        "sample": _name(sample) if known else None,
        "networks": state.network if state.network in store.networks else None,
        "tab": state.tab.replace(" ", "-"),
    }
    query = {name: value for name, value in query.items() if value is not None}
    if state.colors != MAPS[0]:
        query["colors"] = next(short for short, name in BY_WORD.items() if name == state.colors)
    panels = [name for name in state.panels if name == DYNAMICS or name in store.networks]
    if panels:
        query["panels"] = "~".join(panels).replace(" ", "-")
    for name, (parameter, words) in _SWITCHES.items():
        if not getattr(state, parameter):
            query[name] = words[False]
    if known and 0 < len(state.selected) <= MOST_SELECTED:
        query["particles"] = ".".join(map(str, state.selected))
    return f"?{urlencode(query)}"


def read(arguments, library):
    """What an address asks for, as far as there is such a thing.

    Parameters
    ----------
    arguments : mapping of str to sequence of bytes or str
        The query, each name with its values; the last one counts. Unknown names are ignored.
    library : Library
        What there is.

    Returns
    -------
    chosen : dict
        Parameters of `ExplorerState`.
    complaints : list of str
        One sentence for each value that was left out.
    """
    asked = {name: _text(values[-1]) for name, values in arguments.items() if values}
    chosen, complaints = {}, []
    for name, check in _CHECKS.items():
        if name not in asked:
            continue
        try:
            chosen.update(check(asked[name], library, chosen))
        except _Unfit as reason:
            complaints.append(f"The address asks for {name} = {_cut(asked[name], SHOWN)!r}: {reason}.")
    return chosen, complaints


class _Unfit(ValueError):
    """Why a value cannot be used."""


def _text(value):
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return _cut(text, LONGEST)


def _cut(text, longest):
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _name(sample):
    return f"{sample.particles}-{sample.name}"


def _number(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Unfit("that is not a number")
    return value


def _temperature(text, library, _chosen):
    value = _number(text)
    for temperature in library.temperatures:
        if abs(temperature - value) < 1e-6:
            return {"temperature": temperature}
    raise _Unfit(f"there are configurations at T = {', '.join(f'{t:g}' for t in library.temperatures)}")


def _level(text, _library, _chosen):
    value, low, high = _number(text), float(LEVELS[-1]), float(LEVELS[0])
    if not low <= value <= high:
        raise _Unfit(f"mean propensities go from {low:g} to {high:g}")
    return {"mean_propensity": value}


def _sample(text, library, chosen):
    if "temperature" not in chosen:
        raise _Unfit("a sample needs the temperature T it belongs to")
    for sample in library.samples(chosen["temperature"]):
        if _name(sample) == text:
            return {"sample": sample.label}
    raise _Unfit(f"there is no such sample at T = {chosen['temperature']:g}")


def _network(text, library, _chosen):
    if text not in library.networks:
        raise _Unfit(f"the networks are {', '.join(library.networks)}")
    return {"network": text}


def _tab(text, _library, _chosen):
    for tab in TABS:
        if text.replace("-", " ").lower() == tab.lower():
            return {"tab": tab}
    raise _Unfit(f"the tabs are {', '.join(TABS)}")


def _colors(text, _library, _chosen):
    if text not in BY_WORD:
        raise _Unfit(f"the colours are {' or '.join(BY_WORD)}")
    return {"colors": BY_WORD[text]}


def _particles(text, library, chosen):
    if "sample" not in chosen:
        raise _Unfit("particles need the sample they belong to")
    samples = library.samples(chosen["temperature"])
    count = next(sample.particles for sample in samples if sample.label == chosen["sample"])
    numbers = text.split(".")
    if not all(number.isascii() and number.isdigit() and int(number) < count for number in numbers):
        raise _Unfit(f"expected numbers from 0 to {count - 1} with points between them")
    return {"selected": sorted({int(number) for number in numbers})[:MOST_SELECTED]}


def _panels(text, library, _chosen):
    known = {name.replace(" ", "-"): name for name in (DYNAMICS, *library.networks)}
    names = text.replace(" ", "-").split("~")
    if not set(names) <= set(known) or len(set(names)) < len(names) or len(names) > MOST_PANELS:
        raise _Unfit(f"expected up to {MOST_PANELS} different ones of {', '.join(known)} with ~ between them")
    return {"panels": [known[name] for name in names]}


def _switch(name, text, _library, _chosen):
    parameter, words = _SWITCHES[name]
    if text not in words:
        raise _Unfit(f"it is {words[True]} or {words[False]}")
    return {parameter: text == words[True]}


_SWITCHES = {  # name: (parameter, what it is called off and on)
    "lengths": ("published_level", ("chosen", "paper")),
    "times": ("anchors", ("ours", "paper")),
}
_CHECKS = {
    "T": _temperature,
    "C": _level,
    "sample": _sample,
    "networks": _network,
    "tab": _tab,
    "colors": _colors,
    "particles": _particles,
    "panels": _panels,
    **{name: partial(_switch, name) for name in _SWITCHES},
}
