"""The plain keywords of JSON Schema 2020-12 that claims use."""

from __future__ import annotations

from typing import Any

ANNOTATIONS = {"$schema", "$id", "title", "description", "default", "examples", "$comment", "format", "deprecated",
               "readOnly", "writeOnly", "contentEncoding", "contentMediaType"}
TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float)}


def schema_fits(schema: Any, value: Any, whole: bool) -> bool | None:
    """A small part of JSON Schema 2020-12; None: a keyword that this verifier does not know."""
    if isinstance(schema, bool):
        return schema
    results: list[bool | None] = []
    for word, wanted in schema.items():
        if word == "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            results.append(any(number and (kind == "number" or kind == "integer" and float(value).is_integer())
                               or kind not in ("number", "integer") and isinstance(value, TYPES[kind]) for kind in kinds))
        elif word in ("enum", "const"):
            options = wanted if word == "enum" else [wanted]
            results.append(any(type(o) is type(value) and o == value for o in options))
        elif word == "required":
            results.append(not whole or not isinstance(value, dict) or all(name in value for name in wanted))
        elif word == "properties":
            named = value if isinstance(value, dict) else {}
            results.extend(schema_fits(part, named[name], whole) for name, part in wanted.items() if name in named)
        elif word == "additionalProperties":
            others = [v for n, v in value.items() if n not in schema.get("properties", {})] if isinstance(value, dict) else []
            results.append(None if "patternProperties" in schema else True)
            results.extend(schema_fits(wanted, other, whole) for other in others)
        elif word == "items":
            results.extend(schema_fits(wanted, entry, whole) for entry in (value if isinstance(value, list) else []))
        elif word in ("minimum", "maximum"):
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            results.append(not number or (value >= wanted if word == "minimum" else value <= wanted))
        elif word in ("minLength", "maxLength", "minItems", "maxItems"):
            fit = isinstance(value, str if word.endswith("Length") else list)
            results.append(not fit or (len(value) >= wanted if word.startswith("min") else len(value) <= wanted))
        elif word == "uniqueItems":
            results.append(not wanted or not isinstance(value, list) or all(v not in value[:i] for i, v in enumerate(value)))
        elif word not in ANNOTATIONS:
            results.append(None)
    return False if False in results else None if None in results else True


KINDS = {*TYPES, "number", "integer"}
SHAPES: dict[str, Any] = {
    "type": lambda v: set(v if isinstance(v, list) and v else [v]) <= KINDS, "enum": lambda v: isinstance(v, list), "const": lambda v: True,
    "required": lambda v: isinstance(v, list) and all(isinstance(name, str) for name in v) and len(set(v)) == len(v),
    "minimum": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool), "uniqueItems": lambda v: isinstance(v, bool)}
SHAPES["maximum"] = SHAPES["minimum"]
COUNTS = {"minLength", "maxLength", "minItems", "maxItems"}


def usable(schema: Any) -> bool:
    """Whether the plain keywords have values that they can have; of others nothing is said."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict):
        return False
    for word, value in schema.items():
        try:
            if word in SHAPES and not SHAPES[word](value) or word in COUNTS and not (type(value) is int and value >= 0):
                return False
        except TypeError:
            return False
        if word == "properties" and not (isinstance(value, dict) and all(map(usable, value.values()))):
            return False
        if word in ("additionalProperties", "items") and not usable(value):
            return False
    return True
