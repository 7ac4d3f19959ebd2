"""CSV payloads against their schemas (payload-schemas.md section 3)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from base import Fault, millis

TYPES = ("string", "integer", "decimal", "boolean", "dateTime", "date", "anyURI")
ORDERED = ("integer", "decimal", "dateTime", "date")
Place = tuple[str, str]


def value_of(datatype: str, cell: str) -> Any:
    """What a cell means; a ValueError where it is none of its type."""
    if datatype in ("integer", "decimal"):
        form = r"[+-]?[0-9]+" if datatype == "integer" else r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
        if not re.fullmatch(form, cell):
            raise ValueError(cell)
        return Decimal(cell)
    if datatype == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}[cell]
    if datatype in ("dateTime", "date"):
        if datatype == "date" and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
            raise ValueError(cell)
        if datatype == "dateTime" and not cell.endswith(("Z", "+00:00")):
            raise ValueError(cell)
        try:
            return millis(cell + ("T00:00:00Z" if datatype == "date" else ""))
        except Fault as fault:
            raise ValueError(fault.why) from None
    if datatype == "anyURI" and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", cell):
        raise ValueError(cell)
    return cell


def is_of(datatype: str, cell: str) -> bool:
    try:
        value_of(datatype, cell)
    except (ValueError, KeyError):
        return False
    return True


def read_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or GP-SCHEMA-MALFORMED."""
    def need(good: bool, why: str) -> None:
        if not good:
            raise Fault("GP-SCHEMA-MALFORMED", why)

    def whole(value: Any) -> bool:
        return type(value) is int and value >= 0
    need({"type", "formatVersion", "columns", "maxRows"} <= schema.keys() <= {"type", "formatVersion", "columns", "maxRows", "delimiter", "primaryKey"}, "members")
    need(schema["formatVersion"] == 1 and whole(schema["maxRows"]) and 1 <= schema["maxRows"] <= 1_000_000, "version, maxRows")
    delimiter = schema.get("delimiter", ",")
    need(isinstance(delimiter, str) and len(delimiter) == 1 and (delimiter == "\t" or "!" <= delimiter <= "~" and delimiter != '"'), "delimiter")
    columns = schema["columns"]
    need(isinstance(columns, list) and 1 <= len(columns) <= 256 and all(isinstance(c, dict) for c in columns), "columns")
    for column in columns:
        known = {"name", "datatype", "required", "minimum", "maximum", "maxLength", "enum"}
        need({"name", "datatype"} <= column.keys() <= known and isinstance(column["name"], str) and column["datatype"] in TYPES, "column")
        need(isinstance(column.get("required", False), bool) and whole(column.get("maxLength", 0)), "column")
        bounds = [column[name] for name in ("minimum", "maximum") if name in column]
        for bound in bounds:
            need(isinstance(bound, str) and column["datatype"] in ORDERED and is_of(column["datatype"], bound), "bound")
        if len(bounds) == 2:
            need(value_of(column["datatype"], bounds[0]) <= value_of(column["datatype"], bounds[1]), "bounds")
        listed = column.get("enum", [])
        need(isinstance(listed, list) and all(isinstance(v, str) and is_of(column["datatype"], v) for v in listed), "enum")
    names = [column["name"] for column in columns]
    key = schema.get("primaryKey", [])
    need(len(set(names)) == len(names) and isinstance(key, list) and len(set(key)) == len(key) and set(key) <= set(names), "names")
    return schema


def rows_of(text: str, delimiter: str) -> list[list[str]]:
    """RFC 4180, or a ValueError with the line."""
    rows, row, cell, line, at = [], [], "", 1, "begin"
    for char in text:
        if char < " " and char not in "\t\r\n" or char == "\x7f" or at == "return" and char != "\n":
            raise ValueError(line)
        if at == "quoted" and char == '"':
            at = "quote"
        elif at == "quoted":
            cell += char
        elif char == '"':
            if at == "plain":
                raise ValueError(line)
            cell, at = cell + ('"' if at == "quote" else ""), "quoted"
        elif char == delimiter:
            row, cell, at = [*row, cell], "", "begin"
        elif char == "\r":
            empty = at == "begin" and not row
            at = "return"
        elif char == "\n":
            if at == "begin" and not row or at == "return" and empty:
                raise ValueError(line)
            rows, row, cell, at = [*rows, [*row, cell]], [], "", "begin"
        else:
            if at == "quote":
                raise ValueError(line)
            cell, at = cell + char, "plain"
        line += char == "\n"
    if at in ("quoted", "return"):
        raise ValueError(line)
    return [*rows, [*row, cell]] if row or cell or at != "begin" else rows


def violations(schema: dict[str, Any], payload: bytes) -> list[Place]:
    """Code and place of each violation, 16 at most."""
    columns = schema["columns"]
    try:
        rows = rows_of(payload.decode().removeprefix("\ufeff"), schema.get("delimiter", ","))
    except UnicodeDecodeError:
        raise Fault("not for these vectors") from None
    except ValueError as error:
        return [("GP-PAYLOAD-MALFORMED", f"line {error.args[0]}")]
    if not rows or rows[0] != [column["name"] for column in columns]:
        return [("GP-PAYLOAD-SCHEMA", "header")]
    found: list[Place] = []
    seen = set()
    for number, row in enumerate(rows[1:], 1):
        if number > schema["maxRows"]:
            return [*found, ("GP-PAYLOAD-LIMIT", f"row {number}")]
        if len(row) != len(columns):
            found.append(("GP-PAYLOAD-SCHEMA", f"row {number}"))
        else:
            found += [("GP-PAYLOAD-SCHEMA", f'row {number}, column "{column["name"]}"') for column, cell in zip(columns, row) if not fits(column, cell)]
            key = tuple(meant(column["datatype"], cell) for column, cell in zip(columns, row) if column["name"] in schema.get("primaryKey", []))
            if key and key in seen and len(found) < 16:
                found.append(("GP-PAYLOAD-SCHEMA", f"row {number}"))
            seen.add(key)
        if len(found) >= 16:
            return found[:16]
    return found


def meant(datatype: str, cell: str) -> Any:
    return (True, value_of(datatype, cell)) if is_of(datatype, cell) else (False, cell)


def fits(column: dict[str, Any], cell: str) -> bool:
    if cell == "":
        return not column.get("required", False)
    datatype = column["datatype"]
    if len(cell.encode()) > 65_536 or not is_of(datatype, cell):
        return False
    value = value_of(datatype, cell)
    least, most = (value_of(datatype, column[name]) if name in column else value for name in ("minimum", "maximum"))
    return least <= value <= most and len(cell) <= column.get("maxLength", len(cell)) and cell in column.get("enum", [cell])
