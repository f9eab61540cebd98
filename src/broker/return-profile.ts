import { BrokerFailure } from "../domain/failure.ts";
import type { Ownership } from "../domain/profile.ts";
import type { GiveBack } from "../provider/provider.ts";
import type { Context } from "./context.ts";
import { change, find, remove } from "./profiles.ts";

/**
 * Gives a login back to the program that it came from: the current grant, never an older one. It is
 * SHARED from before the file holds it until it is removed here, so that a broker that dies in between
 * does not take itself for the only owner. Gives the file. Rejects with `BrokerFailure`.
 */
export async function returnProfile(ctx: Context, giveBack: GiveBack, asked: string): Promise<string> {
  const { id } = find(ctx, asked);
  return ctx.refreshes.without(id, async () => {
    const { provider, account, aliases, grant, generation, ownership, sourcePath } = find(ctx, id);
    if (sourcePath === "" || grant.kind !== "oauth" || grant.refreshToken === undefined) {
      const cause = `"${id}" is no login that was taken over from another program`;
      throw new BrokerFailure({ kind: "return_impossible", cause, help: "" });
    }
    const become = (next: Ownership) => change(ctx, id, { type: "updated", ownership: next });
    await become("SHARED");
    const login = { sourcePath, ids: [id, ...aliases] as const, provider, grant, account };
    const problem = await giveBack(login, ctx.clock.now());
    if (problem !== undefined) {
      await become(ownership);
      const help = "the broker keeps the login as it was";
      throw new BrokerFailure({ kind: "return_impossible", cause: problem, help });
    }
    // A login made meanwhile is another one, and stays.
    if (ctx.ledger.get(id)?.generation === generation) await remove(ctx, id);
    ctx.log.info({ profile: id, sourcePath }, "gave the login back to the program that it came from");
    return sourcePath;
  });
}
