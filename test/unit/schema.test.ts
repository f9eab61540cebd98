import { expect, test } from "vitest";
import {
  decode,
  encode,
  type Message,
  messageType,
  SERVICES,
  serviceDefinition,
} from "../../src/rpc/schema.ts";

const again = (name: string, message: Message) => {
  const type = messageType(`authbroker.v1.${name}`);
  return decode(type, encode(type, message));
};

test("an optional field tells unset from its zero value", () => {
  expect(again("UpdateProfileRequest", { profile: "p:a" })).toEqual({
    profile: "p:a",
    pools: [],
    ownership: "OWNERSHIP_UNSPECIFIED",
  });
  expect(again("UpdateProfileRequest", { profile: "p:a", enabled: false, label: "" })).toMatchObject({
    enabled: false,
    label: "",
  });
  expect(again("UsageWindow", { name: "primary", usedPercent: 0 })).toEqual({
    name: "primary",
    usedPercent: 0,
    _usedPercent: "usedPercent",
    resetTime: null,
    observeTime: null,
  });
});

test("maps, bytes, enums, instants and oneofs come back as they were sent", () => {
  const report = {
    leaseId: "l",
    providerResponse: {
      source: "RESPONSE_SOURCE_STREAM_EVENT",
      httpStatus: 429,
      headers: { "retry-after": "30" },
      body: Buffer.from([0, 255, 10]),
      receiveTime: { seconds: 1_900_000_000, nanos: 5_000_000 },
    },
  };
  expect(again("ReportOutcomeRequest", report)).toMatchObject({ ...report, report: "providerResponse" });
  expect(again("PutProfileRequest", { profile: "p:a" })).toMatchObject({ attributes: {}, cooldowns: [] });
});

test("a member of a oneof may be an enum, and unset is not its zero value", () => {
  expect(again("ReportOutcomeRequest", { outcome: "OUTCOME_BILLING" })).toMatchObject({
    report: "outcome",
    outcome: "OUTCOME_BILLING",
  });
  expect(again("ReportOutcomeRequest", {})).not.toHaveProperty("outcome");
});

test("a name that the schema does not have is refused instead of sent as 0 or dropped", () => {
  expect(() => again("ReportOutcomeRequest", { outcome: "OUTCOME_NONSENSE" })).toThrow(
    "outcome has no value",
  );
  expect(() => again("AcquireCredentialRequest", { kinds: ["oauth"] })).toThrow("kinds has no value");
  expect(() => again("PutProfileRequest", { cooldowns: [{ source: "MAYBE" }] })).toThrow(
    "Cooldown.source has no value",
  );
  expect(() => again("PutProfileRequest", { oauth: { refresh_token: "rt-FAKE-1" } })).toThrow(
    'OAuthGrant has no field "refresh_token"',
  );
  expect(() => again("ReportOutcomeRequest", { constructor: 1 })).toThrow("has no field");
});

test("an enum value of a newer peer stays a number, so that an edge can refuse it", () => {
  const type = messageType("authbroker.v1.ReportOutcomeRequest");
  expect(decode(type, Buffer.from([0x10, 99]))).toMatchObject({ outcome: 99 });
});

test("a decoded message can be sent on", () => {
  const decoded = again("UpdateProfileRequest", { profile: "p:a", enabled: true });
  expect(again("UpdateProfileRequest", decoded)).toEqual(decoded);
});

test.each([
  [SERVICES.credential, ["AcquireCredential", "WatchCredential", "ReportOutcome", "ReleaseLease"]],
  [SERVICES.status, ["GetStatus", "ExplainSelection", "GetUsage", "WatchUsage"]],
  [
    SERVICES.profile,
    [
      "ListProfiles",
      "GetProfile",
      "PutProfile",
      "UpdateProfile",
      "DeleteProfile",
      "SetOrder",
      "GetOrder",
      "ClearCooldown",
      "AcknowledgeBan",
      "RefreshProfile",
      "WatchProfiles",
    ],
  ],
])("%s has its calls, and only watches stream", (name, calls) => {
  const definition = serviceDefinition(name);
  expect(Object.keys(definition)).toEqual(calls);
  for (const [call, { path, requestStream, responseStream }] of Object.entries(definition)) {
    expect(path).toBe(`/${name}/${call}`);
    expect(requestStream).toBe(false);
    expect(responseStream).toBe(call.startsWith("Watch"));
  }
});

test("what a watch streams is also the next of a report", () => {
  const next = { unavailable: { reason: "NO_PROFILE" } };
  const streamed = again("WatchCredentialResponse", next);
  expect(again("ReportOutcomeResponse", { next })).toMatchObject({ next: streamed });
});

test("no message that leaves the broker has a field for a refresh token", () => {
  const answers = Object.values(SERVICES)
    .filter((name) => name.startsWith("authbroker."))
    .flatMap((name) => Object.values(serviceDefinition(name)));
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const field of messageType(name).fieldsArray) {
      if (field.name !== "hasRefreshToken") expect(field.name.toLowerCase()).not.toContain("refreshtoken");
      if (field.resolvedType !== null && "fieldsArray" in field.resolvedType)
        visit(field.resolvedType.fullName);
    }
  };
  for (const { path } of answers) visit(`authbroker.v1.${path.split("/")[2]}Response`);
  expect(seen.size).toBeGreaterThan(20);
});
