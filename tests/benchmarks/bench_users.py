"""Twenty users scrub at once through real websockets: how long is a settled update, how large is the server?

The bars hold on a machine with nothing else to do: 95 % of the updates within 1 s, the server below 3 GB.
"""

import asyncio
import random
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import psutil
import pytest

_spec = spec_from_file_location("users", Path(__file__).parents[1] / "explore" / "users.py")
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
User, memory, run, served = (getattr(_module, name) for name in ("User", "memory", "run", "served"))

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

USERS, PROCESSES, SECONDS = 20, 2, 20
FIRST = 0.5
LEVELS = [k / 1000 for k in range(60, 980) if k != 1000 * FIRST]
AT_ONCE = 4  # users whose page loads at the same time
PAUSE = 0.2  # s between an answer and the next question, as in the browser
SETTLED, MEMORY = 1.0, 3e9  # the bars: s, bytes


async def scrub(user, until, generator):
    """Ask for levels until a moment, never for the one that is shown, as in the browser; the times of all updates."""
    levels = iter(generator.sample(LEVELS, len(LEVELS)))
    times = []
    while time.perf_counter() < until:
        times.append(await user.settle(next(levels)))
        await asyncio.sleep(PAUSE)
    return times


async def crowd(address, queries):
    """All users open the page, scrub together and leave; the times of their updates."""
    users = [User(address + query) for query in queries]
    for first in range(0, len(users), AT_ONCE):
        await asyncio.gather(*(user.open() for user in users[first : first + AT_ONCE]))
    await asyncio.gather(*(user.settle(FIRST) for user in users))  # what is derived once has been derived
    until = time.perf_counter() + SECONDS
    scrubbing = (scrub(user, until, random.Random(k)) for k, user in enumerate(users))
    times = np.concatenate(await asyncio.gather(*scrubbing))
    for user in users:
        await user.close()
    return times


def test_twenty_users_scrub_at_once():
    queries = [["", "?T=0.3", "?T=0.18", "?T=0.4"][k % 4] for k in range(USERS)]
    with served("--processes", str(PROCESSES)) as (address, process):
        began = time.perf_counter()
        times = run(crowd(address, queries))
        taken = memory(process)
        p50, p95 = np.percentile(times, [50, 95])
        print(
            f"\n{USERS} users, {PROCESSES} processes, {len(times)} settled updates: median {p50:.2f} s, 95 % within "
            f"{p95:.2f} s, longest {times.max():.2f} s; server {taken / 1e9:.2f} GB; "
            f"all in {time.perf_counter() - began:.0f} s, load {psutil.getloadavg()[0]:.1f}"
        )
    assert p95 < SETTLED
    assert taken < MEMORY
