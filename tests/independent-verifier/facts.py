"""What the facts rule out before any requirement (channel.md 3), in order."""

from __future__ import annotations

from typing import Any

from base import PASSED, Fault, cid, jcs, millis, rfc3339
from envelope import Envelope
from keys import did_of
from trust import without_proof

TYPES: dict[str, Any] = {"text": str, "integer": int, "boolean": bool, "texts": list, "time": str}


def of_type(value: Any, name: str) -> bool:
    if name == "integer":
        return type(value) is int and abs(value) < 2**53
    if name == "texts":
        return isinstance(value, list) and len(value) <= 256 and all(of_type(one, "text") for one in value)
    return isinstance(value, TYPES[name]) and (name == "boolean" or len(value.encode()) <= 1024)


def typed(value: Any, kind: str) -> tuple[str, Any] | None:
    """A claim or attribute as a value of a type; None where it is none of it."""
    if kind == "text" and isinstance(value, str) and len(value.encode()) <= 1024:
        return kind, value
    if kind == "integer" and isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer() and abs(value) < 2**53:
        return kind, int(value)
    if kind == "boolean" and isinstance(value, bool):
        return kind, value
    if kind == "texts" and isinstance(value, list) and len(value) <= 256 and all(isinstance(v, str) and len(v.encode()) <= 1024 for v in value):
        return kind, frozenset(value)
    if kind == "time" and isinstance(value, str):
        try:
            return kind, millis(value)
        except Fault:
            return None
    return None


def message_of(entry: dict[str, Any], envelope: Envelope) -> dict[str, Any]:
    """The message facts (decision.md 2) of an envelope, as a log recorded it."""
    gp, signer = envelope.gp, did_of(envelope.header["kid"])
    named = {"id": envelope.id, "channel": gp["channel"], "sender": gp["sender"], "presentation": gp["presentation"]}
    named |= {"authorisation": gp["authorisation"]} if "authorisation" in gp else {}
    named |= {"node": signer} if signer != gp["sender"] else {}
    message = {"envelope": named, "topic": gp["topic"], "version": gp["topicVersion"], "schema": gp["schema"], "mediaType": envelope.header["cty"],
               "issued": gp["issued"], "expires": gp["expires"], "payloadBytes": gp["payloadBytes"], "sealed": "epoch" in gp,
               "signature": {"outcome": PASSED}}
    message |= {name: gp[name] for name in ("recipients", "attributes") if name in gp}
    recorded = {"sealing": "sealing", "payload": "facts", "sentLastMinute": "sentLastMinute"}
    message |= {"arrived": rfc3339(entry["arrived"])} if "arrived" in entry else {}
    return message | {name: entry[there] for name, there in recorded.items() if there in entry}


def has_retired(version: dict[str, Any], issued: int, at: int, skew: int, before: bool) -> bool:
    """channel.md 3, row 3; `before` as it was recorded once, by the judge's time alone (decision.md 2)."""
    if "retired" not in version:
        return False
    retired = millis(version["retired"])
    return retired <= at if before else retired <= issued or retired + skew <= at


def facts_of(admission: dict[str, Any], channel: dict[str, Any], message: dict[str, Any], at: int, before: bool = False) -> list[str]:
    """The codes that apply, as often as they do."""
    limits, skew = channel["limits"], channel["clockSkewSeconds"] * 1000
    issued, expires = millis(message["issued"]), millis(message["expires"])
    found: list[str] = []

    def when(holds: bool, code: str) -> None:
        found.extend([code] if holds else [])

    def passed(check: Any) -> None:
        when(isinstance(check, dict) and check["outcome"] != PASSED, (check or {}).get("code", ""))

    node = admission.get("node")
    when(admission["channel"] != cid(jcs(without_proof(channel))), "GP-ADMISSION-OTHER")
    when(admission["trust"]["framework"] != channel["framework"], "GP-ADMISSION-OTHER")
    when(at < millis(channel["dated"]), "GP-CHANNEL-NOT-YET")
    when(not millis(admission["judged"]) <= at < millis(admission["expires"]), "GP-ADMISSION-EXPIRED")
    passed(admission["standing"])
    passed((node or {}).get("standing"))
    there = (admission["channel"], admission["sender"], (node or {}).get("node"), (node or {}).get("evidence"), admission.get("presentation"))
    if "envelope" in message:
        here = tuple(message["envelope"].get(name) for name in ("channel", "sender", "node", "authorisation", "presentation"))
        when(here != there, "GP-ADMISSION-OTHER")
    topic: dict[str, Any] | None = next((one for one in channel["topics"] if one["name"] == message["topic"]), None)
    when(topic is None, "GP-TOPIC-UNKNOWN")
    if topic is not None:
        version = next((one for one in topic["versions"] if one["version"] == message["version"]), None)
        when(version is None or has_retired(version, issued, at, skew, before), "GP-TOPIC-UNKNOWN")
        when(version is not None and (version["schema"], version["mediaType"]) != (message["schema"], message["mediaType"]), "GP-TOPIC-SCHEMA-OTHER")
        attributes, given = topic.get("attributes", {}), message.get("attributes", {})
        when(len(given) > len(attributes), "GP-ATTRIBUTE-UNKNOWN")
        if len(given) <= len(attributes):
            for name, value in given.items():
                when(name not in attributes or not of_type(value, attributes[name]["type"]), "GP-ATTRIBUTE-UNKNOWN")
            for name in sorted(attributes):
                when(not attributes[name].get("optional") and name not in given, "GP-ATTRIBUTE-UNKNOWN")
    when(message["payloadBytes"] > limits["maxPayloadBytes"], "GP-MESSAGE-TOO-LARGE")
    when(issued > at + skew, "GP-MESSAGE-FROM-FUTURE")
    when(at >= expires + skew, "GP-MESSAGE-EXPIRED")
    lifetime = expires - issued
    when(lifetime <= 0 or lifetime > limits["maxLifetimeSeconds"] * 1000, "GP-MESSAGE-LIFETIME")
    wanted = {"broadcast": (0, 0), "unicast": (1, 1), "multicast": (1, limits["maxRecipients"])}[channel["mode"]]
    when(not wanted[0] <= len(message.get("recipients", [])) <= wanted[1], "GP-MESSAGE-RECIPIENTS")
    when(message["sealed"] != (channel["sealing"] == "members"), "GP-MESSAGE-SEALING")
    when(message.get("sentLastMinute", -1) >= limits["maxMessagesPerMinute"], "GP-MESSAGE-RATE")
    passed(message["signature"])
    passed(message.get("sealing"))
    passed(message.get("payload"))
    return found
