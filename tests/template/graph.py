"""What refers to what."""

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from stack import Stack

# `${!Literal}` is no placeholder.
PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")
PSEUDO_PARAMETERS = {
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
}


def references(value: Any) -> Iterator[str]:
    """The names that a value refers to."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(path)}:
            yield path.split(".")[0]
        case {"Fn::Sub": str(string)}:
            yield from placeholders(string)
        case {"Fn::Sub": [str(string), dict(variables)]}:
            yield from (name for name in placeholders(string) if name not in variables)
            yield from references(list(variables.values()))
        case dict():
            yield from references(list(value.values()))
        case list():
            for item in value:
                yield from references(item)


def placeholders(string: str) -> Iterator[str]:
    """The names in a string for Fn::Sub."""
    for match in PLACEHOLDER.finditer(string):
        yield match[1].strip().split(".")[0]


def dependencies(resource: dict[str, Any]) -> set[str]:
    """The names that a resource refers to or waits for."""
    depends_on = resource.get("DependsOn", [])
    return {*references(resource), *([depends_on] if isinstance(depends_on, str) else depends_on)}


def cycles(stack: Stack) -> Iterator[str]:
    """No resource needs itself: CloudFormation refuses such a stack at its first deployment."""
    resources = stack.template["Resources"]
    graph = {id: sorted(dependencies(resource) & resources.keys()) for id, resource in resources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = error.args[1][:0:-1]
        first = cycle.index(min(cycle))
        yield f"a cycle: {' needs '.join([*cycle[first:], *cycle[:first], cycle[first]])}"


def unknown_references(stack: Stack) -> Iterator[str]:
    """Every name that is referred to is a parameter, a resource or a pseudo parameter."""
    template = stack.template
    known = PSEUDO_PARAMETERS | template["Parameters"].keys() | template["Resources"].keys()
    for section in ("Rules", "Conditions", "Resources", "Outputs"):
        for id, entry in template[section].items():
            for name in sorted(dependencies(entry) - known):
                yield f"{section}.{id}: refers to {name}, which the template does not declare"
