"""Payloads against their schemas (payload-schemas.md): tables cell by cell; what is refused of XML and of grid models."""

from __future__ import annotations

from typing import Any

from base import Fault, cid
from given import Case, case, found, write
from tables import read_schema, violations

COLUMNS: dict[str, dict[str, Any]] = {
    "string": {}, "integer": {}, "decimal": {}, "boolean": {}, "dateTime": {}, "date": {}, "anyURI": {},
    "bounded integer": {"datatype": "integer", "minimum": "-5", "maximum": "1000000000000000000000"},
    "bounded decimal": {"datatype": "decimal", "minimum": "0.1", "maximum": "99.5"},
    "bounded dateTime": {"datatype": "dateTime", "minimum": "2026-03-01T00:00:00Z", "maximum": "2026-03-01T23:59:59.999Z"},
    "bounded date": {"datatype": "date", "minimum": "2026-03-01", "maximum": "2026-03-31"},
    "short string": {"datatype": "string", "maxLength": 3}, "short integer": {"datatype": "integer", "maxLength": 2},
    "listed string": {"datatype": "string", "enum": ["A", "B"]}, "listed integer": {"datatype": "integer", "enum": ["1"]},
    "listed boolean": {"datatype": "boolean", "enum": ["true"]}, "required string": {"datatype": "string", "required": True},
}
CELLS: dict[str, tuple[list[str], list[str]]] = {  # those that fit, those that do not
    "string": (["", " ", "a", "é", "\"a\"\"b\"", "\"a,b\"", "\"a\nb\"", "\"\"", "\t"], []),
    "integer": (["", "0", "-0", "+5", "05", "-1", "9" * 60], ["1.0", "1.", ".5", "1e3", "- 1", "--1", "+", "٣", " 1", "0x10", "1_0"]),
    "decimal": (["1", "+5", "05", "-.5", ".5", "1.", "1.50", "0.0000000000000000000000000000001"], ["1e3", ".", "-", "1.2.3", "\"1,5\"", "NaN", "INF", "½", " 1"]),
    "boolean": (["true", "false", "1", "0"], ["TRUE", "yes", "2", "01"]),
    "dateTime": (["2026-03-01T12:00:00Z", "2026-03-01T12:00:00+00:00", "2026-03-01T12:00:00.123456789Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"],
                 ["2026-03-01T12:00:00", "2026-03-01T13:00:00+01:00", "2026-03-01 12:00:00Z", "2026-03-01T12:00Z", "2026-02-29T00:00:00Z", "2026-03-01T12:00:60Z",
                  "2026-03-01T24:00:00Z", "1969-12-31T23:59:59Z", "2026-03-01T12:00:00-00:00", "2026-03-01"]),
    "date": (["2026-03-01", "1970-01-01", "2024-02-29", "9999-12-31"], ["0001-01-01", "1969-12-31", "2026-02-29", "2026-3-1", "2026-03-01Z", "2026-03-01T00:00:00Z", "20260301"]),
    "anyURI": (["https://dso.example/a?b#c", "urn:uuid:c47d4310-b8ee-480d-9cf3-e53a81630981", "mailto:a@dso.example"], ["dso.example", "/a", "#c", "https", "//dso.example/a"]),
    "bounded integer": (["-5", "-05", "0", "1000000000000000000000"], ["-6", "1000000000000000000001"]),
    "bounded decimal": (["0.1", ".10", "99.5", "99.50"], ["0.09999999999999999999999", "99.5000000000000000000001", "-1"]),
    "bounded dateTime": (["2026-03-01T00:00:00Z", "2026-03-01T00:00:00+00:00", "2026-03-01T23:59:59.999Z"], ["2026-02-28T23:59:59.999Z", "2026-03-02T00:00:00Z"]),
    "bounded date": (["2026-03-01", "2026-03-31"], ["2026-02-28", "2026-04-01"]),
    "short string": (["abc", "ééé", "🔌🔌🔌"], ["abcd", "🔌🔌🔌🔌"]),
    "short integer": (["12", "-1"], ["123", "012", "-12"]),
    "listed string": (["A", "\"B\"", ""], ["C", "a", "A "]),
    "listed integer": (["1"], ["01", "+1", "2"]),
    "listed boolean": (["true"], ["1", "false"]),
    "required string": (["a", " "], ["\"\""]),
}


