"""Writes spec/vectors/bundle-webvh.json: bundles that are made here, and what this verifier finds in them.

A sender with a did:webvh and a node, whole and with one thing changed in each. Nothing is in it that is `notChecked`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

from base import DAG_CBOR, Check, Fault, Link, cid, cid_bytes, cid_text, jcs, rfc3339, worst
from bends import RECORDS, put
from bundle import open_bundle, read_parts
from judge import Auditor
from scene import DAY, HOUR, NOW, Scene, Signer
from trust import open_pack

PLACE = Path(__file__).resolve().parents[2] / "spec" / "vectors" / "bundle-webvh.json"
Make = Callable[[Scene], Any]


def expected(data: bytes, pack: bytes, at: int) -> dict[str, Any]:
    trust = open_pack(pack, at)
    try:
        bundle = open_bundle(data)
    except Fault as fault:
        return {"refused": fault.code}
    missing = list(bundle.missing)
    read_parts(bundle, trust)
    auditor = Auditor(bundle, trust, at)
    checks: list[Check] = auditor.of_bundle()
    for message in auditor.messages:
        checks += auditor.of_message(message)
    whole = worst(checks, "")
    bad = {f"{check.name} {check.outcome.capitalize()} {check.code}" for check in checks if check.outcome != "passed"}
    return {"root": cid_text(next(iter(bundle.where))), "missing": missing, "outcome": whole.outcome, "code": whole.code,
            "messages": [message.entry["envelope"].text for message in auditor.messages], "not_passed": sorted(bad)}


def cut(kind: str, number: int = 0, name: str = "") -> Make:
    def change(manifest: Any, kinds: Any, blocks: Any) -> None:
        entry = kinds[kind][number]
        del blocks[(entry[name] if name else entry).raw]
    return lambda scene: change


def entries(**changes: Any) -> Make:
    def make(scene: Scene) -> None:
        scene.entry_changes = {2: changes}
    return make


def again(scene: Scene) -> None:
    scene.presentation = scene.present([scene.visa])
    scene.envelopes, scene.admission, scene.receipts = scene.chain(3), {}, []
    scene.admission = scene.admit()


def revoked(scene: Scene) -> None:
    scene.lists["revocation"] = scene.make_list("revocation", changes=[{"index": 7, "set": True, "at": rfc3339(NOW - 2 * HOUR)}])
    again(scene)


def by_node(scene: Scene) -> Any:
    scene.signer = scene.node
    return lambda m, k, b: m.update(exporter={"participant": scene.did, "authorisation": cid(scene.authorisation)})


def later(scene: Scene) -> Any:
    made = NOW + HOUR
    scene.lists["nodes"] = scene.make_list("nodes", made + HOUR, 2, [{"index": 3, "set": True, "at": rfc3339(made + HOUR // 2)}])
    return by_node(scene)


def forked(scene: Scene) -> None:
    scene.forks = [(scene.envelopes[2][0], scene.envelope(3, cid(scene.envelopes[1][0], DAG_CBOR), b'{"kW":9}')[0])]


def no_fork(scene: Scene) -> None:
    scene.forks = [(scene.envelopes[0][0], scene.envelopes[1][0])]


def newest(scene: Scene) -> None:
    scene.receipts = [scene.receipt([[1, 3]], cid(scene.envelopes[1][0], DAG_CBOR))]


def gap(scene: Scene) -> None:
    scene.envelopes.pop(1)


def begins_later(scene: Scene) -> None:
    scene.envelopes.pop(0)
    scene.selection["from"] = rfc3339(NOW + 1500)


def twice(scene: Scene) -> None:
    scene.envelopes.append(scene.envelopes[2])


def ahead(scene: Scene) -> None:
    scene.admission["trust"]["charter"] = cid(b"a later one")


def claims(scene: Scene) -> None:
    scene.admission["visas"][0]["validUntil"] = rfc3339(NOW + 99 * DAY)


def old_list(scene: Scene) -> None:
    scene.lists["suspension"] = scene.make_list("suspension", NOW - 2 * DAY)
    again(scene)


def unsigned(scene: Scene) -> None:
    scene.signed_descriptor = jcs(scene.descriptor)


def payload_gone(scene: Scene) -> Any:
    return lambda m, k, b: b.pop(cid_bytes(scene.envelopes[1][1])) and None


def log(data: Callable[[Scene], bytes]) -> Make:
    """Another log in the place of the sender's."""
    def make(scene: Scene) -> None:
        scene.log = data(scene)
    return make


def broken(scene: Scene) -> bytes:
    return scene.log.replace(scene.own.key.multikey.encode(), Signer(9).key.multikey.encode())


def given_up(at: int) -> Make:
    return lambda scene: scene.give_up(at)


def caught_up_since(scene: Scene) -> None:
    late, scene.made = rfc3339(NOW + 3 * HOUR), NOW + 4 * HOUR
    scene.entry_changes = {number: {"caughtUp": True, "logged": late} for number in (1, 2, 3)}
    scene.give_up(NOW + HOUR)


