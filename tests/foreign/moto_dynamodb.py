"""moto's DynamoDB, with the tables that template.yaml declares.

    python tests/foreign/moto_dynamodb.py

Says "ready at" which URL once the tables are there, and serves until it is ended.
"""

from pathlib import Path
from threading import Lock, Thread
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from samtranslator.yaml_helper import yaml_parse
from werkzeug.serving import make_server

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"


class OneAtATime:
    """Lets moto answer one request at a time.

    moto serves each connection in a thread, but looks at an item's condition and then
    writes the item with no lock around the two, so that two updates of which DynamoDB
    would refuse one can both succeed. It has no option for this.
    """

    def __init__(self, app: DomainDispatcherApplication) -> None:
        self.app = app
        self.lock = Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        with self.lock:
            return self.app(environ, start_response)


def create_tables(url: str) -> None:
    """Makes the template's tables, each under its logical id."""
    database = boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    for name, resource in yaml_parse(TEMPLATE.read_text())["Resources"].items():
        if resource["Type"] != "AWS::DynamoDB::Table":
            continue
        properties = resource["Properties"]
        shared = {key: properties[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")}
        database.create_table(TableName=name, **shared)
        if time_to_live := properties.get("TimeToLiveSpecification"):
            database.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
        print(f"table {name}")


def main() -> None:
    """Serves on a free port until the process is ended."""
    app = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    serving = Thread(target=server.serve_forever)
    serving.start()
    url = f"http://127.0.0.1:{server.server_port}"
    create_tables(url)
    print(f"ready at {url}", flush=True)
    serving.join()


if __name__ == "__main__":
    main()
