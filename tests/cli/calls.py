"""How tests call the command line."""

from fcos_edu import cli
from fcos_edu.cli.parser import build_parser


def run(*words: object) -> int:
    """The exit code, as a shell would see it."""
    return cli.main([str(word) for word in words])


def call(*words: object) -> None:
    """The same, but an error is raised."""
    arguments = build_parser().parse_args([str(word) for word in words])
    arguments.run(arguments)
