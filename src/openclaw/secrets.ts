import { z } from "zod";
import { type Acquired, type AcquireOptions, type Broker, BrokerError } from "../client/index.ts";
import { OpenclawError } from "./error.ts";

/** What OpenClaw writes to the program that it asks for secrets (2026.9.6, measured). */
const request = z.object({
  protocolVersion: z.literal(1),
  ids: z.array(z.string().min(1).max(256)).max(1_000),
});

/** What it reads: one value or one error for each id. Of errors it shows `NOT_FOUND` alone. */
export interface SecretsAnswer {
  readonly protocolVersion: 1;
  readonly values: Readonly<Record<string, string>>;
  readonly errors: Readonly<Record<string, { readonly code: string; readonly message: string }>>;
}

const NOT_FOUND = ["NO_PROFILE", "PROVIDER_UNKNOWN", "PROFILE_UNKNOWN", "FIELD_INVALID"];

/** The ids of a request. Throws `OpenclawError` (65) if it is none. */
export function readIds(text: string): readonly string[] {
  try {
    return request.parse(JSON.parse(text)).ids;
  } catch {
    throw new OpenclawError(
      65,
      "standard input holds no request of OpenClaw's exec protocol, version 1",
      "auth-broker openclaw setup secrets",
    );
  }
}

/**
 * What an id asks for: a provider, or the profile `<provider>:<label>`. OpenClaw allows no `@` in ids, so a
 * `#` stands for it.
 */
export function wishOf(id: string): AcquireOptions {
  const name = id.replaceAll("#", "@");
  const colon = name.indexOf(":");
  return colon < 0 ? { provider: name } : { provider: name.slice(0, colon), profile: name };
}

/**
 * The token or key for every id, all asked for at once. One that cannot be had is no failure of the others.
 * Rejects with `BrokerError` if there is no broker.
 */
export async function answerSecrets(
  ids: readonly string[],
  broker: Pick<Broker, "acquire">,
): Promise<SecretsAnswer> {
  const values: Record<string, string> = {};
  const errors: Record<string, { code: string; message: string }> = {};
  const one = async (id: string) => {
    try {
      values[id] = secretOf(await broker.acquire({ ...wishOf(id), bareToken: true }));
    } catch (error) {
      if (!(error instanceof BrokerError) || error.reason === "") throw error;
      const code = NOT_FOUND.includes(error.reason) ? "NOT_FOUND" : error.reason;
      errors[id] = { code, message: error.message };
    }
  };
  await Promise.all([...new Set(ids)].map(one));
  return { protocolVersion: 1, values, errors };
}

function secretOf({ credential }: Acquired): string {
  return credential.oauth?.accessToken ?? credential.apiKey?.key ?? "";
}
