"""The domain of the owner's: one way in, over TLS 1.2, under the name that tokens have as issuer."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from checks import named
from stack import Json, Stack, text


def transport(stack: Stack) -> Iterator[str]:
    """No domain accepts anything older than TLS 1.2."""
    for id, domain in stack.properties("AWS::ApiGatewayV2::DomainName").items():
        for configuration in domain["DomainNameConfigurations"]:
            if configuration.get("SecurityPolicy") != "TLS_1_2":
                yield f"{id}: SecurityPolicy is {configuration.get('SecurityPolicy')}, not TLS_1_2"


def one_way_in(stack: Stack) -> Iterator[str]:
    """A domain leads to the API, and where there is one, the API's own URL is closed: what
    an owner puts before the domain cannot be walked around."""
    mappings = stack.resources("AWS::ApiGatewayV2::ApiMapping").values()
    for id, domain in stack.resources("AWS::ApiGatewayV2::DomainName").items():
        condition = domain.get("Condition")
        leads_to = [to for to in mappings if named(to["Properties"]["DomainName"]) == id]
        if [to.get("Condition") for to in leads_to] != [condition]:
            yield f"{id}: has not one mapping under its condition"
        for mapping in leads_to:
            api = named(mapping["Properties"]["ApiId"])
            properties = stack.properties("AWS::ApiGatewayV2::Api").get(api, {})
            if properties.get("DisableExecuteApiEndpoint") != {"Fn::If": [condition, True, False]}:
                yield f"{api}: its own URL stays open beside {id}"


def holds(condition: Json, parameters: dict[str, str]) -> bool:
    """Whether a rule's condition or assertion is true."""

    def value(of: Any) -> Any:
        return parameters.get(of["Ref"]) if isinstance(of, dict) else of

    match condition:
        case {"Fn::Not": [inner]}:
            return not holds(inner, parameters)
        case {"Fn::Equals": [left, right]}:
            return bool(value(left) == value(right))
    raise ValueError(f"neither Not nor Equals: {condition}")


def rules(stack: Stack) -> Iterator[str]:
    """A domain without a certificate, or the other way round, is refused before anything is made."""
    for domain, certificate in product(("", "auth.example.com"), ("", "arn:aws:acm:…")):
        parameters = {"DomainName": domain, "CertificateArn": certificate}
        refused = any(
            holds(rule["RuleCondition"], parameters) and not holds(assertion["Assert"], parameters)
            for rule in stack.template["Rules"].values()
            for assertion in rule["Assertions"]
        )
        if refused != (bool(domain) != bool(certificate)):
            verb = "refuse" if refused else "accept"
            yield f"Rules: {verb} DomainName '{domain}' with CertificateArn '{certificate}'"


def urls(stack: Stack) -> Iterator[str]:
    """The issuer is the domain where there is one, and every URL of the outputs begins with it."""
    conditions = [domain.get("Condition") for domain in stack.resources("AWS::ApiGatewayV2::DomainName").values()]
    apis = [f"https://${{{id}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}" for id in apis_of(stack)]
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


def apis_of(stack: Stack) -> list[str]:
    """The APIs' logical ids."""
    return [*stack.resources("AWS::ApiGatewayV2::Api")]


def branches(value: Any) -> list[str]:
    """The condition of an Fn::If and what it chooses from, as text."""
    match value:
        case {"Fn::If": [str(condition), then, other]}:
            return [condition, text(then), text(other)]
    return [text(value)]
