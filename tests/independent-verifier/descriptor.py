"""The descriptor of a channel (channel.md 1, 2 and 4): its members, before its requirements are read as what they ask.

`terms` are not read: notChecked says so."""

from __future__ import annotations

from typing import Any

from base import Fault, cid, jcs, members, read_object
from keys import is_did
from language import read_policy
from names import MEDIA_TYPE, YEAR, is_document, is_name, is_role_name, is_sentence, is_time, is_whole
from trust import without_proof

BAD = "GP-CHANNEL-MALFORMED"
TYPES = ("text", "integer", "boolean", "texts", "time")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def need(holds: Any, why: str) -> None:
    if not holds:
        raise Fault(BAD, why)


def texts(value: Any, why: str) -> None:
    need(isinstance(value, list) and all(isinstance(one, str) for one in value), why)


def read_descriptor(block: bytes, channel: str) -> dict[str, Any]:
    """The descriptor of this name, or the fault by which it is refused."""
    try:
        document = read_object(block)
    except Fault as fault:
        raise Fault(BAD, fault.why) from None
    if cid(jcs(without_proof(document))) != channel:
        raise Fault("GP-CID-OTHER", "descriptor")
    form(document)
    read_policy(document)
    return document


def form(document: dict[str, Any]) -> None:
    """All but what its requirements ask."""
    members(document, "type formatVersion framework name version dated owner title mode publish subscribe topics sealing retention "
            "receipts limits maxStatusAgeSeconds clockSkewSeconds indeterminate", "previous keep terms proof", BAD)
    need(document["type"] == "gridpass-channel" and is_whole(document["formatVersion"], 1, 1), "type or formatVersion")
    need(is_document(document["framework"]) and is_role_name(document["name"]) and is_did(document["owner"]), "framework, name or owner")
    need(is_whole(document["version"], 1) and (document["version"] == 1) == ("previous" not in document), "version")
    need("previous" not in document or is_document(document["previous"]), "previous")
    need(is_time(document["dated"]) and is_sentence(document["title"], 200), "dated or title")
    need(document["mode"] in ("broadcast", "unicast", "multicast") and document["sealing"] in ("none", "members"), "mode or sealing")
    need(document["indeterminate"] in ("deny", "allow") and isinstance(document["receipts"], bool), "indeterminate or receipts")
    kept = members(document["retention"], "seconds history", "", BAD)
    need(is_whole(kept["seconds"], 1, 50 * YEAR) and isinstance(kept["history"], bool), "retention")
    limits = {"maxPayloadBytes": 1 << 20, "maxMessagesPerMinute": 1_000_000, "maxLifetimeSeconds": YEAR, "maxRecipients": 256}
    found = members(document["limits"], " ".join(limits), "", BAD)
    need(all(is_whole(found[one], 1, most) for one, most in limits.items()), "limits")
    need(is_whole(document["maxStatusAgeSeconds"], 1, YEAR) and is_whole(document["clockSkewSeconds"], 0, 600), "maxStatusAgeSeconds or clockSkewSeconds")
    need(isinstance(document.get("terms", {}), dict), "terms")
    proofs = document.get("proof", [])
    need(isinstance(proofs, list) and len(proofs) <= 64 and all(isinstance(proof, dict) for proof in proofs), "proof")
    topics = document["topics"]
    need(isinstance(topics, list) and 1 <= len(topics) <= 64, "topics")
    for one in topics:
        topic(one)
    named = [one["name"] for one in topics]
    need(len(set(named)) == len(named) and all(one.get("answeredBy", named[0]) in named for one in topics), "names of topics")
    types: dict[str, str] = {}
    for attribute, one in (pair for found in topics for pair in found.get("attributes", {}).items()):
        need(types.setdefault(attribute, one["type"]) == one["type"], "an attribute of two types")
    for listed in (document["publish"], document["subscribe"], *(one[which] for one, which in [(document, "keep"), *((one, "publish") for one in topics)]
                                                                if which in one)):
        requirements(listed)
    need(document.get("keep") != [] and all(one.get("publish") != [] for one in topics), "a default that is spelt out")


