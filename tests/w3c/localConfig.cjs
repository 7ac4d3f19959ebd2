// Gridpass, for the W3C suites: `run` copies this into each of them.
const address = process.env.GRIDPASS_ADDRESS;
const id = process.env.GRIDPASS_DID;

// What the suites send as `options` with each request to the endpoint.
const issuer = (tags, options) => ({
  id,
  endpoint: `${address}/credentials/issue`,
  tags,
  options,
  supports: { vc: ["2.0"] },
});

module.exports = {
  settings: { enableInteropTests: true, testAllImplementations: false },
  implementations: [
    {
      name: "Gridpass",
      implementation: "Gridpass",
      issuers: [
        issuer(["vc2.0", "eddsa-rdfc-2022"], { cryptosuite: "eddsa-rdfc-2022" }),
        issuer(["eddsa-jcs-2022"], { cryptosuite: "eddsa-jcs-2022" }),
        issuer(["BitstringStatusList"], { cryptosuite: "eddsa-rdfc-2022", credentialStatus: true }),
      ],
      verifiers: [
        {
          id,
          endpoint: `${address}/credentials/verify`,
          tags: ["vc2.0", "eddsa-rdfc-2022", "eddsa-jcs-2022", "BitstringStatusList"],
        },
      ],
      vpVerifiers: [{ id, endpoint: `${address}/presentations/verify`, tags: ["vc2.0"] }],
    },
  ],
};
