import { setTimeout as after } from "node:timers/promises";
import { connect } from "../client/index.ts";
import { openclawProgram } from "../openclaw/program.ts";
import { push } from "../openclaw/push.ts";
import { answerSecrets, readIds } from "../openclaw/secrets.ts";
import { CommandError } from "./command-error.ts";
import { note, print } from "./output.ts";

interface SecretsOptions {
  readonly watch?: boolean;
  readonly every?: number;
  readonly openclaw?: string;
}

const EVERY_MS = 30_000;
const MOST_BYTES = 1024 * 1024;

export async function secrets(ids: readonly string[], options: SecretsOptions): Promise<void> {
  if (options.watch) return watch(ids, options);
  if (ids.length > 0)
    throw new CommandError(64, "ids are for --watch; without it they come from standard input");
  const asked = readIds(await standardInput());
  await using broker = await connect();
  print(JSON.stringify(await answerSecrets(asked, broker)));
}

async function watch(ids: readonly string[], options: SecretsOptions): Promise<void> {
  if (ids.length === 0) {
    const help = "auth-broker openclaw secrets --watch anthropic";
    throw new CommandError(64, "--watch needs the ids that OpenClaw uses", { help });
  }
  const { every: everyMs = EVERY_MS, openclaw: path = "openclaw" } = options;
  const openclaw = openclawProgram(path, process.env);
  const end = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end.abort());
  await using broker = await connect();
  note(`watching ${ids.join(", ")}`);
  await push({
    ids,
    broker,
    everyMs,
    note,
    signal: end.signal,
    clock: {
      now: () => ({ wallMs: Date.now(), monoMs: performance.now() }),
      sleep: (ms, signal) => after(ms, undefined, { signal }),
    },
    reload: async () => {
      const { code, stderr, stdout } = await openclaw.run(["secrets", "reload", "--json"]);
      if (code !== 0) throw new Error((stderr || stdout).trim().slice(0, 500));
    },
  });
}

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new CommandError(65, "standard input is larger than a request can be");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
