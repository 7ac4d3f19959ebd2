"""A conversation on the control socket (control.md): what is said on each connection, one after the other, and what is answered on it.
`$CHANNEL`, `$NAME`, `$NODE` and `$MESSAGE` are the channel that the node takes part in, its name, another node, and the message that was sent first."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from base import DAG_CBOR, cid
from given import Case, case, write

NO = {"error": "GP-NODE-REQUEST"}
BID = b64encode(b'{"bid":1}').decode()


def ok(**members: str) -> dict[str, Any]:
    return {"ok": members}


PAGE = {"messages": "list", "last": "number", "more": "boolean"}
STATUS = {name: "text" for name in ("participant", "node", "peer", "agent", "started", "framework")} | \
    {name: "number" for name in ("charterVersion", "peers", "open", "waiting", "statusLists", "logBytes", "lastNumber")} | \
    {name: "list" for name in ("listening", "damage", "channels")} | \
    {name: "boolean" for name in ("keeps", "shortOfDisk", "clockBehind", "manyFiles")} | \
    {"authorisation": "object", "authorisedUntil": "text|null", "authorisationEnds": "object|null"}
SENT = {name: "text" for name in ("id", "channel", "topic", "issued", "expires", "state")} | \
    {"version": "number", "sequence": "number", "thread": "text|null", "ref": "text|null", "repeated": "boolean", "recipientsWithoutNode": "list"}
FATE = {name: "text" for name in ("id", "channel", "topic", "payloadCid", "issued", "expires", "state")} | \
    {"version": "number", "thread": "text|null", "attributes": "object", "ref": "text|null", "sequence": "number", "keepers": "object", "recipients": "object", "number": "number"}


def main() -> None:
    cases: list[Case] = []

    def says(name: str, *pairs: tuple[Any, Any], behind: str = "", last: Any = None, goes_on: bool = False) -> None:
        lines = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line, _ in pairs]
        text = "".join(line + "\n" for line in lines) + behind
        answers = [answer for _, answer in pairs if answer is not None] + ([last] if last else [])
        cases.append(case(name, {"says": text, "goesOn": goes_on}, {"questions": [], "answers": answers}))
    send = {"do": "send", "channel": "$NAME", "topic": "bids", "payload": BID, "attributes": {"zone": "GB-1", "quantityKw": 5}}
    nowhere, nothing = cid(b"no channel of it"), cid(b"no message of it", DAG_CBOR)
    says("nothing")
    says("how it is", ({"do": "status"}, ok(**STATUS)), ({"do": "lists"}, ok(lists="list")), ({"do": "metrics"}, {"ok": "text"}),
         ({"do": "peers"}, ok(peers="list", listening="list", external="list", reachable="boolean|null", shortOfMemory="text|null")),
         ({"do": "content"}, ok(documents="number", bytes="number", peers="list")), ({"do": "files"}, ok(files="list")),
         ({"do": "inbox", "after": 0, "most": 10}, ok(**PAGE, unopened="list")), ({"do": "refused", "after": 0, "most": 10}, ok(**PAGE)),
         ({"do": "outbox", "most": 10}, ok(messages="list", more="boolean")), ({"do": "invite", "channels": ["$CHANNEL"]}, ok(ticket="text", addresses="list")))
    says("a message", (send | {"ref": "first"}, ok(**SENT)))
    says("a message once more", (send | {"ref": "first"}, ok(**SENT)), ({"do": "receipts", "envelope": "$MESSAGE"}, ok(**FATE)),
         ({"do": "envelope", "envelope": "$MESSAGE"}, ok(id="text", whole="boolean", allowed="boolean", envelope="text")),
         ({"do": "outbox", "most": 1, "before": "$MESSAGE"}, ok(messages="list", more="boolean")))
    says("messages that are not sent", (send | {"ref": "first", "payload": "e30="}, {"error": "GP-NODE-REF"}), (send | {"ref": ""}, NO), (send | {"ref": "x" * 129}, NO),
         (send | {"topic": "orders"}, {"error": "GP-NO-TOPIC"}), (send | {"version": 9}, {"error": "GP-NO-TOPIC"}), (send | {"lifetimeMillis": 0}, NO),
         (send | {"payload": "{}"}, NO), (send | {"attributes": {"zone": "GB-9", "quantityKw": 5}}, {"error": "GP-POLICY-UNMET", "reasons": True}))
    says("what is not there", ({"do": "listen", "after": 0, "channel": nowhere}, {"error": "GP-CHANNEL-UNKNOWN"}))
    says("numbers beyond the log", ({"do": "inbox", "after": 9007199254740991, "most": 1}, {"error": "GP-NODE-NUMBER"}),
         ({"do": "done", "reader": "dispatch", "number": 9007199254740991}, {"error": "GP-NODE-NUMBER"}),
         ({"do": "listen", "after": 9007199254740991}, {"error": "GP-NODE-NUMBER"}))
    says("names that are none", ({"do": "receipts", "envelope": nothing}, {"error": "GP-NOT-KEPT"}), ({"do": "envelope", "envelope": nothing}, {"error": "GP-NOT-KEPT"}),
         ({"do": "outbox", "most": 1, "before": nothing}, NO), ({"do": "join", "ticket": "x"}, {"error": "GP-NODE-TICKET"}),
         ({"do": "leave", "channel": nowhere}, {"error": "GP-CHANNEL-UNKNOWN"}), ({"do": "invite", "channels": [nowhere]}, {"error": "GP-CHANNEL-UNKNOWN"}),
         ({"do": "add", "content": "{"}, NO))
    says("a reader", ({"do": "done", "reader": "dispatch", "number": 0}, ok(number="number")), ({"do": "done", "reader": "dispatch", "channel": "$NAME", "number": 0}, ok(number="number")),
         *(({"do": "done", "reader": reader, "number": 0}, NO) for reader in ("", "x" * 129, "a\u0007", "receipts for x", "reader in x")),
         ({"do": "done", "reader": "é" * 64, "number": 0}, ok(number="number")))
    says("what is no question", ("", NO), ("status", NO), ('["inbox",0,1]', NO), ('{"do":"inbox","after":0,"after":0,"most":1}', NO),
         ('{"do":"inbox","after":0.0,"most":1}', NO), ('{"do":"inbox","after":1e1,"most":1}', NO), ({"do": "lists"}, ok(lists="list")))
    says("what may be cut off", ({"do": "lists"}, ok(lists="list")), behind='{"do":"lists"}', last=NO)
    says("somebody watches", ({"do": "watch"}, {"ok": {}}), goes_on=True)
    # Whether it was told that it watches, before it was seen to say more, nobody knows.
    says("somebody watches and asks", ({"do": "watch"}, None), ({"do": "lists"}, None), goes_on=True)
    says("somebody listens and asks", ({"do": "listen", "reader": "other"}, None), ({"do": "lists"}, None), goes_on=True)
    says("another node", *(({"do": "block", "node": "$NODE", "blocked": blocked}, ok(node="text", blocked="boolean")) for blocked in (True, False)),
         ({"do": "block", "node": "did:web:flexgen.example", "blocked": True}, NO))
    says("the channel is left", ({"do": "leave", "channel": "$NAME"}, ok(channel="text")), (send, {"error": "GP-CHANNEL-UNKNOWN"}))
    says("the end", ({"do": "stop"}, ok(stopped="boolean")))
    for one in cases:  # what each line asks, or that it is no question
        for line in one["input"]["says"].split("\n")[:-1]:
            try:
                no_question = line == '{"do":"inbox","after":0,"after":0,"most":1}' or any(part in line for part in ('"after":0.0', "1e1", '"payload": "{}"'))
                asked = None if no_question else json.loads(line)["do"]
            except (ValueError, TypeError, KeyError):
                asked = None
            one["expected"]["questions"].append(asked)
    write("control-conversation", cases)


if __name__ == "__main__":
    main()
