"""What whoever has the keys may sign, made with scene.py: descriptors, charters, packs, receipts and records, good and bad."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from base import DAG_CBOR, Link, cid, cid_bytes, jcs, read_object, rfc3339
from pieces import Copy, Whole
from scene import DAY, HOUR, NOW, Scene, Signer, status_list, webvh

MINUTE = HOUR // 60
GONE: Any = object()
ROLE: dict[str, Any] = {"role": "flex.gb.aggregator"}
LATER, ANOTHER, BLOCK, LONG = rfc3339(NOW + DAY), cid(b"another"), cid(b"", DAG_CBOR), 366 * 86_400
NEEDS, TOPIC = ("publish", 0, "needs"), ("topics", 0)
Places = list[tuple[tuple[str | int, ...], list[Any]]]


def hours(**more: Any) -> dict[str, Any]:
    return {"hours": {"from": "00:00", "until": "24:00"} | more}


def where(*texts: Any) -> dict[str, Any]:
    return ROLE | {"where": list(texts)}


def attribute(**more: Any) -> dict[str, Any]:
    return {"a": {"type": "text", "optional": True} | more}


def consent(purpose: Any, about: str = "zone") -> dict[str, Any]:
    return {"consent": ROLE | {"purpose": purpose, "data": "'x'", "about": about}}


# Where something else stands in a descriptor, and what it may not be.
REFUSED: Places = [
    (("formatVersion",), [2, True, "1", GONE]), (("more",), [1]), (("framework",), ["x", BLOCK]), (("owner",), ["did:x", "x"]),
    (("name",), ["=flex", "Flex.GB", "flex", "flex.gb\n", "flex..gb", "flex.gb-", "flex.1gb", "a." + "b" * 33, ".".join("a" * 9), 1]),
    (("version",), [0, 2, True, "1"]), (("previous",), [ANOTHER, None]), (("dated",), ["2026-01-10T12:00:00.000Z", "2026-01-10T12:00:00+00:00", "today", 1]),
    (("title",), ["a\nb", "x" * 5000, "x" * 201, "é" * 101, "", " ", "\u00a0", "a\x1b[31mb", "a\x7f", "a\u0085b", 1]),
    (("mode",), ["Broadcast", 1]), (("indeterminate",), ["ask", True]), (("receipts",), ["true", 1]), (("sealing",), ["all", None]), (("keep",), [[], [{}]]),
    (("retention",), [{"seconds": 0, "history": True}, {"seconds": 50 * LONG + 1, "history": True}, {"seconds": 1}, {"seconds": 1, "history": 1}, []]),
    (("limits", "maxPayloadBytes"), [0, (1 << 20) + 1, "1", 1.5, GONE]), (("limits", "maxMessagesPerMinute"), [0, 1_000_001, -1]), (("limits", "more"), [1]),
    (("limits", "maxLifetimeSeconds"), [0, LONG + 1]), (("limits", "maxRecipients"), [0, 257]), (("maxStatusAgeSeconds",), [0, LONG + 1, True]),
    (("clockSkewSeconds",), [601, -1, "0"]), (("terms",), [[], "x"]), (("topics",), [[], {}, [1]]), ((*TOPIC, "more"), [1]),
    ((*TOPIC, "name"), ["a\nb", "1a", "", "a.b", "a" * 65, "ä", "bids\n"]), ((*TOPIC, "title"), ["a\nb", "", "x" * 201, 1, GONE]),
    ((*TOPIC, "answeredBy"), ["none", None]), ((*TOPIC, "publish"), [[], {}]), ((*TOPIC, "versions"), [[], {}]), ((*TOPIC, "versions", 0, "version"), [0, 2, True]),
    ((*TOPIC, "versions", 0, "schema"), ["x", BLOCK]), ((*TOPIC, "versions", 0, "retired"), ["2027-01-10T12:00:00.0Z", "never"]),
    ((*TOPIC, "versions", 0, "mediaType"), ["Application/json", "application/json; x=1", "application/json\n", "json", "a/b/c", "/json", "a/", "a b/c", "a/*", "é/b"]),
    ((*TOPIC, "attributes"), [{}, [], {"a\nb": {"type": "text"}}, {"1": {"type": "text"}}, {f"a{n}": {"type": "text"} for n in range(33)}, attribute(type="number"),
                              attribute(type=["text"]), attribute(optional=False), attribute(**{"from": "a"}), attribute(**{"from": "/" + "x" * 256}), {"a": {}}]),
    (("publish",), [[], {}, None, [1]]), (("publish", 0, "more"), [1]), (("publish", 0, "id"), ["a\nb", "role\n", "", "1", "a.b", "a" * 65, "ä", 1, GONE]),
    (("publish", 0, "says"), ["", " ", "a\nb", "\x1b[31m", "x" * 401, "é" * 201, 1, GONE]),
    ((*TOPIC, "publish"), [[{"id": "role", "says": "x", "needs": ROLE}], [{"id": "other", "says": "a\nb", "needs": ROLE}],
                           [{"id": f"r{n}", "says": "x", "needs": ROLE} for n in range(32)]]),
    (NEEDS, [{}, [], 1, ROLE | {"did": ["did:x:y"]}, {"any": []}, {"all": {}}, {"not": {}}, {"not": []}, {"of": [ROLE]}, {"atLeast": 1}, {"any": [ROLE] * 64},
             {"atLeast": 0, "of": [ROLE]}, {"atLeast": 2, "of": [ROLE]}, {"atLeast": "1", "of": [ROLE]}, {"any": [ROLE, {"x": 1}]},
             {"any": [{"did": ["x"]}, {"any": []}]}, {"any": [{"any": []}, {"did": ["x"]}]}]),
    (NEEDS, [{"role": 1}, {"role": "flex"}, {"role": "Flex.GB"}, {"role": "flex.gb\n"}, {"role": ".".join("abcdefghi")}, where(), ROLE | {"where": "x"}, where(1),
             where(*["visa.zone == 'x'"] * 17), where("visa.zone == 'a\nb'"), where("visa.zone == 'a\u0085b'"), where("visa.n == \u0661"),
             where("visa.zone == 'x'", "visa.zone == 1")]),
    (NEEDS, [{"when": 1}, {"when": "time > issued + \u0661s"}, {"between": {}}, {"between": {"from": "x"}}, {"between": {"more": LATER}},
             {"between": {"from": "2026-01-01T00:00:00.0Z"}}, {"between": {"from": LATER, "until": LATER}}, {"did": []}, {"did": ["x"]}, {"did": "did:x:y"},
             {"did": [f"did:x:{n}" for n in range(257)]}]),
    (NEEDS, [{"hours": {"from": "00:00"}}, hours(**{"from": "0:00"}), hours(offset="+14:01"), hours(**{"from": "\u0660\u0660:00"}), hours(days=[]), hours(days=["Mon"]),
             hours(**{"from": 1})]),
    (NEEDS, [consent("sender"), consent("x"), consent("'x' in visa.purposes"), consent("'a\nb'"), consent("'x'", "zo\nne"), consent("'x'", "zone + 1s"), consent(1)]),
]
# And what it may be.
TAKEN: Places = [
    (("name",), ["flex.gb.bids.x-1"]), (("title",), ["x" * 200, "a\u202eb", "a\u200bb", "=1+1"]), (("retention", "seconds"), [50 * LONG]),
    (("limits", "maxLifetimeSeconds"), [LONG]), ((*TOPIC, "answeredBy"), ["bids"]), ((*TOPIC, "versions", 0, "retired"), [LATER]),
    ((*TOPIC, "attributes"), [attribute(**{"from": "/" + "x" * 255})]), (("publish", 0, "says"), ["x" * 400, "a\u202eb"]),
    (NEEDS, [where("visa.zone\u00a0!= 'x'"), where("visa.zone\n!= 'x'"), {"any": [ROLE] * 63}, {"any": [where("visa.zone == 'GB-1'"), {"role": "flex.gb.other", "where": ["visa.zone == 1"]}]},
             hours(offset="+00:00"), hours(offset="-00:00"), hours(days=["sun", "sun"]), hours(days=["sun", "mon"])]),
]
CHARTERS: dict[str, list[Any]] = {  # members that a charter may not have
    "name": ["a\nb", "\x1b[31m", "a\u0085b", "", " ", "x" * 201, "é" * 101, 1], "formatVersion": [True, 2], "version": [0, True], "previous": [ANOTHER, None],
    "dated": ["2025-12-31T12:00:00.0Z", "2025-12-31T12:00:00+00:00", "x"], "roots": [[], ["x"], ["did:x:y"] * 2, "did:x:y"],
    "rule": [{"threshold": 0, "signers": ["did:x:y"]}, {"threshold": 2, "signers": ["did:x:y"]}, {"threshold": True, "signers": ["did:x:y"]}, []], "more": [1],
    "roles": [[], [{"definition": ANOTHER, "name": "a\nb"}], [{"definition": BLOCK, "name": "flex.gb.x"}], [{"definition": ANOTHER, "name": "flex.gb.x", "graceSeconds": 1}],
              [{"definition": ANOTHER, "name": "flex.gb.x", "retired": "2099-01-01T00:00:00.0Z"}],
              [{"definition": ANOTHER, "name": "flex.gb.x", "retired": "2099-01-01T00:00:00Z", "graceSeconds": -1}]],
    "schemas": [[], [{"name": "a\nb", "document": ANOTHER}], [{"name": "", "document": ANOTHER}], [{"name": "x", "document": BLOCK}], [{"name": "x", "document": ANOTHER}] * 2],
    "channels": [[], [{"name": "x" * 201, "document": ANOTHER}], [{"name": "x", "document": "x"}], [{"name": "x", "document": ANOTHER, "more": 1}]]}
KNOWN = {"did": "did:web:x.example", "seen": "2026-01-01T00:00:00Z", "document": "AAAA"}
PACKS: dict[str, list[Any]] = {
    "formatVersion": [True, 2], "more": [1], "charters": [[], {}], "definitions": [{}, [1]],
    "identities": [{}, [1], [KNOWN | {"did": "x"}], [KNOWN | {"seen": "x"}], [KNOWN | {"confirmed": "x"}], [KNOWN | {"document": "AAA"}], [KNOWN | {"document": "AB=="}],
                   [KNOWN | {"document": "AAAA\n"}], [KNOWN | {"document": 1}], [KNOWN | {"witness": "!"}],
                   [KNOWN | {"confirmed": None}], [KNOWN | {"witness": None}]]}


def put(document: Any, path: tuple[str | int, ...], value: Any) -> None:
    for step in path[:-1]:
        document = document[step]
    if value is GONE:
        del document[path[-1]]
    else:
        document[path[-1]] = value


def last(scene: Scene) -> str:
    return cid(scene.envelopes[-1][0], DAG_CBOR)


def receipt(**changes: Any) -> Callable[[Scene], None]:
    """Instead of the one that is there."""
    def make(scene: Scene) -> None:
        scene.receipts = [scene.receipt(**{"delivered": [[1, 3]], "newest": last(scene)} | changes)]
    return make


def refusal(at: int) -> Callable[[Scene], None]:
    """Beside the one that says that they were delivered; somebody else exports."""
    def make(scene: Scene) -> None:
        scene.signer = Signer(9)
        refused = [{"sequence": number, "reasons": ["GP-POLICY-UNMET"]} for number in (1, 2, 3)]
        scene.receipts.append(scene.receipt([], last(scene), issued=rfc3339(at), refused=refused))
    return make


def chain(most: int, **selection: Any) -> Callable[[Scene], None]:
    """So many messages; the receipt speaks of three."""
    def make(scene: Scene) -> None:
        scene.envelopes = scene.envelopes[:most]
        scene.selection |= selection
    return make


def first_left_out(at: int) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        scene.envelopes = scene.envelopes[1:]
        scene.selection["from"] = rfc3339(at)
    return make


def own_refusal(scene: Scene) -> None:
    """The exporter's own receipt refuses what it recorded as allowed."""
    refusal(HEARD)(scene)
    scene.signer, scene.receipts = scene.dso, scene.receipts[1:]


