// Another implementation of did:webvh behind one JSON object on standard input and one on standard
// output: {"do": "…", …} in, {"ok": …} or {"error": "…"} out. See tests/tests/interop/webvh.rs.
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import * as webvh from "didwebvh-ts";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

function keyOf(seed) {
  const der = Buffer.concat([PKCS8, createHash("sha256").update(seed).digest()]);
  const secret = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const raw = Buffer.from(createPublicKey(secret).export({ format: "jwk" }).x, "base64url");
  const prefixed = Uint8Array.from([0xed, 0x01, ...raw]);
  const multikey = webvh.multibaseEncode(prefixed, webvh.MultibaseEncoding.BASE58_BTC);
  return { secret, multikey };
}

const verifier = {
  async verify(signature, message, publicKey) {
    const x = Buffer.from(publicKey).toString("base64url");
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    return verify(null, message, key, signature);
  },
};

function signer({ secret, multikey }) {
  return {
    ...verifier,
    getVerificationMethodId: () => `did:key:${multikey}#${multikey}`,
    async sign({ document, proof }) {
      const signature = sign(null, await webvh.prepareDataForSigning(document, proof), secret);
      return {
        proofValue: webvh.multibaseEncode(signature, webvh.MultibaseEncoding.BASE58_BTC),
      };
    },
  };
}

const method = ({ multikey }) => ({ type: "Multikey", publicKeyMultibase: multikey, purpose: "assertionMethod" });

const actions = {
  // {log, witness?}: the DID, version and document at the end of the log, and whether it is deactivated.
  async resolve({ log, witness }) {
    const { did, doc, meta } = await webvh.resolveDIDFromLog(log, { verifier, witnessProofs: witness });
    if (meta.error) throw new Error(meta.problemDetails?.detail ?? meta.error);
    return { did, doc, versionId: meta.versionId, deactivated: meta.deactivated };
  },

  // {domain}: a log of two entries with pre-rotation, and its DID.
  async create({ domain }) {
    const [first, second, third] = ["first", "second", "third"].map(keyOf);
    const hash = (key) => webvh.deriveNextKeyHash(key.multikey);
    const created = await webvh.createDID({
      domain,
      signer: signer(first),
      verifier,
      updateKeys: [first.multikey],
      nextKeyHashes: [await hash(second)],
      verificationMethods: [method(first)],
      created: "2026-03-01T12:00:00Z",
    });
    const updated = await webvh.updateDID({
      log: created.log,
      signer: signer(second),
      verifier,
      updateKeys: [second.multikey],
      nextKeyHashes: [await hash(third)],
      verificationMethods: [method(second)],
      updated: "2026-03-02T12:00:00Z",
    });
    return { did: updated.did, log: updated.log };
  },

  // {domain}: a log of three entries, the second of which ends pre-rotation and the third, as of now, the DID.
  async deactivate({ domain }) {
    const [first, second] = ["first", "second"].map(keyOf);
    const created = await webvh.createDID({
      domain,
      signer: signer(first),
      verifier,
      updateKeys: [first.multikey],
      nextKeyHashes: [await webvh.deriveNextKeyHash(second.multikey)],
      verificationMethods: [method(first)],
      created: "2026-03-01T12:00:00Z",
    });
    const opened = await webvh.updateDID({
      log: created.log,
      signer: signer(second),
      verifier,
      updateKeys: [second.multikey],
      nextKeyHashes: [],
      verificationMethods: [method(first)],
      updated: "2026-03-02T12:00:00Z",
    });
    const ended = await webvh.deactivateDID({
      log: opened.log,
      signer: signer(second),
      verifier,
      updateKeys: [],
    });
    return { did: ended.did, log: ended.log };
  },
};

let input = "";
for await (const chunk of process.stdin) input += chunk;
const request = JSON.parse(input);
try {
  console.log(JSON.stringify({ ok: await actions[request.do](request) }));
} catch (error) {
  console.log(JSON.stringify({ error: String(error.message ?? error) }));
}
process.exit(0);
