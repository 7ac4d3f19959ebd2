"""Payloads in JSON against their schemas (payload-schemas.md 1), as far as this verifier knows the keywords; of XML, what its header repeats."""

from __future__ import annotations

from typing import Any, Callable
from xml.etree import ElementTree

from base import FAILED, OPEN, PASSED, Check, Fault, read_json, read_object
from facts import typed
from schema import schema_fits

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema_parts(schema: bytes) -> list[str] | None:
    """The files of a schema that is XML; None where it is no document."""
    try:
        document = read_object(schema)
        return list(document["files"].values()) if document.get("type") == "gridpass-xsd" else []
    except (Fault, KeyError, AttributeError):
        return None


def pointed(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def fits(schema: bytes, payload: bytes, topic: dict[str, Any], gp: dict[str, Any]) -> str | None:
    """The code that comes out; None where this verifier does not know."""
    document = read_object(schema)
    if document.get("type") == "gridpass-xsd":
        return None if repeated(topic, gp, lambda path: in_xml(payload, path)) else "GP-ATTRIBUTE-DIFFERS"
    if document.get("$schema") != DRAFT:
        return None
    try:
        value = read_json(payload)
    except Fault:
        return "GP-PAYLOAD-MALFORMED"
    found = schema_fits(document, value, True)
    if found is False:
        return "GP-PAYLOAD-SCHEMA"
    if not repeated(topic, gp, lambda pointer: pointed(value, pointer)):
        return "GP-ATTRIBUTE-DIFFERS"
    return None if found is None or b'"format"' in schema else "GP-PAYLOAD-FITS"


def repeated(topic: dict[str, Any], gp: dict[str, Any], at: Callable[[str], Any]) -> bool:
    """Whether the attributes of the header say what the payload says."""
    for name, attribute in topic.get("attributes", {}).items():
        given = typed(gp["attributes"][name], attribute["type"]) if name in gp.get("attributes", {}) else None
        if given is not None and "from" in attribute:
            try:
                inside = typed(at(attribute["from"]), attribute["type"])
            except (LookupError, ValueError, TypeError, SyntaxError):
                inside = None
            if inside != given:
                return False
    return True


def in_xml(payload: bytes, path: str) -> str:
    """The value under a path of local names; whether the document is valid is not asked."""
    root, *steps = path.split("/")[1:]
    element = ElementTree.fromstring(payload)
    if element.tag.rpartition("}")[2] != root:
        raise LookupError(root)
    for step in steps:
        if step.startswith("@"):
            return {name.rpartition("}")[2]: value for name, value in element.attrib.items()}[step[1:]]
        element = next(child for child in element if child.tag.rpartition("}")[2] == step)
    return (element.text or "").strip()


def payload_check(schema: bytes, payload: bytes, topic: dict[str, Any], gp: dict[str, Any], recorded: dict[str, Any]) -> Check:
    """What was recorded of a payload, found again."""
    code = fits(schema, payload, topic, gp)
    if code is None:
        return Check("payload", PASSED, "not-checked")
    outcome = PASSED if code == "GP-PAYLOAD-FITS" else FAILED
    if (outcome, code) == (recorded["outcome"], recorded["code"]) or outcome == recorded["outcome"] == PASSED:
        return Check("payload", PASSED, "GP-FACTS-CONFIRMED")
    if recorded["outcome"] == PASSED:
        return Check("payload", FAILED, "GP-FACTS-DIFFER", code)
    return Check("payload", OPEN, "GP-FACTS-OPEN", f"{code}, recorded {recorded['code']}")
