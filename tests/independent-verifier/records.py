"""The form of what nodes write down: admissions (decision.md 1), facts, epochs (sealing.md 3), manifests of files (files.md 2)."""

from __future__ import annotations

from typing import Any

from base import PASSED, Fault, b64u, canonical, members, millis, parse_cid, read_cbor, read_object, rfc3339
from keys import did_of, is_did, jwk_key

ADMISSION, EPOCH = "GP-DECISION-MALFORMED", "GP-SEALING-MALFORMED"


def need_cid(value: Any, code: str, prefix: str = "bafkrei") -> None:
    try:
        parse_cid(value)
    except Fault:
        raise Fault(code, "a CID") from None
    if not value.startswith(prefix):
        raise Fault(code, "a CID of another codec")


def did(value: Any, code: str) -> None:
    if not is_did(value):
        raise Fault(code, f"a DID: {value!r:.60}")


def time(value: Any, code: str) -> int:
    """As it is written: UTC, with as few digits as it needs."""
    found = millis(value, code)
    if rfc3339(found) != value:
        raise Fault(code, "a time")
    return found


def texts(values: list[Any], code: str) -> None:
    if not all(isinstance(value, str) for value in values):
        raise Fault(code, "a text")


def finding(value: Any, code: str) -> dict[str, Any]:
    """How a check came out, as it is recorded."""
    found = members(value, "outcome code sentence", "", code)
    texts([found["code"], found["sentence"]], code)
    if found["outcome"] not in (PASSED, "failed", "indeterminate"):
        raise Fault(code, "outcome")
    return found


def _list(value: Any, code: str) -> list[Any]:
    if not isinstance(value, list):
        raise Fault(code, "a list")
    return value


def _visa(value: Any) -> None:
    code = ADMISSION
    visa = members(value, "evidence role definition issuer standing claims validUntil path", "authorities onlyStatusOpen statusDated", code)
    need_cid(visa["evidence"], code)
    need_cid(visa["definition"], code)
    did(visa["issuer"], code)
    texts([visa["role"]], code)
    finding(visa["standing"], code)
    time(visa["validUntil"], code)
    authorities = _list(visa.get("authorities", [{}]), code)
    if not authorities or not all(isinstance(claims, dict) for claims in [visa["claims"], *authorities]) or visa.get("onlyStatusOpen", True) is not True:
        raise Fault(code, "claims, or what is spelt out and need not be")
    if "statusDated" in visa:
        time(visa["statusDated"], code)
    for step in _list(visa["path"], code):
        members(step, "evidence issuer", "", code)
        need_cid(step["evidence"], code)
        did(step["issuer"], code)


def read_admission(data: bytes) -> dict[str, Any]:
    code = ADMISSION
    try:
        found = canonical(data)
        members(found, "type formatVersion channel sender trust judged expires standing visas lists restsOn", "presentation node")
        if found["type"] != "gridpass-admission" or found["formatVersion"] != 1 or found["formatVersion"] is True:
            raise Fault(code, "type or version")
        for one in (found["channel"], *members(found["trust"], "framework pack charter").values(), *([found["presentation"]] if "presentation" in found else [])):
            need_cid(one, code)
        did(found["sender"], code)
        time(found["judged"], code)
        time(found["expires"], code)
        finding(found["standing"], code)
        for visa in _list(found["visas"], code):
            _visa(visa)
        if "node" in found:
            node = members(found["node"], "node standing", "evidence validUntil", code)
            did(node["node"], code)
            finding(node["standing"], code)
            if "evidence" in node:
                need_cid(node["evidence"], code)
            if "validUntil" in node:
                time(node["validUntil"], code)
        for one in _list(found["lists"], code):
            members(one, "list signer dated evidence", "", code)
            texts([one["list"]], code)
            did(one["signer"], code)
            time(one["dated"], code)
            need_cid(one["evidence"], code)
        rests = members(found["restsOn"], "statusLists definitions dids", "revokersByRole", code)
        texts(_list(rests["statusLists"], code), code)
        for one in _list(rests["definitions"], code):
            need_cid(one, code)
        for one in _list(rests["dids"], code):
            did(one, code)
        if rests.get("revokersByRole", True) is not True or any(rests[n] != sorted(set(rests[n])) for n in ("statusLists", "definitions", "dids")):
            raise Fault(code, "restsOn")
    except Fault as fault:
        raise Fault(code, fault.why or fault.code) from None
    return found


