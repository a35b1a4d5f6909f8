"""The explorer as a web server: one process, or several behind one port."""

import json
import multiprocessing
import re
import secrets
import signal
import webbrowser
from functools import partial
from pathlib import Path

import panel as pn

from glassviz.explore.dispatch import dispatch, free_port
from glassviz.explore.memo import MEMORY
from glassviz.explore.page import build
from glassviz.mixture import InvalidData

MOST_PROCESSES = 64
EVERYWHERE = ("0.0.0.0", "::")  # addresses of all interfaces, which no browser can open
FORGET = 120_000  # ms a session without a connection is kept, for those who come back
CHECK = 10_000  # ms between two looks for such sessions
HOST = re.compile(r"[\w.*-]+(:(?P<port>\d{1,5}))?")  # Bokeh knows no IPv6 addresses of pages
ADMIT = 86_400  # s after it was opened in which a page may take up its session


def serve(port, address, show=False, processes=1, basic_auth=None, allow_origin=()):
    """Serve the explorer until interrupted.

    Parameters
    ----------
    port : int
        Port to listen on; 0 for any that is free.
    address : str
        Address to listen on.
    show : bool, optional
        Open a browser.
    processes : int, optional
        Server processes. They share the port and the cached files; each has its own sessions, and keeps at most
        `memo.MEMORY` bytes of derived arrays, and for each page that was brought data `own.MEMORY`.
    basic_auth : str, optional
        A password, or a JSON file of names and passwords.
    allow_origin : sequence of str, optional
        Hosts, host[:port], whose pages may open a websocket besides those of this address: the port served where they
        name none, or none at all, as behind a proxy.

    Raises
    ------
    InvalidData
        Where the number of processes or the port is out of range, the address is of IPv6, the password is empty, its
        file none of names and passwords, or what should be a host is none.
    """
    if not 1 <= processes <= MOST_PROCESSES:
        raise InvalidData(f"{processes} server processes; expected between 1 and {MOST_PROCESSES}.")
    if not 0 <= port < 65536:
        raise InvalidData(f"port {port}; expected 0 to 65535.")
    if ":" in address and address not in EVERYWHERE:
        raise InvalidData(
            f"address {address}: Bokeh serves no page at an IPv6 address; expected an IPv4 one or a name."
        )
    if basic_auth is not None:
        _require_password(basic_auth)
    for host in allow_origin:
        found = HOST.fullmatch(host)
        if not found or int(found["port"] or 0) > 65535:
            raise InvalidData(f"{host}: expected a host, host or host:port, without http:// and path.")
    port = port or free_port()
    asked = [f"{host}:{port}" for host in (address, "localhost", "127.0.0.1", *allow_origin) if ":" not in host]
    options = {"websocket_origin": sorted({*asked, *allow_origin})}
    if basic_auth is not None:
        options |= {"basic_auth": basic_auth, "cookie_secret": secrets.token_hex(32)}
    here = "localhost" if address in EVERYWHERE else address
    listening = partial(_announce, f"http://{here}:{port}/app", allow_origin, processes, show)
    if processes == 1:
        listen(port, address, listening, **options)
    else:
        dispatch(port, address, [partial(_process, options)] * processes, listening)


def _announce(url, others, processes, show):
    """Say where the explorer is, which listens there already."""
    named = f"; for others under {', '.join(others)}" if others else ""
    print(f"glassviz: {url}{named}", flush=True)
    print(f"{processes} × at most {MEMORY // 2**20} MiB of derived arrays", flush=True)
    if show:
        webbrowser.open(url)


def _require_password(basic_auth):
    """`InvalidData` where what was to be a password would let everybody in, or nobody."""
    if not basic_auth:
        raise InvalidData("basic auth: the password is empty; expected one, or a JSON file of names and passwords.")
    if basic_auth.endswith(".json"):
        try:
            users = json.loads(Path(basic_auth).read_text())
        except (OSError, ValueError) as error:
            wrong = "there is no such file" if isinstance(error, FileNotFoundError) else error
            raise InvalidData(f"{basic_auth}: {wrong}; expected a JSON file of names and passwords.") from None
        if not isinstance(users, dict) or not users or not all(isinstance(p, str) and p for p in users.values()):
            raise InvalidData(f'{basic_auth}: expected names and passwords, {{"name": "password", …}}.')


def _process(options, port):
    """A process, not started, that serves on a port of the loopback interface."""
    process = multiprocessing.get_context("spawn").Process
    return process(target=listen, args=(port, "127.0.0.1"), kwargs=options, daemon=True)


def listen(port, address, listening=lambda: None, **options):
    """Serve in this process until interrupted or terminated; `options` go to `panel.serve`.

    `listening` is called once the port is taken.
    """
    server = pn.serve(
        {"app": build},
        port=port,
        address=address,
        show=False,
        start=False,
        title="glassviz",
        verbose=False,
        location=False,  # Panel's forgets the style sheets: the first text of each pane would gather all models anew
        warm=True,
        unused_session_lifetime_milliseconds=FORGET,
        check_unused_sessions_milliseconds=CHECK,
        session_token_expiration=ADMIT,
        **options,
    )
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # panel's, which ends the loop
    listening()
    server.start()
    server.io_loop.start()
