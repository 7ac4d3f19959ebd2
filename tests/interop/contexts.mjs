// The W3C contexts that npm packages ship, by their addresses.
import { contexts as credentials } from "@digitalbazaar/credentials-context";
import dataIntegrity from "@digitalbazaar/data-integrity-context";
import did from "@digitalcredentials/did-context";
import multikey from "@digitalbazaar/multikey-context";

export default new Map([
  ...credentials,
  ...dataIntegrity.contexts,
  ...did.contexts,
  ...multikey.contexts,
]);
