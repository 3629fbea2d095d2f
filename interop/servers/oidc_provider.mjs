// panva's oidc-provider as an authorization server for one MCP server: with
// dynamic registration, resource indicators, tokens in JWT form, and its own
// pages for development, which take any user and password.
//
// usage: node oidc_provider.mjs --addr localhost:PORT --resource URL
import { parseArgs } from "node:util";
import * as oidc from "oidc-provider";

const { values } = parseArgs({ options: { addr: { type: "string" }, resource: { type: "string" } } });
const { addr, resource } = values;
const scope = "mcp:read mcp:tools";

const provider = new oidc.Provider(`http://${addr}`, {
  features: {
    registration: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(ctx, indicator) {
        if (indicator !== resource) throw new oidc.errors.InvalidTarget();
        return { scope, audience: resource, accessTokenFormat: "jwt", accessTokenTTL: 3600, jwt: { sign: { alg: "RS256" } } };
      },
      useGrantedResource: () => true,
    },
  },
  scopes: ["openid", "offline_access", ...scope.split(" ")],
});

const { hostname, port } = new URL(`http://${addr}`);
provider.listen(Number(port), hostname);