def table(columns: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"type": "gridpass-csv", "formatVersion": 1, "columns": columns, "maxRows": 100} | more


def csv(name: str, schema: dict[str, Any], payload: str, code: str) -> Case:
    def read() -> dict[str, Any]:
        bad = violations(read_schema(schema), payload.encode())
        return {"code": bad[0][0] if bad else "GP-PAYLOAD-FITS", "places": [place for _, place in bad]}
    return found(name, {"schema": schema, "payload": payload}, code, read)


def cells() -> list[Case]:
    made = []
    for name, column in COLUMNS.items():
        schema = table([{"name": "v", "datatype": name} | column, {"name": "w", "datatype": "string"}])
        good, bad = CELLS[name]
        for number, cell in enumerate(good, 1):
            made.append(csv(f"{name} {number}: fits", schema, f"v,w\n{cell},x\n", "GP-PAYLOAD-FITS"))
        for number, cell in enumerate(bad, 1):
            made.append(csv(f"{name} {number}: does not fit", schema, f"v,w\n{cell},x\n", "GP-PAYLOAD-SCHEMA"))
    return made


def forms() -> list[Case]:
    two = table([{"name": "id", "datatype": "decimal"}, {"name": "on", "datatype": "date"}, {"name": "v", "datatype": "string"}], primaryKey=["id", "on"], maxRows=3)
    head = "id,on,v\n"
    row = "1,2026-03-01,a\n"
    fits, no, none, limit = "GP-PAYLOAD-FITS", "GP-PAYLOAD-SCHEMA", "GP-PAYLOAD-MALFORMED", "GP-PAYLOAD-LIMIT"

    def of(name: str, payload: str, code: str, schema: dict[str, Any] = two) -> Case:
        return csv(name, schema, payload, code)
    return [
        of("a header alone", head, fits),
        of("a header without a line end", head.strip(), fits),
        of("lines with CRLF", (head + row).replace("\n", "\r\n"), fits),
        of("lines with LF and CRLF", head + row.replace("\n", "\r\n") + row.replace("1,", "2,", 1), fits),
        of("a last line without an end", head + row.strip(), fits),
        of("a byte order mark", "\ufeff" + head + row, fits),
        of("a carriage return alone ends no line", head + row.replace("\n", "\r") + row, none),
        of("a carriage return at the end", head + row.replace("\n", "\r"), none),
        of("a carriage return in quotes", head + '1,2026-03-01,"a\rb"\n', fits),
        of("nothing", "", no),
        of("another header", head.replace("v", "w") + row, no),
        of("a header in another order", "on,id,v\n" + row, no),
        of("a header with a space", "id, on,v\n" + row, no),
        of("a header in quotes", '"id","on","v"\n' + row, fits),
        of("a cell too few", head + "1,2026-03-01\n", no),
        of("a cell too many", head + "1,2026-03-01,a,b\n", no),
        of("an empty line between", head + "\n" + row, none),
        of("an empty line with CRLF", head + "\r\n" + row, none),
        of("an empty line at the end", head + row + "\n", none),
        of("an empty line at the beginning", "\n" + head + row, none),
        of("a quote within a cell", head + '1,2026-03-01,a"b\n', none),
        of("something behind quotes", head + '1,2026-03-01,"a"b\n', none),
        of("a space before quotes", head + '1,2026-03-01, "a"\n', none),
        of("quotes that are not closed", head + '1,2026-03-01,"a\n', none),
        of("a NUL", head + "1,2026-03-01,a\0\n", none),
        of("a control character in quotes", head + '1,2026-03-01,"\u001b"\n', none),
        of("DEL", head + "1,2026-03-01,\u007f\n", none),
        of("a C1 control character", head + "1,2026-03-01,\u0085\n", fits),
        of("three rows", head + "".join(row.replace("1,", f"{n},", 1) for n in (1, 2, 3)), fits),
        of("four rows", head + "".join(row.replace("1,", f"{n},", 1) for n in (1, 2, 3, 4)), limit),
        of("a key that comes twice", head + row + row, no),
        of("a key that comes twice, written otherwise", head + row + row.replace("1,", "01.0,", 1), no),
        of("nothing and minus nothing are one key", head + row.replace("1,", "0,", 1) + row.replace("1,", "-0.0,", 1), no),
        of("half a key that comes twice", head + row + row.replace("03-01", "03-02"), fits),
        of("two keys without values", head + ",,a\n,,b\n", no),
        of("17 violations", "v,w\n" + "x,y\n" * 17, no, table([{"name": "v", "datatype": "integer"}, {"name": "w", "datatype": "string"}])),
        of("a semicolon between cells", "v;w\n1,5;2\n", fits, table([{"name": "v", "datatype": "string"}, {"name": "w", "datatype": "integer"}], delimiter=";")),
        of("a tab between cells", "v\tw\n1,5\t2\n", fits, table([{"name": "v", "datatype": "string"}, {"name": "w", "datatype": "integer"}], delimiter="\t")),
        of("a cell of 64 KiB", "v\n" + "x" * 65_536 + "\n", fits, table([{"name": "v", "datatype": "string"}])),
        of("a cell of 64 KiB and a byte", "v\n" + "x" * 65_537 + "\n", no, table([{"name": "v", "datatype": "string"}])),
    ]


