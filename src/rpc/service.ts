import { randomBytes } from "node:crypto";
import { answerBy, type Patience } from "../broker/acquire.ts";
import type { Broker } from "../broker/broker.ts";
import type { Clock } from "../broker/clock.ts";
import {
  acknowledgeBan,
  change,
  clearCooldown,
  find,
  orderOf,
  refreshNow,
  remove,
  setOrder,
} from "../broker/profiles.ts";
import { idOf, listViews, summarize, viewOf, warningsOf } from "../broker/status.ts";
import { watchProfiles } from "../broker/watch-profiles.ts";
import { mergeAccounts } from "../domain/account.ts";
import { canonicalProfileId } from "../domain/alias.ts";
import { BrokerFailure } from "../domain/failure.ts";
import type { Deadline } from "../domain/time.ts";
import { type CallInfo, type Desk, stream, unary } from "./handler.ts";
import { timestampOf } from "./instants.ts";
import {
  readAcquire,
  readAnyProvider,
  readLeaseId,
  readProfileId,
  readProvider,
  readReport,
  readWatch,
} from "./read.ts";
import { readClear, readList, readOrder, readPut, readUpdate } from "./read-admin.ts";
import type { Message } from "./schema.ts";
import { SERVICES, type Service } from "./schema.ts";
import { serverDefinition } from "./services.ts";
import { usageMethods } from "./usage-methods.ts";
import {
  writeExplanation,
  writeHandout,
  writeNext,
  writeProfile,
  writeReport,
  writeSummary,
} from "./write.ts";

/** What the status shows of the process. */
export interface About {
  readonly version: string;
  readonly startedAtMs: number;
  readonly storeKind: string;
  /** What an operator should know besides, one sentence each. */
  readonly warnings: () => readonly string[];
}

const DEFAULT_PAGE = 100;

export function credentialService(desk: Desk, broker: Broker): Service {
  const patience = (info: CallInfo, maxWaitMs: number) => new CallPatience(broker.ctx.clock, info, maxWaitMs);
  return {
    definition: serverDefinition(SERVICES.credential),
    implementation: {
      AcquireCredential: unary(desk, (message, info) => {
        const { request, maxWaitMs } = readAcquire(message);
        if (message.bareToken === true && !info.caller.mayPrint)
          throw new BrokerFailure({ kind: "client_forbidden", why: "token" });
        const handout = broker.acquire(request, info.caller, patience(info, maxWaitMs));
        return handout instanceof Promise ? handout.then(writeHandout) : writeHandout(handout);
      }),
      WatchCredential: stream(
        desk,
        (message, { caller, signal }) => {
          broker.asked();
          return broker.watch(readWatch(message), caller, signal);
        },
        writeNext,
        { whileLocked: true },
      ),
      ReportOutcome: unary(desk, async (message, info) => {
        const now = broker.ctx.clock.now();
        const answer = await broker.report(readReport(message, now.wallMs), info.caller, patience(info, 0));
        info.profile = answer.profile?.id;
        return writeReport(answer, answer.profile && viewOf(broker.ctx, answer.profile).state.state);
      }),
      ReleaseLease: unary(desk, (message, { caller }) => {
        broker.release(readLeaseId(message), caller);
        return {};
      }),
    },
  };
}

/** Most calls are answered at once; what only waiting needs is made when it is asked for. */
class CallPatience implements Patience {
  readonly maxWaitMs: number;
  readonly deadline: Deadline;
  readonly #info: CallInfo;

  constructor(clock: Clock, info: CallInfo, maxWaitMs: number) {
    this.maxWaitMs = maxWaitMs;
    this.deadline = answerBy(clock.now(), info.leftMs);
    this.#info = info;
  }

  get signal(): AbortSignal {
    return this.#info.signal;
  }
}

export function statusService(desk: Desk, broker: Broker, about: About): Service {
  const { ctx } = broker;
  return {
    definition: serverDefinition(SERVICES.status),
    implementation: {
      GetStatus: unary(
        desk,
        (_message, { caller }) => {
          const locked = ctx.ledger.lockFailure !== undefined;
          const shown = locked ? [] : ctx.listedProviders().filter(caller.allowsProvider);
          return {
            version: about.version,
            startTime: timestampOf(about.startedAtMs),
            store: { kind: about.storeKind, writable: !broker.isTroubled, locked },
            providers: shown.map((id) => writeSummary(summarize(ctx, id, caller.allowsProfile))),
            warnings: caller.seesAll ? [...warningsOf(ctx), ...about.warnings()] : [],
          };
        },
        { whileLocked: true },
      ),
      ExplainSelection: unary(desk, (message, { caller }) =>
        writeExplanation(broker.explain(readAcquire(message).request, caller)),
      ),
      ...usageMethods(desk, broker),
    },
  };
}

