"""The machines of a campaign: a Dask cluster, and following what runs on it."""

import logging
import uuid
import warnings
from contextlib import contextmanager, suppress

import numba
from distributed import CancelledError, Client, LocalCluster, as_completed, get_worker
from distributed.scheduler import KilledWorker

from glassviz.mixture import InvalidData

TIMEOUT = 15  # to reach a scheduler (s)
SILENT = logging.CRITICAL + 1
# A terminal sends Ctrl-C to all processes of a command; the workers end when their client does.
UNINTERRUPTED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


@contextmanager
def connected(workers=None, scheduler=None, together=1):
    """A client of a cluster.

    Parameters
    ----------
    workers : int, optional
        Worker processes on this machine; by default one for each core.
    scheduler : str, optional
        Address of a running scheduler to use instead, for instance tcp://host:8786. Its workers must have glassviz and
        see the campaign's folder under the same path.
    together : int, optional
        Jobs that a worker process on this machine does at the same time.

    Yields
    ------
    distributed.Client

    Raises
    ------
    InvalidData
        Where the scheduler cannot be reached, or no workers are asked for.

    Warns
    -----
    UserWarning
        Where a scheduler has no workers yet.
    """
    if workers is not None and workers < 1:
        raise InvalidData(f"campaign: {workers} workers; expected at least one.")
    if scheduler:
        logging.getLogger("distributed.client").setLevel(SILENT)  # that a scheduler is gone is said in one sentence
        try:
            client = Client(scheduler, timeout=TIMEOUT)
        except (OSError, TypeError, ValueError) as error:
            raise InvalidData(f"{scheduler}: no Dask scheduler answers; expected tcp://HOST:PORT of one.") from error
        with client:
            if not client.scheduler_info()["workers"]:
                warnings.warn(f"{scheduler}: it has no workers yet; the campaign waits for some.", stacklevel=2)
            yield client
    else:
        # No limit of memory, since a worker over it would be killed. Nobody looks at the dashboard, and what the
        # scheduler serves besides takes any free port, so that campaigns run side by side.
        options = {"memory_limit": 0, "dashboard_address": None, "silence_logs": SILENT}
        options["preload"] = [UNINTERRUPTED]
        options["scheduler_kwargs"] = {"dashboard_address": "127.0.0.1:0"}
        with (
            LocalCluster(n_workers=workers, threads_per_worker=together, **options) as cluster,
            Client(cluster) as client,
        ):
            yield client


def run_jobs(jobs, workers, scheduler, progress, together=1):
    """Run jobs on a cluster until every file is complete; without anything to do no cluster is started.

    Parameters
    ----------
    jobs : sequence of glassviz.campaign.jobs.Job
        In an order in which each comes after the job it waits for; those that are done are left out.
    workers, scheduler, together
        See `connected`.
    progress : callable
        Called with (jobs done, jobs in all), fractions of jobs included.

    Raises
    ------
    InvalidData
        Where the scheduler cannot be reached, or where jobs failed, after all others are done; the sentence is that of
        the first that failed.
    """
    missing = [job for job in jobs if not job.complete(job.target)]
    if missing:
        with connected(workers, scheduler, together) as client:
            _follow(client, missing, len(jobs), progress)
    progress(len(jobs), len(jobs))


def _follow(client, jobs, total, progress):
    """Submit jobs and wait for all of them."""
    run = uuid.uuid4().hex  # names of tasks and messages on a scheduler that others use too
    futures, shares = {}, {}
    for job in jobs:
        name = job.target.stem
        futures[job.target] = client.submit(
            _task, run, job, futures.get(job.after), key=f"{name}-{run}", priority=job.priority
        )
        shares[name] = 0.0

    def heard(event):
        name, share = event[1]
        shares[name] = share
        progress(total - len(jobs) + sum(shares.values()), total)

    def overheard(event):
        with suppress(KeyboardInterrupt):  # it is for the main thread; this one closes the cluster
            heard(event)

    client.subscribe_topic(run, overheard)
    failures = []
    for future in as_completed(futures.values()):
        if future.status == "finished":
            heard((None, (future.result(), 1.0)))
        else:
            failures.append(_sentence(future.key.removesuffix(f"-{run}"), future.exception()))
    client.unsubscribe_topic(run)
    if failures:
        raise InvalidData(failures[0])


def _task(run, job, _):
    """What a worker does; the last argument makes it wait for another task."""
    numba.set_num_threads(1)
    name = job.target.stem

    def report(done, total):
        get_worker().log_event(run, [name, float(done / total)])

    try:
        job.function(job.target, *job.arguments, report)
    except OSError:
        # What a client that was killed has left running on a scheduler may make the same file, and clear up after it.
        if not job.complete(job.target):
            raise
    return name


def _sentence(name, error):
    """What to tell of a failed task; errors in the program itself are raised as they are."""
    if isinstance(error, KilledWorker):
        return f"{name}: its worker died again and again; expected enough memory and time for one sample."
    if isinstance(error, InvalidData):
        return str(error)
    if isinstance(error, OSError):
        return f"{name}: {error.strerror or error}; the same command goes on once that is mended."
    if error is None or isinstance(error, CancelledError):
        return f"{name}: the scheduler is gone; the same command goes on with another one."
    raise error