def schemas() -> list[Case]:
    plain = {"name": "v", "datatype": "decimal"}
    bad = {
        "no columns": table([]), "257 columns": table([plain | {"name": f"c{n}"} for n in range(257)]), "two columns of one name": table([plain, plain]),
        "an unknown datatype": table([plain | {"datatype": "double"}]), "a minimum that is a number": table([plain | {"minimum": 0}]),
        "a minimum that is none of its type": table([plain | {"minimum": "low"}]), "a minimum above the maximum": table([plain | {"minimum": "2", "maximum": "1.5"}]),
        "a bound of texts": table([{"name": "v", "datatype": "string", "minimum": "a"}]), "a bound of booleans": table([{"name": "v", "datatype": "boolean", "maximum": "1"}]),
        "a listed value of another type": table([plain | {"enum": ["1", "x"]}]), "a delimiter of two characters": table([plain], delimiter=", "),
        "a space as delimiter": table([plain], delimiter=" "), "a quote as delimiter": table([plain], delimiter='"'), "no rows": table([plain], maxRows=0),
        "a million rows and one": table([plain], maxRows=1_000_001), "a key that is no column": table([plain], primaryKey=["w"]),
        "a key twice": table([plain], primaryKey=["v", "v"]), "an unknown member": table([plain], header=True),
        "an unknown member of a column": table([plain | {"pattern": "x"}]), "another format version": table([plain]) | {"formatVersion": 2},
        "a minimum that is null": table([plain | {"minimum": None}]),
    }
    made = [csv(f"a table's schema: {name}", schema, "v\n1\n", "GP-SCHEMA-MALFORMED") for name, schema in bad.items()]
    good = {"256 columns": table([plain | {"name": f"c{n}"} for n in range(256)]), "a million rows": table([plain], maxRows=1_000_000), "an empty key": table([plain], primaryKey=[])}
    for name, schema in good.items():
        text = ",".join(c["name"] for c in schema["columns"]) + "\n"
        made.append(csv(f"a table's schema: {name}", schema, text, "GP-PAYLOAD-FITS"))
    return made


