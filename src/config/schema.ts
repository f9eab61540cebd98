import { isAbsolute } from "node:path";
import { z } from "zod";
import { parseAddress } from "../endpoint/address.ts";
import { EndpointError } from "../endpoint/error.ts";
import { KEY_SOURCES } from "../store/key-source.ts";
import { duration, positiveDuration } from "./duration.ts";
import { profileId, providerId, providerSchema } from "./provider-schema.ts";
import { ruleSchema } from "./rule-schema.ts";
import { proxyUrl } from "./url.ts";

const SHORTEST_INTERVAL_MS = 60_000;

const backoff = z
  .strictObject({ base: positiveDuration.exactOptional(), cap: positiveDuration.exactOptional() })
  .describe("base · 2ⁿ, at most cap");

const cooldown = z.strictObject({
  RATE_LIMIT: backoff.exactOptional(),
  USAGE_LIMIT: backoff.exactOptional(),
  BILLING: backoff.exactOptional(),
  TIMEOUT: backoff.exactOptional(),
  OVERLOADED: backoff.exactOptional(),
  SERVER_ERROR: backoff.exactOptional(),
  longestWindow: positiveDuration
    .exactOptional()
    .describe("A stated moment further away is not believed. Default: 8d"),
  banBrake: z
    .boolean()
    .exactOptional()
    .describe("Does a ban hold the provider's other subscription profiles? Default: true"),
});

const session = z.strictObject({
  idleLimit: positiveDuration.exactOptional().describe("Default: 1h"),
  homeWithin: duration
    .exactOptional()
    .describe("A session whose profile is back within this time is lent another, not moved. Default: 5m"),
});

const refresh = z.strictObject({
  lanes: z
    .int()
    .min(1)
    .max(64)
    .exactOptional()
    .describe("Requests of one OAuth client at a time. Default: 2"),
  minInterval: duration.exactOptional().describe("Between two requests of a profile. Default: 60s"),
  connectTimeout: positiveDuration.exactOptional().describe("Default: 10s"),
  totalTimeout: positiveDuration.exactOptional().describe("Default: 30s"),
});

const usage = z.strictObject({
  poll: z
    .boolean()
    .exactOptional()
    .describe("May usage be read at the providers, where somebody needs it? Default: true"),
  interval: duration
    .refine((ms) => ms >= SHORTEST_INTERVAL_MS, "must be at least 1m")
    .exactOptional()
    .describe("Between two looks at an account while somebody wants to know. Default: 10m"),
});

const notify = z.strictObject({
  command: z
    .array(z.string())
    .min(1, "must name a program")
    .exactOptional()
    .describe("Run for each notice, which it reads as one JSON object from standard input"),
  desktop: z
    .boolean()
    .exactOptional()
    .describe("Show notices on the desktop, where there is one? Default: true"),
});

const address = z.string().transform((given, context) => {
  try {
    return parseAddress(given);
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    context.addIssue({ code: "custom", message: error.message, input: given });
    return z.NEVER;
  }
});

const UNIT = /^(?:user@\d+\.service\/)?[A-Za-z0-9:_.\\@-]+\.(?:service|scope)$/;

const confirm = z
  .strictObject({
    command: z.array(z.string()).min(1, "must name a program"),
    timeout: positiveDuration.exactOptional().describe("Default: 30s"),
    remember: duration
      .exactOptional()
      .describe("How long a yes holds for the same user, file of a program, and provider. Default: 0s"),
  })
  .describe(
    "A person is asked before anything is handed out: exit code 0 of the command is a yes, all else a no",
  );

const endpoint = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "has lower-case letters, digits, '.', '-' and '_' only"),
  path: address.describe("Absolute path, unix:///path or npipe:name"),
  providers: z.array(providerId).exactOptional().describe("Empty: all"),
  profiles: z.array(profileId).exactOptional().describe("Empty: all"),
  allow: z
    .strictObject({
      uids: z
        .array(z.int().min(0).max(0xffff_fffe))
        .exactOptional()
        .describe("Users. Empty: the broker's own"),
      executables: z
        .array(z.string().refine(isAbsolute, "must be an absolute path"))
        .exactOptional()
        .describe("Programs, by the files that they run. Empty: any. Linux"),
      units: z
        .array(z.string().regex(UNIT, 'is a systemd unit, "x.service" or "user@1000.service/x.service"'))
        .exactOptional()
        .describe("systemd units that they run in. Empty: any. Linux"),
    })
    .exactOptional()
    .describe("Who is served: who is in every list that is not empty"),
  rate: z.int().min(1).exactOptional().describe("Acquires per minute. Default: no limit"),
  mostLeases: z.int().min(1).exactOptional().describe("Leases open at a time. Default: no limit"),
  confirm: confirm.exactOptional(),
  token: z.boolean().exactOptional().describe("Serve `auth-broker token`? Default: true"),
});

const key = z.strictObject({
  source: z
    .enum(KEY_SOURCES)
    .exactOptional()
    .describe(
      "file: the private file `key` beside config.json; keyring: the system's keyring; command: a program prints it. Chosen once; `auth-broker key rotate` moves the records to another. Default: file",
    ),
  command: z
    .array(z.string().min(1))
    .min(1)
    .exactOptional()
    .describe("For command: the program and its arguments. It prints the key as 64 hex digits"),
  lockAfter: positiveDuration
    .exactOptional()
    .describe("Lock as `auth-broker lock` does when nobody asked for anything for so long. Default: never"),
});

/** config.json as it is written. Parsing turns durations into milliseconds and addresses into `Address`. */
export const fileSchema = z.strictObject({
  $schema: z.string().exactOptional().describe("For editors; not read"),
  providers: z.record(providerId, providerSchema).exactOptional(),
  cooldown: cooldown.exactOptional(),
  session: session.exactOptional(),
  refresh: refresh.exactOptional(),
  usage: usage.exactOptional(),
  notify: notify.exactOptional(),
  endpoints: z.array(endpoint).exactOptional(),
  rules: z
    .array(ruleSchema)
    .max(200, "must not have more than 200 rules")
    .exactOptional()
    .describe("How answers of providers are read before the built-in reading; the first that fits decides"),
  key: key
    .exactOptional()
    .describe("Where the key that seals the records comes from, and when it is put away"),
  network: z
    .strictObject({
      proxy: proxyUrl.exactOptional().describe("Default: HTTPS_PROXY and NO_PROXY of the environment"),
      caFile: z
        .string()
        .refine((path) => path === "" || isAbsolute(path), "must be an absolute path")
        .exactOptional()
        .describe("PEM file of certificates that are trusted too"),
    })
    .exactOptional(),
  hardening: z
    .enum(["standard", "strict"])
    .exactOptional()
    .describe("strict: does not start where something of it cannot be had. Default: standard"),
  audit: z
    .strictObject({
      fileBytes: z
        .int()
        .min(64 * 1024)
        .max(64 * 1024 * 1024)
        .exactOptional()
        .describe("A file of that size is closed and another begun. Default: 8388608"),
      files: z.int().min(2).max(1_000).exactOptional().describe("Files that are kept. Default: 8"),
    })
    .exactOptional()
    .describe("The log of who did what"),
  log: z
    .strictObject({
      level: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).exactOptional(),
    })
    .exactOptional(),
});

export type FileConfig = z.output<typeof fileSchema>;
