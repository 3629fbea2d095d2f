// panva's oidc-provider as an authorization server for one MCP server: with
// dynamic registration, resource indicators, tokens in JWT form, and its own
// pages for development, which take any user and password.
//
// With the public key of a client that may ask about tokens (RFC 7662), its access
// tokens are opaque.
//
// usage: node oidc_provider.mjs --addr localhost:PORT --resource URL [--asker JWK]
import { parseArgs } from "node:util";
import * as oidc from "oidc-provider";

const { values } = parseArgs({ options: { addr: { type: "string" }, resource: { type: "string" }, asker: { type: "string" } } });
const { addr, resource, asker } = values;
const scope = "mcp:read mcp:tools";

const provider = new oidc.Provider(`http://${addr}`, {
  clients: asker
    ? [{
        client_id: "asker", token_endpoint_auth_method: "private_key_jwt", token_endpoint_auth_signing_alg: "ES256",
        jwks: { keys: [JSON.parse(asker)] }, redirect_uris: [], response_types: [], grant_types: [],
      }]
    : [],
  enabledJWA: { clientAuthSigningAlgValues: ["RS256", "ES256"] },
  features: {
    introspection: { enabled: Boolean(asker) },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(ctx, indicator) {
        if (indicator !== resource) throw new oidc.errors.InvalidTarget();
        const format = asker ? { accessTokenFormat: "opaque" } : { accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } };
        return { scope, audience: resource, accessTokenTTL: 3600, ...format };
      },
      useGrantedResource: () => true,
    },
  },
  scopes: ["openid", "offline_access", ...scope.split(" ")],
});

const { hostname, port } = new URL(`http://${addr}`);
provider.listen(Number(port), hostname);
