// Another implementation of JOSE behind one JSON object on standard input and one on standard
// output: {"do": "…", …} in, {"ok": …} or {"error": "…"} out. See tests/tests/interop/jose.rs.
import * as jose from "jose";

const text = (bytes) => Buffer.from(bytes).toString("base64url");
const bytes = (base64url) => new Uint8Array(Buffer.from(base64url, "base64url"));
const algorithm = (jwk) => (jwk.crv === "P-256" ? "ES256" : "EdDSA");
const WRAP = "ECDH-ES+A256KW";

const actions = {
  // {jwk, payload, unencoded, kid, header?}: a compact JWS, or a detached one with b64 false.
  async sign({ jwk, payload, unencoded, kid, header: more }) {
    const key = await jose.importJWK(jwk, algorithm(jwk));
    const header = { alg: algorithm(jwk), kid, ...more };
    if (!unencoded) {
      return new jose.CompactSign(bytes(payload)).setProtectedHeader(header).sign(key);
    }
    const signed = await new jose.FlattenedSign(bytes(payload))
      .setProtectedHeader({ ...header, b64: false, crit: ["b64"] })
      .sign(key);
    return `${signed.protected}..${signed.signature}`;
  },

  // {jwk, jws, payload?}: the payload that the signature fits.
  async verify({ jwk, jws, payload }) {
    const key = await jose.importJWK(jwk, algorithm(jwk));
    if (payload === undefined) {
      return text((await jose.compactVerify(jws, key)).payload);
    }
    const [head, , signature] = jws.split(".");
    const flattened = { protected: head, payload: bytes(payload), signature };
    return text((await jose.flattenedVerify(flattened, key)).payload);
  },

  // {recipients: [{jwk, kid}], payload}: a general JSON JWE to all of them.
  async seal({ recipients, payload }) {
    const jwe = new jose.GeneralEncrypt(bytes(payload)).setProtectedHeader({
      enc: "A256GCM",
      ...(recipients.length > 1 && { alg: WRAP }),
    });
    for (const { jwk, kid } of recipients) {
      const recipient = jwe.addRecipient(await jose.importJWK(jwk, WRAP));
      recipient.setUnprotectedHeader({ kid, ...(recipients.length === 1 && { alg: WRAP }) });
    }
    return JSON.stringify(await jwe.encrypt());
  },

  // {jwk, jwe}: the content.
  async open({ jwk, jwe }) {
    const key = await jose.importJWK(jwk, WRAP);
    const options = {
      keyManagementAlgorithms: [WRAP],
      contentEncryptionAlgorithms: ["A256GCM"],
    };
    return text((await jose.generalDecrypt(JSON.parse(jwe), key, options)).plaintext);
  },

  // {jwk}: RFC 7638.
  thumbprint: ({ jwk }) => jose.calculateJwkThumbprint(jwk),
};

let input = "";
for await (const chunk of process.stdin) input += chunk;
try {
  const request = JSON.parse(input);
  process.stdout.write(JSON.stringify({ ok: await actions[request.do](request) }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: `${error.code ?? ""} ${error.message}` }));
}
