import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { granted, granting } from "../../src/rpc/encoding-once.ts";
import { timestampOf } from "../../src/rpc/instants.ts";
import { type Message, messageType, SERVICES } from "../../src/rpc/schema.ts";
import { loadDefinitions, serverDefinition } from "../../src/rpc/services.ts";

const service = serverDefinition(SERVICES.credential);
const plain = loadDefinitions()[SERVICES.credential] as typeof service;

const credential = { apiKey: { key: "sk-FAKE" }, headers: { authorization: "Bearer sk-FAKE" } };
const lease = {
  leaseId: "one",
  provider: "openai-codex",
  profile: "openai-codex:a",
  generation: 3,
  sessionId: "",
  issueTime: timestampOf(1_800_000_000_123),
  expireTime: timestampOf(1_800_003_600_000),
  trial: true,
  costClass: "COST_CLASS_METERED",
};

/** What both ways to encode a message are read back as. */
function read(method: string, message: Message) {
  const [own, usual] = [service[method], plain[method]];
  return {
    own: usual?.responseDeserialize(own?.responseSerialize(message) as Buffer) as Message,
    usual: usual?.responseDeserialize(usual.responseSerialize(message)),
  };
}

test("an answer is read back as if it had been encoded by the schema", () => {
  const text = fc.string({ unit: "binary", maxLength: 300 });
  const moment = fc.integer({ min: 0, max: 253_402_300_799_000 }).map(timestampOf);
  const leases = fc.record({
    leaseId: text,
    provider: text,
    profile: text,
    generation: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    sessionId: text,
    issueTime: moment,
    expireTime: moment,
    trial: fc.boolean(),
    costClass: fc.constantFrom(...Object.keys(messageEnum())),
  });
  fc.assert(
    fc.property(leases, (any) => {
      const { own, usual } = read("AcquireCredential", { lease: any, credential });
      expect(own).toEqual(usual);
    }),
  );
});

function messageEnum() {
  const { resolvedType } = messageType("authbroker.v1.Lease").fields.costClass ?? {};
  return resolvedType instanceof protobuf.Enum ? resolvedType.values : {};
}

test("all that a lease has is encoded", () => {
  // A field that is added to the schema must be added by hand.
  expect(messageType("authbroker.v1.Lease").fieldsArray.map((field) => field.name)).toEqual(
    Object.keys(lease),
  );
  const { own } = read("AcquireCredential", { lease, credential });
  expect(own).toMatchObject({ lease, credential });
});

test.each([[1], [20_000]])("a watch's grant is read back as by the schema (%i bytes)", (length) => {
  const large = { ...credential, baseUrl: "x".repeat(length) };
  const { own, usual } = read("WatchCredential", { granted: { lease, credential: large } });
  expect(own).toMatchObject({ state: "granted", granted: { lease, credential: large } });
  expect(own).toEqual(usual);
  const unavailable = { reason: "NO_PROFILE", message: "none" };
  expect(read("WatchCredential", { unavailable }).own).toMatchObject({ state: "unavailable", unavailable });
});

test("a watch's grant has the fields of an acquire's answer", () => {
  const fields = (name: string) =>
    messageType(`authbroker.v1.${name}`).fieldsArray.map(({ name, id, type }) => ({ name, id, type }));
  expect(fields("Granted")).toEqual(fields("AcquireCredentialResponse"));
  expect(messageType("authbroker.v1.WatchCredentialResponse").fields.granted?.id).toBe(1);
});

test("a credential is encoded once, another object with other content anew", () => {
  const encoded: object[] = [];
  const serialize = granted(
    granting((message) => {
      encoded.push(message);
      return plain.AcquireCredential?.responseSerialize(message) as Buffer;
    }),
  );
  const back = (bytes: Buffer) => plain.AcquireCredential?.responseDeserialize(bytes);
  const other = { apiKey: { key: "sk-FAKE-2" } };
  for (const [id, given] of [
    ["one", credential],
    ["two", credential],
    ["three", other],
  ] as const) {
    const message = { lease: { ...lease, leaseId: id }, credential: given };
    expect(back(serialize(message))).toMatchObject(message);
  }
  expect(encoded).toEqual([{ credential }, { credential: other }]);
});
