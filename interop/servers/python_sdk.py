"""A server of the Python SDK, version 1 or 2, and an authorization server made
of the SDK's own routes, after the SDK's example "simple-auth": that has a login
page for one demo user, and the MCP server asks it about each token (RFC 7662).

usage: python python_sdk.py --addr localhost:PORT --url URL --auth-addr localhost:PORT
"""

import argparse
import asyncio
import secrets
import time

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    TokenVerifier,
    construct_redirect_uri,
)
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.shared.auth import OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.routing import Route

try:
    import httpx2 as httpx
    from mcp.server.mcpserver import MCPServer
except ImportError:  # version 1
    import httpx
    from mcp.server.fastmcp import FastMCP as MCPServer

parser = argparse.ArgumentParser()
for name in ("addr", "url", "auth-addr"):
    parser.add_argument("--" + name, required=True)
args = parser.parse_args()
issuer, resource = f"http://{args.auth_addr}", f"{args.url}/mcp"

FORM = """<!DOCTYPE html><title>MCP Demo Authentication</title>
<form action="/login/callback" method="post">
  <input type="hidden" name="state" value="{}">
  <label>Username: <input type="text" name="username" required></label>
  <label>Password: <input type="password" name="password" required></label>
  <button type="submit">Sign In</button>
</form>"""


class DemoProvider(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    def __init__(self):
        self.clients, self.asked, self.codes, self.tokens = {}, {}, {}, {}

    async def get_client(self, client_id):
        return self.clients.get(client_id)

    async def register_client(self, client_info):
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client, params):
        key = secrets.token_hex(16)
        self.asked[key] = (client, params)
        return f"{issuer}/login?state={key}"

    def log_in(self, form):
        client, params = self.asked.pop(form["state"])
        if (form["username"], form["password"]) != ("demo_user", "demo_password"):
            return HTMLResponse("Invalid credentials", status_code=401)
        code = AuthorizationCode(
            code=f"mcp_{secrets.token_hex(16)}",
            client_id=client.client_id,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            expires_at=time.time() + 300,
            scopes=["user"],
            code_challenge=params.code_challenge,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return RedirectResponse(construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state), 302)

    async def load_authorization_code(self, client, authorization_code):
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        del self.codes[authorization_code.code]
        token = AccessToken(
            token=f"mcp_{secrets.token_hex(32)}",
            client_id=client.client_id,
            scopes=authorization_code.scopes,
            expires_at=int(time.time()) + 3600,
            resource=authorization_code.resource,
        )
        self.tokens[token.token] = token
        return OAuthToken(access_token=token.token, expires_in=3600, scope=" ".join(token.scopes))

    async def load_access_token(self, token):
        return self.tokens.get(token)

    async def load_refresh_token(self, client, refresh_token):
        return None  # the example has none

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        raise NotImplementedError

    async def revoke_token(self, token):
        self.tokens.pop(token.token, None)


provider = DemoProvider()


async def login_page(request):
    return HTMLResponse(FORM.format(request.query_params["state"]))


async def login_callback(request):
    return provider.log_in(await request.form())


async def introspect(request):
    form = await request.form()
    token = await provider.load_access_token(form["token"])
    if token is None:
        return JSONResponse({"active": False})
    return JSONResponse(
        {"active": True, "client_id": token.client_id, "scope": " ".join(token.scopes), "exp": token.expires_at, "aud": token.resource}
    )


authorization_server = Starlette(
    routes=create_auth_routes(
        provider=provider,
        issuer_url=AnyHttpUrl(issuer),
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=["user"], default_scopes=["user"]),
    )
    + [
        Route("/login", login_page),
        Route("/login/callback", login_callback, methods=["POST"]),
        Route("/introspect", introspect, methods=["POST"]),
    ]
)


class IntrospectionTokenVerifier(TokenVerifier):
    async def verify_token(self, token):
        async with httpx.AsyncClient() as client:
            said = (await client.post(f"{issuer}/introspect", data={"token": token})).json()
        if not said["active"]:
            return None
        return AccessToken(
            token=token, client_id=said["client_id"], scopes=said["scope"].split(), expires_at=said["exp"], resource=said["aud"]
        )


mcp = MCPServer(
    name="Python SDK",
    token_verifier=IntrospectionTokenVerifier(),
    auth=AuthSettings(
        issuer_url=AnyHttpUrl(issuer),
        required_scopes=["user"],
        resource_server_url=AnyHttpUrl(resource),
        validate_token_resource=True,
    ),
)


@mcp.tool()
def add(a: int, b: int) -> int:
    """adds two numbers"""
    return a + b


async def serve(app, addr):
    host, port = addr.split(":")
    await uvicorn.Server(uvicorn.Config(app, host=host, port=int(port), log_level="warning")).serve()


async def main():
    await asyncio.gather(serve(authorization_server, args.auth_addr), serve(mcp.streamable_http_app(), args.addr))


asyncio.run(main())
