"""Serve the page from the repository: `python -m app` is `arcinvert app`, without an installation."""

import sys

from recognition.terminal import Parser, run_command

from . import command


def main(arguments: list[str] | None = None) -> None:
    """Serve the page, and exit with the exit code of `arcinvert app`."""
    parser = Parser(prog=f"python -m {__package__}", description=command.HELP)
    command.add_options(parser)
    given = parser.parse_args(arguments)
    sys.exit(run_command(lambda: command.run(given)))


if __name__ == "__main__":
    main()