XSD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:orders" xmlns="urn:orders" elementFormDefault="qualified">' \
      '<xs:element name="Order"><xs:complexType><xs:sequence><xs:element name="Zone" type="xs:string"/></xs:sequence>' \
      '<xs:attribute name="id" type="xs:NCName" use="required"/></xs:complexType></xs:element></xs:schema>'
ORDER = '<Order xmlns="urn:orders" id="o1"><Zone>GB-1</Zone></Order>'


def xml() -> list[Case]:
    files = {"main.xsd": XSD}
    schema = {"type": "gridpass-xsd", "formatVersion": 1, "main": "main.xsd", "files": {name: cid(text.encode()) for name, text in files.items()}}
    fits, no, none, never, limit = "GP-PAYLOAD-FITS", "GP-PAYLOAD-SCHEMA", "GP-PAYLOAD-MALFORMED", "GP-XML-FORBIDDEN", "GP-PAYLOAD-LIMIT"
    hint = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:'
    texts = {
        "as the schema has it": (ORDER, fits), "a byte order mark": ("\ufeff" + ORDER, fits), "a declaration": ('<?xml version="1.0" encoding="utf-8"?>\n' + ORDER, fits),
        "a comment": ("<!-- a note -->" + ORDER, fits), "a character reference": (ORDER.replace("GB", "G&#66;"), fits), "an entity of XML": (ORDER.replace("GB", "&lt;"), fits),
        "CDATA": (ORDER.replace("GB-1", "<![CDATA[<GB>]]>"), fits),
        "an element that the schema has not": (ORDER.replace("Zone", "Area"), no), "an attribute that is missing": (ORDER.replace(' id="o1"', ""), no),
        "another root": ('<Other xmlns="urn:orders"/>', no), "another namespace": (ORDER.replace("urn:orders", "urn:other"), no),
        "a DOCTYPE": ("<!DOCTYPE Order>" + ORDER, never), "an entity of its own": ('<!DOCTYPE Order [<!ENTITY x "GB-1">]>' + ORDER.replace("GB-1", "&x;"), never),
        "an entity that nothing declares": (ORDER.replace("GB-1", "&x;"), never), "the same in an attribute": (ORDER.replace("o1", "&x;"), never),
        "a processing instruction": ("<?xml-stylesheet href='x'?>" + ORDER, never), "UTF-16 by its name": ('<?xml version="1.0" encoding="UTF-16"?>' + ORDER, never),
        "XML 1.1": ('<?xml version="1.1"?>' + ORDER, never), "schemaLocation": (ORDER.replace(" id=", f' {hint}schemaLocation="urn:orders x.xsd" id='), never),
        "noNamespaceSchemaLocation": (ORDER.replace(" id=", f' {hint}noNamespaceSchemaLocation="x.xsd" id='), never),
        "65 levels": ("<a>" * 65 + "</a>" * 65, limit), "64 levels": ("<a>" * 64 + "</a>" * 64, no),
        "129 attributes": ("<a " + " ".join(f'x{n}="1"' for n in range(129)) + "/>", limit), "128 attributes": ("<a " + " ".join(f'x{n}="1"' for n in range(128)) + "/>", no),
        "an end that is missing": (ORDER.replace("</Order>", ""), none), "two roots": (ORDER + ORDER, none), "text behind it": (ORDER + "x", none), "nothing": ("", none),
        "a prefix that is not declared": (ORDER.replace("<Zone>", "<z:Zone>").replace("</Zone>", "</z:Zone>"), none), "an attribute twice": (ORDER.replace("id=", 'id="o2" id='), none),
        "a control character": (ORDER.replace("GB", "\u0001"), none),
    }
    return [case(f"XML: {name}", {"schema": schema, "files": [XSD], "payload": text}, {"code": code}) for name, (text, code) in texts.items()]


