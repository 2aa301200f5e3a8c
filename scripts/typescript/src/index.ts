/** Client of a RenderTrust gateway: the paths of its API with typed parameters, bodies and answers. */

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, operations, paths, webhooks } from "./schema.js";

/** The JSON of a refusal; branch on `code`, and show `detail`. */
export type Refusal = components["schemas"]["Refusal"];

export interface Options {
  /** API key or access token, or a function that returns the current one. */
  token?: string | (() => string | Promise<string>);
  /** Replacement of the global `fetch`. */
  fetch?: (request: Request) => Promise<Response>;
}

export type RenderTrust = Client<paths>;

/** Return a client of the gateway at `url`, like `https://farm.example`. It sends no cookies. */
export function connect(url: string, options: Options = {}): RenderTrust {
  const client = createClient<paths>({
    baseUrl: url.replace(/\/+$/, ""),
    credentials: "omit",
    ...(options.fetch ? { fetch: options.fetch } : {}),
  });
  const { token } = options;
  if (token !== undefined) {
    client.use({
      async onRequest({ request }) {
        const current = typeof token === "function" ? await token() : token;
        request.headers.set("Authorization", `Bearer ${current}`);
        return request;
      },
    });
  }
  return client;
}

/** An answer that is a refusal, as an error. */
export class Refused extends Error {
  constructor(readonly status: number, readonly refusal: Refusal) {
    super(refusal.detail);
    this.name = "Refused";
  }
}

/** Return the data of an answer. Throws `Refused` if the gateway refused the request. */
export async function dataOf<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok) throw new Refused(response.status, error as Refusal);
  return data as T;
}
