// An MCP server as people write it with the TypeScript SDK (version 2) on
// Express: the SDK's own requireBearerAuth, its own router for the metadata, and
// its own scope challenge for a tool that needs more, over a verifier that is
// jose on the authorization server's keys.
//
// usage: node typescript.mjs --addr localhost:PORT --url URL --issuer URL
import { createMcpExpressApp, getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter, requireBearerAuth } from "@modelcontextprotocol/express";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer, OAuthError, OAuthErrorCode, createMcpHandler, requireScopes } from "@modelcontextprotocol/server";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import { parseArgs } from "node:util";
import { z } from "zod";

const { values } = parseArgs({ options: { addr: { type: "string" }, url: { type: "string" }, issuer: { type: "string" } } });
const { addr, url: base, issuer } = values;
const resource = new URL("/mcp", base);

const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(10_000) });
if (!answer.ok) throw new Error(`the issuer's metadata can't be had: status ${answer.status}`);
const oauthMetadata = await answer.json();
const keys = createRemoteJWKSet(new URL(oauthMetadata.jwks_uri));

const verifier = {
  async verifyAccessToken(token) {
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience: resource.href, typ: "at+jwt", algorithms: ["RS256"] });
      return {
        token,
        clientId: payload.client_id,
        scopes: payload.scope.split(" "),
        expiresAt: payload.exp,
        resource,
        extra: { username: payload.preferred_username ?? payload.sub },
      };
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new OAuthError(OAuthErrorCode.InvalidToken, "the token is not good here");
      throw error;
    }
  },
};

const say = (text) => ({ content: [{ type: "text", text }] });

// One server for each request: it keeps nothing between them.
function newServer() {
  const server = new McpServer({ name: "typescript-sdk", version: "1" });
  server.registerTool(
    "add",
    {
      description: "adds two numbers",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      scopeChallenge: requireScopes("mcp:read", "mcp:tools"),
    },
    async ({ a, b }) => say(String(a + b)),
  );
  server.registerTool("user", { description: "says who is logged in", inputSchema: z.object({}) }, async (_, context) =>
    say(context.http.authInfo.extra.username),
  );
  return server;
}

const app = createMcpExpressApp({ host: "localhost" });
app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: resource, scopesSupported: ["mcp:read", "mcp:tools"] }));
const gate = requireBearerAuth({
  verifier,
  requiredScopes: ["mcp:read"],
  expectedResource: resource,
  resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resource),
});
const handler = toNodeHandler(createMcpHandler(newServer));
app.all("/mcp", gate, (request, response) => handler(request, response, request.body));

const { hostname, port } = new URL(`http://${addr}`);
app.listen(Number(port), hostname, () => console.error(`listening on ${base}`));
