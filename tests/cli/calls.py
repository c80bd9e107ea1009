"""How tests call the command line."""

import argparse
from functools import cache

from fcos_edu import cli
from fcos_edu.cli.options import Parser
from fcos_edu.cli.parser import build_parser


def run(*words: object) -> int:
    """The exit code, as a shell would see it."""
    return cli.main([str(word) for word in words])


def call(*words: object) -> None:
    """The same, but an error is raised."""
    arguments = build_parser().parse_args([str(word) for word in words])
    arguments.run(arguments)


@cache
def leaves() -> dict[str, Parser]:
    """The parser of each command without sub-commands, by its words."""

    def below(parser: Parser) -> dict[str, Parser]:
        found: dict[str, Parser] = {}
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for one in action.choices.values():
                    found |= below(one)
        return found or {parser.prog.removeprefix("fcos-edu "): parser}

    return below(build_parser())
