// What the drivers of TypeScript clients share: the steps, and the browser. It
// prints the same lines as ../python/steps.py.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";

const { env } = process;
export const url = new URL(env.MCP_URL);
export const revision = env.REVISION;
export const registration = env.REGISTRATION; // dynamic, client_secret_post, document or bearer
export const redirect = `http://localhost:${env.CALLBACK_PORT}/callback`;
// What to call in place of the steps, at a server with other tools:
// [[tool, arguments, text of the answer], …].
const calls = JSON.parse(env.CALLS || "[]");
export const bearer = { Authorization: `Bearer ${env.TOKEN}` };

// How often a browser was sent to log in, as interop/login wrote it down.
const logins = () => (existsSync(env.LOGINS) ? readFileSync(env.LOGINS, "utf8").split("\n").length - 1 : 0);

const report = (step, ok, says) => console.log(JSON.stringify({ step, ok, says, logins: logins() }));
const text = (error) => `${error.name}: ${error.message}`;

const within = (work) =>
  Promise.race([work, new Promise((_, reject) => setTimeout(() => reject(new Error("no answer within two minutes")), 120_000).unref())]);

async function step(name, work, expected) {
  try {
    const says = await within(work());
    report(name, says.includes(expected), says);
  } catch (error) {
    report(name, false, text(error));
  }
}

// A refusal is right where the client fails, or shows a result that is an error.
async function refused(work) {
  try {
    const says = await within(work());
    report("refusal", says.startsWith("error: "), says);
  } catch (error) {
    report("refusal", true, text(error));
  }
}

// connected connects, and says whether that worked.
export async function connected(connect) {
  try {
    await within(connect());
    return true;
  } catch (error) {
    report("list", false, text(error));
    return false;
  }
}

// run goes through the steps. The client has the methods tools, call and prompt,
// which return text, and expire, which makes its access token useless.
export async function run(client) {
  for (const [tool, args, expected] of calls) await step(tool, () => client.call(tool, args), expected);
  if (calls.length > 0) return;
  const echo = () => client.call("echo", { message: "hi", repeat_count: 2 });
  await step("list", () => client.tools(), "echo");
  await step("echo", echo, "hihi");
  await step("prompt", () => client.prompt("greeting", { name: "Ada" }), "Ada");
  await step("echo again", echo, "hihi");
  if (registration !== "bearer") {
    await client.expire();
    await step("refresh", echo, "hihi");
  }
  await refused(() => client.call("audit", {}));
}

// Driven is a client of either SDK, which have the same methods.
export class Driven {
  constructor(client, provider) {
    Object.assign(this, { client, provider });
  }
  again = (work) => work();

  tools() {
    return this.again(async () => (await this.client.listTools()).tools.map((tool) => tool.name).join(", "));
  }
  call(name, args) {
    return this.again(async () => {
      const result = await this.client.callTool({ name, arguments: args });
      return (result.isError ? "error: " : "") + result.content.map((part) => part.text).join(" ");
    });
  }
  prompt(name, args) {
    return this.again(async () => {
      const result = await this.client.getPrompt({ name, arguments: args });
      return result.messages.map((message) => message.content.text).join(" ");
    });
  }
  expire() {
    this.provider.kept.tokens = { ...this.provider.kept.tokens, access_token: "expired" };
  }
}

// Provider keeps in memory what the SDK hands it, and opens the browser.
export class Provider {
  kept = {};
  clientMetadataUrl = env.DOCUMENT || undefined;
  redirectUrl = redirect;
  clientMetadata = {
    client_name: "TypeScript SDK",
    redirect_uris: [redirect],
    grant_types: ["authorization_code", "refresh_token"], // as in the example of the SDK
    ...(registration === "client_secret_post" && { token_endpoint_auth_method: "client_secret_post" }),
  };
  clientInformation = () => this.kept.client;
  saveClientInformation = (client) => void (this.kept.client = client);
  tokens = () => this.kept.tokens;
  saveTokens = (tokens) => void (this.kept.tokens = tokens);
  codeVerifier = () => this.kept.verifier;
  saveCodeVerifier = (verifier) => void (this.kept.verifier = verifier);
  // A login that nobody waited for ends before the next begins.
  redirectToAuthorization(address) {
    const before = this.answer?.catch(() => {});
    this.answer = Promise.resolve(before).then(() => login(address));
    this.answer.catch(() => {});
  }

  // retry does the work; where the SDK wants a login, it waits for that, hands the
  // callback's parameters to finish, and does the work once more.
  async retry(work, isUnauthorized, finish) {
    try {
      return await work();
    } catch (error) {
      if (!isUnauthorized(error) || !this.answer) throw error;
      const answer = this.answer;
      this.answer = undefined;
      await finish(await answer);
      return work();
    }
  }
}

// login opens the browser, and returns the parameters of the callback.
async function login(address) {
  const server = createServer();
  await new Promise((listening) => server.listen(Number(env.CALLBACK_PORT), "localhost", listening));
  try {
    const called = new Promise((resolve) =>
      server.on("request", (request, response) => {
        const { pathname, searchParams } = new URL(request.url, redirect);
        // Others who look for a free port may ask here too.
        if (pathname !== "/callback" || !(searchParams.has("code") || searchParams.has("error"))) return void response.writeHead(404).end();
        resolve(searchParams);
        response.end("done");
      }),
    );
    const ended = new Promise((resolve, reject) =>
      execFile(env.BROWSER, [String(address)], (error, _, stderr) => (error ? reject(new Error(`the login failed: ${stderr}`)) : resolve(called))),
    );
    const answer = await Promise.race([called, ended]);
    if (answer.has("error")) throw new Error(`the authorization server says ${answer}`);
    await ended;
    return answer;
  } finally {
    server.close();
  }
}