def models() -> list[Case]:
    schema = {"type": "gridpass-cim", "formatVersion": 1, "profiles": ["urn:p:EQ", "urn:p:TP"], "minVersion": 2, "modelingAuthoritySets": ["https://dso.example/"], "maxBytes": 10_000}
    header = "<md:Model.created>2026-03-01T00:00:00Z</md:Model.created><md:Model.scenarioTime>2026-03-02T00:00:00Z</md:Model.scenarioTime>" \
             "<md:Model.profile>urn:p:EQ</md:Model.profile><md:Model.version>2</md:Model.version>" \
             "<md:Model.modelingAuthoritySet>https://dso.example/</md:Model.modelingAuthoritySet>"
    good = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:md="http://iec.ch/TC57/61970-552/ModelDescription/1#">' \
           f'<md:FullModel rdf:about="urn:uuid:c47d4310-b8ee-480d-9cf3-e53a81630981">{header}</md:FullModel></rdf:RDF>'
    fits, no = "GP-PAYLOAD-FITS", "GP-CIM-HEADER"
    profile = "<md:Model.profile>urn:p:EQ</md:Model.profile>"
    changes = {
        "as the schema has it": (good, fits), "a later version": (good.replace(">2<", ">3<"), fits), "two profiles": (good.replace(profile, profile + profile.replace("EQ", "TP")), fits),
        "without a scenario time": (good.replace("<md:Model.scenarioTime>2026-03-02T00:00:00Z</md:Model.scenarioTime>", ""), fits),
        "an earlier version": (good.replace(">2<", ">1<"), no), "without a version": (good.replace("<md:Model.version>2</md:Model.version>", ""), no),
        "a version that is no number": (good.replace(">2<", ">two<"), no), "two versions": (good.replace("</md:FullModel>", "<md:Model.version>2</md:Model.version></md:FullModel>"), no),
        "another profile": (good.replace("urn:p:EQ", "urn:p:SSH"), no), "one profile more": (good.replace(profile, profile + profile.replace("EQ", "SSH")), no),
        "without a profile": (good.replace(profile, ""), no), "created yesterday": (good.replace("2026-03-01T00:00:00Z", "yesterday"), no),
        "created at no time": (good.replace("<md:Model.created>2026-03-01T00:00:00Z</md:Model.created>", ""), no), "a scenario in another zone": (good.replace("02T00:00:00Z", "02T00:00:00+01:00"), no),
        "another authority": (good.replace("https://dso.example/", "https://tso.example/"), no), "without an authority": (good.replace("<md:Model.modelingAuthoritySet>https://dso.example/</md:Model.modelingAuthoritySet>", ""), no),
        "about something else": (good.replace("urn:uuid:", "urn:"), no), "a uuid of dashes": (good.replace("c47d4310-b8ee-480d-9cf3-e53a81630981", "-" * 36), no),
        "a difference model": (good.replace("FullModel", "DifferenceModel"), no), "a header of another vocabulary": (good.replace("ModelDescription/1#", "ModelDescription/2#"), no),
        "something before the header": (good.replace("<md:FullModel", "<a/><md:FullModel", 1), no), "a second header": (good.replace("</rdf:RDF>", '<md:FullModel rdf:about="x"/></rdf:RDF>'), no),
        "another root": (good.replace("rdf:RDF", "rdf:Bag"), no), "no header": (good[:good.index("<md:FullModel")] + "</rdf:RDF>", no),
        "an element within a property": (good.replace(">urn:p:EQ<", "><md:x/>urn:p:EQ<"), no),
        "a DOCTYPE": ("<!DOCTYPE x>" + good, "GP-XML-FORBIDDEN"), "an end that is missing": (good.replace("</rdf:RDF>", ""), "GP-PAYLOAD-MALFORMED"),
        "too many bytes": (good + " " * 10_000, "GP-PAYLOAD-LIMIT"),
    }
    made = [case(f"a grid model: {name}", {"schema": schema, "payload": text}, {"code": code}) for name, (text, code) in changes.items()]
    difference = schema | {"difference": True}
    made.append(case("a grid model: a difference model that is asked for", {"schema": difference, "payload": good.replace("FullModel", "DifferenceModel")}, {"code": fits}))
    made.append(case("a grid model: a full one where a difference is asked for", {"schema": difference, "payload": good}, {"code": no}))
    return made


