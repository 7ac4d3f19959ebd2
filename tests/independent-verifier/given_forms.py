"""What a reader makes of a later version, another member, another type, a member twice, large numbers and deep nesting (identity.md section 1):
of each format that is JSON. Files beside those of the same kinds; what is taken is told in as few words as show that it was."""

from __future__ import annotations

import copy
from typing import Any, Callable, Iterator

from base import Fault, cid, cbor, jcs, jcs_text, rfc3339, to_b64u, read_object
from envelope import read_envelope, read_receipt
from given import Case, case, write
from scene import DAY, NOW, Scene, Signer
from statements import read_parcel, read_statement
from trust import open_pack, read_charter, read_definition

LARGEST = 2**53 - 1
Made = tuple[str, str, bool]
"""What it is, its text, and whether a reader that knows its members takes it."""


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def put(value: dict[str, Any], path: tuple[Any, ...], new: Any) -> dict[str, Any]:
    value = copy.deepcopy(value)
    at(value, path[:-1])[path[-1]] = new
    return value


def objects(value: Any, path: tuple[Any, ...] = (), free: tuple[tuple[Any, ...], ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where objects with members of a format stand, itself left out; what is free has none."""
    if path in free:
        return
    if isinstance(value, dict):
        if path:
            yield path
        for name, member in value.items():
            yield from objects(member, (*path, name), free)
    elif isinstance(value, list) and value:
        yield from objects(value[0], (*path, 0), free)


def words(path: tuple[Any, ...]) -> str:
    return ".".join(str(step) for step in path)


def twice(value: dict[str, Any], path: tuple[Any, ...], name: str, spelt: str) -> str:
    """The member of the object there stands once more, under that spelling of its name."""
    mark = "\u0001"
    marked = put(value, (*path, mark), 0) if path else value | {mark: 0}
    again = f'"{spelt}":{jcs_text(at(value, (*path, name)))}'
    return jcs_text(marked).replace('"\\u0001":0', again)


def bends(base: dict[str, Any], optional: str = "", free: tuple[tuple[Any, ...], ...] = (), version: bool = True) -> Iterator[Made]:
    """What every format with these members refuses; `optional` may be left out."""
    may = set(optional.split())
    yield "as it is", jcs_text(base), True
    yield "an unknown member", jcs_text(base | {"gridpassExtension": 1}), False
    yield "an unknown member whose name is empty", jcs_text(base | {"": {}}), False
    yield "an array of its members' values", jcs_text(list(base.values())), False
    yield "null", "null", False
    yield "nothing", "", False
    for name in base:
        rest = {n: v for n, v in base.items() if n != name}
        yield f"without {name}", jcs_text(rest), name in may
        yield f"{name} is null", jcs_text(base | {name: None}), False
        other = 7 if not isinstance(base[name], (int, float)) or isinstance(base[name], bool) else str(base[name])
        yield f"{name} is of another type", jcs_text(base | {name: other}), False
    first = next(iter(base))
    yield f"{first} twice", twice(base, (), first, first), False
    yield f"{first} twice, once with an escape", twice(base, (), first, f"\\u{ord(first[0]):04x}{first[1:]}"), False
    if version:
        for found in (0, 2, "1", True, None, [1], 2**32 + 1, LARGEST + 2, -1):
            yield f"formatVersion {jcs_text(found)}", jcs_text(base | {"formatVersion": found}).replace(str(LARGEST + 1), str(LARGEST + 2)), False
        for spelt in ("1.0", "1e0", "10e-1", "01", "+1"):
            yield f"formatVersion spelt {spelt}", jcs_text(base).replace('"formatVersion":1,', f'"formatVersion":{spelt},'), False
        later = {"formatVersion": 2, "gridpassExtension": 1}
        yield "a later version, with what it may have", jcs_text(base | later), False
    for path in objects(base, (), free):
        inner = at(base, path)
        yield f"{words(path)} with an unknown member", jcs_text(put(base, (*path, "gridpassExtension"), 1)), False
        yield f"{words(path)} is an array of its members' values", jcs_text(put(base, path, list(inner.values()))), False
        if inner:
            name = next(iter(inner))
            yield f"{words(path)} with {name} twice", twice(base, path, name, name), False
    for path in free:
        inner = at(base, path)
        if inner:
            name = next(iter(inner))
            yield f"{words(path)} with {name} twice", twice(base, path, name, name), False
        yield f"{words(path)} with the reserved text", jcs_text(put(base, (*path, "x"), "$serde_json::private::Number")), False
        yield f"{words(path)} with a number that no double holds", jcs_text(put(base, (*path, "x"), 12345)).replace("12345", "1e400"), False


def nested(levels: int) -> Any:
    """Lists in each other, the innermost empty."""
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def make(kind: str, name: str, all_: Any, given: Callable[[str], dict[str, Any]], read: Callable[[dict[str, Any]], dict[str, Any]],
         code: Callable[[str, str], str]) -> None:
    cases: list[Case] = []
    differ: list[str] = []
    for title, text, good in all_:
        asked = given(text)
        try:
            found = read(asked)
        except Fault as fault:
            found = {"refused": fault.code}
        except Exception as error:  # whoever reads it is to refuse it, not to fall over
            found = {"refused": repr(error)}
        wanted = {"refused": code(title, text)} if not good else {n: v for n, v in found.items() if n in ("cid", "id", "until", "code", "again")}
        if good == ("refused" in found) or (not good and found != wanted):
            differ.append(f"{name}: {title}: specified {wanted if not good else 'taken'}, this verifier says {found}")
        cases.append(case(title, asked, wanted))
    print(*differ, sep="\n")
    write(kind, cases, name)


def spelt_canonically(text: str) -> bool:
    try:
        return jcs(read_object(text)).decode() == text
    except Fault:
        return True  # what is no JSON is told first


def roles() -> None:
    scene = Scene()
    base = scene.definition | {"issuers": {"dids": [scene.root.did], "roles": [cid(b"a role")]}, "revokers": {"dids": [scene.root.did]},
                               "preconditions": {"role": cid(b"another role")}}
    free = (("claims",),)

    def all_() -> Iterator[Made]:
        yield from bends(base, "previous revokers preconditions", free)
        for levels in (14, 15):  # the definition and its claims are two
            yield f"claims of {levels + 2} levels", jcs_text(put(base, ("claims", "default"), nested(levels))), levels == 14
        for name, most in (("maxValiditySeconds", 316_224_000), ("maxChainDepth", 8)):
            yield f"{name} as great as it gets", jcs_text(base | {name: most}), True
            yield f"{name} beyond 2^53", jcs_text(base | {name: LARGEST + 3}), False
        text = jcs_text(base)
        padding = "x" * (65536 - len(jcs_text(put(base, ("claims", "title"), ""))))
        yield "64 KiB", jcs_text(put(base, ("claims", "title"), padding)), True
        yield "64 KiB and a byte", jcs_text(put(base, ("claims", "title"), padding + "x")), False
        yield "a line feed behind it", text + "\n", False

    def code(title: str, text: str) -> str:
        return "GP-ROLE-MALFORMED" if spelt_canonically(text) else "GP-DOCUMENT-NOT-CANONICAL"

    def read(given: dict[str, Any]) -> dict[str, Any]:
        return {"cid": read_definition(given["document"].encode()).cid}
    make("role-definition", "role-definition-forms", all_(), lambda text: {"document": text}, read, code)


def charters() -> None:
    scene = Scene()
    first = {"type": "gridpass-charter", "formatVersion": 1, "name": "Flexibility", "version": 1, "dated": rfc3339(NOW - 60 * DAY),
             "roots": [scene.root.did], "rule": {"threshold": 1, "signers": [scene.root.did]},
             "roles": [{"definition": scene.role, "name": "flex.gb.aggregator", "retired": rfc3339(NOW), "graceSeconds": 60}],
             "schemas": [{"name": "bids", "document": cid(b"a schema")}], "channels": [{"name": "bids", "document": cid(b"a channel")}]}

    def all_() -> Iterator[Made]:
        alike = {f"formatVersion spelt {spelt}" for spelt in ("1.0", "1e0", "10e-1")}  # one charter, by its name
        for title, text, good in bends(first, "roles schemas channels"):
            yield title, text, good or title in alike
        yield "graceSeconds 2^53", jcs_text(put(first, ("roles", 0, "graceSeconds"), LARGEST + 1)), False
        yield "a later version of it without a predecessor", jcs_text(first | {"version": 2}), False

    def read(given: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"cid": read_charter(read_object(given["document"])).cid}
        except Fault as fault:
            raise Fault("GP-CHARTER-MALFORMED", fault.why) from None
    make("charter", "charter-forms", all_(), lambda text: {"document": text, "now": rfc3339(NOW)}, read, lambda *_: "GP-CHARTER-MALFORMED")


def packs() -> None:
    scene = Scene()
    base = read_object(scene.pack) | {"identities": [{"did": scene.did, "seen": rfc3339(NOW), "confirmed": rfc3339(NOW), "document": "e30="}]}
    base = {name: base[name] for name in ("type", "formatVersion", "charters", "definitions", "identities")}
    whole = read_object(scene.pack)

    def all_() -> Iterator[Made]:
        yield "as it is", jcs_text(whole), True
        for title, text, good in bends(base, "", ()):
            inner = title.startswith(("charters.", "definitions."))
            if title != "as it is" and not inner:
                yield title, text, good

    def read(given: dict[str, Any]) -> dict[str, Any]:
        return {"cid": open_pack(given["pack"].encode(), NOW).pack}
    make("trust-pack", "trust-pack-forms", all_(), lambda text: {"pack": text, "now": rfc3339(NOW)}, read, lambda *_: "GP-TRUST-PACK-MALFORMED")


def receipts() -> None:
    signer = Signer(5)
    base = {"formatVersion": 1, "channel": cid(b"a channel"), "sender": Signer(2).did, "key": Signer(2).kid, "recipient": signer.did, "issued": rfc3339(NOW),
            "delivered": [[1, 3]], "kept": [[5, 6]], "refused": [{"sequence": 8, "reasons": ["GP-POLICY-UNMET"]}], "newest": cid(b"a block", 0x71)}

    def all_() -> Iterator[Made]:
        yield from bends(base, "delivered kept refused")
        yield "a number of 2^53 - 1", jcs_text(base | {"delivered": [[9, LARGEST]]}), True
        yield "a number of 2^53", jcs_text(base | {"delivered": [[9, LARGEST + 1]]}), False
        yield "a refusal of 2^53", jcs_text(base | {"refused": [{"sequence": LARGEST + 1, "reasons": []}]}), False
        yield "a range of three numbers", jcs_text(base | {"delivered": [[1, 2, 3]]}), False
        yield "a range that is an object", jcs_text(base | {"delivered": [{"from": 1, "until": 3}]}), False
        yield "a number with a fraction", jcs_text(base).replace("[1,3]", "[1,3.0]"), False
        yield "white space around it", f" {jcs_text(base)}\n", True
        yield "two of them", jcs_text(base) * 2, False

    def given(text: str) -> dict[str, Any]:
        return {"receipt": signer.jws({"typ": "gridpass-receipt+jwt"}, text.encode()).decode(), "key": signer.key.multikey}

    def read(given: dict[str, Any]) -> dict[str, Any]:
        found = read_receipt(given["receipt"].encode())
        return {"until": max(last for _, last in found.spoken)}
    make("receipt", "receipt-forms", all_(), given, read, lambda *_: "GP-RECEIPT-MALFORMED")


def requests() -> None:
    holder, issuer = Signer(1), Signer(2)
    base = {"formatVersion": 1, "holder": holder.did, "issuer": issuer.did, "definition": cid(b"a role definition"), "role": "flex.gb.aggregator",
            "claims": {"zone": "GB-1"}, "validitySeconds": 31_536_000, "renews": "urn:uuid:1", "presentation": "a.b.c", "note": "x"}
    header = {"typ": "gridpass-visa-request+jwt", "iat": NOW // 1000, "aud": [issuer.did]}

    def all_() -> Iterator[Made]:
        yield from bends(base, "validitySeconds renews presentation note", (("claims",),))
        yield "validitySeconds 2^53 - 1", jcs_text(base | {"validitySeconds": LARGEST}), True
        yield "validitySeconds 2^53", jcs_text(base | {"validitySeconds": LARGEST + 1}), False
        yield "validitySeconds with a fraction", jcs_text(base).replace("31536000", "31536000.0"), False
        yield "a claim beyond 2^53", jcs_text(put(base, ("claims", "x"), LARGEST + 3)), True
        for levels in (30, 31):
            yield f"claims of {levels + 2} levels", jcs_text(put(base, ("claims", "x"), nested(levels))), levels == 30

    def given(text: str) -> dict[str, Any]:
        return {"statement": holder.jws(header, text.encode()).decode(), "what": "request", "now": rfc3339(NOW)}
    make("request", "request-forms", all_(), given, lambda g: read_statement(g["statement"], "request", NOW, None),
         lambda title, _: "GP-PAYLOAD-MISSING" if title == "nothing" else "GP-REQUEST-MALFORMED")


def parcels() -> None:
    base = {"type": "gridpass-visa", "formatVersion": 1, "content": "a.b.c", "supporting": ["d.e.f"], "statusLists": ["g.h.i"],
            "identities": [{"did": "did:web:flexgen.example", "seen": rfc3339(NOW), "confirmed": rfc3339(NOW), "document": "e30=", "witness": "e30="}]}
    # Of what `content` may lack, request.md says nothing but that status lists have none.
    made = ((title, text, good) for title, text, good in bends(base, "supporting statusLists identities") if title != "without content")
    make("parcel", "parcel-forms", made, lambda text: {"parcel": text}, lambda g: read_parcel(g["parcel"], None), lambda *_: "GP-PARCEL-MALFORMED")


def envelopes() -> None:
    scene, node = Scene(), Signer(4)
    order = "formatVersion channel topic topicVersion schema sender authorisation presentation sequence previous issued expires recipients thread attributes payloadBytes epoch".split()
    gp = {"formatVersion": 1, "channel": scene.channel, "topic": "bids", "topicVersion": 1, "schema": cid(b"a schema"), "sender": Signer(2).did,
          "authorisation": cid(b"an authorisation"), "presentation": cid(b"a presentation"), "sequence": 2, "previous": cid(b"a block", 0x71),
          "issued": rfc3339(NOW), "expires": rfc3339(NOW + 60_000), "recipients": [Signer(5).did], "thread": cid(b"a thread", 0x71),
          "attributes": {"zone": "GB-1"}, "payloadBytes": 2, "epoch": cid(b"an epoch")}
    assert list(gp) == order
    outer = {"alg": "EdDSA", "cty": "application/json", "gp": gp, "kid": node.kid, "typ": "gridpass-envelope"}

    def whole(inner: str) -> str:
        return jcs_text(outer | {"gp": 12345}).replace("12345", inner)

    def all_() -> Iterator[Made]:
        for title, text, good in bends(gp, "recipients thread attributes epoch", (("attributes",),)):
            if text or title != "nothing":
                yield f"gp: {title}", whole(text), good
        for title, text, good in bends(outer, "", (("gp",),), version=False):
            if not title.startswith("gp") and title != "as it is" and text:
                yield title, text, good
        yield "a number of 2^53 - 1", whole(jcs_text(gp | {"sequence": LARGEST})), True
        yield "a number of 2^53", whole(jcs_text(gp | {"sequence": LARGEST + 1})), False
        for levels in (13, 14):
            yield f"attributes of {levels + 3} levels", whole(jcs_text(put(gp, ("attributes", "zone"), nested(levels)))), levels == 13

    def code(title: str, text: str) -> str:
        # Another version is told before anything but that the bytes are no JCS.
        numbers = ("gp: formatVersion 0", "gp: formatVersion 2", f"gp: formatVersion {2**32 + 1}", "gp: a later version, with what it may have")
        return "GP-ENVELOPE-VERSION" if title in numbers else "GP-ENVELOPE-MALFORMED"

    def given(text: str) -> dict[str, Any]:
        protected, payload = text.encode(), b"{}"
        signed = f"{to_b64u(protected)}.{to_b64u(cid(payload).encode())}"
        return {"wire_hex": cbor([protected, payload, node.secret.sign(signed.encode())]).hex(), "key": node.key.multikey}

    def read(given: dict[str, Any]) -> dict[str, Any]:
        return {"id": read_envelope(bytes.fromhex(given["wire_hex"]))[0].id}
    make("envelope", "envelope-forms", all_(), given, read, code)


def main() -> None:
    for made in (roles, charters, packs, receipts, requests, parcels, envelopes):
        made()


if __name__ == "__main__":
    main()
