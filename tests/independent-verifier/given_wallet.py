"""Wallets and their backups (wallet.md): one that opens with its words and with its passphrase, and some that do not."""

from __future__ import annotations

import hmac
import struct
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from base import b64u, jcs, rfc3339, to_b64u
from given import Case, case, write
from scene import NOW, Signer

# A published vector of BIP-39: 32 bytes 7f.
WORDS = ("legal winner thank year wave sausage worth useful " * 3).strip().removesuffix("useful") + "title"
ENTROPY = b"\x7f" * 32
PASSPHRASE = "Cafe\u0301 au lait, bitte"  # read as NFC: é is one character
NFC = "Caf\u00e9 au lait, bitte"
DATA_KEY, WALLET = bytes(range(1, 33)), bytes(range(16))


def hkdf(secret: bytes, salt: bytes, info: str) -> bytes:
    return HKDF(SHA256(), 32, salt, info.encode()).derive(secret)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """draft-irtf-cfrg-xchacha section 2.2."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))

    def turn(a: int, b: int, c: int, d: int) -> None:
        for first, second, third, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[first] = (state[first] + state[second]) & 0xFFFFFFFF
            mixed = state[third] ^ state[first]
            state[third] = (mixed << by | mixed >> (32 - by)) & 0xFFFFFFFF
    for _ in range(10):
        for n in range(4):
            turn(n, n + 4, n + 8, n + 12)
        for n in range(4):
            turn(n, 4 + (n + 1) % 4, 8 + (n + 2) % 4, 12 + (n + 3) % 4)
    return struct.pack("<8I", *state[:4], *state[12:])


def xchacha(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    return nonce + ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], plain, associated)


def store_key(collection: str, name: str) -> str:
    key = hkdf(DATA_KEY, WALLET, "gridpass-wallet/1 name")
    return collection + "/" + hmac.digest(key, collection.encode() + b"\0" + name.encode(), "sha256")[:16].hex()


def sealed(place: str, name: str, value: bytes) -> bytes:
    plain = struct.pack(">H", len(name.encode())) + name.encode() + value
    nonce = sha256(b"a fixed nonce, for tests " + place.encode() + value).digest()[:24]
    return b"\1" + xchacha(hkdf(DATA_KEY, WALLET, "gridpass-wallet/1 record"), nonce, plain, b"gridpass-wallet/1" + WALLET + place.encode())


def slot(number: int, kind: str, kdf: dict[str, Any], key: bytes) -> dict[str, Any]:
    associated = b"gridpass-wallet-slot/1" + WALLET + jcs([number, kind, kdf])
    wrapped = xchacha(key, bytes([number]) * 24, DATA_KEY, associated)
    return {"id": number, "kind": kind, "created": rfc3339(NOW), "kdf": kdf, "wrapped": to_b64u(wrapped)}


def header(kdf: dict[str, Any] | None = None) -> dict[str, Any]:
    salt, other = bytes(range(32, 48)), bytes(range(48, 64))
    first = {"algorithm": "argon2id", "memory_kib": 65_536, "passes": 3, "lanes": 4, "salt": to_b64u(salt)}
    key = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65_536).derive(NFC.encode())
    second = {"algorithm": "hkdf-sha256", "salt": to_b64u(other)}
    slots = [slot(1, "passphrase", first, key), slot(2, "recovery", second, hkdf(ENTROPY, other, "gridpass-wallet/1 slot"))]
    if kdf:
        slots[0]["kdf"] = first | kdf
    made = {"format": "gridpass-wallet", "version": 1, "wallet_id": WALLET.hex(), "name": "dso", "created": rfc3339(NOW), "next_slot": 3, "slots": slots,
            "backup_recipient": recipient(), "mac": ""}
    tag = hmac.digest(hkdf(DATA_KEY, WALLET, "gridpass-wallet/1 header"), jcs(made), "sha256")
    return made | {"mac": to_b64u(tag)}


def age_key() -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(hkdf(ENTROPY, b"", "gridpass-backup/1 age"))


def recipient() -> str:
    """BIP-173 without its bound of length."""
    data = age_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    letters, number = "qpzry9x8gf2tvdw0s3jn54khce6mua7l", int.from_bytes(data, "big") << 4
    words = [number >> 5 * n & 31 for n in range(51, -1, -1)]

    def checksum(values: list[int]) -> int:
        check = 1
        for value in values:
            top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
            for n, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                check ^= generator if top >> n & 1 else 0
        return check
    begin = [ord(c) >> 5 for c in "age"] + [0] + [ord(c) & 31 for c in "age"]
    sum_of = checksum(begin + words + [0] * 6) ^ 1
    return "age1" + "".join(letters[v] for v in words + [sum_of >> 5 * n & 31 for n in range(5, -1, -1)])


def unpadded(data: bytes) -> str:
    return to_b64u(data).replace("-", "+").replace("_", "/")


def age(plain: bytes) -> bytes:
    """age-encryption.org/v1, for the words."""
    public = age_key().public_key()
    mine, file_key, nonce = X25519PrivateKey.from_private_bytes(b"\x42" * 32), bytes(range(16)), bytes(range(80, 96))
    share, raw = (k.public_bytes(Encoding.Raw, PublicFormat.Raw) for k in (mine.public_key(), public))
    wrapping = hkdf(mine.exchange(public), share + raw, "age-encryption.org/v1/X25519")
    wrapped = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, b"")
    head = f"age-encryption.org/v1\n-> X25519 {unpadded(share)}\n{unpadded(wrapped)}\n---".encode()
    mac = hmac.digest(hkdf(file_key, b"", "header"), head, "sha256")
    payload = ChaCha20Poly1305(hkdf(file_key, nonce, "payload"))
    parts = [plain[n:n + 65_536] for n in range(0, len(plain), 65_536)]
    body = b"".join(payload.encrypt(n.to_bytes(11, "big") + bytes([n == len(parts) - 1]), part, b"") for n, part in enumerate(parts))
    return head + b" " + unpadded(mac).encode() + b"\n" + nonce + body


def records() -> list[tuple[str, str, bytes]]:
    own = Signer(1)
    relations = ["assertionMethod", "authentication", "capabilityInvocation"]
    identity = {"version": 1, "did": own.did, "name": "root", "kind": "participant", "created": rfc3339(NOW),
                "keys": [{"id": own.kid, "public_key": own.key.multikey, "purposes": relations, "state": "active", "created": rfc3339(NOW)}]}
    seen = [{"seen": rfc3339(NOW), "document": "{}"}]
    return [("identity", own.did, jcs(identity)), ("key", own.key.multikey, b"\1" * 32), ("snapshot", "did:web:dso.example", jcs(seen)),
            ("trust", "pinned", b"{}"), ("visa", "an id", jcs({"version": 1, "text": "a.b.c", "supporting": [], "accepted": rfc3339(NOW)})),
            ("issued-visa", "urn:x:1", jcs({"version": 1, "text": "a.b.c", "issued": rfc3339(NOW), "events": []})), ("node-authorisation", "urn:x:2", b"a.b.c"),
            ("seen-status-list", f"{own.did} urn:x:3", b"a.b.c"), ("replaced-log", "an id", b"{}"), ("definition", "an id", b"{}"), ("charter", "an id", b"{}"), ("channel", "é", b"{}")]


def lines(head: dict[str, Any], without: int | None = None) -> list[bytes]:
    """The records as they stand in a backup; one may be taken away, which the index misses."""
    held = {store_key(c, n): sealed(store_key(c, n), n, value) for c, n, value in records()}
    digest = sha256(b"".join(struct.pack(">Q", len(k)) + k.encode() + sha256(held[k]).digest() for k in sorted(held))).hexdigest()
    if without is not None:
        del held[sorted(held)[without]]
    index = {"version": 1, "generation": 7, "records": len(records()), "digest": digest}
    held |= {"header": jcs(head), "index": sealed("index", "index", jcs(index)), "diary": jcs({"last_backup": None, "last_key_change": rfc3339(NOW)})}
    return [jcs({"key": key, "value": to_b64u(held[key])}) + b"\n" for key in sorted(held)]


def plain(listed: list[bytes], **says: Any) -> bytes:
    body = b"".join(listed)
    manifest = {"format": "gridpass-backup", "version": 1, "wallet_id": WALLET.hex(), "wallet_name": "dso", "created": rfc3339(NOW + 1000),
                "records": len(listed), "checksum": sha256(body).hexdigest()} | says
    return jcs(manifest) + b"\n" + body


def backups() -> list[Case]:
    head = header()
    good = lines(head)
    no, altered = "GP-BACKUP-MALFORMED", "GP-WALLET-TAMPERED"
    opens = {"wallet_id": WALLET.hex(), "name": "dso", "records": [value.hex() for _, _, value in records()]}
    asked = [[collection, name] for collection, name, _ in records()]

    def of(name: str, data: bytes, code: str | None, passphrase: str | None = None, file: bool = False) -> Case:
        given: dict[str, Any] = {"words": WORDS, "records": asked} | ({"passphrase": passphrase} if passphrase else {})
        given |= {"file_hex": data.hex()} if file else {"plain": data.decode()}
        return case(name, given, {"refused": code} if code else opens)

    def swapped(key: bytes, value: str) -> list[bytes]:
        return [jcs({"key": key.decode(), "value": value}) + b"\n" if line.startswith(b'{"key":"' + key + b'"') else line for line in good]
    index = next(line for line in good if b'"index"' in line)
    changed = bytearray(b64u(index.decode().split('"value":"')[1].split('"')[0]))
    changed[-1] ^= 1
    other = header() | {"wallet_id": "f" * 32}
    return [
        of("an age file, by the words", age(plain(good)), None, file=True),
        of("by the words", plain(good), None),
        of("by the passphrase, in another spelling of Unicode", plain(good), None, PASSPHRASE),
        of("another passphrase", plain(good), "GP-WALLET-UNLOCK-FAILED", "Cafe au lait, bitte"),
        of("an age file that was changed", bytes([*age(plain(good))[:-1], age(plain(good))[-1] ^ 1]), no, file=True),
        of("a record that is gone", plain(lines(head, 0)), altered),
        of("another index", plain(swapped(b"index", to_b64u(bytes(changed)))), altered),
        of("a header whose name was changed", plain(swapped(b"header", to_b64u(jcs(head | {"name": "tso"}))), wallet_name="tso"), altered),
        of("a header of another wallet", plain(swapped(b"header", to_b64u(jcs(other)))), "GP-BACKUP-FOREIGN"),
        of("another check sum", plain(good, checksum="0" * 64), "GP-BACKUP-CHECKSUM"),
        of("a manifest that counts one more", plain(good, records=len(good) + 1), no),
        of("lines in another order", plain(good[::-1]), no),
        of("a line twice", plain([good[0], *good]), no),
        of("without the header", plain([line for line in good if b'"header"' not in line]), no),
        of("without the index", plain([line for line in good if b'"index"' not in line]), altered),
        of("another format", plain(good, format="gridpass-wallet"), no),
        of("another version", plain(good, version=2), no),
        of("another name", plain(good, wallet_name="tso"), no),
        of("an unknown member of the manifest", plain(good, note="x"), no),
        of("no manifest", b"{}", no),
        *(of(f"a slot that asks for {name}", plain(lines(header(kdf))), "GP-KDF-REFUSED", PASSPHRASE) for name, kdf in {
            "too little memory": {"memory_kib": 65_535}, "too few passes": {"passes": 2}, "too much memory": {"memory_kib": 1_048_577},
            "too many passes": {"passes": 17}, "too many lanes": {"lanes": 17}, "a salt of 15 bytes": {"salt": to_b64u(bytes(15))}}.items()),
    ]


def main() -> None:
    assert hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))[:4].hex() == "82413b42"
    write("backup", backups())


if __name__ == "__main__":
    main()
