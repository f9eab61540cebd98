import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./process.mjs";

/** A small file system of its own. */
export interface Disk {
  readonly path: string;
  /** Writes a file that takes all space there is. Gives its path. */
  fill(): string;
  remount(mode: "ro" | "rw"): Promise<void>;
  /** At once, also while a failed test still holds a file there. */
  unmount(): Promise<void>;
}

/** Mounts a tmpfs of that many bytes; undefined if this process may not mount. */
export async function mountDisk(size: number): Promise<Disk | undefined> {
  const path = mkdtempSync(join(tmpdir(), "disk-"));
  const mounted = await run("mount", ["-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", path]).then(
    ({ code }) => code === 0,
    () => false,
  );
  if (!mounted) {
    rmSync(path, { recursive: true });
    return undefined;
  }
  return {
    path,
    fill: () => fill(join(path, "ballast")),
    async remount(mode) {
      const { code, stderr } = await run("mount", ["-o", `remount,${mode}`, path]);
      if (code !== 0) throw new Error(stderr);
    },
    async unmount() {
      const { code, stderr } = await run("umount", ["-l", path]);
      if (code !== 0) throw new Error(stderr);
      rmSync(path, { recursive: true });
    },
  };
}

/** Page by page, so that not one is left. */
function fill(path: string): string {
  const file = openSync(path, "a");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096, 1));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  } finally {
    closeSync(file);
  }
  return path;
}
