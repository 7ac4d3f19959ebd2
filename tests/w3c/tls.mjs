// tls.mjs PORT ADDRESS: the plain server at ADDRESS, also behind TLS on localhost:PORT. Says so once it is.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";

const [port, address] = process.argv.slice(2);
const { hostname, port: plain } = new URL(address);

const folder = mkdtempSync(join(tmpdir(), "gridpass-w3c-"));
const [key, cert] = ["key", "cert"].map((name) => join(folder, name));
const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
const names = ["-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", cert];
execFileSync("openssl", [...request, ...names], { stdio: "ignore" });
const pair = { key: readFileSync(key), cert: readFileSync(cert) };
rmSync(folder, { recursive: true });

const server = tls.createServer(pair, (client) => {
  const socket = net.connect(plain || 80, hostname);
  for (const [one, other] of [[client, socket], [socket, client]]) {
    one.pipe(other);
    one.on("error", () => other.destroy());
  }
});
server.listen(port, "localhost", () => console.log("ready"));
