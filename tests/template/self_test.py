"""Proves that each check can fail."""

from collections.abc import Iterator
from copy import deepcopy

import variants
import variants_of_browsers
import variants_of_notices
import variants_of_operation
from breaking import Check
from stack import load, read_template

VARIANTS = [
    *variants.VARIANTS,
    *variants_of_browsers.VARIANTS,
    *variants_of_notices.VARIANTS,
    *variants_of_operation.VARIANTS,
]


def unproven(every_check: list[Check]) -> Iterator[str]:
    """The variants that their checks do not find, and the checks that have no variant."""
    whole = read_template()
    untouched = load(whole)
    for variant in VARIANTS:
        template = deepcopy(whole)
        for change in variant.changes:
            change(template)
        before = list(variant.check(untouched))
        found = [line for line in variant.check(load(template)) if line.startswith(variant.finding)]
        if found and not set(found) & set(before):
            print(f"{variant.check.__name__}: {found[0]}")
        else:
            yield f"{variant.check.__name__} does not find: {variant.finding}"
    for check in every_check:
        if check not in [variant.check for variant in VARIANTS]:
            yield f"{check.__name__} has no variant"
