// An MCP server of the TypeScript SDK with one tool, echo, and the SDK's
// requireBearerAuth over jose: bench/run times it for docs/performance.md.
//
// usage: node echo_typescript.mjs --addr localhost:PORT --key FILE --issuer URL --audience URL
import { createMcpExpressApp, requireBearerAuth } from "@modelcontextprotocol/express";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer, OAuthError, OAuthErrorCode, createMcpHandler } from "@modelcontextprotocol/server";
import { errors, importSPKI, jwtVerify } from "jose";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";

const text = { type: "string" };
const { values } = parseArgs({ options: { addr: text, key: text, issuer: text, audience: text, guard: text } });
const key = await importSPKI(readFileSync(values.key, "utf8"), "RS256");

const verifier = {
  async verifyAccessToken(token) {
    try {
      const { payload } = await jwtVerify(token, key, {
        issuer: values.issuer, audience: values.audience, typ: "at+jwt", algorithms: ["RS256"],
      });
      return { token, clientId: payload.client_id, scopes: payload.scope.split(" "), expiresAt: payload.exp, resource: new URL(values.audience) };
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new OAuthError(OAuthErrorCode.InvalidToken, "the token is not good here");
      throw error;
    }
  },
};

function newServer() {
  const server = new McpServer({ name: "typescript-sdk", version: "1" });
  server.registerTool("echo", { description: "says it again", inputSchema: z.object({ message: z.string() }) }, async ({ message }) => ({
    content: [{ type: "text", text: message }],
  }));
  return server;
}

const app = createMcpExpressApp({ host: "localhost" });
const gate = requireBearerAuth({ verifier, requiredScopes: ["mcp:tools"], expectedResource: new URL(values.audience) });
const handler = toNodeHandler(createMcpHandler(newServer));
app.all("/mcp", gate, (request, response) => handler(request, response, request.body));

const { port } = new URL(`http://${values.addr}`);
app.listen(Number(port), "127.0.0.1");
