"""The stack: template.yaml as SAM translates it, and the files that must agree with it."""

import json
import tomllib
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3 import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]

Json = dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """What the checks look at."""

    template: Json
    policies: dict[str, list[Json]]
    router: dict[str, list[dict[str, str]]]
    local: dict[str, dict[str, str]]

    def resources(self, kind: str) -> dict[str, Json]:
        """The resources of a type, by logical id."""
        return {id: resource for id, resource in self.template["Resources"].items() if resource["Type"] == kind}

    def properties(self, kind: str) -> dict[str, Json]:
        """The properties of the resources of a type, by logical id."""
        return {id: resource.get("Properties", {}) for id, resource in self.resources(kind).items()}


def read_template() -> Json:
    """The template as it is written."""
    return yaml_parse((ROOT / "template.yaml").read_text())


def load(template: Json) -> Stack:
    """The stack of a template as it is written."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    return Stack(
        template=translate(template),
        policies=json.loads(Path(__file__).with_name("policies.json").read_text()),
        router=manifest["workspace"]["metadata"]["lambda"]["watch"]["router"],
        local=json.loads((ROOT / "events/env.json").read_text()),
    )


def translate(template: Json) -> Json:
    """What CloudFormation is given. The code of each function becomes an object in a
    bucket, as it does at a deployment; the key is the folder that it is built from."""
    template = deepcopy(template)
    common = template["Globals"]["Function"]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            folder = resource["Properties"].get("CodeUri", common.get("CodeUri"))
            resource["Properties"]["CodeUri"] = f"s3://code/{folder}"
    translator = Translator({}, Parser(), boto_session=Session(region_name="us-east-1"))
    translated = translator.translate(template, parameter_values={}, passthrough_metadata=True)
    # To nowhere; left unpublished, the translator warns of them.
    translator.metrics.publish()
    return translated


def text(value: Any) -> str:
    """A value in one line: `${Id}` for a Ref, `${Id.Attribute}` for a GetAtt."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::GetAtt": path}:
            return f"${{{path}}}"
        case {"Fn::Sub": [string, variables]}:
            for name, variable in variables.items():
                string = string.replace(f"${{{name}}}", text(variable))
            return string
        case {"Fn::Sub": string}:
            return string
    return json.dumps(value)
