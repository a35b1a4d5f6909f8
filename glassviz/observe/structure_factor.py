r"""Four-point structure factor S₄(q) of the propensity field and the dynamic length ξ₄ read from it (Eqs. 10–12)."""

import finufft
import numpy as np
import xarray as xr
from numba import njit, prange

from glassviz.mixture import InvalidData, wrap
from glassviz.observe import ornstein_zernike
from glassviz.observe.fields import SEED, box_side, fields, positions
from glassviz.threads import SIDE_BY_SIDE

EQUATION = (
    r"S_4(q) = \frac{1}{N_1} \left\langle |W(\mathbf{q})|^2 \right\rangle, \qquad W(\mathbf{q}) = \sum_{i \in 1} "
    r"\left( \mathcal{C}_B^i - \langle \bar{\mathcal{C}}_B \rangle \right) "
    r"e^{-\mathrm{i} \mathbf{q} \cdot \mathbf{R}_i(0)}"
)
CAPTION = (
    "How far mobile and arrested regions extend: the length at which the structure factor of the propensity falls off."
)

FIT_WINDOW = (0.2, 0.6)
FIT_RESAMPLES = 100
_TOLERANCE = 1e-5  # of the non-uniform FFT, relative
_AT_ONCE = 64  # transforms held in memory together


def structure_factor(C, ds, q_max=3.0):
    r"""Four-point structure factor of the propensity of species 1, Eq. 10, averaged over the structures.

    .. math:: S_4(q) = N_1^{-1} \langle W(\mathbf q) W(-\mathbf q) \rangle,\quad
              W(\mathbf q) = \sum_{i \in 1} (C_i - \langle C \rangle) e^{-i \mathbf q \mathbf R_i(0)}

    with ⟨C⟩ the mean of the field over all structures, R_i(0) the thermal positions and every
    q = 2π(n_x, n_y)/L, collected in rings of width 2π/L.

    Parameters
    ----------
    C : DataArray (..., [configuration,] particle)
        Propensities, measured or predicted, with any leading dims (network, state, time).
    ds : Dataset
        The configurations that C belongs to; of its positions the thermal ones are used.
    q_max : float, optional
        Largest wave number (1/σ).

    Returns
    -------
    DataArray (..., q)
        S₄ with the coordinates `q` (mean wave number of the ring, 1/σ), `modes` (independent wave vectors of the
        ring, times structures) and `error` (S₄/√modes, that of a Gaussian field). Networks are kept: `fit_xi4`
        averages over them.

    Raises
    ------
    InvalidData
        Where C does not belong to `ds`, or `q_max` is below the smallest wave number of the box.
    """
    block = fields(C, ds)
    position = positions(ds, C, block.selected)
    length = box_side(ds)
    rings = int(q_max * length / (2 * np.pi)) if np.isfinite(q_max) else 0
    if rings < 1:
        raise InvalidData(
            f"structure factor: q_max = {q_max:g} is not finite, or below the smallest wave number; "
            f"expected at least {2 * np.pi / length:.3g}."
        )
    structures = len(block.selected)
    deviations = [block.of(c) for c in range(structures)]
    mean = np.mean(np.concatenate(deviations, axis=1), axis=1, dtype=np.float64, keepdims=True)
    total = 0.0
    for c, values in enumerate(deviations):
        total = total + ring_averages(position[c], values - mean, length, rings) / values.shape[1]
    q, modes = ring_coordinates(length, rings)
    result = xr.DataArray(
        (total / structures).reshape(*block.frame.shape, rings),
        dims=[*block.frame.dims, "q"],
        coords={**block.frame.coords, "q": q, "modes": ("q", modes * structures)},
        name="structure_factor",
        attrs={"box_length": length},
    )
    return result.assign_coords(error=(result / np.sqrt(result["modes"])).variable)


def ring_coordinates(length, rings):
    """Mean wave number (1/σ) and number of independent wave vectors (q and −q are one) of rings 1 … `rings`."""
    n = np.arange(-rings, rings + 1)
    distance = np.hypot(n[:, None], n[None, :])
    ring = np.rint(distance).astype(int).ravel()
    count = np.bincount(ring, minlength=rings + 1)[1 : rings + 1]
    mean = np.bincount(ring, distance.ravel(), minlength=rings + 1)[1 : rings + 1] / count
    return 2 * np.pi / length * mean, count // 2