def topic(value: Any) -> None:
    members(value, "name title versions", "attributes publish answeredBy", BAD)
    need(is_name(value["name"]) and is_sentence(value["title"], 200), "a topic's name or title")
    need(isinstance(value["versions"], list) and 1 <= len(value["versions"]) <= 64, "versions")
    for number, version in enumerate(value["versions"], 1):
        members(version, "version mediaType schema", "retired", BAD)
        media = version["mediaType"]
        need(is_whole(version["version"], number, number) and is_document(version["schema"]), "version or schema")
        need(isinstance(media, str) and len(media) <= 128 and MEDIA_TYPE.fullmatch(media), "a media type")
        need("retired" not in version or is_time(version["retired"]), "retired")
    attributes = value.get("attributes", {"x": {"type": "text"}})
    need(isinstance(attributes, dict) and 1 <= len(attributes) <= 32 and all(map(is_name, attributes)), "attributes")
    for one in attributes.values():
        members(one, "type", "from optional", BAD)
        place = one.get("from", "/")
        need(isinstance(one["type"], str) and one["type"] in TYPES and one.get("optional", True) is True, "an attribute")
        need(isinstance(place, str) and place.startswith("/") and len(place.encode()) <= 256, "from")


def requirements(listed: Any) -> None:
    """Of what they ask only the form is looked at: what it means, language.py says."""
    need(isinstance(listed, list), "requirements")
    for one in listed:
        members(one, "id says", "needs cedar reads", BAD)
        need(("needs" in one) != ("cedar" in one) and ("cedar" in one or "reads" not in one), "needs, or cedar and what it reads")
        need(all(isinstance(one.get(text, ""), str) for text in ("id", "says", "cedar")), "id, says or cedar")
        reads = one.get("reads", {})
        need(isinstance(reads, dict) and one.get("reads") != {} and all(isinstance(read, dict) for read in reads.values()), "reads")
        need(all(kind in TYPES for read in reads.values() for kind in read.values()), "a type that is read")
        if "needs" in one:
            condition(one["needs"])


def condition(value: Any) -> None:
    need(isinstance(value, dict) and value, "a condition")
    shape = next((one for one in value if one in SHAPES), "")
    beside = {"role": {"where"}, "of": {"atLeast"}}.get(shape, set())
    need(shape and value.keys() - beside <= {shape} and ("atLeast" in value) == (shape == "of"), "no form, or several")
    SHAPES[shape](value[shape])
    texts(value.get("where", [""]), "where")
    need(value.get("where") != [], "where: a default that is spelt out")
    need(is_whole(value.get("atLeast", 1), 0), "atLeast")


def several(parts: Any) -> None:
    need(isinstance(parts, list), "parts")
    for part in parts:
        condition(part)


def between(window: Any) -> None:
    members(window, "", "from until", BAD)
    need(all(is_time(window[one]) for one in window), "between")


def hours(window: Any) -> None:
    members(window, "from until", "offset days", BAD)
    need(all(isinstance(window[one], str) for one in window if one != "days"), "hours")
    days = window.get("days", list(DAYS[:1]))
    need(isinstance(days, list) and days and all(day in DAYS for day in days), "days")


def consent(asked: Any) -> None:
    members(asked, "role purpose data about", "", BAD)
    texts(list(asked.values()), "consent")


def dids(listed: Any) -> None:
    need(isinstance(listed, list) and all(map(is_did, listed)), "did")


SHAPES: dict[str, Any] = {
    "role": lambda value: texts([value], "role"), "when": lambda value: texts([value], "when"), "not": condition, "all": several, "any": several,
    "of": several, "consent": consent, "between": between, "hours": hours, "did": dids}
