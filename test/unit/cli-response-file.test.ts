import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readResponse } from "../../src/cli/response-file.ts";

async function reading(content: string | Uint8Array): Promise<unknown> {
  const directory = await mkdtemp(join(tmpdir(), "response-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "response");
  await writeFile(file, content);
  return readResponse(file);
}

test("an HTTP response as text is taken apart, repeated headers as one list", async () => {
  const text =
    'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nX-A: 1\r\nx-a: 2\r\n\r\n{"error":"x"}\r\n\r\nmore';
  expect(await reading(text)).toEqual({
    httpStatus: 429,
    headers: { "retry-after": "30", "x-a": "1, 2" },
    body: Buffer.from('{"error":"x"}\r\n\r\nmore'),
  });
});

test("bare line feeds, HTTP/2 and a missing body are fine", async () => {
  expect(await reading("HTTP/2 401\nwww-authenticate: Bearer\n")).toEqual({
    httpStatus: 401,
    headers: { "www-authenticate": "Bearer" },
    body: Buffer.alloc(0),
  });
});

test("of several responses the last one counts, as curl prints them behind a proxy", async () => {
  const text =
    "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\na: b\r\n\r\nx";
  expect(await reading(text)).toMatchObject({ httpStatus: 503, headers: { a: "b" }, body: Buffer.from("x") });
});

test("a body that is no text survives, and a long one is cut at 64 KiB", async () => {
  const head = Buffer.from("HTTP/1.1 500 Oops\r\n\r\n");
  expect(await reading(Buffer.concat([head, Buffer.from([0xff, 0x00, 0xfe])]))).toMatchObject({
    body: Buffer.from([0xff, 0x00, 0xfe]),
  });
  const long = (await reading(Buffer.concat([head, Buffer.alloc(10_000_000, "x")]))) as { body: Buffer };
  expect(long.body).toHaveLength(65_536);
});

test("JSON is taken as it stands, byte order mark and CRLF included; bodyText is another way to write body", async () => {
  expect(await reading('\uFEFF{\r\n"httpStatus": 429,\r\n"body": "eA=="}\r\n')).toEqual({
    httpStatus: 429,
    body: "eA==",
  });
  expect(await reading('{"httpStatus":500,"bodyText":"ü"}')).toEqual({
    httpStatus: 500,
    body: Buffer.from("ü"),
  });
});

test("a long body in JSON is cut to whole base64 groups", async () => {
  const { body } = (await reading(JSON.stringify({ body: "A".repeat(10_000_000) }))) as { body: string };
  expect(body.length % 4).toBe(0);
  expect(Buffer.from(body, "base64").length).toBeGreaterThan(65_000);
  expect(body.length).toBeLessThan(90_000);
});

test.each([
  ["", 65],
  ["{", 65],
  [Buffer.from([0xff, 0xfe, 0x00]), 65],
  ["[]", 64],
  ["null", 64],
  ['"HTTP"', 64],
  ['{"bodyText":1}', 64],
  ['{"bodyText":"a","body":"eA=="}', 64],
  ["HTTP/1.1 abc\r\n\r\n", 64],
  ["HTTP/", 64],
])("%j is refused with %d", async (content, exit) => {
  await expect(reading(content)).rejects.toMatchObject({ exit });
});

test("a directory and a missing file are told apart", async () => {
  await expect(readResponse(tmpdir())).rejects.toMatchObject({
    exit: 65,
    message: expect.stringContaining("directory"),
  });
  await expect(readResponse("/nowhere/at-all")).rejects.toMatchObject({ exit: 66 });
});
