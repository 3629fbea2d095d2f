// @modelcontextprotocol/client, 2.x.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { bearer, connected, Driven, Provider, registration, revision, run, url } from "./steps.mjs";

const provider = new Provider();
const options = registration === "bearer" ? { requestInit: { headers: bearer } } : { authProvider: provider };
// The default is the revision of 2025.
const mode = revision === "2026-07-28" ? { versionNegotiation: { mode: "auto" } } : {};
let client, transport;

async function connect() {
  client = new Client({ name: "interop", version: "1" }, mode);
  transport = new StreamableHTTPClientTransport(url, options);
  await client.connect(transport);
}

const retry = (work) =>
  provider.retry(
    work,
    (error) => error instanceof UnauthorizedError,
    (answer) => transport.finishAuth(answer),
  );

if (await connected(() => retry(connect))) {
  const driven = new Driven(client, provider);
  driven.again = retry;
  await run(driven);
}
process.exit();