def read_epoch(data: bytes) -> dict[str, Any]:
    code = EPOCH
    try:
        found = canonical(data, 1 << 20, 8)
        members(found, "type formatVersion channel sender key first begun members keys", "recipients", code)
        if found["type"] != "GridpassEpoch" or found["formatVersion"] != 1 or found["formatVersion"] is True \
                or type(found["first"]) is not int or found["first"] < 1:
            raise Fault(code, "type, version or first")
        need_cid(found["channel"], code)
        did(found["sender"], code)
        recipients, listed = found.get("recipients", ["did:x:y"]), _list(found["members"], code)
        if not recipients or recipients != sorted(set(recipients)) or len(recipients) > 256 or not all(map(is_did, recipients)) or len(listed) > 1023:
            raise Fault(code, "recipients or members")
        for member in listed:
            members(member, "node participant presentation", "authorisation", code)
            did(member["node"], code)
            did(member["participant"], code)
            need_cid(member["presentation"], code)
            if "authorisation" in member:
                need_cid(member["authorisation"], code)
            if ("authorisation" in member) == (member["node"] == member["participant"]) \
                    or "recipients" in found and member["participant"] not in found["recipients"]:
                raise Fault(code, "a member")
        nodes = [member["node"] for member in listed]
        handed = read_jwe(found["keys"])
        if nodes != sorted(set(nodes)) or sorted(handed) != sorted([did_of(found["key"]), *nodes]) or len(set(handed)) != len(handed):
            raise Fault(code, "the key is sealed to others")
        found["begun"] = time(found["begun"], code)
    except Fault as fault:
        raise Fault(code, fault.why or fault.code) from None
    return found


def read_jwe(value: Any) -> list[str]:
    """The DIDs to whose keys a JWE is sealed (identity.md 6); it is not opened."""
    code = EPOCH
    jwe = members(value, "protected recipients iv ciphertext tag", "", code)
    shared = read_object(b64u(jwe["protected"], code), 1 << 16, 16)
    if len(b64u(jwe["iv"], code)) != 12 or len(b64u(jwe["tag"], code)) != 16 or not isinstance(jwe["ciphertext"], str) or not jwe["ciphertext"]:
        raise Fault(code, "iv, tag or ciphertext")
    found = []
    for one in _list(jwe["recipients"], code):
        members(one, "header encrypted_key", "", code)
        header = one["header"]
        if not isinstance(header, dict) or header.keys() & shared.keys() or len(b64u(one["encrypted_key"], code)) != 40:
            raise Fault(code, "a recipient")
        both = shared | header
        if "zip" in both or "crit" in both or (both.get("alg"), shared.get("enc")) != ("ECDH-ES+A256KW", "A256GCM"):
            raise Fault(code, "a header")
        found.append(did_of(both.get("kid")))
        jwk_key(both.get("epk"))
    if not 0 < len(found) <= 1024:
        raise Fault(code, "recipients")
    return found


def read_file(data: bytes) -> dict[str, Any]:
    code = "GP-FILE-MALFORMED"
    if len(data) > 1 << 16:
        raise Fault(code, "too long")
    found = members(read_cbor(data, code), "type formatVersion channel sealed size blockSize lists", "", code)
    size, one = found["size"], found["blockSize"]
    need_cid(found["channel"], code)
    if found["type"] != "gridpass-file-manifest" or found["formatVersion"] != 1 or not isinstance(found["sealed"], bool) \
            or any(type(found[number]) is not int for number in ("formatVersion", "size", "blockSize")) or size < int(found["sealed"]) \
            or one not in [1 << power for power in range(10, 21)]:
        raise Fault(code, "type, version or sizes")
    blocks = -(-size // one)
    if blocks > 1_048_576 or len(_list(found["lists"], code)) != -(-blocks // 8192):
        raise Fault(code if blocks <= 1_048_576 else "GP-FILE-TOO-LONG", "lists")
    for listed in found["lists"]:
        need_cid(listed, code)
    return found
