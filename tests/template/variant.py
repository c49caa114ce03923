"""How a template is broken for the self-test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from stack import Json, Stack

Check = Callable[[Stack], Iterator[str]]
Change = Callable[[Json], None]

SIGNIN = "Resources.SigninFunction"
VARIABLES = "Globals.Function.Environment.Variables"


@dataclass(frozen=True)
class Variant:
    """A broken template, and how the check's finding begins."""

    check: Check
    finding: str
    changes: tuple[Change, ...]


def find_holder(template: Json, path: str) -> tuple[Any, Any]:
    """What holds the place that a path leads to, and the place's key in it."""
    *keys, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    holder: Any = template
    for key in keys:
        holder = holder[key]
    return holder, last


def put(path: str, value: Any) -> Change:
    """Writes a value into the template."""

    def change(template: Json) -> None:
        holder, key = find_holder(template, path)
        holder[key] = value

    return change


def drop(path: str) -> Change:
    """Takes something out of the template."""

    def change(template: Json) -> None:
        holder, key = find_holder(template, path)
        del holder[key]

    return change


def create_variant(check: Check, finding: str, *changes: Change) -> Variant:
    """A variant with these changes."""
    return Variant(check, finding, changes)