def ring_averages(position, values, length, rings):
    """|Σ_i v_i exp(−i q r_i)|² averaged over the rings |n| ≈ 1 … `rings` of q = 2πn/L.

    Parameters
    ----------
    position : (particle, 2) ndarray
        Positions (σ).
    values : (field, particle) ndarray
        Real values; all fields share one plan, and two real fields travel as one complex transform.
    length : float
        Side of the periodic box (σ).
    rings : int
        Number of rings of width 2π/L.

    Returns
    -------
    (field, rings) ndarray of float64
    """
    fields_wanted = len(values)
    values = values.astype(np.float32)
    if fields_wanted % 2:
        values = np.concatenate([values, np.zeros_like(values[:1])])
    strengths = values[0::2] + 1j * values[1::2]
    angle = np.ascontiguousarray((2 * np.pi / length * wrap(position, length).T - np.pi).astype(np.float32))
    modes = (2 * rings + 1, 2 * rings + 1)
    result = []
    for first in range(0, len(strengths), _AT_ONCE):
        batch = strengths[first : first + _AT_ONCE]
        # One thread: two need more than twice the processor time, and a server has other sessions to serve.
        plan = finufft.Plan(1, modes, n_trans=len(batch), eps=_TOLERANCE, isign=-1, dtype="complex64", nthreads=1)
        plan.setpts(angle[0], angle[1])
        result.append(_collect(plan.execute(batch).reshape(len(batch), *modes), rings))
    return np.concatenate(result).reshape(-1, rings)[:fields_wanted]


@njit(cache=True, error_model="numpy", fastmath=True, parallel=True, nogil=SIDE_BY_SIDE)
def _collect(transform, rings):
    """Separate the two real fields of each transform, F(q) ± F*(−q), and average |·|²/4 over the rings."""
    result = np.zeros((len(transform), 2, rings))
    for k in prange(len(transform)):
        count = np.zeros(rings)
        for i in range(rings + 1):  # the other half of the plane repeats this one
            for j in range(2 * rings + 1):
                ring = int(np.rint(np.hypot(float(i), float(j - rings))))
                if ring == 0 or ring > rings:
                    continue
                plus = transform[k, rings + i, j]
                minus = np.conj(transform[k, rings - i, 2 * rings - j])
                first, second = plus + minus, plus - minus
                weight = 1.0 if i == 0 else 2.0
                result[k, 0, ring - 1] += weight * (first.real**2 + first.imag**2) / 4
                result[k, 1, ring - 1] += weight * (second.real**2 + second.imag**2) / 4
                count[ring - 1] += weight
        result[k] /= count
    return result


def fit_xi4(s4, window=FIT_WINDOW):
    r"""Dynamic length ξ₄ from S₄(q), Eq. 12 and beside it Eq. 11.

    .. math:: S_4(q) = \tilde\chi_4 / (1 + (\xi_4 q)^2 + A (\xi_4 q)^3), \quad 0.2 < q < 0.6

    S₄ is averaged over the networks first. |W(q)|² of one wave vector is distributed exponentially about S₄(q); the
    fit maximises that likelihood, which weights every ring by its relative error. All three parameters are positive
    (ln ξ, ln A are varied, the amplitude is eliminated exactly), starting from the best of a grid.

    Parameters
    ----------
    s4 : DataArray (..., q)
        From `structure_factor`, with the coordinate `modes`.
    window : (float, float), optional
        Wave numbers (1/σ) between which to fit.

    Returns
    -------
    Dataset (...)
        Eq. 12: `xi4` (σ), `A`, `chi` (the amplitude χ̃₄), each with `_error` (half the 16–84 % range of a bootstrap
        that redraws the wave vectors), `determined` and `reason`. Eq. 11 (A = 0): `xi4_oz`, `chi_oz`, their `_error`,
        `determined_oz`, `reason_oz`. With two networks or more, `xi4_network_error` and `xi4_oz_network_error`: the
        standard deviation of ξ₄ over networks fitted one by one. Where the fit runs away (ξ below 0.05 σ or beyond
        half the box, A beyond `ornstein_zernike.A_MOST`) or the error exceeds the value, the numbers are NaN and
        `reason` says why.

    Raises
    ------
    InvalidData
        Where `s4` is not from `structure_factor`.
    """
    if "q" not in getattr(s4, "dims", ()) or "modes" not in s4.coords:
        raise InvalidData("fit of S4: expected the DataArray of structure_factor with the coordinates q and modes.")
    s4 = s4.transpose(..., "q")
    q, modes = s4["q"].values, s4["modes"].values
    longest = np.pi / np.diff(q).mean() if len(q) > 1 else np.nan  # half the box
    inside = (q > window[0]) & (q < window[1])
    mean = s4.mean("network") if "network" in s4.dims else s4
    variables = {}
    for suffix, cubic in (("", True), ("_oz", False)):
        window_and_bound = q[inside], modes[inside], longest, cubic
        value, error, reason = _fit_with_errors(mean.values[..., inside], *window_and_bound)
        for column, name in ((0, "xi4"), (1, "A"), (2, "chi")):
            if cubic or name != "A":
                variables[name + suffix] = value[..., column]
                variables[f"{name}{suffix}_error"] = error[..., column]
        variables["determined" + suffix] = reason == ""
        variables["reason" + suffix] = reason
        if "network" in s4.dims:
            spread = _network_spread(s4.transpose("network", ...).values[..., inside], *window_and_bound)
            variables[f"xi4{suffix}_network_error"] = np.where(reason == "", spread, np.nan)
    dims = mean.dims[:-1]
    coordinates = {name: c for name, c in mean.coords.items() if "q" not in c.dims}
    return xr.Dataset({name: (dims, values) for name, values in variables.items()}, coordinates)