export function storeService(desk: Desk, broker: Broker): Service {
  const always = { whileLocked: true };
  return {
    definition: serverDefinition(SERVICES.store),
    implementation: {
      LockStore: unary(
        desk,
        async () => {
          await (await broker.locking()).lock();
          return {};
        },
        always,
      ),
      UnlockStore: unary(
        desk,
        async () => {
          await (await broker.locking()).unlock();
          return {};
        },
        always,
      ),
    },
  };
}

export function profileService(desk: Desk, broker: Broker): Service {
  const { ctx } = broker;
  const shown = (profile: Parameters<typeof viewOf>[1]): Message => ({
    profile: writeProfile(viewOf(ctx, profile)),
  });
  return {
    definition: serverDefinition(SERVICES.profile),
    implementation: {
      ListProfiles: unary(desk, (message) => {
        const { provider, pageSize, pageToken } = readList(message);
        const after = listViews(ctx, provider).filter((view) => idOf(view) > pageToken);
        const page = after.slice(0, pageSize === 0 ? DEFAULT_PAGE : pageSize);
        const last = page.at(-1);
        const nextPageToken = last === undefined || page.length === after.length ? "" : idOf(last);
        return { profiles: page.map(writeProfile), nextPageToken };
      }),
      GetProfile: unary(desk, (message) => {
        const id = ctx.ledger.resolve(readProfileId(message));
        const corrupt = ctx.ledger.corrupt(id) !== undefined;
        const view = corrupt
          ? listViews(ctx, id.slice(0, id.indexOf(":"))).find((v) => idOf(v) === id)
          : undefined;
        return view === undefined ? shown(find(ctx, id)) : { profile: writeProfile(view) };
      }),
      PutProfile: unary(desk, async (message) => shown(await putProfile(broker, message))),
      UpdateProfile: unary(desk, async (message) => {
        const { profile, ...fields } = readUpdate(message);
        return shown(await change(ctx, profile, { type: "updated", ...fields }));
      }),
      DeleteProfile: unary(desk, async (message) => {
        await remove(ctx, readProfileId(message));
        return {};
      }),
      SetOrder: unary(desk, async (message) => {
        const { provider, profiles } = readOrder(message);
        const kind = provider === "openai-api" ? "api_key" : undefined;
        const ids = profiles.map((id) => canonicalProfileId(ctx.ledger.resolve(id), kind));
        return setOrder(ctx, provider, ids);
      }),
      GetOrder: unary(desk, (message) => ({ ...orderOf(ctx, readProvider(message)) })),
      ClearCooldown: unary(desk, async (message) => {
        const { profile, model } = readClear(message);
        return shown(await clearCooldown(ctx, profile, model));
      }),
      AcknowledgeBan: unary(desk, async (message) => {
        const profiles = await acknowledgeBan(ctx, readProvider(message));
        return { profiles: profiles.map((p) => writeProfile(viewOf(ctx, p))) };
      }),
      RefreshProfile: unary(desk, async (message, { caller, signal }) =>
        shown(await refreshNow(ctx, readProfileId(message), caller, signal)),
      ),
      WatchProfiles: stream(
        desk,
        (message, { signal }) => watchProfiles(ctx, readAnyProvider(message), signal),
        ({ profiles, removed, snapshot }) => ({ profiles: profiles.map(writeProfile), removed, snapshot }),
      ),
    },
  };
}

async function putProfile(broker: Broker, message: Message) {
  const { ctx } = broker;
  const request = readPut(message, ctx.clock.now());
  const provider = ctx.providerOf(request.profile.slice(0, request.profile.indexOf(":")));
  const isKey = request.grant.kind === "api_key";
  return broker.put({
    ...request,
    account: mergeAccounts(provider.accountOf(request.grant), request.account),
    costClass: isKey ? provider.apiKeyCostClass : provider.costClass,
    origin: "put",
    accountEpoch: randomBytes(6).toString("base64url"),
  });
}
