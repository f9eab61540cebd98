import { PassThrough, Readable } from "node:stream";
import { expect, test } from "vitest";
import { linesOf, write } from "../../src/codex/lines.ts";
import { turns } from "../support/until.ts";

const read = async (chunks: readonly (string | Buffer)[]) => {
  const lines: string[] = [];
  for await (const line of linesOf(Readable.from(chunks.map((chunk) => Buffer.from(chunk)))))
    lines.push(line.toString("latin1"));
  return lines;
};

test("lines come as they were written, however they were cut; the last one may lack its end", async () => {
  expect(await read(["a\nb", "", "c\n\nd\r\n", "e"])).toEqual(["a\n", "bc\n", "\n", "d\r\n", "e"]);
  expect(await read([])).toEqual([]);
  const umlaut = Buffer.from("ä\n");
  expect(await read([umlaut.subarray(0, 1), umlaut.subarray(1)])).toEqual([umlaut.toString("latin1")]);
});

test("a line of 64 MiB in small pieces is one line", async () => {
  const piece = Buffer.alloc(64 * 1024, "x");
  const chunks = [...Array.from({ length: 1_024 }, () => piece), Buffer.from("\n")];
  let length = 0;
  for await (const line of linesOf(Readable.from(chunks))) length = line.length;
  expect(length).toBe(64 * 1024 * 1024 + 1);
});

test("writing waits until there is room, and no longer than somebody reads", async () => {
  const stream = new PassThrough({ highWaterMark: 4 });
  await write(stream, "ab");
  let isDone = false;
  const writing = write(stream, "cdefgh").then(() => {
    isDone = true;
  });
  await turns();
  expect(isDone).toBe(false);
  stream.resume();
  await writing;

  const unread = new PassThrough({ highWaterMark: 1 });
  const stuck = write(unread, "abc");
  unread.destroy();
  await stuck;
  await write(unread, "never read");
});
