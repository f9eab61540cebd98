import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Audit, Deed } from "../broker/audit.ts";
import { auditFiles, CURRENT, fullName, type Opened, openCurrent } from "./files.ts";
import { type Entry, type Link, writeLine } from "./line.ts";

export interface AuditOptions {
  /** Made with the first line; its files are 0600. */
  readonly directory: string;
  /** A full file is closed and another begun. */
  readonly fileBytes: number;
  /** Files that are kept, the current one among them. */
  readonly files: number;
  /** Calls `fire` after so many milliseconds. */
  readonly timer: (afterMs: number, fire: () => void) => () => void;
  readonly wallMs: () => number;
  /** The log cannot be written, or can again. Told once for each. */
  readonly onTrouble: (trouble: string | undefined) => void;
}

const FLUSH_MS = 500;
const RETRY_MS = 5_000;
/** Entries that may wait for the disk; more are counted and told. */
const MOST_WAITING = 10_000;
const MOST_RECENT = 1_000;
/**
 * Different lines in half a second after which deeds of one program are the same whichever its process: else a program
 * that starts again and again could fill the log. Of refusals, which anybody can cause, fewer.
 */
const CROWD = 64;
const CROWD_REFUSED = 8;

interface Waiting {
  readonly atMs: number;
  readonly deed: Deed;
  count: number;
}

/** The audit log of one broker: gathers deeds and writes them behind the calls, in a chain. */
export class AuditLog implements Audit {
  readonly #options: AuditOptions;
  /** What waits, by what makes two deeds the same. */
  #waiting = new Map<string, Waiting>();
  /** The same by the very object: hand-outs come in rows. */
  #known = new Map<Deed, Waiting>();
  /** What was written at once since the last timer: it is not worth a write of its own again. */
  readonly #recent = new Set<string>();
  #lost = 0;
  #opened: (Opened & { bytes: number; link: Link }) | undefined;
  #writing: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #trouble: string | undefined;
  #isClosed = false;

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /** Why the log cannot be written at present. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  note(deed: Deed, atMs: number, atOnce = false): void {
    const known = this.#known.get(deed);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    if (this.#isClosed) return;
    const isCrowd = atOnce ? this.#recent.size >= CROWD_REFUSED : this.#waiting.size >= CROWD;
    const key = keyOf(deed, isCrowd);
    this.#add(key, deed, atMs, atOnce);
    if (atOnce && this.#trouble === undefined && !this.#recent.has(key) && this.#recent.size < MOST_RECENT) {
      this.#recent.add(key);
      void this.#flush();
    }
    this.#schedule();
  }

  #add(key: string, deed: Deed, atMs: number, isAlone: boolean): void {
    const same = this.#waiting.get(key);
    if (same !== undefined) {
      same.count += 1;
      return;
    }
    if (this.#waiting.size >= MOST_WAITING) {
      this.#lost += 1;
      return;
    }
    const waiting = { atMs, deed, count: 1 };
    this.#waiting.set(key, waiting);
    if (!isAlone) this.#known.set(deed, waiting);
  }

  #schedule(): void {
    this.#cancel ??= this.#options.timer(this.#trouble === undefined ? FLUSH_MS : RETRY_MS, () => {
      this.#cancel = undefined;
      this.#recent.clear();
      void this.#flush();
    });
  }

  /** Writes what waits, and closes. Never rejects. */
  async close(): Promise<void> {
    this.#cancel?.();
    await this.#writing;
    this.#isClosed = true;
    await this.#flush();
    await this.#opened?.handle.datasync().catch(() => {});
    await this.#opened?.handle.close().catch(() => {});
    this.#opened = undefined;
  }

  /** One write at a time; what comes meanwhile goes with the next. Never rejects. */
  #flush(): Promise<void> {
    this.#writing ??= this.#writeAll()
      .then(
        () => this.#tell(undefined),
        (error: NodeJS.ErrnoException) => {
          this.#tell(error.code ?? String(error));
          if (!this.#isClosed) this.#schedule();
        },
      )
      .finally(() => {
        this.#writing = undefined;
      });
    return this.#writing;
  }