def was_opened(scene: Scene) -> None:
    facts = {"outcome": "passed", "code": "GP-PAYLOAD-FITS", "sentence": ""}
    at = rfc3339(NOW + 9000)
    scene.receipts, scene.entry_changes = [], {2: {"deliver": False, "opened": {"number": 9, "logged": at, "deliver": True, "facts": facts, "at": at}}}


def told(change: Callable[[dict[str, Any], dict[str, list[Any]]], Any]) -> Callable[[Scene], Any]:
    """Something else in the manifest or its entries."""
    return lambda scene: lambda manifest, kinds, blocks: change(manifest, kinds) and None


def opened(**changes: Any) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        facts = {"outcome": "passed", "code": "GP-PAYLOAD-FITS", "sentence": ""}
        scene.seal()
        scene.entry_changes = {2: {"deliver": False, "opened": {"number": 9, "logged": rfc3339(NOW + 9000), "deliver": True, "facts": facts, "at": rfc3339(NOW + 9000)} | changes}}
    return make


def refused(code: str, **more: Any) -> Callable[[Scene], None]:
    """The second message, by a fact that says so; nobody confirms it."""
    def make(scene: Scene) -> None:
        scene.receipts = []
        found = {"outcome": "failed", "code": code, "sentence": "the regulator revoked the licence for fraud"}
        scene.entry_changes = {2: {"allowed": False, "deliver": False, "reasons": [code]} | {name: found for name in more}}
    return make


