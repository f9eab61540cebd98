import type { Command } from "commander";
import type { Line } from "../audit/line.ts";
import type { Break, Verified } from "../audit/read.ts";
import { localTime } from "../client/when.ts";
import { CommandError, invalid } from "./command-error.ts";
import { here } from "./here.ts";
import { jsonOption } from "./options.ts";
import { note, plain, print, printJsonLine, readerGone } from "./output.ts";

const EXAMPLE = `
Reads the files in the state directory, with or without a running broker. A line stands for all that was the same within
a second, and says how often.

Example:
  $ auth-broker audit --follow --json | jq 'select(.outcome == "CLIENT_FORBIDDEN")'`;

const VERIFY_EXAMPLE = `
Each line holds the hash of the one before. Exits with 74 if a line was changed, removed or put in; it is named then.
Rotation removes the oldest files, so the first line that is there need not be the first of all.

Example:
  $ auth-broker audit verify || mail -s "the audit log was changed" root < /dev/null`;

const LAST = 100;

export function defineAudit(command: Command): void {
  jsonOption(command)
    .option("--follow", "go on with what is written from now on")
    .option("--last <n>", "so many lines; 0 is all", count, LAST)
    .addHelpText("after", EXAMPLE)
    .action(({ json, follow, last }: { json?: boolean; follow?: boolean; last: number }) =>
      show(json === true, follow === true, last),
    );
  jsonOption(command.command("verify").description("go through the whole chain and name what was changed"))
    .addHelpText("after", VERIFY_EXAMPLE)
    .action((_options, verify: Command) =>
      verifyAll(verify.optsWithGlobals<{ json?: boolean }>().json === true),
    );
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw invalid("--last takes a whole number");
  return value;
}

async function show(asJson: boolean, follow: boolean, last: number): Promise<void> {
  const [{ readAudit }, { FIRST_LINK }] = await Promise.all([
    import("../audit/read.ts"),
    import("../audit/line.ts"),
  ]);
  const { auditDir } = here();
  const tell = (found: Line | Break) => {
    if ("what" in found) note(breakText(found));
    else if (asJson) printJsonLine(found);
    else print(lineText(found, Date.now()));
  };
  let kept: (Line | Break)[] = [];
  let link = FIRST_LINK;
  for await (const seen of readAudit(auditDir)) {
    kept.push(seen.kind === "line" ? seen.line : seen.found);
    if (seen.kind === "line") link = { seq: seen.line.seq, hash: seen.line.hash };
    if (last > 0 && kept.length > 2 * last) kept = kept.slice(-last);
  }
  for (const found of last > 0 ? kept.slice(-last) : kept) tell(found);
  if (!follow) return;
  const { followAudit } = await import("../audit/follow.ts");
  for await (const found of followAudit(auditDir, link, readerGone)) tell(found);
}

/** One line for a person: when, what, what came of it, about what, and who. */
export function lineText(line: Line, nowMs: number): string {
  const { actor, generation, fingerprint } = line;
  const about = [
    line.profile ?? line.provider,
    generation === undefined ? undefined : `generation ${generation}`,
    fingerprint,
  ];
  const who =
    actor === undefined
      ? "the broker"
      : [
          actor.uid === undefined ? "somebody" : `uid ${actor.uid}`,
          actor.pid === undefined ? undefined : `pid ${actor.pid}`,
          actor.program,
          actor.unit,
          `on ${actor.endpoint}`,
        ]
          .filter((part) => part !== undefined)
          .join(" ");
  const times = line.count === undefined ? [] : [`×${line.count}`];
  const parts = [
    localTime(Date.parse(line.time), nowMs),
    line.action,
    line.outcome,
    ...about,
    `by ${who}`,
    ...times,
  ];
  return plain(parts.filter((part) => part !== undefined).join("  "));
}

function breakText({ file, line, seq, what }: Break): string {
  const told = {
    changed: `entry ${seq} was changed`,
    unreadable: "this is no entry",
    gap: `what stood before entry ${seq} is gone or was changed`,
  };
  return plain(`${file}, line ${line}: ${told[what]}`);
}

async function verifyAll(asJson: boolean): Promise<void> {
  const { verifyAudit } = await import("../audit/read.ts");
  const { auditDir } = here();
  const found = await verifyAudit(auditDir);
  if (found.files === 0) throw new CommandError(66, `there is no audit log in ${auditDir}`);
  if (asJson) printJsonLine(verifiedJson(found));
  else {
    for (const one of found.breaks) print(breakText(one));
    print(
      `${found.lines} entries, ${found.firstSeq} to ${found.last.seq}, in ${found.files} files; last hash ${found.last.hash}`,
    );
  }
  if (found.isUnfinished)
    note("the last line is being written, or the broker died writing it; the next start mends it");
  if (found.breaks.length === 0) return;
  throw new CommandError(74, `the audit log in ${auditDir} is not as it was written`, {
    reason: "AUDIT_BROKEN",
    help: "compare with a copy; the entries between the named ones and the last good one are not to be trusted",
  });
}

function verifiedJson({ files, lines, firstSeq, last, breaks, isUnfinished }: Verified): unknown {
  const range = { firstSeq, lastSeq: last.seq, lastHash: last.hash };
  return { ok: breaks.length === 0, files, entries: lines, ...range, unfinished: isUnfinished, breaks };
}
