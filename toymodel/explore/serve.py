"""The command `python -m toymodel explore`: serves the app on this machine's loopback address and opens a browser."""

import argparse
import contextlib
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from . import nets

HOST = "127.0.0.1"
INSTALL = "pip install 'two-circuits[explore]'  (from a clone: pip install -c constraints.txt -e '.[explore]')"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until stopped; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m toymodel explore",
        description="The two-circuit model under sliders, in a browser on this machine. Nothing leaves the machine.",
    )
    parser.add_argument(
        "--data", help="results to lay beside the toy: a netCDF or CSV file, or a folder (default: the kept ones)"
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    options = parser.parse_args(arguments)
    try:
        import anywidget  # noqa: F401
        import marimo
        import uvicorn
    except ImportError as error:
        print(f"the explorer needs the extra `explore`; {error.name} is not installed. Run: {INSTALL}", file=sys.stderr)
        return 1
    if options.data:
        try:
            nets.files(options.data)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        os.environ[nets.DATA] = str(Path(options.data).expanduser().resolve())
    with socket.socket() as listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((HOST, options.port))
        except OSError as error:
            print(f"port {options.port} must be free, got: {error.strerror}. Choose another --port.", file=sys.stderr)
            return 1
        warm()
        listening.listen()  # a browser that is quicker than the server waits
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        print(f"The explorer is at {address}  (Control-C stops it)", flush=True)
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        page = str(Path(__file__).with_name("app.py"))
        served = marimo.create_asgi_app(quiet=True, include_code=False).with_app(path="/", root=page).build()
        # Pages that are still open do not hold Control-C up.
        settings = uvicorn.Config(served, log_level="error", timeout_graceful_shutdown=1)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[listening])
    # marimo's kernels, a thread for each page that was opened, would go on for ever; they have nothing to lose.
    os._exit(0)


def warm() -> None:
    """Loads the sweep's compiled kernel, and compiles it the first time, before anybody waits for it."""
    from .answer import phases
    from .settings import settled

    phases(settled({}), "dataset_size", "kappa")
