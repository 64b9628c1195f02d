"""The parsers of all commands together."""

import argparse
from collections import Counter
from collections.abc import Iterator

import pytest

from arcinvert.cli.main import build_parser as arcinvert_parser
from recognition.cli.main import build_parser as recognition_parser


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of the commands below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


COMMANDS = {
    command.prog: command for root in (arcinvert_parser(), recognition_parser()) for command in parsers(root)
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_two_options_of_a_command_share_a_name(command: str) -> None:
    # argparse refuses two options of one flag, not two that are parsed into one attribute.
    names = Counter(action.dest for action in COMMANDS[command]._actions)
    assert [name for name, count in names.items() if count > 1] == []
