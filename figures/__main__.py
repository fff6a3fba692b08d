"""Draws, lists, makes the page, writes the numbers of the READMEs: python -m figures {build,list,page,own,readme}."""

import argparse
import io
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import matplotlib

from .catalogue import names, title
from .paths import Paths
from .tasks import build


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m figures", description="Draw the figures of two-circuits.")
    parser.add_argument("--version", action="version", version=f"figures {version('two-circuits')}")
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="draw the figures whose inputs changed")
    builder.add_argument("names", nargs="*", metavar="NAME", help="figures to draw; default all")
    builder.add_argument("--force", action="store_true", help="draw even what is up to date")
    builder.add_argument("--data", type=Path, metavar="DIR", help="folder of runs to show; default the project's own")
    builder.add_argument("--out", type=Path, metavar="DIR", help="where to; default the gallery")
    commands.add_parser("list", help="name every figure")
    page = commands.add_parser("page", help="make the report page of a folder of judged runs")
    page.add_argument("folder", type=Path, metavar="DIR", help="folder with verdicts.json, such as runs/validate/quick")
    own = commands.add_parser("own", help="draw what `validate run --net` found")
    own.add_argument("folder", type=Path, metavar="DIR", help="folder with own.json, such as runs/validate/own-mine")
    readme = commands.add_parser("readme", help="write the numbers of the READMEs from what is saved")
    readme.add_argument("--check", action="store_true", help="only say whether they are current")
    return parser


def _paths(data: Path | None, out: Path | None) -> Paths:
    """Where to; another study's figures never go into the gallery.  ValueError for a folder that is not there."""
    if data is not None and not data.is_dir():
        raise ValueError(f"--data must be a folder of runs; there is none at {data}. Try runs/validate/quick.")
    if data is not None and out is None:
        out = data / "figures"
    places = {"gallery": out, "build": out / "vector"} if out else {}
    return Paths(**({"data": data} if data else {}) | places)


def main(arguments: list[str] | None = None) -> int:
    """The command line; its exit status."""
    # A terminal that has no Greek letters shows question marks instead.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    matplotlib.use("agg")
    try:
        if options.command == "list":
            paths = Paths()
            width = max(map(len, names(paths)))
            for name in names(paths):
                print(f"{name:{width}}  {title(paths, name)}")
            return 0
        if options.command == "page":
            from .page import write

            print(write(options.folder))
            return 0
        if options.command == "own":
            from .own import write

            print(write(options.folder))
            return 0
        if options.command == "readme":
            from .readme import update

            return update(check=options.check)
        return build(options.names, force=options.force, paths=_paths(options.data, options.out))
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # a reader such as `head` may leave early
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
