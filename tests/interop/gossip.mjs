// js-libp2p as a node of a participant. Standard input: one JSON object that says who it is, then one
// command on each line; standard output: one event on each line. See tests/tests/interop/gossip.rs.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import * as dagCbor from "@ipld/dag-cbor";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { gossipsub, StrictNoSign } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { text } from "./common.mjs";

// libp2p calls it, and node has it from 22 on.
Promise.withResolvers ??= function () {
  const all = {};
  all.promise = new this((resolve, reject) => Object.assign(all, { resolve, reject }));
  return all;
};

const SYNC = "/gridpass/sync/1";
const [RAW, SHA2_256] = [0x55, 0x12];
const TIMEOUT = 20_000;

const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const cid = (codec, bytes) => CID.createV1(codec, Digest.create(SHA2_256, sha256(bytes)));
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const payloadOf = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url"));

// spec/envelope.md §1: the name of a message, from its bytes on the wire.
function nameOf(wire) {
  const [header, payload, signature] = dagCbor.decode(wire);
  return cid(dagCbor.code, dagCbor.encode([header, cid(RAW, payload), signature])).toString();
}

// What gossip knows a message by, the same at every peer: 20 bytes of the hash of topic and data.
function gossipId({ topic, data }) {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(Buffer.byteLength(topic)));
  return new Uint8Array(sha256(length, topic, data)).subarray(0, 20);
}

async function read(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part.subarray());
  return dagCbor.decode(Buffer.concat(parts));
}

async function write(stream, message) {
  if (!stream.send(dagCbor.encode(message))) {
    await stream.onDrain({ signal: AbortSignal.timeout(TIMEOUT) });
  }
  await stream.close({ signal: AbortSignal.timeout(TIMEOUT) });
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const me = JSON.parse((await lines.next()).value);
const bytes = (string) => new TextEncoder().encode(string);
const documents = new Map(
  [me.presentation, me.authorisation].map((d) => [cid(RAW, bytes(d)).toString(), bytes(d)]),
);

const node = await createLibp2p({
  privateKey: await generateKeyPairFromSeed("Ed25519", Buffer.from(me.seed, "base64url")),
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // Five seconds are not enough on a busy machine.
  connectionMonitor: { pingTimeout: { minTimeout: TIMEOUT } },
  services: {
    identify: identify(),
    // A node that finds no ping at a peer answers none of its own, and js-libp2p then parts with it.
    ping: ping(),
    gossip: gossipsub({ globalSignaturePolicy: StrictNoSign, msgIdFn: gossipId }),
  },
});
const { gossip } = node.services;

const hello = {
  agent: "js-libp2p",
  participant: me.participant,
  authorisation: bytes(me.authorisation),
  visits: [{ channel: me.channel, presentation: cid(RAW, bytes(me.presentation)).toString() }],
};

// Of the lists that it was given, those that the asker does not know.
function listsBeyond(known) {
  return me.lists.filter((jwt) => {
    const { id, issuer } = payloadOf(jwt);
    return !known.some((k) => k.list === id && k.signer === (issuer.id ?? issuer));
  });
}

// spec/sync.md §1.
function answer(request) {
  const [kind, asked] = typeof request === "string" ? [request] : Object.entries(request)[0];
  const document = (found) => (found ? { document: found } : "notHere");
  switch (kind) {
    case "hello":
      return { hello };
    case "document":
      return document(documents.get(asked));
    case "identity": {
      const found = me.identities.find((i) => i.did === asked);
      return document(found && bytes(JSON.stringify(found)));
    }
    case "lists":
      return { lists: { lists: listsBeyond(asked.known).map(bytes) } };
    case "heads":
      return { heads: { heads: [], more: false } };
    case "range":
      return { range: [] };
    case "receipts":
      return "taken";
    default:
      return "notHere";
  }
}

async function ask(connection, request) {
  const stream = await connection.newStream(SYNC, { signal: AbortSignal.timeout(TIMEOUT) });
  const [response] = await Promise.all([read(stream), write(stream, request)]);
  return response;
}

await node.handle(SYNC, async (stream, connection) => {
  try {
    const request = await read(stream);
    const kind = typeof request === "string" ? request : Object.keys(request)[0];
    say({ event: "asked", peer: connection.remotePeer.toString(), kind });
    await write(stream, answer(request));
  } catch (error) {
    stream.abort(error);
    console.error(`not answered: ${text(error)}`);
  }
});
node.addEventListener("peer:connect", ({ detail }) => say({ event: "connected", peer: detail.toString() }));
node.addEventListener("peer:disconnect", ({ detail }) => say({ event: "disconnected", peer: detail.toString() }));
gossip.addEventListener("gossipsub:message", ({ detail: { propagationSource, msg } }) => {
  const data = Buffer.from(msg.data).toString("base64url");
  const known = { id: nameOf(msg.data), gossipId: Buffer.from(gossipId(msg)).toString("base64url") };
  say({ event: "message", peer: propagationSource.toString(), topic: msg.topic, data, ...known });
});

const commands = {
  // {address}: connects and says who it is; what the other says of itself.
  async join({ address }) {
    const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(TIMEOUT) });
    const response = await ask(connection, { hello });
    if (!response.hello) throw new Error(`not welcomed: ${JSON.stringify(response)}`);
    return { peer: connection.remotePeer.toString(), participant: response.hello.participant };
  },

  // {peer}: the newest number of each chain of the channel that it knows.
  async heads({ peer }) {
    const connection = node.getConnections().find((c) => c.remotePeer.toString() === peer);
    if (!connection) throw new Error("not connected");
    const { heads, refused } = await ask(connection, { heads: { channel: me.channel } });
    if (!heads) throw new Error(`refused: ${refused}`);
    return { newest: heads.heads.map((h) => h.newest) };
  },

  // {data}: on the channel's topic, whatever it is.
  async publish({ data }) {
    const { recipients } = await gossip.publish(me.topic, Buffer.from(data, "base64url"));
    return { recipients: recipients.map(String) };
  },
};

gossip.subscribe(me.topic);
say({ event: "ready", peer: node.peerId.toString() });
for await (const line of lines) {
  const command = JSON.parse(line);
  try {
    say({ event: "done", do: command.do, ok: await commands[command.do](command) });
  } catch (error) {
    say({ event: "done", do: command.do, error: text(error) });
  }
}
process.exit(0);