  #tell(trouble: string | undefined): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#options.onTrouble(trouble);
  }

  async #writeAll(): Promise<void> {
    // Lets everything that this turn notes go with one write.
    await Promise.resolve();
    this.#opened ??= await this.#open();
    while (this.#waiting.size > 0 || this.#lost > 0) {
      const batch = [...this.#waiting.values()];
      const lost = this.#lost;
      this.#waiting = new Map();
      this.#known = new Map();
      this.#lost = 0;
      try {
        await this.#append(lost === 0 ? batch : [...batch, this.#own("LOST", lost)]);
      } catch (error) {
        this.#takeBack(batch);
        this.#lost += lost;
        throw error;
      }
      if (this.#opened.bytes >= this.#options.fileBytes) await this.#rotate();
    }
  }

  /** What could not be written stands before what came meanwhile, as it happened. */
  #takeBack(batch: readonly Waiting[]): void {
    const meanwhile = this.#waiting;
    this.#waiting = new Map();
    for (const entry of batch) {
      const key = keyOf(entry.deed, false);
      const before = this.#waiting.get(key);
      if (before !== undefined) {
        before.count += entry.count;
        continue;
      }
      const same = meanwhile.get(key);
      if (same !== undefined) same.count += entry.count;
      this.#waiting.set(key, same ?? entry);
      meanwhile.delete(key);
    }
    for (const [key, entry] of meanwhile) this.#waiting.set(key, entry);
  }

  async #open(): Promise<Opened> {
    const opened = await openCurrent(this.#options.directory);
    this.#opened = opened;
    const healed = [
      ...(opened.unfinished > 0 ? [this.#own("UNFINISHED_LINE_REMOVED", 1)] : []),
      ...(opened.damaged > 0 ? [this.#own("DAMAGED_LINES_LEFT", opened.damaged)] : []),
    ];
    if (healed.length > 0) await this.#append(healed);
    return this.#opened;
  }

  #own(outcome: string, count: number): Entry {
    return { atMs: this.#options.wallMs(), deed: { action: "audit", outcome }, count };
  }

  /** All of it or nothing: what a full disk cut off is taken away again. */
  async #append(entries: readonly Entry[]): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) throw new TypeError("the audit log is not open");
    let { link } = opened;
    let text = "";
    for (const entry of entries) {
      const line = writeLine(link, entry);
      link = line;
      text += `${line.text}\n`;
    }
    const bytes = Buffer.from(text);
    try {
      await opened.handle.writeFile(bytes);
    } catch (error) {
      await opened.handle.truncate(opened.bytes).catch(() => {});
      throw error;
    }
    this.#opened = {
      ...opened,
      bytes: opened.bytes + bytes.length,
      link: { seq: link.seq, hash: link.hash },
    };
  }

  async #rotate(): Promise<void> {
    const { directory, files } = this.#options;
    if (this.#opened === undefined) return;
    const { handle, link } = this.#opened;
    this.#opened = undefined;
    await handle.datasync().finally(() => handle.close());
    await rename(join(directory, CURRENT), join(directory, fullName(link.seq)));
    const full = (await auditFiles(directory)).filter((name) => name !== CURRENT);
    for (const name of full.slice(0, Math.max(0, full.length - (files - 1)))) await rm(join(directory, name));
    this.#opened = await openCurrent(directory);
  }
}

function keyOf({ actor, action, outcome, profile, provider, generation }: Deed, isCrowd: boolean): string {
  const pid = isCrowd ? "" : actor?.pid;
  const who = actor === undefined ? "" : `${actor.endpoint} ${actor.uid} ${pid} ${actor.program}`;
  return `${who}\n${action} ${outcome} ${profile} ${provider} ${generation}`;
}
