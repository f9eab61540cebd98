import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyOfRecoveryCode, recoveryCode } from "../../src/key/recovery-code.ts";
import { Damage } from "../../src/store/damage.ts";
import { readEnvelope, writeEnvelope } from "../../src/store/envelope.ts";
import { Seal, type Sealed, type Subject } from "../../src/store/seal.ts";
import { testSeals } from "../support/keys.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const install = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const subject: fc.Arbitrary<Subject> = fc.record({
  format: fc.constant(2),
  place: fc.string(),
  generation: fc.nat(),
  revision: fc.nat(),
});
const plain = fc.uint8Array({ maxLength: 3_000 });

function flipped(bytes: Uint8Array, bit: number): Buffer {
  const changed = Buffer.from(bytes);
  const at = bit % (8 * bytes.length);
  changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7));
  return changed;
}

describe("a seal", () => {
  it("opens what it sealed, and says the same thing never twice in the same way", () => {
    fc.assert(
      fc.property(key, install, plain, subject, (root, name, bytes, about) => {
        const seal = new Seal(root, name);
        const sealed = seal.seal(bytes, about);
        expect(new Uint8Array(new Seal(root, name).open(sealed, about) ?? [])).toEqual(bytes);
        expect(seal.seal(bytes, about).record).not.toBe(sealed.record);
      }),
    );
  });

  it("does not open with any bit of it flipped", () => {
    const part = fc.constantFrom("iv", "record") satisfies fc.Arbitrary<keyof Sealed>;
    fc.assert(
      fc.property(key, install, plain, subject, part, fc.nat(), (root, name, bytes, about, which, bit) => {
        const seal = new Seal(root, name);
        const sealed = seal.seal(bytes, about);
        const changed = flipped(Buffer.from(sealed[which], "base64"), bit).toString("base64");
        expect(seal.open({ ...sealed, [which]: changed }, about)).toBeUndefined();
        const respelled = flipped(Buffer.from(sealed[which]), bit).toString("latin1");
        expect(seal.open({ ...sealed, [which]: respelled }, about)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it("does not open as another profile's, another generation's, revision's, format's, installation's or key's", () => {
    const field = fc.constantFrom("format", "place", "generation", "revision") satisfies fc.Arbitrary<
      keyof Subject
    >;
    fc.assert(
      fc.property(
        key,
        key,
        install,
        install,
        plain,
        subject,
        field,
        (root, root2, name, name2, bytes, about, which) => {
          const sealed = new Seal(root, name).seal(bytes, about);
          const other = {
            ...about,
            [which]: which === "place" ? `${about.place}x` : about[which] + 1,
          } as Subject;
          expect(new Seal(root, name).open(sealed, other)).toBeUndefined();
          if (name !== name2) expect(new Seal(root, name2).open(sealed, about)).toBeUndefined();
          if (Buffer.compare(root, root2) !== 0)
            expect(new Seal(root2, name).open(sealed, about)).toBeUndefined();
        },
      ),
    );
  });

  it("does not open cut off, empty or as nonsense", () => {
    const seal = new Seal(new Uint8Array(32), "00");
    const about = { format: 2, place: "p", generation: 1, revision: 1 };
    const sealed = seal.seal(Buffer.from("x"), about);
    for (let length = 0; length < sealed.record.length; length++) {
      expect(seal.open({ ...sealed, record: sealed.record.slice(0, length) }, about)).toBeUndefined();
    }
    expect(seal.open({ ...sealed, iv: "" }, about)).toBeUndefined();
  });
});

describe("a sealed document", () => {
  const content = fc.record({
    record: fc.json().map((text) => JSON.parse(text) as unknown),
    revision: fc.integer({ min: 1 }),
    generation: fc.nat(),
  });

  it("is given back as it was", () => {
    fc.assert(
      fc.property(content, (given) => {
        const seals = testSeals();
        const bytes = writeEnvelope(given, "profiles/x.json", seals);
        const { key: id, ...back } = readEnvelope(bytes, "profiles/x.json", seals);
        expect(back).toEqual(JSON.parse(JSON.stringify(given)));
        expect(id).toBe(seals.newest.id);
      }),
    );
  });

  it("is refused with any bit of the file flipped, and under any other name", () => {
    const seals = testSeals();
    fc.assert(
      fc.property(content, fc.nat(), (given, bit) => {
        const bytes = writeEnvelope(given, "profiles/x.json", seals);
        expect(() => readEnvelope(flipped(bytes, bit), "profiles/x.json", seals)).toThrow(Damage);
        expect(() => readEnvelope(bytes, "profiles/y.json", seals)).toThrow(Damage);
      }),
      { numRuns: 1_000 },
    );
  });

  it("is refused with any two fields taken from two documents", () => {
    const seals = testSeals();
    const fields = ["generation", "revision", "record", "seal"] as const;
    fc.assert(
      fc.property(content, content, fc.constantFrom(...fields), (a, b, field) => {
        fc.pre(a.generation !== b.generation && a.revision !== b.revision);
        const one = JSON.parse(writeEnvelope(a, "p", seals).toString());
        const other = JSON.parse(writeEnvelope(b, "p", seals).toString());
        const mixed = Buffer.from(JSON.stringify({ ...one, [field]: other[field] }));
        expect(() => readEnvelope(mixed, "p", seals)).toThrow(Damage);
      }),
    );
  });
});

describe("a recovery code", () => {
  it("gives back its key, however it is typed", () => {
    fc.assert(
      fc.property(key, (given) => {
        const code = recoveryCode(given);
        expect(code).toMatch(/^([0-9A-Z]{7}-){7}[0-9A-Z]{7}$/);
        for (const typed of [
          code,
          code.toLowerCase(),
          code.replaceAll("-", " "),
          ` ${code}\n`,
          code.replaceAll("0", "O").replaceAll("1", "l"),
        ])
          expect(new Uint8Array(keyOfRecoveryCode(typed) ?? [])).toEqual(given);
      }),
    );
  });

  it("with a wrong, missing or swapped letter is none", () => {
    fc.assert(
      fc.property(key, fc.nat(55), (given, at) => {
        const letters = [...recoveryCode(given).replaceAll("-", "")];
        const wrong = letters.with(at, letters[at] === "7" ? "8" : "7");
        expect(keyOfRecoveryCode(wrong.join(""))).toBeUndefined();
        expect(keyOfRecoveryCode(letters.toSpliced(at, 1).join(""))).toBeUndefined();
        const [a, b] = [letters[at] ?? "", letters[(at + 1) % 56] ?? ""];
        if (a !== b)
          expect(
            keyOfRecoveryCode(
              letters
                .with(at, b)
                .with((at + 1) % 56, a)
                .join(""),
            ),
          ).toBeUndefined();
      }),
    );
  });
});
