import { judge, type Request } from "../../src/domain/candidate.ts";
import { arrange } from "../../src/domain/pool.ts";
import type { Profile } from "../../src/domain/profile.ts";
import type { Scene } from "../../src/domain/selection.ts";
import { FIXED_NOW as NOW } from "./arbitrary.ts";
import { situation } from "./situation.ts";

interface Asked {
  readonly request?: Partial<Request>;
  readonly scene?: Partial<Scene>;
  readonly order?: readonly string[];
  readonly bannedId?: string;
}

/** The verdict on the first profile of a list, as a short text: `wait COOLING_DOWN 60000`. */
export function verdict(
  profile: Parameters<typeof arrange>[1][number],
  asked: Asked = {},
  ...others: Profile[]
) {
  const profiles = [profile, ...others];
  const [{ rules }, request, scene] = situation({ profiles, ...asked });
  const pool = arrange(rules, profiles, asked.order, asked.bannedId);
  const seat = pool.seats.find((one) => one.profile.id === profile.id) as (typeof pool.seats)[number];
  const found = judge(seat, pool, request, scene, NOW);
  if (found.kind === "wait") return `wait ${found.reason} ${found.untilMs - NOW.wallMs}`;
  return "reason" in found ? `${found.kind} ${found.reason}` : found.kind;
}
