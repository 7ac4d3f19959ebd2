// Another implementation of SD-JWT and SD-JWT VC: {"do": "…", …} in, {"ok": …} or {"error": "…"}
// out. `sdJwtVc: true` in any request takes the class for SD-JWT VC, which needs `vct`.
import { KBJwt, SDJwtInstance } from "@sd-jwt/core";
import { SDJwtVcInstance } from "@sd-jwt/sd-jwt-vc";
import * as crypto from "node:crypto";
import { setClock, text } from "./common.mjs";

const algorithms = { Ed25519: "EdDSA", "P-256": "ES256" };

function algorithm({ crv }) {
  if (!Object.hasOwn(algorithms, crv)) throw new Error(`no algorithm for ${crv}`);
  return algorithms[crv];
}

// Ed25519 hashes for itself, and ECDSA in JOSE is r and s.
const digest = (jwk) => (algorithm(jwk) === "ES256" ? "sha256" : null);

function signer(jwk) {
  const key = crypto.createPrivateKey({ key: jwk, format: "jwk" });
  const how = { key, dsaEncoding: "ieee-p1363" };
  return (data) => crypto.sign(digest(jwk), Buffer.from(data), how).toString("base64url");
}

// Also holds the header to the key's algorithm, which the library leaves to its caller.
function verifier(jwk) {
  const key = crypto.createPublicKey({ key: jwk, format: "jwk" });
  const how = { key, dsaEncoding: "ieee-p1363" };
  return (data, signature) => {
    const header = JSON.parse(Buffer.from(data.split(".")[0], "base64url"));
    return (
      header.alg === algorithm(jwk) &&
      crypto.verify(digest(jwk), Buffer.from(data), how, Buffer.from(signature, "base64url"))
    );
  };
}

function hasher(data, name) {
  if (name !== "sha-256") throw new Error(`no hash ${name}`);
  return new Uint8Array(crypto.createHash("sha256").update(Buffer.from(data)).digest());
}

function instance({ sdJwtVc }, config) {
  const Class = sdJwtVc ? SDJwtVcInstance : SDJwtInstance;
  return new Class({
    hasher,
    hashAlg: "sha-256",
    saltGenerator: (length) => crypto.randomBytes(length).toString("base64url"),
    statusListFetcher: async (uri) => {
      throw new Error(`offline: nothing is known of ${uri}`);
    },
    ...config,
  });
}

const actions = {
  // {payload, disclosureFrame?, header?, jwk}: the SD-JWT with all of its disclosures.
  async issue({ payload, disclosureFrame, header, jwk, sdJwtVc }) {
    if (sdJwtVc && typeof payload.vct !== "string") throw new Error("vct is absent");
    const issuer = instance({ sdJwtVc }, { signer: signer(jwk), signAlg: algorithm(jwk) });
    return issuer.issue(payload, disclosureFrame, { header });
  },

  // {sdjwt, frame?, kb?: {jwk, payload: {iat, aud, nonce}, header?}}: what `frame` shows of it, all
  // without one, and with `kb` a key binding JWT behind it.
  async present({ sdjwt, frame, kb, sdJwtVc }) {
    const key = kb && { kbSigner: signer(kb.jwk), kbSignAlg: algorithm(kb.jwk) };
    const holder = instance({ sdJwtVc }, key);
    if (!kb?.header) return holder.present(sdjwt, frame, kb && { kb: { payload: kb.payload } });
    // The library cannot add to the header on its own.
    const shown = await holder.present(sdjwt, frame);
    const sd_hash = Buffer.from(hasher(shown, "sha-256")).toString("base64url");
    const header = { typ: "kb+jwt", alg: algorithm(kb.jwk), ...kb.header };
    const binding = new KBJwt({ header, payload: { ...kb.payload, sd_hash } });
    return shown + (await binding.sign(signer(kb.jwk)));
  },

  // {sdjwt, jwk, kbJwk?, nonce?, aud?, requiredClaimKeys?, now?}: {payload, header, kb?}. With
  // `kbJwk` a key binding JWT by that key must be there; it needs `nonce`. The library does not
  // compare `kbJwk` to `cnf`, nor anything to `aud`; this script does both where they are given.
  async verify({ sdjwt, jwk, kbJwk, nonce, aud, requiredClaimKeys, sdJwtVc }) {
    if ((kbJwk === undefined) !== (nonce === undefined)) {
      throw new Error("kbJwk and nonce go together");
    }
    const reader = instance({ sdJwtVc }, {
      verifier: verifier(jwk),
      ...(kbJwk && { kbVerifier: verifier(kbJwk) }),
    });
    const options = { requiredClaimKeys, keyBindingNonce: nonce };
    const { payload, header, kb } = await reader.verify(sdjwt, options);
    if (sdJwtVc && typeof payload.vct !== "string") throw new Error("vct is absent");
    const point = ({ kty, crv, x, y }) => JSON.stringify([kty, crv, x, y]);
    if (kb && payload.cnf?.jwk && point(payload.cnf.jwk) !== point(kbJwk)) {
      throw new Error("cnf has another key");
    }
    if (aud !== undefined && kb?.payload.aud !== aud) throw new Error("aud is another");
    return { payload, header, ...(kb && { kb }) };
  },
};

let input = "";
for await (const chunk of process.stdin) input += chunk;
try {
  const request = JSON.parse(input);
  if (request.now !== undefined) setClock(request.now);
  process.stdout.write(JSON.stringify({ ok: await actions[request.do](request) }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: text(error) }));
}