def withheld(make: Callable[[Scene], Any]) -> Callable[[Scene], Any]:
    def withholds(scene: Scene) -> Any:
        scene.payloads = "withheld"
        return make(scene)
    return withholds


def sealed(make: Callable[[Scene], Any]) -> Callable[[Scene], Any]:
    def seals(scene: Scene) -> Any:
        scene.seal()
        return make(scene)
    return seals


def entry(confirmed: bool = False, **changes: Any) -> Callable[[Scene], None]:
    """What is recorded of the second message."""
    def make(scene: Scene) -> None:
        scene.receipts = scene.receipts if confirmed else []
        scene.entry_changes = {2: changes}
    return make


def ended(scene: Scene) -> None:
    """The admission ends at once, says whoever exports, and refuses for it."""
    scene.receipts = []
    scene.admission["expires"] = rfc3339(NOW + 1)
    scene.entry_changes = {number: {"allowed": False, "deliver": False, "reasons": ["GP-ADMISSION-EXPIRED"]} for number in (1, 2, 3)}


def missing_second(**selection: Any) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        del scene.envelopes[1]
        scene.selection |= selection
    return make


def revoked(dropped: str) -> Callable[[Scene], Any]:
    """Refused for a visa that was revoked; of its lists that of suspensions is the oldest. One of them is not there."""
    def make(scene: Scene) -> Any:
        scene.lists["revocation"] = scene.make_list("revocation", changes=[{"index": 7, "set": True, "at": rfc3339(NOW - 2 * HOUR)}])
        scene.lists["suspension"] = scene.make_list("suspension", NOW - 3 * HOUR)
        scene.describe()
        scene.admission["visas"][0]["standing"] = {"outcome": "failed", "code": "GP-VISA-REVOKED", "sentence": ""}
        scene.entry_changes = {number: {"allowed": False, "deliver": False, "reasons": ["GP-POLICY-UNMET"]} for number in (1, 2, 3)}
        return lambda manifest, kinds, blocks: kinds.update(lists=[one for one in kinds["lists"] if blocks[one.raw] != scene.lists.get(dropped)])
    return make