def changes() -> list[Case]:
    """What was, what is, and what comes of it."""
    old = table([{"name": "v", "datatype": "integer", "minimum": "0", "maximum": "9", "maxLength": 3, "enum": ["1", "2"]}, {"name": "w", "datatype": "string"}], primaryKey=["v"])

    def with_column(**more: Any) -> dict[str, Any]:
        column = old["columns"][0] | more
        return old | {"columns": [{name: value for name, value in column.items() if value is not None}, old["columns"][1]]}
    same, worse = "passed", "failed"
    new = {
        "the same": (old, same), "a decimal": (with_column(datatype="decimal"), same), "a text": (with_column(datatype="string", minimum=None, maximum=None), same),
        "a date": (with_column(datatype="date", minimum=None, maximum=None, enum=None), worse), "required": (with_column(required=True), worse),
        "a lower minimum": (with_column(minimum="-1"), same), "a higher minimum": (with_column(minimum="1"), worse), "no minimum": (with_column(minimum=None), same),
        "the same minimum, written otherwise": (with_column(minimum="00"), same), "a higher maximum": (with_column(maximum="10"), same), "a lower maximum": (with_column(maximum="8"), worse),
        "longer texts": (with_column(maxLength=4), same), "shorter texts": (with_column(maxLength=2), worse), "more values": (with_column(enum=["1", "2", "3"]), same),
        "fewer values": (with_column(enum=["1"]), worse), "another name": (with_column(name="x") | {"primaryKey": ["x"]}, worse), "a column more": (old | {"columns": [*old["columns"], {"name": "x", "datatype": "string"}]}, worse),
        "columns in another order": (old | {"columns": old["columns"][::-1]}, worse), "more rows": (old | {"maxRows": 101}, same), "fewer rows": (old | {"maxRows": 99}, worse),
        "a longer key": (old | {"primaryKey": ["v", "w"]}, same), "another key": (old | {"primaryKey": ["w"]}, worse), "no key": (old | {"primaryKey": []}, same), "a semicolon": (old | {"delimiter": ";"}, worse),
        "the comma by its name": (old | {"delimiter": ","}, same),
    }
    made = [case(f"a table: {name}", {"old": old, "new": schema}, {"outcome": outcome}) for name, (schema, outcome) in new.items()]
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    number = dialect | {"type": "object", "properties": {"kw": {"type": "integer", "minimum": 0}}, "required": ["kw"]}
    bent = {
        "the same": (number, same), "a lower minimum": (number | {"properties": {"kw": {"type": "integer", "minimum": -1}}}, same),
        "a higher minimum": (number | {"properties": {"kw": {"type": "integer", "minimum": 1}}}, worse), "not required": (number | {"required": []}, same),
        "one more required": (number | {"required": ["kw", "zone"]}, worse), "numbers": (number | {"properties": {"kw": {"type": "number", "minimum": 0}}}, same),
        "a pattern": (number | {"properties": {"kw": {"type": "integer", "minimum": 0}, "zone": {"pattern": "^GB"}}}, None),
    }
    made += [case(f"JSON: {name}", {"old": number, "new": schema}, {"outcome": outcome}) for name, (schema, outcome) in bent.items() if outcome]
    made.append(case("a table became JSON", {"old": old, "new": number}, {"outcome": worse}))
    return made


def main() -> None:
    write("payload", [*cells(), *forms(), *schemas(), *xml(), *models()])
    write("evolution", changes())


if __name__ == "__main__":
    main()
