// Another implementation of Verifiable Credentials 2.0, their Data Integrity proofs and Bitstring
// Status List: {"do": "…", …} in, {"ok": …} or {"error": "…"} out. It never opens a connection:
// `documents` in the request maps an address to the JSON that stands behind it, and beside the W3C
// contexts that npm ships nothing else can be loaded.
import * as dataIntegrity from "@digitalbazaar/data-integrity";
import * as ed25519 from "@digitalbazaar/ed25519-multikey";
import * as jcs from "@digitalbazaar/eddsa-jcs-2022-cryptosuite";
import { cryptosuite as rdfc } from "@digitalbazaar/eddsa-rdfc-2022-cryptosuite";
import * as status from "@digitalbazaar/vc-bitstring-status-list";
import * as vc from "@digitalbazaar/vc";
import credentialsContexts from "./contexts.mjs";
import { setClock, text } from "./common.mjs";

const suites = {
  "eddsa-rdfc-2022": { sign: () => rdfc, verify: () => rdfc },
  "eddsa-jcs-2022": { sign: jcs.createSignCryptosuite, verify: jcs.createVerifyCryptosuite },
};

function cryptosuite(name, use) {
  if (!Object.hasOwn(suites, name)) throw new Error(`no suite ${name}`);
  return suites[name][use]();
}

// A DID URL with a fragment is also found inside of the DID document that `documents` has.
function loader(documents = {}) {
  const find = (url) => {
    if (Object.hasOwn(documents, url)) return documents[url];
    if (credentialsContexts.has(url)) return credentialsContexts.get(url);
    const [did, fragment] = url.split("#");
    if (fragment !== undefined && Object.hasOwn(documents, did)) {
      const { verificationMethod, assertionMethod, authentication } = documents[did];
      const all = [verificationMethod, assertionMethod, authentication].flat();
      const found = all.find((method) => [url, `#${fragment}`].includes(method?.id));
      if (found) return { "@context": "https://w3id.org/security/multikey/v1", ...found, id: url };
    }
    throw new Error(`offline: nothing is known of ${url}`);
  };
  return async (url) => {
    const document = structuredClone(find(url));
    return { contextUrl: null, documentUrl: url, document, tag: "static" };
  };
}

async function signing({ suite, seedHex, controller, keyId, date }) {
  const seed = new Uint8Array(Buffer.from(seedHex, "hex"));
  const key = await ed25519.generate({ seed, id: keyId, controller });
  return new dataIntegrity.DataIntegrityProof({
    signer: key.signer(),
    date,
    cryptosuite: cryptosuite(suite, "sign"),
  });
}

const verifying = (suite) =>
  new dataIntegrity.DataIntegrityProof({ cryptosuite: cryptosuite(suite, "verify") });

// The errors of a result, to the leaves, as one line of text; JSON has no Error.
function flat(value) {
  if (value instanceof Error) return text(value);
  if (Array.isArray(value)) return value.map(flat);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([name]) => name !== "purposeResult");
  return Object.fromEntries(entries.map(([name, member]) => [name, flat(member)]));
}

const actions = {
  // {credential, suite, seedHex, controller, keyId, documents, date?}: the signed credential.
  async issue({ credential, documents, ...request }) {
    const suite = await signing(request);
    return vc.issue({ credential, suite, documentLoader: loader(documents) });
  },

  // {credential, suite, documents, now?}: {verified, error?, statusResult?}. A revoked credential
  // is `verified` to this implementation: see each `status` in `statusResult`.
  async verify({ credential, suite, documents }) {
    const { verified, error, statusResult } = await vc.verifyCredential({
      credential,
      suite: verifying(suite),
      documentLoader: loader(documents),
      checkStatus: status.checkStatus,
    });
    return flat({ verified, ...(error && { error }), ...(statusResult && { statusResult }) });
  },

  // {presentation, suite, seedHex, controller, keyId, challenge, domain?, documents, date?}
  async signPresentation({ presentation, challenge, domain, documents, ...request }) {
    const suite = await signing(request);
    const documentLoader = loader(documents);
    return vc.signPresentation({ presentation, suite, challenge, domain, documentLoader });
  },

  // {presentation, suite, challenge, domain?, documents, now?}: {verified, error?,
  // presentationResult, credentialResults}.
  async verifyPresentation({ presentation, suite, challenge, domain, documents }) {
    const { verified, error, presentationResult, credentialResults } = await vc.verify({
      presentation,
      suite: verifying(suite),
      challenge,
      domain,
      documentLoader: loader(documents),
      checkStatus: status.checkStatus,
    });
    // Where a credential alone failed, `error` has no text of its own.
    const reasons = [error, ...(credentialResults ?? []).map((result) => result.error)];
    return {
      verified,
      ...(!verified && { error: reasons.filter(Boolean).map(text).join("; ") }),
      presentation: presentationResult?.verified ?? false,
      credentials: (credentialResults ?? []).map(({ verified, error, statusResult }) =>
        flat({ verified, ...(error && { error }), ...(statusResult && { statusResult }) }),
      ),
    };
  },

  // {length, set: [index]}: the `encodedList`.
  async encodeList({ length, set }) {
    const list = await status.createList({ length });
    for (const index of set) list.setStatus(index, true);
    return list.encode();
  },

  // {encodedList, indexes, length?}: whether each index is set.
  async decodeList({ encodedList, indexes, length }) {
    const list = await status.decodeList({ encodedList });
    if (length !== undefined && list.length !== length) {
      throw new Error(`the list has ${list.length} entries`);
    }
    return indexes.map((index) => list.getStatus(index));
  },

  // {credential, suite, documents, purpose?, now?}: {verified, error?, results: [{verified,
  // credentialStatus, status}]}, of entries with that purpose. It does not verify the credential.
  async checkStatus({ credential, suite, documents, purpose }) {
    const { results, ...result } = await status.checkStatus({
      credential,
      suite: verifying(suite),
      documentLoader: loader(documents),
    });
    const wanted = (entry) => !purpose || entry.credentialStatus.statusPurpose === purpose;
    return flat({ ...result, ...(results && { results: results.filter(wanted) }) });
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
