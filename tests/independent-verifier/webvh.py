"""did:webvh 1.0: a log proves itself (identity.md 3)."""

from __future__ import annotations

from typing import Any

from base import FIVE_MINUTES, Fault, jcs, millis, read_json, read_object, sha256, to_b58
from jose import proof_fits
from keys import Version, multikey, read_document

CODE = "GP-WEBVH-LOG-INVALID"
PARAMETERS = {"method", "scid", "updateKeys", "nextKeyHashes", "witness", "watchers", "portable", "deactivated", "ttl"}


def digest(value: bytes) -> str:
    """base58btc of the multihash (sha2-256)."""
    return to_b58(b"\x12\x20" + sha256(value))


def need(holds: bool, why: str) -> None:
    if not holds:
        raise Fault(CODE, why)


def replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {name.replace(old, new): replaced(member, old, new) for name, member in value.items()}
    if isinstance(value, list):
        return [replaced(member, old, new) for member in value]
    return value.replace(old, new) if isinstance(value, str) else value


def texts(value: Any, most: int = 64) -> list[str]:
    need(isinstance(value, list) and len(value) <= most and all(isinstance(v, str) for v in value), "a list of texts")
    return list(value)


def signed_by(document: dict[str, Any], proof: Any, keys: list[str]) -> str:
    """The Multikey, of these, by which a proof fits."""
    need(isinstance(proof, dict) and proof.get("proofPurpose") == "assertionMethod", "a proof")
    did, _, fragment = str(proof.get("verificationMethod")).partition("#")
    key = did.removeprefix("did:key:")
    need(did.startswith("did:key:") and key in keys and fragment == key, "a proof by another key")
    need(proof_fits(document, proof, multikey(key)), "a proof does not fit")
    return key


def witnesses(value: Any) -> tuple[int, list[str]]:
    need(isinstance(value, dict), "witness")
    if not value:
        return 0, []
    need(value.keys() == {"threshold", "witnesses"}, "witness")
    listed = value["witnesses"]
    need(isinstance(listed, list) and 0 < len(listed) <= 64, "witnesses")
    ids = [str(entry.get("id")) if isinstance(entry, dict) and len(entry) == 1 else "" for entry in listed]
    need(all(i.startswith("did:key:") for i in ids) and len(set(ids)) == len(ids), "witnesses")
    need(isinstance(value["threshold"], int) and 0 < value["threshold"] <= len(ids), "threshold")
    return value["threshold"], [i.removeprefix("did:key:") for i in ids]


def read_log(did: str, data: bytes, witness: bytes | None, obtained: int) -> tuple[list[Version], bool]:
    """The versions, and whether the witnesses suffice; a broken log is refused whole."""
    need(len(data) <= 4 << 20, "too long")
    lines = [line for line in data.split(b"\n") if line]
    need(0 < len(lines) <= 4096, "entries")
    scid = did.split(":")[2]
    active: dict[str, Any] = {"updateKeys": [], "nextKeyHashes": [], "witness": {}, "portable": False}
    versions: list[Version] = []
    asked: list[tuple[int, list[str]]] = []
    ids: list[str] = []
    last, time, ended = scid, -1, False
    for number, line in enumerate(lines, 1):
        entry = read_object(line)
        need(entry.keys() == {"versionId", "versionTime", "parameters", "state", "proof"}, "members of an entry")
        need(not ended, "an entry after the end")
        changes, state = entry["parameters"], entry["state"]
        need(isinstance(changes, dict) and changes.keys() <= PARAMETERS and isinstance(state, dict), "parameters")
        need(None not in changes.values(), "null")
        bare = {name: value for name, value in entry.items() if name != "proof"} | {"versionId": last}
        name = str(entry["versionId"])
        need(name == f"{number}-{digest(jcs(bare))}", f"the hash of entry {number}")
        if number == 1:
            need(changes.get("method") == "did:webvh:1.0" and changes.get("scid") == scid, "method or scid")
            need(digest(jcs(replaced(bare, scid, "{SCID}"))) == scid, "scid")
            need("updateKeys" in changes, "updateKeys")
        else:
            need(changes.get("scid", scid) == scid and changes.get("method", "did:webvh:1.0") == "did:webvh:1.0", "method")
            need(not changes.get("portable") or active["portable"], "portable")
        at = millis(entry["versionTime"], CODE)
        need(at >= time if number == 1 else at > time, "versionTime goes back")
        need(at <= obtained + FIVE_MINUTES, "versionTime is ahead")
        committed = active["nextKeyHashes"]
        before = active["updateKeys"]
        if committed:
            need({"updateKeys", "nextKeyHashes"} <= changes.keys(), "keys that were committed to")
            need(all(digest(key.encode()) in committed for key in texts(changes["updateKeys"])), "another key")
        old_witness = witnesses(active["witness"])
        active |= changes
        signers = active["updateKeys"] if number == 1 or committed else before
        texts(active["updateKeys"]), texts(active["nextKeyHashes"])
        proofs = entry["proof"] if isinstance(entry["proof"], list) else [entry["proof"]]
        need(0 < len(proofs) <= 16, "proofs")
        for proof in proofs:
            signed_by(entry, proof, texts(signers))
        new_witness = witnesses(active["witness"])
        asked.append(new_witness if number == 1 or not old_witness[0] else old_witness)
        need(state.get("id") == did or active["portable"] and number < len(lines), "another DID")
        ended = active.get("deactivated", False) is True
        versions.append(Version(at, None if ended else read_document(state, str(state.get("id")))))
        last, time = name, at
        ids.append(name)
    return versions, witnessed(asked, ids, witness)


def witnessed(asked: list[tuple[int, list[str]]], ids: list[str], witness: bytes | None) -> bool:
    """Whether each entry has its threshold of witnesses, on it or on a later entry."""
    latest: dict[str, int] = {}
    if witness is not None:
        entries = read_json(witness, 4 << 20)
        need(isinstance(entries, list) and len(entries) <= 4096, "did-witness.json")
        everybody = {key for _, keys in asked for key in keys}
        for entry in entries:
            need(isinstance(entry, dict) and entry.keys() == {"versionId", "proof"}, "did-witness.json")
            proofs = entry["proof"] if isinstance(entry["proof"], list) else [entry["proof"]]
            if entry["versionId"] not in ids:
                continue  # a witness may see an entry before it is published
            for proof in proofs[:64]:
                key = signed_by({"versionId": entry["versionId"]}, proof, sorted(everybody))
                latest[key] = max(latest.get(key, 0), ids.index(entry["versionId"]) + 1)
    return all(sum(latest.get(key, 0) >= number for key in keys) >= threshold
               for number, (threshold, keys) in enumerate(asked, 1))
