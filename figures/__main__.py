"""python -m figures build [NAME ...] [--force]   draws what is stale;   python -m figures list   names every figure."""

import argparse
import sys

import matplotlib

from .catalogue import names, title
from .paths import Paths
from .tasks import build


def main(arguments: list[str] | None = None) -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m figures", description="Draw the figures of two-circuits.")
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="draw the figures whose inputs changed")
    builder.add_argument("names", nargs="*", metavar="NAME", help="figures to draw; default all")
    builder.add_argument("--force", action="store_true", help="draw even what is up to date")
    commands.add_parser("list", help="name every figure")
    options = parser.parse_args(arguments)
    matplotlib.use("agg")
    paths = Paths()
    if options.command == "list":
        width = max(map(len, names(paths)))
        for name in names(paths):
            print(f"{name:{width}}  {title(paths, name)}")
        return 0
    try:
        return build(options.names, force=options.force, paths=paths)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
