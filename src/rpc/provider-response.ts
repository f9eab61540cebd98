import { z } from "zod";
import { BrokerFailure } from "../domain/failure.ts";
import { type ProviderResponse, RESPONSE_SOURCES } from "../provider/provider.ts";
import { instantMs, nameMap, optional } from "./fields.ts";

const LONGEST_BODY = 64 * 1024;
const LONGEST_ERROR = 256;

/** A decoded `ProviderResponse`. */
export const providerResponse = z.object({
  source: optional("RESPONSE_SOURCE_", RESPONSE_SOURCES),
  httpStatus: z.number().int().min(0, "must be 0 or an HTTP status").max(999, "must be 0 or an HTTP status"),
  headers: nameMap,
  body: z.instanceof(Uint8Array),
  transportError: z.string(),
  receiveTime: instantMs,
});

/**
 * The answer as classifiers take it, cut to what they look at. `nowMs`: its arrival, if it names none.
 * Throws `field_invalid` if nothing is in it.
 */
export function responseOf(raw: z.output<typeof providerResponse>, nowMs: number): ProviderResponse {
  if (raw.httpStatus === 0 && raw.body.length === 0 && raw.transportError === "") {
    const description = "must have an http_status, a body or a transport_error";
    throw new BrokerFailure({
      kind: "field_invalid",
      violations: [{ field: "provider_response", description }],
    });
  }
  const headers: Record<string, string> = {};
  for (const [key, value] of Object.entries(raw.headers)) headers[key.toLowerCase()] = value;
  return {
    source: raw.source ?? "MODEL_API",
    httpStatus: raw.httpStatus,
    headers,
    body: new TextDecoder().decode(raw.body.subarray(0, LONGEST_BODY)),
    transportError: raw.transportError.slice(0, LONGEST_ERROR),
    receivedAtMs: raw.receiveTime ?? nowMs,
    model: "",
  };
}
