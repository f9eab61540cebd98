import { z } from "zod";
import { answerBy } from "../broker/acquire.ts";
import type { Broker } from "../broker/broker.ts";
import { type UsageQuestion, type UsageView, usage, watchUsage } from "../broker/usage.ts";
import type { UsageSample } from "../domain/usage-history.ts";
import { providerId, read, waitMs } from "./fields.ts";
import { type Desk, stream, unary } from "./handler.ts";
import { timestampOf } from "./instants.ts";
import { readAnyProvider } from "./read.ts";
import type { Message } from "./schema.ts";
import { writeWindow } from "./write.ts";

const question = z.object({
  provider: z.union([z.literal(""), providerId]),
  maxWait: waitMs,
  history: z.boolean(),
});

/** The part of the status service that tells what accounts have used. */
export function usageMethods(desk: Desk, { ctx }: Broker) {
  return {
    GetUsage: unary(desk, async (message, { caller, leftMs, signal }) => {
      const deadline = answerBy(ctx.clock.now(), leftMs);
      const views = await usage(ctx, readQuestion(message), caller, { deadline, signal });
      return { accounts: views.map((view) => writeAccount(view, view.history)) };
    }),
    WatchUsage: stream(
      desk,
      (message, { caller, signal }) => watchUsage(ctx, readAnyProvider(message), caller, signal),
      (views) => ({ accounts: views.map((view) => writeAccount(view, [])) }),
    ),
  };
}

function readQuestion(message: Message): UsageQuestion {
  const { maxWait, ...rest } = read(question, message);
  return { ...rest, maxWaitMs: maxWait };
}

function writeAccount(
  { profile, state, nextLookAtMs, trouble }: UsageView,
  history: readonly UsageSample[],
): Message {
  return {
    profile: profile.id,
    provider: profile.provider,
    planType: profile.account.planType ?? "",
    state: `PROFILE_STATE_${state.state}`,
    stateReason: state.reason,
    readings: profile.usageWindows.map((window) => ({
      window: writeWindow(window),
      source: `RESPONSE_SOURCE_${window.source ?? "UNSPECIFIED"}`,
      partial: window.isPartial === true,
    })),
    ...(nextLookAtMs === undefined ? {} : { nextReadTime: timestampOf(nextLookAtMs) }),
    ...(trouble === undefined
      ? {}
      : {
          failure: {
            code: trouble.code,
            sinceTime: timestampOf(trouble.sinceMs),
            retryTime: timestampOf(trouble.until.wallMs),
          },
        }),
    history: history.map(({ name, atMs, usedPercent }) => ({
      name,
      observeTime: timestampOf(atMs),
      usedPercent,
    })),
    storedResets: profile.storedResets ?? 0,
  };
}