def by_office(outcome: str, code: str, until: int = NOW + 20 * DAY, over: str = "", index: int = 0) -> Scene:
    """Revoked by somebody's role, who has a visa for it until then, which is set on a list of its issuer. It came out so."""
    scene, holder, at = Scene(office=True), Signer(8), rfc3339(NOW - 2 * HOUR)
    if over:
        scene.lists[over] = scene.make_list(over, changes=[{"index": index, "set": True, "at": at}])
    scene.describe()
    change, carried = {"index": 7, "set": True, "at": at}, [scene.make_office(holder, until)]
    scene.lists["theirs"] = status_list(holder, holder.did, "urn:x:revocation", "revocation", NOW - HOUR, 1, [change], carried)
    if outcome != "passed":  # else their list says nothing, and is not read
        named = {"list": "urn:x:revocation", "signer": holder.did, "dated": rfc3339(NOW - HOUR), "evidence": cid(scene.lists["theirs"])}
        scene.admission["lists"] = sorted([*scene.admission["lists"], named], key=lambda one: (one["list"], one["signer"]))
        scene.admission["visas"][0]["standing"] = {"outcome": outcome, "code": code, "sentence": ""}
        why = "GP-POLICY-UNMET" if outcome == "failed" else "GP-POLICY-UNDECIDED"
        scene.entry_changes = {number: {"allowed": False, "deliver": False, "reasons": [why]} for number in (1, 2, 3)}
    return scene


