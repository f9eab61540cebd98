import type { Broker, ProviderStatus } from "../client/index.ts";
import { moment } from "../client/when.ts";
import type { UsageSnapshot } from "./host.ts";
import { PROVIDER } from "./setting.ts";

/** `/status` must not wait long for it. */
const WITHIN_MS = 2_000;

/** What `/status` and `openclaw status --usage` show: which accounts the broker has left. Never rejects. */
export async function usageOf(
  connection: () => Promise<Broker>,
  providers: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<UsageSnapshot> {
  const shown = { provider: PROVIDER, displayName: "auth-broker", windows: [] };
  try {
    const broker = await connection();
    const status = await broker.status({ signal, timeoutMs: WITHIN_MS });
    const ours = status.providers.filter(({ provider }) => providers.has(provider));
    return { ...shown, summary: ours.map(lineOf).join("; ") };
  } catch (error) {
    return { ...shown, error: (error as Error).message };
  }
}

function lineOf(status: ProviderStatus): string {
  const { provider, usable, coolingDown, needsLogin, blocked, nextUsableTime } = status;
  const until = nextUsableTime === undefined ? "" : ` until ${moment(nextUsableTime, Date.now())}`;
  const parts = [
    `${usable} usable`,
    coolingDown > 0 && `${coolingDown} cooling down${until}`,
    needsLogin > 0 && `${needsLogin} to log in`,
    blocked > 0 && `${blocked} blocked`,
  ];
  return `${provider}: ${parts.filter(Boolean).join(", ")}`;
}
