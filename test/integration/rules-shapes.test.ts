import type protobuf from "protobufjs";
import { expect, test } from "vitest";
import { messageType, protoName, SERVICES, serviceDefinition } from "../../src/rpc/schema.ts";
import { world } from "../support/broker-world.ts";

const T = "google.protobuf.Timestamp";
const D = "google.protobuf.Duration";

/** Fields that clients rely on, by message; a type where it is more than a text, and `[]` for lists. */
const MESSAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  AcquireCredentialRequest: {
    provider: "string",
    model: "string",
    sessionId: "string",
    pool: "string",
    kinds: "ProfileKind[]",
    minValidFor: D,
    profile: "string",
    excludeProfiles: "string[]",
    maxWait: D,
  },
  AcquireCredentialResponse: { lease: "Lease", credential: "Credential" },
  Lease: {
    leaseId: "string",
    provider: "string",
    profile: "string",
    generation: "int32",
    sessionId: "string",
    issueTime: T,
    expireTime: T,
    trial: "bool",
    costClass: "CostClass",
  },
  Credential: {
    oauth: "OAuthCredential",
    apiKey: "ApiKeyCredential",
    baseUrl: "string",
    headers: "map",
    attributes: "map",
  },
  OAuthCredential: {
    accessToken: "string",
    tokenType: "string",
    expireTime: T,
    idToken: "string",
    accountId: "string",
    planType: "string",
  },
  ApiKeyCredential: { key: "string" },
  WatchCredentialResponse: { granted: "Granted", unavailable: "Unavailable" },
  Granted: { lease: "Lease", credential: "Credential" },
  ReportOutcomeRequest: {
    leaseId: "string",
    outcome: "Outcome",
    providerResponse: "ProviderResponse",
    model: "string",
    retryTime: T,
    responseStarted: "bool",
    usageWindows: "UsageWindow[]",
    acquireNext: "bool",
  },
  ProviderResponse: {
    source: "ResponseSource",
    httpStatus: "int32",
    headers: "map",
    body: "bytes",
    transportError: "string",
    receiveTime: T,
  },
  ReportOutcomeResponse: {
    applied: "bool",
    ignoredReason: "IgnoredReason",
    outcome: "Outcome",
    scope: "Scope",
    advice: "Advice",
    profileState: "ProfileState",
    retryTime: T,
    next: "WatchCredentialResponse",
  },
  Advice: { action: "AdviceAction", delay: D },
  ReleaseLeaseRequest: { leaseId: "string" },
  Unavailable: {
    reason: "string",
    message: "string",
    retryTime: T,
    help: "string",
    profiles: "ProfileReason[]",
  },
  ProfileReason: { profile: "string", reason: "string", untilTime: T },
  GetStatusResponse: {
    version: "string",
    startTime: T,
    store: "StoreStatus",
    providers: "ProviderStatus[]",
    warnings: "string[]",
  },
  StoreStatus: { kind: "string", writable: "bool" },
  ProviderStatus: {
    provider: "string",
    usable: "int32",
    coolingDown: "int32",
    needsLogin: "int32",
    blocked: "int32",
    disabled: "int32",
    nextUsableTime: T,
  },
  ExplainSelectionResponse: { candidates: "Candidate[]" },
  Candidate: {
    profile: "string",
    rank: "int32",
    eligible: "bool",
    reason: "string",
    untilTime: T,
    message: "string",
  },
  PutProfileRequest: {
    profile: "string",
    oauth: "OAuthGrant",
    token: "TokenGrant",
    apiKey: "ApiKeyGrant",
    baseUrl: "string",
    enabled: "bool",
    pools: "string[]",
    ownership: "Ownership",
    sourcePath: "string",
    cooldowns: "Cooldown[]",
    allowAccountChange: "bool",
  },
  OAuthGrant: {
    accessToken: "string",
    refreshToken: "string",
    idToken: "string",
    tokenType: "string",
    expireTime: T,
    accountId: "string",
    userId: "string",
    email: "string",
    planType: "string",
    scopes: "string[]",
  },
  TokenGrant: { token: "string", expireTime: T },
  ApiKeyGrant: { key: "string" },
  Cooldown: {
    model: "string",
    outcome: "Outcome",
    source: "CooldownSource",
    setTime: T,
    untilTime: T,
    strikes: "int32",
  },
  UsageWindow: {
    name: "string",
    windowMinutes: "int32",
    usedPercent: "double",
    resetTime: T,
    observeTime: T,
  },
  UpdateProfileRequest: {
    profile: "string",
    label: "string",
    enabled: "bool",
    baseUrl: "string",
    pools: "string[]",
  },
  GetProfileRequest: { profile: "string" },
  DeleteProfileRequest: { profile: "string" },
  RefreshProfileRequest: { profile: "string" },
  ClearCooldownRequest: { profile: "string", model: "string" },
  ListProfilesRequest: { provider: "string", pageSize: "int32", pageToken: "string" },
  ListProfilesResponse: { profiles: "Profile[]", nextPageToken: "string" },
  AcknowledgeBanRequest: { provider: "string" },
  AcknowledgeBanResponse: { profiles: "Profile[]" },
  SetOrderRequest: { provider: "string", profiles: "string[]" },
  SetOrderResponse: { profiles: "string[]", unknown: "string[]" },
  WatchProfilesRequest: { provider: "string" },
  WatchProfilesResponse: { profiles: "Profile[]", removed: "string[]", snapshot: "bool" },
  PutProfileResponse: { profile: "Profile" },
  GetProfileResponse: { profile: "Profile" },
  UpdateProfileResponse: { profile: "Profile" },
  ClearCooldownResponse: { profile: "Profile" },
  RefreshProfileResponse: { profile: "Profile" },
  DeleteProfileResponse: {},
  ReleaseLeaseResponse: {},
  Profile: {
    profile: "string",
    provider: "string",
    label: "string",
    kind: "ProfileKind",
    accountHint: "string",
    planType: "string",
    pools: "string[]",
    costClass: "CostClass",
    ownership: "Ownership",
    state: "ProfileState",
    stateReason: "string",
    order: "int32",
    enabled: "bool",
    generation: "int32",
    accessTokenExpireTime: T,
    refreshTime: T,
    lastRefreshTime: T,
    hasRefreshToken: "bool",
    cooldowns: "Cooldown[]",
    usageWindows: "UsageWindow[]",
    sessionCount: "int32",
    tokenFingerprint: "string",
  },
};

