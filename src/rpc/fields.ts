import { z } from "zod";
import { canonicalProvider } from "../domain/alias.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { atMsOf, msOf, type Seconds } from "./instants.ts";
import { type Message, protoName } from "./schema.ts";

const LONGEST_NAME = 256;
const LONGEST_ID = 320;
const MOST_ENTRIES = 256;
/** No duration that makes sense here is longer. */
const LONGEST_MS = 366 * 24 * 60 * 60_000;
/** The moments that a Timestamp may name: years 1 to 9999. */
const FIRST_SECOND = -62_135_596_800;
const LAST_SECOND = 253_402_300_799;

/** Text without control characters, which have no business in a name or a header. */
/** What is wrong with a name, or undefined. The hot requests use these checks without zod. */
export function nameProblem(text: string): string | undefined {
  const isFine = text.length <= LONGEST_NAME && !hasControl(text);
  return isFine
    ? undefined
    : `must not be longer than ${LONGEST_NAME} characters, nor hold control characters`;
}

export function providerProblem(text: string): string | undefined {
  if (text === "") return "is required";
  if (text.length > LONGEST_NAME || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text)) {
    return "must be a provider id, such as openai-codex";
  }
  return undefined;
}

export function profileProblem(text: string): string | undefined {
  if (text === "") return undefined;
  if (text.length > LONGEST_ID || hasControl(text)) {
    return `must not be longer than ${LONGEST_ID} characters, nor hold control characters`;
  }
  const colon = text.indexOf(":");
  return colon > 0 && colon < text.length - 1
    ? undefined
    : "must be <provider>:<label>, such as openai-codex:work";
}

export function durationProblem(ms: number): string | undefined {
  return ms >= 0 && ms <= LONGEST_MS ? undefined : "must be between 0 s and 366 days";
}

/** A zod check out of a function that says what is wrong. */
function by<T>(problem: (value: T) => string | undefined) {
  return (context: z.core.ParsePayload<T>) => {
    const message = problem(context.value);
    if (message !== undefined) context.issues.push({ code: "custom", message, input: context.value });
  };
}

export const name = z.string().check(by(nameProblem));
export const providerId = z.string().check(by(providerProblem)).transform(canonicalProvider);
export const profileId = z.string().check(by(profileProblem));
export const requiredProfileId = profileId.refine((text) => text !== "", "is required");

export const profileIds = z
  .array(requiredProfileId)
  .max(MOST_ENTRIES, `must not have more than ${MOST_ENTRIES} entries`);

export const names = z.array(name.min(1, "must not be empty")).max(MOST_ENTRIES);

export const nameMap = z
  .record(name, z.string().max(8_192))
  .refine(
    (map) => Object.keys(map).length <= MOST_ENTRIES,
    `must not have more than ${MOST_ENTRIES} entries`,
  );

/** A secret as somebody pasted it: blanks around it go, anything that is no printable text is refused. */
export const secretText = z
  .string()
  .transform((text) => text.trim())
  .refine((text) => !/[^\x21-\x7e]/.test(text), "must be printable text without blanks or colour codes");

const seconds = z.object({ seconds: z.number(), nanos: z.number() });

/** Wall-clock milliseconds of a Timestamp. `null`: unset. */
export const instantMs = seconds
  .nullable()
  .refine(
    (value) => value === null || (value.seconds >= FIRST_SECOND && value.seconds <= LAST_SECOND),
    "must be a moment between the years 1 and 9999",
  )
  .transform((value) => (value === null ? undefined : atMsOf(value as Seconds)));

/** Milliseconds of a Duration. `null` (unset): 0. */
export const waitMs = seconds
  .nullable()
  .transform((value) => (value === null ? 0 : msOf(value as Seconds)))
  .check(by(durationProblem));

/** An enum value without its prefix. `UNSPECIFIED` and numbers of no name are refused. */
export function required<T extends string>(prefix: string, values: readonly T[]) {
  return z
    .custom<string>(
      (value) => typeof value === "string" && values.includes(value.slice(prefix.length) as T),
      {
        message: `must be one of ${values.join(", ")}`,
      },
    )
    .transform((value) => value.slice(prefix.length) as T);
}

/** As `required`, but `UNSPECIFIED` is undefined. */
export function optional<T extends string>(prefix: string, values: readonly T[]) {
  return z.union([z.literal(`${prefix}UNSPECIFIED`).transform(() => undefined), required(prefix, values)], {
    error: `must be one of ${values.join(", ")}`,
  });
}

/** Reads a message, or throws `field_invalid` with every violation, named as in the `.proto`. */
export function read<S extends z.ZodType>(schema: S, message: Message): z.output<S> {
  const parsed = schema.safeParse(message);
  if (parsed.success) return parsed.data;
  const violations = parsed.error.issues.map((issue) => ({
    field: issue.path
      .map((part) => (typeof part === "string" ? protoName({ name: part }) : `[${String(part)}]`))
      .join(".")
      .replace(/\.\[/g, "["),
    description: issue.message,
  }));
  throw new BrokerFailure({ kind: "field_invalid", violations });
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    // C1 too: a terminal takes U+009B for the beginning of a command.
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}