def logged(when: int, **more: Any) -> Callable[[Scene], None]:
    def make(scene: Scene) -> None:
        scene.entry_changes = {3: {"logged": rfc3339(when)} | more}
    return make


def broadcast(visa_by: Signer | None = None) -> Callable[[Scene], Any]:
    """To nobody in particular; a receipt is of somebody else, whose visa somebody signed."""
    def make(scene: Scene) -> Any:
        scene.descriptor["mode"] = "broadcast"
        scene.describe()
        scene.receipts = [scene.receipt([[1, 3]], last(scene), Signer(6), recipient=Signer(6).did)]
        return (lambda manifest, kinds, blocks: admitted(scene, visa_by, kinds, blocks)) if visa_by else None
    return make


def admitted(scene: Scene, visa_by: Signer, kinds: dict[str, list[Any]], blocks: dict[bytes, bytes]) -> None:
    """Beside the sender's, the admission of the one that the receipt is of."""
    other = Scene()
    other.own, other.did, other.channel = Signer(6), Signer(6).did, scene.channel
    other.visa = other.make_visa(visa_by)
    other.presentation = other.present([other.visa])
    admission = other.admit()
    del admission["node"], admission["lists"][0]
    if visa_by.did != scene.root.did:
        admission["visas"][0]["standing"] = {"outcome": "failed", "code": "GP-SIGNER-OTHER", "sentence": ""}
    for kind, data in (("admissions", jcs(admission)), ("presentations", other.presentation)):
        blocks[cid_bytes(data)] = data
        kinds[kind] = sorted([*kinds[kind], Link(cid_bytes(data))], key=lambda link: link.text)


UNFIT = {"outcome": "failed", "code": "GP-PAYLOAD-SCHEMA", "sentence": ""}
LATE = {"logged": rfc3339(NOW + 200 * DAY), "allowed": False, "deliver": False, "reasons": ["GP-ADMISSION-EXPIRED", "GP-MESSAGE-EXPIRED"]}
def another_end(**selection: Any) -> Callable[[Scene], None]:
    """The receipt is of 1 to 4; the sender leaves the fourth out, and shows another third message."""
    def make(scene: Scene) -> None:
        two, three = cid(scene.envelopes[1][0], DAG_CBOR), last(scene)
        fourth = scene.envelope(4, three, b'{"kW":4}')[0]
        scene.receipts = [scene.receipt([[1, 4]], cid(fourth, DAG_CBOR))]
        scene.envelopes[2] = scene.envelope(3, two, b'{"kW":999}')
        scene.signer = Signer(9)
        scene.selection |= selection
    return make


def beside(real: bool) -> Callable[[Scene], None]:
    """A second third message, which the sender signed, or somebody wrote."""
    def make(scene: Scene) -> None:
        block, payload = scene.envelope(3, cid(scene.envelopes[1][0], DAG_CBOR), b'{"kW":999}')
        scene.envelopes.append((block if real else block[:-64] + bytes(64), payload))
    return make


def beside_unknown(scene: Scene) -> None:
    """The same, where nothing is known of the key that the sender's node signs with."""
    node = webvh(scene.update, scene.node, NOW - 30 * DAY)[0]
    scene.node.did, scene.node.kid = node, f"{node}#key-1"
    scene.authorisation = scene.make_authorisation()
    scene.envelopes, scene.receipts, scene.admission = scene.chain(3), [], scene.admit()
    beside(False)(scene)


def second_charter(**changes: Any) -> Callable[[Scene], None]:
    """It was in force when the sender was judged, by the first."""
    def make(scene: Scene) -> None:
        pack = read_object(scene.pack, 16 << 20)
        first = {name: value for name, value in pack["charters"][0].items() if name != "proof"}
        second = first | {"version": 2, "previous": cid(jcs(first)), "dated": rfc3339(NOW - 40 * DAY)} | changes
        signed = second | {"proof": [scene.root.proof(second, NOW - 40 * DAY)]}
        scene.pack = jcs(pack | {"charters": [*pack["charters"], signed]})
    return make


def retired(scene: Scene) -> None:
    second_charter(roles=[{"definition": scene.role, "name": "flex.gb.aggregator", "retired": rfc3339(NOW - 30 * DAY)}])(scene)