const ENUMS: Readonly<Record<string, readonly [prefix: string, ...values: string[]]>> = {
  Outcome: [
    "OUTCOME",
    ..."OK RATE_LIMIT USAGE_LIMIT OVERLOADED AUTH_INVALID_TOKEN AUTH_PERMANENT BILLING FORBIDDEN".split(" "),
    ..."MODEL_NOT_FOUND BAD_REQUEST TIMEOUT SERVER_ERROR NETWORK UNRECOGNIZED".split(" "),
  ],
  Scope: ["SCOPE", "PROFILE", "PROFILE_MODEL", "PROVIDER", "NONE"],
  ProfileState: [
    "PROFILE_STATE",
    ..."READY COOLING_DOWN NEEDS_LOGIN REFRESH_IN_DOUBT BLOCKED DISABLED".split(" "),
  ],
  ProfileKind: ["PROFILE_KIND", "OAUTH", "TOKEN", "API_KEY"],
  Ownership: ["OWNERSHIP", "SOLE", "SHARED", "UNKNOWN"],
  CostClass: ["COST_CLASS", "SUBSCRIPTION", "METERED"],
  CooldownSource: ["COOLDOWN_SOURCE", "PROVIDER"],
  ResponseSource: ["RESPONSE_SOURCE", "MODEL_API", "STREAM_EVENT", "USAGE_API"],
  AdviceAction: ["ADVICE_ACTION", "RETRY_SAME", "RETRY_NEXT", "WAIT", "LOGIN", "GIVE_UP"],
  IgnoredReason: ["IGNORED_REASON", "STALE_GENERATION", "DUPLICATE", "OTHER_ACCOUNT", "PROFILE_GONE"],
};

function typeOf(field: protobuf.Field): string {
  if (field.map) return "map";
  const name = (field.resolvedType?.fullName ?? field.type).replace(/^\.(authbroker\.v1\.)?/, "");
  return field.repeated ? `${name}[]` : name;
}

for (const [name, fields] of Object.entries(MESSAGES)) {
  test(`${name} has its fields, under their names and with their types`, () => {
    const type = messageType(`authbroker.v1.${name}`);
    for (const [field, expected] of Object.entries(fields)) {
      const found = type.fields[field];
      expect(found, field).toBeDefined();
      if (found === undefined) continue;
      expect(typeOf(found), field).toBe(expected);
      expect(protoName(found)).toBe(field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    }
  });
}

for (const [name, [prefix, ...values]] of Object.entries(ENUMS)) {
  test(`${name}: every value carries the prefix, and zero is UNSPECIFIED`, () => {
    const found = messageType("authbroker.v1.Lease").root.lookupEnum(`authbroker.v1.${name}`);
    expect(found.values[`${prefix}_UNSPECIFIED`]).toBe(0);
    for (const value of values) expect(found.values).toHaveProperty(`${prefix}_${value}`);
    expect(Object.keys(found.values).every((value) => value.startsWith(`${prefix}_`))).toBe(true);
  });
}

test("the fields of a watch and of an explanation are those of an acquire; a watch has no max_wait", () => {
  const names = (type: string) => Object.keys(messageType(`authbroker.v1.${type}`).fields);
  const acquire = Object.keys(MESSAGES.AcquireCredentialRequest ?? {});
  expect(names("ExplainSelectionRequest")).toEqual(expect.arrayContaining(acquire));
  expect(names("WatchCredentialRequest")).toEqual(
    expect.arrayContaining(acquire.filter((field) => field !== "maxWait")),
  );
  expect(names("WatchCredentialRequest")).not.toContain("maxWait");
});

test("every method of the three services is there, and the watches are streams", () => {
  const methods = (service: keyof typeof SERVICES) =>
    Object.fromEntries(
      Object.entries(serviceDefinition(SERVICES[service])).map(([name, m]) => [name, m.responseStream]),
    );
  expect(methods("credential")).toMatchObject({
    AcquireCredential: false,
    WatchCredential: true,
    ReportOutcome: false,
    ReleaseLease: false,
  });
  expect(methods("status")).toMatchObject({ GetStatus: false, ExplainSelection: false });
  expect(methods("profile")).toMatchObject({
    ListProfiles: false,
    GetProfile: false,
    PutProfile: false,
    UpdateProfile: false,
    DeleteProfile: false,
    SetOrder: false,
    ClearCooldown: false,
    AcknowledgeBan: false,
    RefreshProfile: false,
    WatchProfiles: true,
  });
});

test("a field that does not apply is unset", async () => {
  await using broker = await world();
  await broker.putKey("openai-api:k");
  const { lease, credential } = await broker.acquire("openai-api");
  expect(Object.keys(credential)).not.toContain("oauth");
  expect(lease.sessionId).toBe("");
  const profile = await broker.get("openai-api:k");
  expect([profile.accessTokenExpireTime, profile.refreshTime, profile.lastRefreshTime]).toEqual([
    null,
    null,
    null,
  ]);
});
