"""Questions on the control socket (control.md), as they are read before anything is done."""

from __future__ import annotations

import json
from typing import Any

from base import DAG_CBOR, cid
from given import Case, case, write
from scene import Signer

NO = "GP-NODE-REQUEST"


def questions() -> list[Case]:
    channel, message, node = cid(b"a channel"), cid(b"a block", DAG_CBOR), Signer(4).did
    send = {"do": "send", "channel": "flex.gb.bids", "topic": "bids", "payload": "e30="}
    good: list[dict[str, Any]] = [
        {"do": "status"}, {"do": "lists"}, {"do": "peers"}, {"do": "metrics"}, {"do": "watch"}, {"do": "stop"}, send,
        send | {"version": 2, "recipients": [node], "thread": message, "attributes": {"zone": "GB-1"}, "lifetimeMillis": 60000},
        {"do": "inbox", "after": 0, "most": 4294967295}, {"do": "listen"}, {"do": "listen", "after": 5}, {"do": "listen", "reader": "dispatch", "channel": channel},
        {"do": "done", "reader": "dispatch", "number": 5}, {"do": "done", "reader": "dispatch", "channel": channel, "number": 5}, {"do": "receipts", "envelope": message},
        {"do": "envelope", "envelope": message}, {"do": "join", "ticket": "x"}, {"do": "leave", "channel": channel}, {"do": "add", "content": "e30="},
        {"do": "pin", "cid": channel, "peers": True}, {"do": "fetch", "cid": channel, "peers": False}, {"do": "content"}, {"do": "content", "cid": channel},
        {"do": "file-add", "staged": "new-1"}, {"do": "file-fetch", "message": message}, {"do": "files"}, {"do": "file-pause", "file": channel, "paused": True},
        {"do": "file-check", "file": channel, "block": 0}, {"do": "file-remove", "file": channel}, {"do": "block", "node": node, "blocked": True},
        {"do": "sent", "channel": "flex.gb.models", "ref": "model-17"},
    ]
    bad: dict[str, Any] = {
        "no do": {"after": 0, "most": 1}, "an unknown do": {"do": "inbox2", "after": 0, "most": 1}, "a list": ["status"], "a text": "status", "a do that is null": {"do": None},
        "an unknown member": {"do": "inbox", "after": 0, "most": 1, "channel": "x"}, "an unknown member of a question without any": {"do": "status", "channel": "x"},
        "send with an unknown member": send | {"priority": 1}, "send without a payload": {n: v for n, v in send.items() if n != "payload"},
        "recipients that are null": send | {"recipients": None}, "attributes that are null": send | {"attributes": None}, "a recipient that is no DID": send | {"recipients": ["x"]},
        "a thread that is no message": send | {"thread": channel}, "inbox without most": {"do": "inbox", "after": 0}, "inbox with a null": {"do": "inbox", "after": None, "most": 1},
        "most of 33 bits": {"do": "inbox", "after": 0, "most": 4294967296}, "most below nothing": {"do": "inbox", "after": 0, "most": -1}, "most of one and a half": {"do": "inbox", "after": 0, "most": 1.5},
        "a do in capitals": {"do": "Status"}, "a member in snake case": send | {"lifetime_millis": 1}, "a message that is none": {"do": "receipts", "envelope": channel},
    }
    made = [case(f"{one['do']} {number}", {"line": json.dumps(one)}, {"question": one}) for number, one in enumerate(good, 1)]
    made += [case(name, {"line": json.dumps(one)}, {"refused": NO}) for name, one in bad.items()]
    nulls = {"version": None, "thread": None, "lifetimeMillis": None}
    made.append(case("nulls where they may stand", {"line": json.dumps(send | nulls)}, {"question": send}))
    made.append(case("no JSON", {"line": "status"}, {"refused": NO}))

    def deep(levels: int) -> str:
        return json.dumps(send | {"attributes": {"zone": 0}}).replace(": 0}", ": " + "[" * levels + "]" * levels + "}")
    pin = '{"do": "replace", "content": "e30=", "logs": [%s], "confirmed": false}'
    lines = {
        "a list of a question's values": '["inbox", 0, 5]', "a list of a message's values": json.dumps(["send", *[send[n] for n in ("channel", "topic")], None, "e30="]),
        "nothing": "", "a space": " ", "two questions": '{"do": "lists"} {"do": "lists"}', "do twice": '{"do": "lists", "do": "lists"}',
        "a member twice": '{"do": "inbox", "after": 0, "after": 1, "most": 1}', "a member twice, once with an escape": '{"do": "inbox", "after": 0, "\\u0061fter": 1, "most": 1}',
        "an attribute twice": json.dumps(send)[:-1] + ', "attributes": {"zone": "GB-1", "zone": "GB-2"}}',
        "an attribute with the reserved text": json.dumps(send | {"attributes": {"zone": {"$serde_json::private::Number": "5"}}}),
        "a number that no double holds": json.dumps(send)[:-1] + ', "attributes": {"kW": 1e400}}', "33 levels": deep(31),
        "a log that is a list": pin % '["did:web:flexgen.example", "1-x"]', "a log without its version": pin % '{"did": "did:web:flexgen.example"}',
        "a log with another member": pin % '{"did": "did:web:flexgen.example", "version": "1-x", "seen": 1}', "a number with a fraction": '{"do": "inbox", "after": 0.0, "most": 1}',
        "a number with an exponent": '{"do": "inbox", "after": 1e1, "most": 1}', "a number of 65 bits": '{"do": "inbox", "after": 18446744073709551616, "most": 1}',
        "a byte order mark": "\ufeff" + '{"do": "lists"}',
    }
    made += [case(name, {"line": line}, {"refused": NO}) for name, line in lines.items()]
    made.append(case("32 levels", {"line": deep(30)}, {"question": json.loads(deep(30))}))
    whole = pin % '{"did": "did:web:flexgen.example", "version": "1-x"}'
    made.append(case("a log that takes the place of another", {"line": whole}, {"question": json.loads(whole)}))
    return made


def main() -> None:
    write("control-question", questions())


if __name__ == "__main__":
    main()
