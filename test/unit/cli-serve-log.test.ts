import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { daemonLog } from "../../src/cli/serve-log.ts";

/** Takes the first line and then nothing until `read` is called; all that came is in `lines`. */
function stuck() {
  const lines: Record<string, unknown>[] = [];
  let read: () => void = () => {};
  const stream = new Writable({
    decodeStrings: false,
    highWaterMark: 1,
    write(line, _encoding, done) {
      lines.push(JSON.parse(String(line)));
      if (lines.length === 1) read = done;
      else done();
    },
  });
  return { stream, lines, read: () => read() };
}

test("lines that nobody reads are dropped above a bound and counted, but never the fatal one", async () => {
  const { stream, lines, read } = stuck();
  const { log } = await daemonLog("info", false, stream);
  const filler = "x".repeat(10_000);
  for (let i = 0; i < 1_000; i += 1) log.info({ i, filler }, "many");
  expect(stream.writableLength).toBeLessThan(1.1 * 1024 * 1024);
  log.fatal({}, "the end");
  read();
  await new Promise<void>((resolve) => stream.end(resolve));
  const kept = lines.filter(({ msg }) => msg === "many");
  expect(lines.at(-1)).toMatchObject({ msg: "the end" });
  expect(lines.at(-2)?.msg).toContain(`${1_000 - kept.length} lines`);
  expect(kept.length).toBeGreaterThan(50);
});
