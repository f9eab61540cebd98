import { Metadata, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { type Failure, describe as sentence, type Unavailability } from "../../src/domain/failure.ts";
import { exitCodeOf } from "../../src/rpc/exit.ts";
import { readStatus, readUnavailable } from "../../src/rpc/remote.ts";
import { decode, encode, type Message, messageType } from "../../src/rpc/schema.ts";
import { reasonOf, statusOf, writeUnavailable } from "../../src/rpc/status.ts";

const NOW = 1_893_456_000_000;
const LATER = NOW + 90_500;

const unavailable = (reason: Unavailability["reason"], more: Partial<Unavailability> = {}): Failure => ({
  kind: "unavailable",
  unavailability: { reason, message: "no profile is usable", profiles: [], ...more },
});

/** The contract's table of errors. The type makes sure that no kind of failure is left out. */
const TABLE = {
  field_invalid: [
    { kind: "field_invalid", violations: [{ field: "model", description: "too long" }] },
    "INVALID_ARGUMENT",
    64,
  ],
  provider_unknown: [{ kind: "provider_unknown", provider: "x" }, "NOT_FOUND", 64],
  profile_unknown: [{ kind: "profile_unknown", profile: "x:y" }, "NOT_FOUND", 64],
  lease_unknown: [{ kind: "lease_unknown" }, "NOT_FOUND", 64],
  login_unknown: [{ kind: "login_unknown" }, "NOT_FOUND", 64],
  api_key_wanted: [{ kind: "api_key_wanted", provider: "a" }, "FAILED_PRECONDITION", 78],
  login_impossible: [{ kind: "login_impossible", cause: "a", help: "b" }, "FAILED_PRECONDITION", 78],
  return_impossible: [{ kind: "return_impossible", cause: "a", help: "b" }, "FAILED_PRECONDITION", 78],
  older_grant: [{ kind: "older_grant", profile: "x:y" }, "FAILED_PRECONDITION", 64],
  account_changed: [{ kind: "account_changed", profile: "x:y" }, "FAILED_PRECONDITION", 64],
  identity_exists: [{ kind: "identity_exists", profile: "x:y", existing: "x:z" }, "ALREADY_EXISTS", 64],
  starting: [{ kind: "starting" }, "UNAVAILABLE", 75],
  draining: [{ kind: "draining" }, "UNAVAILABLE", 75],
  store_unavailable: [
    { kind: "store_unavailable", path: "/s/p.json", cause: "disk full", mend: "make room" },
    "UNAVAILABLE",
    74,
  ],
  store_corrupt: [{ kind: "store_corrupt", path: "/s/p.json", mend: "put it anew" }, "DATA_LOSS", 74],
  peer_unverified: [{ kind: "peer_unverified" }, "UNAUTHENTICATED", 77],
  client_forbidden: [{ kind: "client_forbidden" }, "PERMISSION_DENIED", 77],
  endpoint_limit: [{ kind: "endpoint_limit", retryAtMs: LATER }, "RESOURCE_EXHAUSTED", 75],
  internal: [{ kind: "internal" }, "INTERNAL", 70],
  NO_PROFILE: [unavailable("NO_PROFILE"), "NOT_FOUND", 78],
  ALL_COOLING_DOWN: [unavailable("ALL_COOLING_DOWN", { retryAtMs: LATER }), "RESOURCE_EXHAUSTED", 75],
  UPSTREAM_UNAVAILABLE: [unavailable("UPSTREAM_UNAVAILABLE", { retryAtMs: LATER }), "UNAVAILABLE", 75],
  LOGIN_REQUIRED: [unavailable("LOGIN_REQUIRED", { help: "auth-broker login x" }), "FAILED_PRECONDITION", 78],
  REFRESH_IN_DOUBT: [unavailable("REFRESH_IN_DOUBT"), "FAILED_PRECONDITION", 78],
  PROFILE_BLOCKED: [unavailable("PROFILE_BLOCKED"), "FAILED_PRECONDITION", 78],
  VALIDITY_UNREACHABLE: [unavailable("VALIDITY_UNREACHABLE"), "FAILED_PRECONDITION", 78],
  METERED_NOT_ALLOWED: [unavailable("METERED_NOT_ALLOWED"), "FAILED_PRECONDITION", 78],
  ENDPOINT_LIMIT: [unavailable("ENDPOINT_LIMIT", { retryAtMs: LATER }), "RESOURCE_EXHAUSTED", 75],
  CLIENT_FORBIDDEN: [unavailable("CLIENT_FORBIDDEN"), "PERMISSION_DENIED", 77],
  STORE_UNAVAILABLE: [unavailable("STORE_UNAVAILABLE"), "UNAVAILABLE", 74],
} satisfies Record<
  Exclude<Failure["kind"], "unavailable"> | Unavailability["reason"],
  [Failure, keyof typeof status, number]
>;

const arms = Object.entries(TABLE) as [string, [Failure, string, number]][];

test.each(arms)(
  "%s keeps its code, reason and facts on the way out and back",
  (arm, [failure, code, exit]) => {
    const reply = statusOf(failure, NOW);
    const remote = readStatus(reply, NOW);
    expect(status[reply.code]).toBe(code);
    const reason = arm === "internal" ? "" : arm.toUpperCase();
    expect(remote).toMatchObject({ code, reason, message: sentence(failure), profiles: [] });
    expect(reasonOf(failure) ?? "").toBe(reason);
    expect(exitCodeOf(remote)).toBe(exit);
  },
);

test("the moment of return, the command that mends it and every profile's reason arrive", () => {
  const failure = unavailable("ALL_COOLING_DOWN", {
    retryAtMs: LATER,
    help: "auth-broker login x",
    profiles: [
      { profile: "x:a", reason: "COOLING_DOWN", untilMs: LATER },
      { profile: "x:b", reason: "DISABLED" },
    ],
  });
  expect(readStatus(statusOf(failure, NOW), NOW)).toEqual({
    code: "RESOURCE_EXHAUSTED",
    reason: "ALL_COOLING_DOWN",
    message: "no profile is usable",
    retryTime: new Date(LATER),
    help: "auth-broker login x",
    profiles: [
      { profile: "x:a", reason: "COOLING_DOWN", untilTime: new Date(LATER) },
      { profile: "x:b", reason: "DISABLED" },
    ],
  });
});

test("what a watch says without a status reads the same as the error", () => {
  const failure = unavailable("LOGIN_REQUIRED", { help: "auth-broker login x", retryAtMs: LATER });
  if (failure.kind !== "unavailable") throw new Error("unreachable");
  const type = messageType("authbroker.v1.Unavailable");
  const message = decode(type, encode(type, writeUnavailable(failure.unavailability)));
  expect(readUnavailable(message)).toEqual(readStatus(statusOf(failure, NOW), NOW));
});

test.each([
  ["ALL_COOLING_DOWN", [{ seconds: 90, nanos: 500_000_000 }]],
  ["endpoint_limit", [{ seconds: 90, nanos: 500_000_000 }]],
  ["starting", [{ seconds: 1, nanos: 0 }]],
  ["draining", [{ seconds: 1, nanos: 0 }]],
  ["LOGIN_REQUIRED", []],
  ["lease_unknown", []],
  ["field_invalid", []],
] as const)("%s carries RetryInfo only if a retry can help", (arm, expected) => {
  const delays = detailsOf(statusOf(TABLE[arm][0] as Failure, NOW).metadata)
    .filter(({ type }) => type === "google.rpc.RetryInfo")
    .map(({ message }) => message.retryDelay);
  expect(delays).toEqual(expected);
});

test("a moment that has passed is a delay of 0, never a negative one", () => {
  const { metadata } = statusOf({ kind: "endpoint_limit", retryAtMs: NOW - 5 }, NOW);
  expect(detailsOf(metadata)[1]?.message).toEqual({ retryDelay: { seconds: 0, nanos: 0 } });
});

test("a bad field is named in BadRequest", () => {
  const details = detailsOf(statusOf(TABLE.field_invalid[0] as Failure, NOW).metadata);
  expect(details.map(({ type }) => type)).toEqual(["google.rpc.ErrorInfo", "google.rpc.BadRequest"]);
  expect(details[1]?.message).toMatchObject({
    fieldViolations: [{ field: "model", description: "too long" }],
  });
});

test("an unexpected error tells nothing", () => {
  expect(statusOf({ kind: "internal" }, NOW).metadata.toHttp2Headers()).toEqual({});
});

test("details stay under 4 KiB and 16 profiles, and each is left whole", () => {
  const label = "€".repeat(80);
  const profiles = Array.from({ length: 100 }, (_, index) => ({
    profile: `x:${index}`,
    reason: "MODEL_COOLING_DOWN" as const,
    untilMs: LATER,
  }));
  const small = statusOf(unavailable("ALL_COOLING_DOWN", { profiles, retryAtMs: LATER }), NOW);
  expect(readStatus(small, NOW).profiles).toHaveLength(16);
  const failures: Failure[] = [
    unavailable("ALL_COOLING_DOWN", {
      message: "€".repeat(5000),
      help: "h".repeat(5000),
      retryAtMs: LATER,
      profiles: profiles.map((reason) => ({ ...reason, profile: `${reason.profile}${label}` })),
    }),
    { kind: "provider_unknown", provider: "𝒳".repeat(5000) },
    {
      kind: "field_invalid",
      violations: Array(100).fill({ field: label.repeat(9), description: label.repeat(9) }),
    },
  ];
  for (const failure of failures) {
    const reply = statusOf(failure, NOW);
    const header = String(reply.metadata.toHttp2Headers()["grpc-status-details-bin"]);
    expect(header.length).toBeLessThan(4096);
    expect(Buffer.byteLength(reply.details)).toBeLessThan(520);
    expect(() => encodeURI(reply.details)).not.toThrow();
    const { profiles: kept, ...remote } = readStatus(reply, NOW);
    expect(remote.reason).toBe(reasonOf(failure));
    expect(kept.every(({ profile }) => profile.endsWith(label))).toBe(true);
  }
});

test.each([
  ["a broken connection", "UNAVAILABLE", undefined, 69],
  ["the caller's own deadline", "DEADLINE_EXCEEDED", undefined, 75],
  ["bytes that are no status", "INTERNAL", Buffer.from([255, 255, 255]), 70],
  ["a status of another program", "INTERNAL", foreignStatus(), 70],
] as const)("%s has no reason", (_what, code, bytes, exit) => {
  const metadata = new Metadata();
  if (bytes !== undefined) metadata.set("grpc-status-details-bin", bytes);
  const remote = readStatus({ code: status[code], details: "text", metadata }, NOW);
  expect(remote).toEqual({ code, reason: "", message: "text", profiles: [] });
  expect(exitCodeOf(remote)).toBe(exit);
});

test("a reason of a newer broker is passed on, and a detail unknown here does not hide the others", () => {
  const metadata = new Metadata();
  const info = { reason: "BRAND_NEW", domain: "auth-broker" };
  metadata.set("grpc-status-details-bin", packed([["acme.v9.Other", Buffer.from("x")], infoDetail(info)]));
  expect(readStatus({ code: 9, details: "text", metadata }, NOW)).toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "BRAND_NEW",
  });
});

function foreignStatus(): Buffer {
  return packed([infoDetail({ reason: "LOGIN_REQUIRED", domain: "example.test" })]);
}

function infoDetail(info: Message): [string, Buffer] {
  return ["google.rpc.ErrorInfo", encode(messageType("google.rpc.ErrorInfo"), info)];
}

function packed(details: readonly [string, Buffer][]): Buffer {
  return encode(messageType("google.rpc.Status"), {
    details: details.map(([type, value]) => ({ type_url: `type.googleapis.com/${type}`, value })),
  });
}

function detailsOf(metadata: Metadata): { type: string; message: Message }[] {
  const [bytes] = metadata.get("grpc-status-details-bin");
  if (!Buffer.isBuffer(bytes)) return [];
  const { details } = decode(messageType("google.rpc.Status"), bytes);
  return (details as { type_url: string; value: Uint8Array }[]).map(({ type_url, value }) => {
    const type = type_url.replace("type.googleapis.com/", "");
    return { type, message: decode(messageType(type), value) };
  });
}