def hidden(scene: Scene) -> Any:
    """A definition that is none, behind more payloads than are told one by one."""
    scene.envelopes = scene.chain(300)

    def change(manifest: Any, kinds: dict[str, list[Any]], blocks: dict[bytes, bytes]) -> None:
        manifest["last"] = 999
        for number, entry in enumerate(kinds["receipts"], 901):
            entry["number"] = number
        for _, payload in scene.envelopes:
            del blocks[cid_bytes(payload)]
        blocks[cid_bytes(b"{}")] = b"{}"
        kinds["definitions"] = sorted([*kinds["definitions"], Link(cid_bytes(b"{}"))], key=lambda link: link.text)
    return change


MADE, SENT, HEARD = NOW + HOUR, NOW + 3000, NOW + MINUTE  # of a scene: its bundle, its last message, its receipt
REFUSAL = {"allowed": False, "deliver": False, "reasons": ["GP-MESSAGE-RATE"], "sentLastMinute": 100}
RECORDS: list[tuple[str, str, Callable[[Scene], Any]]] = [
    ("made-twenty-days-before", "failed", told(lambda m, k: m.update(made=rfc3339(NOW - 20 * DAY)))),
    ("made-ten-minutes-before", "passed", told(lambda m, k: m.update(made=rfc3339(HEARD - 10 * MINUTE)))),
    ("made-over-ten-minutes-before", "failed", told(lambda m, k: m.update(made=rfc3339(HEARD - 10 * MINUTE - 1)))),
    ("logged-after-it-was-made", "failed", logged(NOW + 2 * HOUR)), ("logged-ten-minutes-after", "passed", logged(MADE + 10 * MINUTE, caughtUp=True)),
    ("logged-over-ten-minutes-after", "failed", logged(MADE + 10 * MINUTE + 1)), ("logged-ten-minutes-before", "passed", logged(SENT - 10 * MINUTE, at=rfc3339(SENT))),
    ("logged-over-ten-minutes-before", "failed", logged(SENT - 10 * MINUTE - 1, at=rfc3339(SENT))), ("logged-before-and-refused", "failed", logged(NOW - DAY, **REFUSAL)),
    ("refused-for-its-rate", "passed", entry(**REFUSAL)), ("refused-and-confirmed", "failed", entry(confirmed=True, **REFUSAL)),
    ("refused-and-delivered", "failed", entry(**REFUSAL | {"deliver": True})), ("refused-by-its-own-receipt", "failed", own_refusal),
    ("decided-a-day-before", "failed", entry(at=rfc3339(NOW - DAY))),
    ("decided-after-it-was-made", "failed", entry(at=rfc3339(NOW + 200 * DAY), **LATE)),
    ("decided-and-logged-late", "failed", entry(at=rfc3339(NOW + 11 * MINUTE))), ("decided-ten-minutes-before", "passed", entry(logged=rfc3339(NOW + 2020 + 10 * MINUTE))),
    ("decided-over-ten-minutes-before", "failed", entry(logged=rfc3339(NOW + 2021 + 10 * MINUTE))),
    ("caught-up-and-decided-then", "passed", entry(caughtUp=True, logged=rfc3339(NOW + 50 * MINUTE))),
    ("caught-up-and-decided-later", "failed", entry(caughtUp=True, logged=rfc3339(NOW + 50 * MINUTE), at=rfc3339(NOW + 40 * MINUTE))),
    ("came-ten-minutes-before", "passed", entry(arrived=rfc3339(NOW + 2050 - 10 * MINUTE))), ("came-over-ten-minutes-before", "failed", entry(arrived=rfc3339(NOW + 2049 - 10 * MINUTE))),
    ("ended-as-recorded", "indeterminate", ended),
    ("two-records-with-one-number", "failed", told(lambda m, k: k["receipts"][0].update(number=3))),
    ("looked-up-later", "failed", told(lambda m, k: k["identities"][0].update(seen="2099-01-01T00:00:00Z"))),
    ("confirmed-later", "failed", told(lambda m, k: k["identities"][0].update(confirmed="2099-01-01T00:00:00Z"))),
    ("looked-up-ten-minutes-later", "passed", told(lambda m, k: k["identities"][0].update(seen=rfc3339(MADE + 10 * MINUTE)))),
    ("sealing-of-what-is-not-sealed", "failed", refused("GP-VISA-REVOKED", sealing=True)),
    ("sealing-held-of-what-is-not-sealed", "failed", entry(sealing={"outcome": "passed", "code": "GP-SEALING-HELD", "sentence": ""})),
    ("sealing-by-another-code", "failed", sealed(refused("GP-VISA-REVOKED", sealing=True))),
    ("sealing-by-too-many-epochs", "indeterminate", sealed(refused("GP-SEALING-EPOCHS", sealing=True))),
    ("refused-for-what-is-withheld", "indeterminate", withheld(refused("GP-PAYLOAD-SCHEMA", facts=True))),
    ("refused-for-what-is-sealed", "indeterminate", sealed(refused("GP-PAYLOAD-SCHEMA", facts=True))),
    ("refused-for-what-is-here", "indeterminate", refused("GP-PAYLOAD-SCHEMA", facts=True)),
    *((f"facts-of-no-payload-{number}", "failed", withheld(refused(code, facts=True))) for number, code in enumerate(("GP-VISA-REVOKED", "GP-NO-SUCH-CODE", "=cmd|calc"))),
    ("opened", "passed", opened()), ("opened-before-it-came", "failed", opened(logged=rfc3339(NOW - 300 * DAY), at=rfc3339(NOW - 300 * DAY))),
    ("opened-by-an-earlier-record", "failed", opened(number=1)), ("opened-for-another-time", "failed", opened(at=rfc3339(NOW + 30 * MINUTE))),
    ("opened-and-does-not-fit", "passed", opened(deliver=False, facts=UNFIT)), ("opened-does-not-fit-and-delivered", "failed", opened(facts=UNFIT)),
    ("opened-and-was-not-sealed", "failed", was_opened),
    ("opened-after-it-was-made", "failed", opened(logged=rfc3339(MADE + DAY))), ("opened-after-the-last", "failed", opened(number=100)),
    *((f"null-{name}", "failed", told(change)) for name, change in {
        "from": lambda m, k: m["selection"].update({"from": None}), "opened": lambda m, k: k["messages"][0].update(opened=None),
        "sealing": lambda m, k: k["messages"][0].update(sealing=None), "exporter": lambda m, k: m["exporter"].update(authorisation=None)}.items()),
    ("null-in-a-receipt", "failed", receipt(authorisation=None)),
    ("last-is-a-receipt", "passed", told(lambda m, k: m.update(last=10))), ("last-before-a-receipt", "failed", told(lambda m, k: m.update(last=9))),
    ("last-before-a-message", "failed", told(lambda m, k: (k.pop("receipts"), m.update(last=2)))),
    ("receipt-logged-after-it-was-made", "failed", told(lambda m, k: k["receipts"][0].update(logged=rfc3339(MADE + DAY)))),
    ("receipt-before-its-message", "failed", receipt(issued=rfc3339(NOW - 5 * DAY))),
    ("receipt-ten-minutes-before", "passed", receipt(issued=rfc3339(SENT - 10 * MINUTE))),
    ("receipt-over-ten-minutes-before", "failed", receipt(issued=rfc3339(SENT - 10 * MINUTE - 1))),
    ("receipt-by-another-before", "failed", receipt(issued=rfc3339(NOW - 5 * DAY), signer=Signer(6), recipient=Signer(6).did)),
    ("receipt-of-the-future", "failed", receipt(issued=rfc3339(NOW + 300 * DAY))),
    ("receipt-ten-minutes-after-it-was-logged", "passed", receipt(issued=rfc3339(HEARD + 10 * MINUTE))),
    ("receipt-over-ten-minutes-after", "failed", receipt(issued=rfc3339(HEARD + 10 * MINUTE + 1))),
    ("receipt-kept-before", "failed", receipt(issued=rfc3339(NOW - 5 * DAY), delivered=[], kept=[[1, 3]])),
    ("receipts-that-differ", "passed", refusal(HEARD)), ("refusal-before", "passed", refusal(NOW - 5 * DAY)),
    ("end-left-out", "indeterminate", chain(2)),
    ("end-left-out-by-until", "passed", chain(2, until=rfc3339(SENT))), ("end-left-out-with-from", "indeterminate", chain(2, **{"from": rfc3339(NOW)})),
    ("end-left-out-by-until-after-it-was-made", "indeterminate", chain(2, until="2200-01-01T00:00:00Z")),
    ("end-left-out-by-until-as-it-was-made", "indeterminate", chain(2, until=rfc3339(MADE))),
    ("first-left-out-from-before-the-channel", "indeterminate", first_left_out(NOW - 50 * DAY)), ("first-left-out-from-later", "passed", first_left_out(NOW + 1001)),
    ("end-left-out-for-a-recipient", "indeterminate", chain(2, participant=Signer(5).did)),
    ("second-left-out-for-a-recipient", "indeterminate", missing_second(participant=Signer(5).did)),
    ("second-left-out-for-a-recipient-until", "indeterminate", missing_second(participant=Signer(5).did, until=rfc3339(SENT + 1))),
    ("end-left-out-for-a-recipient-by-until", "passed", chain(2, participant=Signer(5).did, until=rfc3339(SENT))),
    ("chain-left-out", "indeterminate", chain(0)),
    ("chain-left-out-with-from", "passed", chain(0, **{"from": rfc3339(NOW)})),
    ("receipt-of-what-nobody-sent", "indeterminate", receipt(delivered=[[1, 2**53 - 1]], newest=BLOCK)),
    ("broadcast", "passed", broadcast()), ("broadcast-to-a-participant", "passed", broadcast(Signer(1))),
    ("broadcast-to-whom-no-visa-counts", "passed", broadcast(Signer(9))),
    ("another-end-by-until", "passed", another_end(until=rfc3339(SENT + 1))), ("another-end-for-a-recipient", "indeterminate", another_end(participant=Signer(5).did)),
    ("another-end", "indeterminate", another_end()), ("forged-beside", "failed", beside(False)), ("signed-beside", "failed", beside(True)),
    ("beside-unknown", "indeterminate", beside_unknown),
    ("root-removed", "passed", second_charter(roots=[Signer(9).did])), ("role-retired", "passed", retired), ("charter-that-changes-nothing", "passed", second_charter()),
    ("hidden-behind-what-is-missing", "failed", hidden),
    ("revoked", "passed", revoked("none")), ("revoked-without-suspensions", "indeterminate", revoked("suspension")),
    ("revoked-without-revocations", "indeterminate", revoked("revocation")), ("revoked-without-the-nodes", "indeterminate", revoked("nodes")),
]

