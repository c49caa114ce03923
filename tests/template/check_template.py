"""Checks template.yaml as CloudFormation will get it, without an account and offline.

    python tests/template/check_template.py [--self-test]

Prints a line for each finding and ends with status 1 if there are any. `--self-test`
breaks the template in memory, once for each thing that a check looks for, and ends with
status 1 if a check does not find it.
"""

import argparse
import sys
from collections.abc import Callable, Iterator

from samtranslator.model.exceptions import InvalidDocumentException

import checks
import cors
import domain
import graph
import local
import monitoring
import security_events
from self_test import find_unproven_checks
from stack import Stack, load, read_template

CHECKS: list[Callable[[Stack], Iterator[str]]] = [
    graph.cycles,
    graph.unknown_references,
    checks.own_roles,
    checks.policies,
    checks.wildcards,
    checks.deadlines,
    checks.permissions,
    checks.authorizers,
    checks.router,
    checks.builds,
    checks.secrets,
    checks.tables,
    monitoring.access_logs,
    monitoring.log_groups,
    monitoring.counters,
    monitoring.alarms,
    monitoring.dashboard,
    security_events.streams,
    security_events.pipes,
    security_events.event_content,
    domain.transport,
    domain.single_entry,
    domain.rules,
    domain.urls,
    cors.origins,
    cors.headers,
    local.variables,
]


def find_problems() -> Iterator[str]:
    """What is wrong with the template."""
    try:
        stack = load(read_template())
    except InvalidDocumentException as error:
        yield from (cause.message for cause in error.causes)
        return
    for check in CHECKS:
        yield from check(stack)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Checks template.yaml as CloudFormation will get it.")
    parser.add_argument("--self-test", action="store_true", help="prove that each check can fail")
    lines = list(find_unproven_checks(CHECKS) if parser.parse_args().self_test else find_problems())
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
