import type { Profile } from "../domain/profile.ts";
import { type Event, transition } from "../domain/transition.ts";
import type { Store } from "../store/store.ts";
import type { Context } from "./context.ts";

/** Reads the state and closes what a former process left open. Rejects with `StoreError`. */
export async function open(ctx: Context, store: Store): Promise<void> {
  const contents = await store.readAll(ctx.clock.now());
  ctx.ledger.load(contents);
  for (const { profile, older } of contents.profiles) if (older === true) await doubt(ctx, profile);
  for (const profile of ctx.ledger.all()) {
    if (profile.intent?.phase === "open") await recover(ctx, profile);
    ctx.plan(profile.id);
  }
  for (const owner of ctx.ledger.owners()) ctx.latest.publish(owner);
  ctx.latest.publish("");
}

/** An older copy of the record was restored. */
async function doubt(ctx: Context, profile: Profile): Promise<void> {
  ctx.log.warn(
    { profile: profile.id },
    "its record is an older copy than the last one written here; its refresh token may be spent",
  );
  const rotation = ctx.providerOf(profile.provider).oauth?.rotation ?? "strict";
  await mend(ctx, profile, { type: "restored", rotation });
}

/** A refresh was under way when the former process died: its answer is lost. */
async function recover(ctx: Context, profile: Profile): Promise<void> {
  ctx.log.warn(
    { profile: profile.id },
    "a refresh was under way when the broker last ended; its answer is lost",
  );
  await mend(ctx, profile, { type: "refresh_lost", from: profile.generation });
}

/** Changes a profile before anybody is served; in memory only if the disk refuses. */
async function mend(ctx: Context, profile: Profile, event: Event): Promise<void> {
  const { ledger, clock, settings, log } = ctx;
  await ledger
    .commit(profile.id, (p) => transition(p ?? profile, event, clock.now(), settings), { keep: true })
    .catch((error: unknown) => log.error({ err: error, profile: profile.id }, "the state cannot be written"));
}
