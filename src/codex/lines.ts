import type { Readable, Writable } from "node:stream";

const LINE_FEED = 10;

/**
 * The lines of a stream as the bytes they are, line feed included; the last one may lack it. Reads no
 * further than its reader goes.
 */
export async function* linesOf(stream: Readable): AsyncGenerator<Buffer, void> {
  let begun: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      const rest = chunk.subarray(from, end + 1);
      yield begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
      begun = [];
      from = end + 1;
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}

/** Writes, and resolves as soon as the stream has room for more, or when nobody reads it any more. */
export function write(stream: Writable, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => {
    if (!stream.writable || stream.write(bytes)) return resolve();
    const events = ["drain", "close", "error"];
    const done = () => {
      for (const event of events) stream.off(event, done);
      resolve();
    };
    for (const event of events) stream.on(event, done);
  });
}
