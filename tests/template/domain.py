"""The domain of the owner's: one way in, over TLS 1.2, under the name that tokens have as issuer."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from checks import resource_name
from stack import Json, Stack, text


def transport(stack: Stack) -> Iterator[str]:
    """No domain accepts anything older than TLS 1.2."""
    for id, domain in stack.properties("AWS::ApiGatewayV2::DomainName").items():
        for configuration in domain["DomainNameConfigurations"]:
            if configuration.get("SecurityPolicy") != "TLS_1_2":
                yield f"{id}: SecurityPolicy is {configuration.get('SecurityPolicy')}, not TLS_1_2"


def single_entry(stack: Stack) -> Iterator[str]:
    """A domain leads to the API, and where there is one, the API's own URL is closed: what
    an owner puts before the domain cannot be walked around."""
    mappings = stack.resources("AWS::ApiGatewayV2::ApiMapping").values()
    for id, domain in stack.resources("AWS::ApiGatewayV2::DomainName").items():
        condition = domain.get("Condition")
        domain_mappings = [mapping for mapping in mappings if resource_name(mapping["Properties"]["DomainName"]) == id]
        if [mapping.get("Condition") for mapping in domain_mappings] != [condition]:
            yield f"{id}: has not one mapping under its condition"
        for mapping in domain_mappings:
            api = resource_name(mapping["Properties"]["ApiId"])
            properties = stack.properties("AWS::ApiGatewayV2::Api").get(api, {})
            if properties.get("DisableExecuteApiEndpoint") != {"Fn::If": [condition, True, False]}:
                yield f"{api}: its own URL stays open beside {id}"


def is_true(condition: Json, parameters: dict[str, str]) -> bool:
    """Whether a rule's condition or assertion is true."""

    def value(operand: Any) -> Any:
        return parameters.get(operand["Ref"]) if isinstance(operand, dict) else operand

    match condition:
        case {"Fn::Not": [inner]}:
            return not is_true(inner, parameters)
        case {"Fn::Equals": [left, right]}:
            return bool(value(left) == value(right))
    raise ValueError(f"neither Not nor Equals: {condition}")


def rules(stack: Stack) -> Iterator[str]:
    """A domain without a certificate, or the other way round, is refused before anything is made."""
    for domain, certificate in product(("", "auth.example.com"), ("", "arn:aws:acm:…")):
        parameters = {"DomainName": domain, "CertificateArn": certificate}
        refused = any(
            is_true(rule["RuleCondition"], parameters) and not is_true(assertion["Assert"], parameters)
            for rule in stack.template["Rules"].values()
            for assertion in rule["Assertions"]
        )
        if refused != (bool(domain) != bool(certificate)):
            verb = "refuse" if refused else "accept"
            yield f"Rules: {verb} DomainName '{domain}' with CertificateArn '{certificate}'"


def urls(stack: Stack) -> Iterator[str]:
    """The issuer is the domain where there is one, and every URL of the outputs begins with it."""
    conditions = [domain.get("Condition") for domain in stack.resources("AWS::ApiGatewayV2::DomainName").values()]
    apis = [f"https://${{{id}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}" for id in api_ids(stack)]
    issuer = [*conditions, "https://${DomainName}", *apis]
    for id, function in stack.properties("AWS::Lambda::Function").items():
        if branches(function["Environment"]["Variables"]["TOKEN_ISSUER"]) != issuer:
            yield f"{id}: TOKEN_ISSUER is neither the domain nor the API's URL"
    paths = [route["RouteKey"].split(" ")[1] for route in stack.properties("AWS::ApiGatewayV2::Route").values()]
    for name, output in stack.template["Outputs"].items():
        ends = ["", *paths] if name == "Issuer" else paths
        if name == "Issuer" or name.endswith("Url"):
            allowed = [[issuer[0], *(base + end for base in issuer[1:])] for end in ends]
            if branches(output["Value"]) not in allowed:
                yield f"Outputs.{name}: is not the issuer with the path of a route"


def api_ids(stack: Stack) -> list[str]:
    """The APIs' logical ids."""
    return [*stack.resources("AWS::ApiGatewayV2::Api")]


def branches(value: Any) -> list[str]:
    """The condition of an Fn::If and what it chooses from, as text."""
    match value:
        case {"Fn::If": [str(condition), then, other]}:
            return [condition, text(then), text(other)]
    return [text(value)]
