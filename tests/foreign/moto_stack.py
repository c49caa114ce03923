"""The tables and the secrets that template.yaml declares, in moto's DynamoDB and moto's
Secrets Manager, each under its logical id.

    python tests/foreign/moto_stack.py

Says what it made, then "ready at" which URL, and serves until it is ended.
"""

from pathlib import Path
from threading import Lock, Thread
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from samtranslator.yaml_helper import yaml_parse
from werkzeug.serving import make_server

Json = dict[str, Any]

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"


class SerializedApp:
    """Lets moto answer one request at a time.

    moto serves each connection in a thread, but looks at an item's condition and then
    writes the item with no lock around the two, so that of two updates that exclude each
    other both can succeed; and it undoes a transaction by putting the whole table back.
    It has no option for this.
    """

    def __init__(self, app: DomainDispatcherApplication) -> None:
        self.app = app
        self.lock = Lock()

    def __call__(self, environ: Json, start_response: Any) -> Any:
        with self.lock:
            return self.app(environ, start_response)


def create_table(aws: boto3.Session, url: str, name: str, properties: Json) -> None:
    """Makes a table."""
    database = aws.client("dynamodb", endpoint_url=url)
    shared = {key: properties[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")}
    if specification := properties.get("StreamSpecification"):
        # As in a stack with a SecurityEventBus.
        _, stream, _ = specification["Fn::If"]
        shared["StreamSpecification"] = {"StreamEnabled": True, **stream}
    database.create_table(TableName=name, **shared)
    if time_to_live := properties.get("TimeToLiveSpecification"):
        database.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
    print(f"table {name}")


def create_secret(aws: boto3.Session, url: str, name: str, properties: Json) -> None:
    """Makes a secret, as the template does: without a key."""
    value = properties["SecretString"]
    secret = aws.client("secretsmanager", endpoint_url=url).create_secret(Name=name, SecretString=value)
    print(f"secret {name} {secret['ARN']}")


def create_session() -> boto3.Session:
    """Credentials, which moto does not look at."""
    return boto3.Session("local", "local", region_name="us-east-1")


def create_resources(url: str) -> None:
    """Makes what the template declares and moto has."""
    aws = create_session()
    for name, resource in yaml_parse(TEMPLATE.read_text())["Resources"].items():
        match resource["Type"]:
            case "AWS::DynamoDB::Table":
                create_table(aws, url, name, resource["Properties"])
            case "AWS::SecretsManager::Secret":
                create_secret(aws, url, name, resource["Properties"])


def start_moto() -> tuple[str, Thread]:
    """The URL of a moto with all of it, on a free port, and the thread that serves."""
    app = SerializedApp(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    create_resources(url)
    return url, thread


def main() -> None:
    """Serves until the process is ended."""
    url, thread = start_moto()
    print(f"ready at {url}", flush=True)
    thread.join()


if __name__ == "__main__":
    main()
