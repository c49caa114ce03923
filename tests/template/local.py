"""What `sam local` needs, and a deployed function must not have."""

from collections.abc import Iterator

from stack import Stack

NO_VALUE = {"Ref": "AWS::NoValue"}


def variables(stack: Stack) -> Iterator[str]:
    """Keys from a file, or a database elsewhere, are for one machine: the template names
    these variables without a value, and events/env.json sets them. `sam local` drops what
    the template does not name."""
    for id, function in stack.properties("AWS::Lambda::Function").items():
        declared = function["Environment"]["Variables"]
        local_values = stack.local.get("Parameters", {}) | stack.local.get(id, {})
        yield from (
            f"{id}: env.json sets {name}, which it does not name" for name in sorted(local_values.keys() - declared)
        )
        for name, value in declared.items():
            if (name == "KEYS_FILE" or name.startswith("AWS_")) and value != NO_VALUE:
                yield f"{id}: {name} has a value in AWS"
            if value == NO_VALUE and name not in local_values:
                yield f"{id}: {name} has no value anywhere"
