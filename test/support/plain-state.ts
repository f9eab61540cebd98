import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Profile } from "../../src/domain/profile.ts";
import { fileNameOf } from "../../src/store/file-name.ts";
import { profileCodec } from "../../src/store/record.ts";
import { FIXED_NOW } from "./arbitrary.ts";

/** A state directory as the version before the seal wrote it: in the clear, the first profile in the order. */
export function writePlainState(
  directory: string,
  profiles: readonly [Profile, ...Profile[]],
  { revision = 1 } = {},
): void {
  mkdirSync(join(directory, "profiles"), { recursive: true, mode: 0o700 });
  const write = (name: string, record: unknown) =>
    writeFileSync(
      join(directory, name),
      JSON.stringify({ format: 1, seal: { algorithm: "none" }, revision, record }),
    );
  for (const profile of profiles) {
    write(`profiles/${fileNameOf(profile.id)}`, profileCodec(FIXED_NOW).encode(profile));
  }
  write("providers.json", { [profiles[0].provider]: { order: [profiles[0].id] } });
}
