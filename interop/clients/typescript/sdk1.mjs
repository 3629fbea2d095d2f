// @modelcontextprotocol/sdk, 1.x.
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { bearer, connected, Driven, Provider, registration, run, url } from "./steps.mjs";

const provider = new Provider();
const options = registration === "bearer" ? { requestInit: { headers: bearer } } : { authProvider: provider };
let client, transport;

async function connect() {
  client = new Client({ name: "interop", version: "1" });
  transport = new StreamableHTTPClientTransport(url, options);
  await client.connect(transport);
}

const retry = (work) =>
  provider.retry(
    work,
    (error) => error instanceof UnauthorizedError,
    (answer) => transport.finishAuth(answer.get("code")),
  );

if (await connected(() => retry(connect))) {
  const driven = new Driven(client, provider);
  driven.again = retry;
  await run(driven);
}
process.exit();
