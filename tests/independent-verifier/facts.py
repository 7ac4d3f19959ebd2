"""What the facts rule out before any requirement (channel.md 3)."""

from __future__ import annotations

from typing import Any

from base import PASSED, millis
from envelope import Envelope
from keys import did_of


def facts_of(entry: dict[str, Any], envelope: Envelope, admission: dict[str, Any], channel: dict[str, Any],
             framework: str) -> tuple[set[str], set[str]]:
    """The codes that apply, and those that the specification leaves open whether they do."""
    gp, at, limits, skew = envelope.gp, entry["at"], channel["limits"], channel["clockSkewSeconds"] * 1000
    node = did_of(envelope.header["kid"])
    perhaps: set[str] = set()
    topic: dict[str, Any] = next((one for one in channel["topics"] if one["name"] == gp["topic"]), {})
    version = next((one for one in topic.get("versions", []) if one["version"] == gp["topicVersion"]), None)
    retired = version and "retired" in version and (version["retired"] is True or millis(version["retired"]) <= at)
    recipients, sent = gp.get("recipients", []), entry.get("sentLastMinute", 0)
    wanted = {"broadcast": (0, 0), "unicast": (1, 1), "multicast": (1, limits.get("maxRecipients", 256))}[channel["mode"]]
    attributes, given = topic.get("attributes", {}), gp.get("attributes", {})
    needed = {name for name, one in attributes.items() if not one.get("optional")}
    ruled = {
        "GP-ADMISSION-OTHER": (admission["channel"], admission["sender"], admission.get("presentation"), admission["trust"]["framework"])
        != (gp["channel"], gp["sender"], gp["presentation"], framework)
        or (admission.get("node", {}).get("node"), admission.get("node", {}).get("evidence")) != (node if "authorisation" in gp else None, gp.get("authorisation")),
        "GP-ADMISSION-EXPIRED": not millis(admission["judged"]) <= at < millis(admission["expires"]),
        "GP-CHANNEL-NOT-YET": at < millis(channel["dated"]),
        "GP-TOPIC-UNKNOWN": version is None or bool(retired),
        "GP-TOPIC-SCHEMA-OTHER": version is not None and (version["schema"], version["mediaType"]) != (gp["schema"], envelope.header["cty"]),
        "GP-ATTRIBUTE-UNKNOWN": bool(topic) and not needed <= given.keys() <= attributes.keys(),
        "GP-MESSAGE-TOO-LARGE": gp["payloadBytes"] > limits["maxPayloadBytes"],
        "GP-MESSAGE-FROM-FUTURE": envelope.issued > at + skew,
        "GP-MESSAGE-EXPIRED": at > envelope.expires + skew,
        "GP-MESSAGE-LIFETIME": envelope.expires - envelope.issued > limits["maxLifetimeSeconds"] * 1000,
        "GP-MESSAGE-RECIPIENTS": not wanted[0] <= len(recipients) <= wanted[1],
        "GP-MESSAGE-SEALING": ("epoch" in gp) != (channel["sealing"] == "members"),
        "GP-MESSAGE-RATE": sent > limits["maxMessagesPerMinute"],
    }
    if sent == limits["maxMessagesPerMinute"]:
        perhaps.add("GP-MESSAGE-RATE")
    if at == envelope.expires + skew:
        perhaps.add("GP-MESSAGE-EXPIRED")
    found = {code for code, applies in ruled.items() if applies}
    standings = [admission["standing"], admission.get("node", {}).get("standing"), entry.get("facts"), entry.get("sealing")]
    return found | {one["code"] for one in standings if isinstance(one, dict) and one.get("outcome", PASSED) != PASSED}, perhaps