def exported_since(scene: Scene) -> Any:
    scene.give_up(NOW + HOUR // 2)
    return by_node(scene)


def receipt(delivered: list[list[int]], newest: int) -> Make:
    def make(scene: Scene) -> None:
        scene.receipts = [scene.receipt(delivered, cid(scene.envelopes[newest - 1][0], DAG_CBOR))]
    return make


def another_descriptor(scene: Scene) -> None:
    scene.signed_descriptor = jcs(scene.descriptor | {"title": "Other", "proof": []})


def descriptor_beside(scene: Scene) -> Any:
    def change(manifest: Any, kinds: Any, blocks: Any) -> None:
        blocks[cid_bytes(b"{}")] = b"{}"
        both = kinds["descriptors"] + [{"channel": cid(b"another"), "signed": Link(cid_bytes(b"{}"))}]
        kinds["descriptors"] = sorted(both, key=lambda one: str(one["channel"]))
    return change


def proof_is_missing(scene: Scene) -> Any:
    forked(scene)
    return lambda m, k, b: b.pop(k["forks"][0]["second"].raw) and None


def bent(name: str) -> Make:
    return next(make for one, _, make in RECORDS if one == name)


def says(path: tuple[str | int, ...], value: Any) -> Make:
    """Something else in the descriptor, signed."""
    def make(scene: Scene) -> None:
        put(scene.descriptor, path, value)
        scene.describe()
    return make


CASES: list[tuple[str, Make]] = [
    ("everything is there", lambda scene: None),
    ("a node exports", by_node),
    ("the exporter's list is of later, and says revoked since", later),
    ("an admission is missing", cut("admissions")),
    ("a presentation is missing", cut("presentations")),
    ("the authorisation of the sender's node is missing", cut("authorisations")),
    ("the descriptor is missing", cut("descriptors", 0, "signed")),
    ("a schema is missing", cut("schemas")),
    ("a definition is missing, and the pack has it", cut("definitions")),
    ("the log of the sender's DID is missing", cut("identities", 0, "document")),
    ("the log of the sender's DID is broken", log(broken)),
    ("the sender's DID was deactivated before", given_up(NOW - HOUR // 2)),
    ("the sender's DID was deactivated after its first message", given_up(NOW + 2000)),
    ("the sender's DID was deactivated before it was caught up with", caught_up_since),
    ("the DID of the exporter's participant was deactivated before", exported_since),
    ("a receipt speaks of numbers that are not there, and names a message that is", receipt([[1, 9]], 3)),
    ("another descriptor in the place of the channel's", another_descriptor),
    ("beside it, a descriptor that is none", descriptor_beside),
    ("one of two that contradict each other is missing", proof_is_missing),
    ("an envelope is missing", cut("messages", 1, "envelope")),
    ("a payload is missing", payload_gone),
    ("a receipt is missing", cut("receipts", 0, "receipt")),
    ("a status list is missing", cut("lists", 0)),
    ("the visa is revoked, and was recorded as passed", revoked),
    ("a list is older than the channel allows", old_list),
    ("the admission says that a visa is valid for longer", claims),
    ("judged by a charter that the pack does not have", ahead),
    ("nobody signed the descriptor", unsigned),
    ("two that contradict each other", forked),
    ("two that do not", no_fork),
    ("a gap in a chain", gap),
    ("a selection that begins later", begins_later),
    ("one message under two numbers", twice),
    ("a receipt that names another newest", newest),
    ("the 101st in a minute, allowed", entries(sentLastMinute=100)),
    ("the 101st in a minute, refused", bent("refused-for-its-rate")),
    ("the 101st in a minute, refused, and the exporter's receipt says delivered", bent("refused-and-confirmed")),
    ("decided at the end of the admission", entries(at=rfc3339(NOW + HOUR))),
    ("made before what it lists was logged", bent("made-twenty-days-before")),
    ("made ten minutes before what it lists was logged", bent("made-ten-minutes-before")),
    ("logged after it was made", bent("logged-after-it-was-made")),
    ("allowed a day before it was issued", bent("logged-over-ten-minutes-before")),
    ("a record's number is greater than the last", bent("last-before-a-receipt")),
    ("a receipt of five days before its messages", bent("receipt-before-its-message")),
    ("a refusal of five days before its messages", bent("refusal-before")),
    ("a receipt signed long after it was logged", bent("receipt-of-the-future")),
    ("the last of a chain is left out, and a receipt speaks of it", bent("end-left-out")),
    ("the last of a chain is after what was selected", bent("end-left-out-by-until")),
    ("the last of a chain is left out, and selected is all until long after", bent("end-left-out-by-until-after-it-was-made")),
    ("the last of a recipient's messages is left out, and its receipt speaks of it", bent("end-left-out-for-a-recipient")),
    ("decided for a day before it was logged", bent("decided-a-day-before")),
    ("refused for how it is sealed, and it is not sealed", bent("sealing-of-what-is-not-sealed")),
    ("refused for its payload, which is withheld", bent("refused-for-what-is-withheld")),
    ("a DID looked up years after it was made", bent("looked-up-later")),
    ("of a revoked visa the list of suspensions is missing", bent("revoked-without-suspensions")),
    ("the descriptor's title has a line feed", says(("title",), "a\nb")),
    ("a requirement says nothing", says(("publish", 0, "says"), "")),
]


def main() -> None:
    found = []
    for name, make in CASES:
        scene = Scene()
        change = make(scene)
        data = scene.bundle(change if callable(change) else None)
        given = {"file_hex": data.hex(), "trust_pack": scene.pack.decode(), "at": rfc3339(NOW + DAY)}
        verdict = expected(data, scene.pack, NOW + DAY)
        found.append({"name": name, "input": given, "expected": verdict})
        print(name, verdict["outcome"], verdict["not_passed"])
    source = "Gridpass; made by tests/independent-verifier/vectors.py"
    PLACE.write_text(json.dumps({"source": source, "kind": "bundle", "cases": found}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
