// A provider of OpenID Connect for tests. Its configuration is the first line of the standard input:
// {port, issuer, client, accounts: {login: claims}, provider: further settings}. It ends when that input ends.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const [line] = await new Promise((resolve) => {
  createInterface({ input: process.stdin })
    .once("line", (text) => resolve([text]))
    .once("close", () => process.exit(0));
});
const { port, issuer, client, accounts, provider: more } = JSON.parse(line);

const provider = new Provider(issuer, {
  clients: [client],
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, ...(accounts[id] ?? {}) }),
  }),
  claims: {
    openid: ["sub"],
    email: ["email", "email_verified"],
    profile: ["name"],
    groups: ["groups"],
  },
  scopes: ["openid", "email", "profile", "groups"],
  pkce: { required: () => true },
  cookies: { keys: ["of these tests"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  // Nobody is asked for consent.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile groups");
    await grant.save();
    return grant;
  },
  ...more,
});

const PAGE = `<!doctype html><html lang="en"><title>Test provider</title><h1>Test provider</h1>
<form method="post"><label>Login <input name="login" required></label>
<button>Continue</button> <button name="cancel" value="yes" formnovalidate>Cancel</button></form>`;

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return new URLSearchParams(Buffer.concat(parts).toString());
}

const answer = provider.callback();
createServer(async (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  try {
    if (request.method === "GET") {
      await provider.interactionDetails(request, response);
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      return response.end(PAGE);
    }
    const form = await bodyOf(request);
    const result = form.has("cancel")
      ? { error: "access_denied", error_description: "cancelled" }
      : { login: { accountId: form.get("login") } };
    return await provider.interactionFinished(request, response, result);
  } catch (error) {
    response.statusCode = 400;
    return response.end(String(error));
  }
}).listen(port, "127.0.0.1", () => console.log("listening"));
