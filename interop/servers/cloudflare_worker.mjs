// A Worker as the README of @cloudflare/workers-oauth-provider shows it: one
// OAuthProvider for both roles, a consent page after docs/consent-page.md, and a
// step-up for the tool add. The MCP server in it is the TypeScript SDK's.
import { OAuthProvider, insufficientScope } from "@cloudflare/workers-oauth-provider";
import { McpServer, createMcpHandler } from "@modelcontextprotocol/server";
import { z } from "zod";

const say = (text) => ({ content: [{ type: "text", text }] });

function newServer(props) {
  const server = new McpServer({ name: "cloudflare", version: "1" });
  server.registerTool(
    "add",
    { description: "adds two numbers", inputSchema: z.object({ a: z.number(), b: z.number() }) },
    async ({ a, b }) => say(String(a + b)),
  );
  server.registerTool("user", { description: "says who is logged in", inputSchema: z.object({}) }, async () => say(props.userId));
  return server;
}

const apiHandler = {
  async fetch(request, env, ctx) {
    const message = request.method === "POST" ? await request.clone().json() : {};
    const needed = message.method === "tools/call" && message.params.name === "add" ? ["mcp:read", "mcp:tools"] : ["mcp:read"];
    if (!needed.every((scope) => ctx.auth.scope.includes(scope))) return insufficientScope(ctx.auth, needed);
    return createMcpHandler(() => newServer(ctx.props)).fetch(request);
  },
};

const escape = (value) => value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

const consentPage = (details, handle) => `<!doctype html><meta charset="utf-8">
<title>Authorize ${escape(details.clientName)}</title>
<h1>Allow ${escape(details.clientName)} to access your account?</h1>
<form method="post">
  <input type="hidden" name="handle" value="${escape(handle)}">
  ${details.scope.map((s) => `<label><input type="checkbox" name="scope" value="${escape(s)}" checked> ${escape(s)}</label>`).join("")}
  <button name="decision" value="approve">Allow</button> <button name="decision" value="deny">Deny</button>
</form>`;

const defaultHandler = {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== "/authorize") return new Response("not found", { status: 404 });
    const oauth = env.OAUTH_PROVIDER;
    if (request.method === "GET") {
      const asked = await oauth.parseAuthRequest(request);
      const details = await oauth.describeConsent(asked);
      const consent = await oauth.beginConsent(asked);
      consent.headers.set("Content-Type", "text/html; charset=utf-8");
      return new Response(consentPage(details, consent.handle), { headers: consent.headers });
    }
    const form = await request.formData();
    const handle = String(form.get("handle"));
    if (form.get("decision") !== "approve") {
      const denied = await oauth.denyConsent(request, handle);
      return new Response(null, { status: 302, headers: denied.headers });
    }
    const approved = await oauth.approveConsent(request, handle, { scope: form.getAll("scope").map(String) });
    const { redirectTo } = await oauth.completeAuthorization({
      request: approved.request,
      userId: "user-123",
      metadata: {},
      scope: approved.request.scope,
      props: { userId: "user-123" },
    });
    approved.headers.set("Location", redirectTo);
    return new Response(null, { status: 302, headers: approved.headers });
  },
};

export default {
  fetch(request, env, ctx) {
    const provider = new OAuthProvider({
      apiRoute: "/mcp",
      apiHandler,
      defaultHandler,
      authorizeEndpoint: "/authorize",
      tokenEndpoint: "/oauth/token",
      clientRegistrationEndpoint: "/oauth/register",
      scopesSupported: ["mcp:read", "mcp:tools", "offline_access"],
      resourceMetadata: { resource: `${env.BASE}/mcp`, authorization_servers: [env.BASE] },
      requiredScopes: ["mcp:read"],
    });
    return provider.fetch(request, env, ctx);
  },
};
