"""A bundle taken apart, to be bent and put together again by whoever would. Nothing here is verified."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Callable

from base import DAG_CBOR, RAW, Link, cbor, cid_bytes, read_cbor, to_b64u
from bundle import KINDS, LINKS, order_of
from jose import read_jws
from scene import Signer, car, uncar

STRANGER = Signer(201)
Sign = Callable[[bytes], bytes]


@dataclass
class Whole:
    """A bundle that holds, by a trust pack and at a time."""

    data: bytes
    pack: bytes
    at: str


@dataclass
class Copy:
    """A tampered copy. `harmless`: an exporter may leave that out, or say that; nobody can tell, and nothing rests on it.

    `lacks`: nothing is wrong but that something is missing, and that is never a failure."""

    name: str
    data: bytes
    harmless: bool = False
    of: Whole | None = None
    lacks: bool = False


class Pieces:
    """What a bundle says of itself, its entries by kind, and its blocks by their CIDs."""

    def __init__(self, data: bytes) -> None:
        blocks = uncar(data)
        self.root = blocks[0][1]
        self.blocks = dict(blocks[1:])
        jws = read_jws(self.root.decode())
        self.kid: str = jws.header["kid"]
        self.manifest: dict[str, Any] = read_cbor(jws.payload, "")
        self.entries: dict[str, list[Any]] = {
            kind: [entry for page in self.manifest["pages"][kind] for entry in read_cbor(self.blocks[page.raw], "")]
            for kind in KINDS if kind in self.manifest["pages"]}
        self.sorted = True

    def copy(self) -> "Pieces":
        other = copy.copy(self)
        other.manifest, other.entries, other.blocks = copy.deepcopy(self.manifest), copy.deepcopy(self.entries), dict(self.blocks)
        return other

    def parts(self, kind: str) -> list[tuple[str, bytes]]:
        """The blocks of a kind that are there, each once: by which member it is linked to, and its CID."""
        found: dict[bytes, str] = {}
        for entry in self.entries.get(kind, []):
            for name, link in links(entry):
                if link.raw in self.blocks:
                    found.setdefault(link.raw, name)
        return [(name, raw) for raw, name in found.items()]

    def put(self, data: bytes, codec: int = RAW) -> Link:
        link = Link(cid_bytes(data, codec))
        self.blocks[link.raw] = data
        return link

    def relink(self, old: Link, new: Link) -> None:
        """Whatever names one block, names the other."""
        def renamed(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: renamed(member) for name, member in value.items()}
            if isinstance(value, list):
                return [renamed(member) for member in value]
            return {old: new, old.text: new.text}.get(value, value) if isinstance(value, (Link, str)) else value

        self.entries = renamed(self.entries)
        if old.raw != new.raw:
            self.blocks.pop(old.raw, None)

    def replace(self, raw: bytes, data: bytes) -> None:
        """Other bytes in the place of a part, under their own name."""
        self.relink(Link(raw), self.put(data, raw[1]))

    def drop(self, raw: bytes) -> None:
        """A part, and every entry that links to it."""
        self.entries = {kind: [e for e in entries if raw not in [link.raw for _, link in links(e)]] for kind, entries in self.entries.items()}
        self.blocks.pop(raw, None)

    def written(self, sign: Sign | None = None) -> bytes:
        """As a file. Unless somebody signs, the root keeps its old signature, which fits no longer."""
        pages: dict[str, list[bytes]] = {}
        for kind in KINDS:
            entries = self.entries.get(kind, [])
            if self.sorted:
                unique = {cbor(order_of(kind, entry)) if kind in ("messages", "receipts") else cbor(entry): entry for entry in entries}
                entries = sorted(unique.values(), key=lambda entry: order_of(kind, entry))
            if entries:
                pages[kind] = [cbor(entries[at:at + 1024]) for at in range(0, len(entries), 1024)]
                self.entries[kind] = entries
        manifest = self.manifest | {"pages": {kind: [Link(cid_bytes(page, DAG_CBOR)) for page in found] for kind, found in pages.items()}}
        payload = cbor(manifest)
        root = sign(payload) if sign else b".".join([self.root.split(b".")[0], to_b64u(payload).encode(), self.root.split(b".")[2]])
        order = [(cid_bytes(root), root)] + [(cid_bytes(page, DAG_CBOR), page) for found in pages.values() for page in found]
        for kind in pages:
            order += [(link.raw, self.blocks[link.raw]) for entry in self.entries[kind] for _, link in links(entry) if link.raw in self.blocks]
        return car(list(dict(order).items()))

    # -- who signs

    def by_stranger(self) -> bytes:
        """Somebody exports it as its own: it has every right to, and signs whatever it likes."""
        self.manifest["exporter"] = {"participant": STRANGER.did}
        return self.written(lambda payload: STRANGER.jws({"typ": "gridpass-bundle"}, payload))

    def in_the_name_of(self) -> bytes:
        """Somebody signs with its own key under the name of the exporter's."""
        return self.written(lambda payload: STRANGER.jws({"typ": "gridpass-bundle", "kid": self.kid}, payload))

    def as_its_node(self) -> bytes:
        """Somebody signs under its own name, with the authorisation of the exporter's node."""
        return self.written(lambda payload: STRANGER.jws({"typ": "gridpass-bundle"}, payload))


def links(entry: Any) -> list[tuple[str, Link]]:
    if isinstance(entry, Link):
        return [("link", entry)]
    return [(name, entry[name]) for name in LINKS if name in entry]

