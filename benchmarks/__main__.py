"""`python -m benchmarks`."""

import argparse

from benchmarks import NAMES, UnknownRowsError, run


def main() -> None:
    """Read the options, run, and leave."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--url", help="a PostgreSQL server to use instead of a private one")
    parser.add_argument("--mongo-url", metavar="URL", help="a MongoDB replica set, likewise")
    parser.add_argument("--redis-url", metavar="URL", help="a Redis or Valkey server, likewise")
    parser.add_argument("--json", metavar="FILE", help="- for standard output")
    parser.add_argument("--plot", metavar="FILE", help="a .png or .svg")
    given = parser.parse_args()
    try:
        run(
            quick=given.quick,
            only=given.only,
            url=given.url,
            mongo_url=given.mongo_url,
            redis_url=given.redis_url,
            json_to=given.json,
            plot_to=given.plot,
        )
    except UnknownRowsError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
