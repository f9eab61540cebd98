import { expect, test } from "vitest";
import { joined, partOnce } from "../../src/rpc/encoding-once.ts";
import { messageType, SERVICES } from "../../src/rpc/schema.ts";
import { serverDefinition } from "../../src/rpc/services.ts";

const acquire = serverDefinition(SERVICES.credential).AcquireCredential;
const whole = (message: object): Buffer => {
  // Without the field that is encoded apart, and with it in a new object each time.
  const { credential, ...others } = message as { credential?: object };
  return acquire?.responseSerialize({ ...others, credential: { ...credential } }) as Buffer;
};

const lease = (leaseId: string) => ({ leaseId, profile: "openai-codex:a", generation: 3, trial: true });
const credential = { apiKey: { key: "sk-FAKE" }, headers: { authorization: "Bearer sk-FAKE" } };

test("an answer that is put together of parts reads back as the whole", () => {
  for (const leaseId of ["one", "two"]) {
    const bytes = acquire?.responseSerialize({ lease: lease(leaseId), credential }) as Buffer;
    expect(acquire?.responseDeserialize(bytes)).toMatchObject({ lease: lease(leaseId), credential });
    expect(acquire?.responseDeserialize(bytes)).toEqual(
      acquire?.responseDeserialize(whole({ lease: lease(leaseId), credential })),
    );
  }
});

test.each([[1], [20_000]])(
  "a watch's grant, put together of parts, reads back as the whole (%i bytes)",
  (length) => {
    const watch = serverDefinition(SERVICES.credential).WatchCredential;
    const large = { ...credential, baseUrl: "x".repeat(length) };
    const bytes = watch?.responseSerialize({ granted: { lease: lease("one"), credential: large } }) as Buffer;
    const read = watch?.responseDeserialize(bytes);
    expect(read).toMatchObject({ state: "granted", granted: { lease: lease("one"), credential: large } });
    const unavailable = { reason: "NO_PROFILE", message: "none" };
    const other = watch?.responseSerialize({ unavailable }) as Buffer;
    expect(watch?.responseDeserialize(other)).toMatchObject({ state: "unavailable", unavailable });
  },
);

test("a watch's grant has the fields of an acquire's answer", () => {
  const fields = (name: string) =>
    messageType(`authbroker.v1.${name}`).fieldsArray.map(({ name, id, type }) => ({ name, id, type }));
  expect(fields("Granted")).toEqual(fields("AcquireCredentialResponse"));
  expect(messageType("authbroker.v1.WatchCredentialResponse").fields.granted?.id).toBe(1);
});

test("an object is encoded once, another one with other content anew", () => {
  const encoded: object[] = [];
  const serialize = joined(
    partOnce("part", (message) => {
      encoded.push(message);
      return Buffer.from(JSON.stringify(message));
    }),
  );
  const part = { a: 1 };
  expect(String(serialize({ n: 1, part }))).toBe('{"n":1}{"part":{"a":1}}');
  expect(String(serialize({ n: 2, part }))).toBe('{"n":2}{"part":{"a":1}}');
  expect(String(serialize({ n: 3, part: { a: 2 } }))).toBe('{"n":3}{"part":{"a":2}}');
  expect(encoded.filter((message) => "part" in message)).toHaveLength(2);
});

test("a message without the part is encoded as it is", () => {
  const serialize = joined(partOnce("part", (message) => Buffer.from(JSON.stringify(message))));
  expect(String(serialize({ n: 1, part: null }))).toBe('{"n":1,"part":null}');
  expect(String(serialize({ n: 1 }))).toBe('{"n":1}');
});