LAPSED = ("indeterminate", "GP-STATUS-REVOKER-LAPSED")
OFFICES: list[tuple[str, str, Callable[[], Scene]]] = [
    ("standing", "passed", lambda: by_office("failed", "GP-VISA-REVOKED")), ("ended", "passed", lambda: by_office(*LAPSED, until=NOW - DAY)),
    ("suspended", "passed", lambda: by_office(*LAPSED, over="suspension", index=13)),
    ("revoked", "passed", lambda: by_office("passed", "", over="revocation", index=11)),
    ("ended-and-revoked", "passed", lambda: by_office("passed", "", NOW - DAY, "revocation", 11)),
]


def bends() -> Iterator[tuple[str, str, Whole]]:
    """Each with its name and what comes out; what a good descriptor lets through is not said."""
    at = rfc3339(NOW + DAY)
    for places, outcome in ((REFUSED, "failed"), (TAKEN, "passed")):
        for path, values in places:
            for number, value in enumerate(values):
                scene = Scene()
                put(scene.descriptor, path, value)
                scene.describe()
                yield f"descriptor-{'-'.join(map(str, path))}-{outcome}-{number}", outcome, Whole(scene.bundle(), scene.pack, at)
    for member, values in CHARTERS.items():
        for number, value in enumerate(values):
            scene = Scene(charter_says={member: value})
            yield f"charter-{member}-{number}", "failed", Whole(scene.bundle(), scene.pack, at)
    for member, values in PACKS.items():
        for number, value in enumerate(values):
            scene = Scene()
            yield f"pack-{member}-{number}", "failed", Whole(scene.bundle(), jcs(read_object(scene.pack, 16 << 20) | {member: value}), at)
    for name, outcome, make in RECORDS:
        scene = Scene()
        change = make(scene)
        yield f"bent-{name}", outcome, Whole(scene.bundle(change if callable(change) else None), scene.pack, at)
    for name, outcome, made in OFFICES:
        scene = made()
        yield f"office-{name}", outcome, Whole(scene.bundle(), scene.pack, at)


def signed() -> Iterator[Copy]:
    for name, outcome, whole in bends():
        yield Copy(name, whole.data, outcome == "passed", whole, lacks=outcome == "indeterminate")