def xi4_error(fit):
    """Error of ξ₄: that of the fit and the spread over networks, which are independent of each other.

    Parameters
    ----------
    fit : Dataset (...)
        From `fit_xi4`.

    Returns
    -------
    DataArray (...)
        √(`xi4_error`² + `xi4_network_error`²) in σ, without the second where there are no two networks; NaN where ξ₄ is
        not determined.
    """
    if "xi4_network_error" not in fit:
        return fit["xi4_error"]
    return np.hypot(fit["xi4_error"], fit["xi4_network_error"].fillna(0.0))


def _fit_with_errors(s4, q, modes, longest, cubic):
    """Parameters and errors (..., 3) of curves (..., q), and the reason (...) where they are not determined."""
    shape = s4.shape[:-1]
    if len(q) < ornstein_zernike.FEWEST_RINGS:
        unknown = np.full((*shape, 3), np.nan)
        reason = f"{len(q)} wave numbers in the window; at least {ornstein_zernike.FEWEST_RINGS} are needed"
        return unknown, unknown, np.full(shape, reason, dtype=object)
    value, ran_away = ornstein_zernike.fit(s4, q, modes, longest, cubic)
    generator = np.random.default_rng(SEED)
    draws = generator.gamma(modes, 1 / modes, size=(FIT_RESAMPLES, *[1] * len(shape), len(q)))
    again, _ = ornstein_zernike.fit(ornstein_zernike.model(q, value) * draws, q, modes, longest, cubic)
    low, high = np.percentile(again, [16, 84], axis=0)
    error = (high - low) / 2
    reason = np.full(shape, "", dtype=object)
    reason[error[..., 0] > value[..., 0]] = "the error exceeds the value"
    reason[ran_away] = "the fit runs away"
    reason[~np.isfinite(value[..., 0])] = "S4 is not positive"
    unknown = (reason != "")[..., None]
    return np.where(unknown, np.nan, value), np.where(unknown, np.nan, error), reason


def _network_spread(s4, q, modes, longest, cubic):
    """Standard deviation over networks of ξ₄ fitted to each (network, ..., q); NaN with fewer than two fits."""
    if len(q) < ornstein_zernike.FEWEST_RINGS:
        return np.full(s4.shape[1:-1], np.nan)
    value, ran_away = ornstein_zernike.fit(s4, q, modes, longest, cubic)
    found = ~ran_away & np.isfinite(value[..., 0])
    count = found.sum(axis=0)
    xi = np.where(found, value[..., 0], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = xi.sum(axis=0) / count
        variance = (np.where(found, xi - mean, 0.0) ** 2).sum(axis=0) / (count - 1)
        return np.where(count > 1, np.sqrt(variance), np.nan)
