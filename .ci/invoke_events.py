"""Invokes every sample event on the functions behind a running `cargo lambda watch`
and compares the answers with events/expected.json."""

import json
import pathlib
import subprocess
import sys
import tempfile

EVENTS = pathlib.Path(__file__).parent.parent / "events"
# What the sample events have in the place of a token, and which token it is.
PLACEHOLDERS = {"PASTE_A_REFRESH_TOKEN": "refresh_token", "PASTE_AN_ACCESS_TOKEN": "access_token"}


def invoke(function, event, port):
    """The function's answer to the text of an event."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(event)
        file.flush()
        command = ["cargo", "lambda", "invoke", function, "--data-file", file.name]
        command += ["--invoke-address", "127.0.0.1", "--invoke-port", port]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return json.loads(run.stdout)


def with_tokens(event, port):
    """The event with tokens of a session of its own."""
    if not any(placeholder in event for placeholder in PLACEHOLDERS):
        return event
    answer = invoke("signin", (EVENTS / "signin.json").read_text(), port)
    tokens = json.loads(answer["body"])
    for placeholder, member in PLACEHOLDERS.items():
        event = event.replace(placeholder, tokens[member])
    return event


def differences(expected, answer):
    """What of the answer is not as expected, a line for each."""
    body = json.loads(answer["body"])
    found = {"status": answer["statusCode"], "error": body.get("error")}
    wanted = {"status": expected["status"], "error": expected.get("error")}
    return [f"{name}: {found[name]!r}, not {wanted[name]!r}" for name in wanted if found[name] != wanted[name]]


def main(port):
    expected = json.loads((EVENTS / "expected.json").read_text())
    events = {path.name for path in EVENTS.glob("*.json")} - {"expected.json", "env.json"}
    failures = [f"{name}: in one of events/ and events/expected.json only" for name in events ^ set(expected)]
    for name in sorted(events & set(expected)):
        event = with_tokens((EVENTS / name).read_text(), port)
        answer = invoke(expected[name]["function"], event, port)
        wrong = differences(expected[name], answer)
        print(f"{name}: {answer['statusCode']} {'; '.join(wrong) or 'ok'}")
        failures += [f"{name}: {line}" for line in wrong]
    if not events:
        failures.append("there are no events")
    return "\n".join(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) or 0)
