"""Proves that each check can fail."""

from collections.abc import Iterator
from copy import deepcopy

import variants_checks
import variants_cors
import variants_operation
import variants_security_events
from stack import load, read_template
from variant import Check

VARIANTS = [
    *variants_checks.VARIANTS,
    *variants_cors.VARIANTS,
    *variants_security_events.VARIANTS,
    *variants_operation.VARIANTS,
]


def find_unproven_checks(all_checks: list[Check]) -> Iterator[str]:
    """The variants that their checks do not find, and the checks that have no variant."""
    template = read_template()
    original_stack = load(template)
    for variant in VARIANTS:
        changed_template = deepcopy(template)
        for change in variant.changes:
            change(changed_template)
        original_findings = list(variant.check(original_stack))
        new_findings = [line for line in variant.check(load(changed_template)) if line.startswith(variant.finding)]
        if new_findings and not set(new_findings) & set(original_findings):
            print(f"{variant.check.__name__}: {new_findings[0]}")
        else:
            yield f"{variant.check.__name__} does not find: {variant.finding}"
    for check in all_checks:
        if check not in [variant.check for variant in VARIANTS]:
            yield f"{check.__name__} has no variant"
