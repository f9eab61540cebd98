import { expect, test } from "vitest";
import { accessListIn, onlyFor, ownerIn, sidAt, sidText } from "../../src/system/security-descriptor.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

// As Windows itself writes them: MS-DTYP 2.4.2.4 has the texts, its well-known SIDs the numbers.
const SYSTEM = hex("01 01 00 00 00 00 00 05 12 00 00 00");
const ADMINISTRATORS = hex("01 02 00 00 00 00 00 05 20 00 00 00 20 02 00 00");
const USER = hex("01 05 00 00 00 00 00 05 15 00 00 00 01 00 00 80 02 00 00 00 03 00 00 00 e9 03 00 00");

test.each([
  ["S-1-5-18", SYSTEM],
  ["S-1-5-32-544", ADMINISTRATORS],
  ["S-1-5-21-2147483649-2-3-1001", USER],
])("%s is read", (text, sid) => {
  expect(sidText(sid)).toBe(text);
  expect(sidAt(Buffer.concat([hex("ff ff"), sid, hex("ff ff ff")]), 2)).toEqual(sid);
});

test("a descriptor for one user has a protected list with that user's entry alone", () => {
  expect(onlyFor(SYSTEM)).toEqual(
    hex(
      "01 00 04 90 00 00 00 00 00 00 00 00 00 00 00 00 14 00 00 00" + // header: self-relative, protected list at 20
        "02 00 1c 00 01 00 00 00" + // list: 28 bytes, one entry
        "00 00 14 00 ff 01 1f 00" + // entry: allow, 20 bytes, everything
        "01 01 00 00 00 00 00 05 12 00 00 00",
    ),
  );
  expect(accessListIn(onlyFor(USER))).toHaveLength(8 + 8 + USER.length);
  expect(ownerIn(onlyFor(USER))).toBeUndefined();
});

test("owner and list are found in what the system gives, and may be absent", () => {
  const list = accessListIn(onlyFor(USER)) ?? Buffer.alloc(0);
  const header = hex("01 00 04 80 14 00 00 00 00 00 00 00 00 00 00 00 24 00 00 00");
  const given = Buffer.concat([header, ADMINISTRATORS, list, Buffer.alloc(64)]);
  expect(ownerIn(given)).toEqual(ADMINISTRATORS);
  expect(accessListIn(given)).toEqual(list);
  expect(accessListIn(Buffer.alloc(20))).toBeUndefined();
});
