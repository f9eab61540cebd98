import { Broker } from "../../src/broker/broker.ts";
import type { Caller } from "../../src/broker/context.ts";
import type { PutOrder } from "../../src/broker/put.ts";
import { type Config, defaultConfig } from "../../src/config.ts";
import type { Request } from "../../src/domain/candidate.ts";
import { Secret } from "../../src/domain/secret.ts";
import { after, at } from "../../src/domain/time.ts";
import type {
  GiveBack,
  ReadSharedSource,
  ReadUsage,
  RefreshAnswer,
  RefreshGrant,
} from "../../src/provider/provider.ts";
import { buildProviders } from "../../src/provider/registry.ts";
import { ManualClock, settled } from "./clock.ts";
import { MemoryStore } from "./memory-store.ts";

const START_MS = Date.UTC(2030, 0, 1, 12);
export const HOUR = 3_600_000;

/** A caller who may have everything. */
export const ANYBODY: Caller = {
  endpoint: "agent",
  uid: 1000,
  seesAll: true,
  allowsProvider: () => true,
  allowsProfile: () => true,
  actor: { endpoint: "agent", uid: 1000 },
  countAcquire: () => {},
  mayPrint: true,
};

let epochs = 0;

type Refresh = Parameters<RefreshGrant>[0];

/** A broker without sockets and files: what a test wants to hold, break or see lies open. */
export class LoneBroker {
  readonly clock = new ManualClock({ wallMs: START_MS });
  readonly store: MemoryStore;
  readonly log: { readonly level: string; readonly fields: object; readonly message: string }[] = [];
  readonly broker: Broker;
  readonly ending = new AbortController();
  /** Refresh tokens that left, in order. */
  readonly sent: string[] = [];
  /** Answers the refresh requests; one that is not expected fails the test. */
  answer: (request: Refresh) => RefreshAnswer | Promise<RefreshAnswer> = () => {
    throw new Error("no refresh was expected");
  };
  readShared: ReadSharedSource = async () => undefined;
  giveBack: GiveBack = async () => undefined;
  /** Answers looks at the usage; one that is not expected fails the test. */
  usage: ReadUsage = () => {
    throw new Error("no look at the usage was expected");
  };

  constructor(
    store = new MemoryStore(),
    config: Config = defaultConfig(),
    more: Partial<ConstructorParameters<typeof Broker>[0]> = {},
  ) {
    this.store = store;
    const providers = buildProviders(config);
    const note = (level: string) => (fields: object, message: string) => {
      this.log.push({ level, fields, message });
    };
    this.broker = new Broker({
      store: this.store,
      clock: this.clock,
      settings: config.settings,
      log: { info: note("info"), warn: note("warn"), error: note("error") },
      key: new Uint8Array(32),
      providerOf: providers.providerFor,
      isKnown: (id) => providers.get(id) !== undefined,
      configured: [],
      refreshGrant: async (request) => {
        this.sent.push(request.grant.refreshToken?.reveal() ?? "");
        return await this.answer(request);
      },
      login: {
        protocol: {
          authorize: () => Promise.reject(new Error("no login was expected")),
          device: () => Promise.reject(new Error("no login was expected")),
          client: () => Promise.reject(new Error("no login was expected")),
          revoke: () => Promise.reject(new Error("no logout was expected")),
        },
        openLoopback: () => Promise.reject(new Error("no login was expected")),
      },
      readShared: (...about) => this.readShared(...about),
      giveBack: (...about) => this.giveBack(...about),
      readUsage: (request) => this.usage(request),
      random: () => 0.5,
      fingerprintOf: () => "00000000",
      signOutHint: () => "",
      withRefreshDue: (grant) => grant,
      ending: this.ending.signal,
      ...more,
    });
  }

  async start(): Promise<this> {
    await this.broker.start();
    return this;
  }

  put(
    profile: string,
    part: { access?: string; refresh?: string; livesMs?: number } & Partial<PutOrder> = {},
  ) {
    const label = profile.slice(profile.indexOf(":") + 1);
    const { access = `at-FAKE-${label}`, refresh = `rt-FAKE-${label}`, livesMs = 10 * HOUR, ...rest } = part;
    return this.broker.put({
      profile,
      grant: {
        kind: "oauth",
        accessToken: new Secret(access),
        refreshToken: new Secret(refresh),
        tokenType: "Bearer",
        expires: after(this.clock.now(), livesMs),
        scopes: [],
      },
      account: { accountId: `acct-${label}`, userId: `user-${label}` },
      costClass: "SUBSCRIPTION",
      origin: "put",
      accountEpoch: `epoch-${++epochs}`,
      allowAccountChange: false,
      ...rest,
    });
  }

  /** A new login as a token endpoint gives it, good for ten hours. */
  granted(request: Refresh, n: number | string): RefreshAnswer {
    const grant = {
      ...request.grant,
      accessToken: new Secret(`at-FAKE-new-${n}`),
      refreshToken: new Secret(`rt-FAKE-new-${n}`),
      expires: at(this.clock.now(), this.clock.now().wallMs + 10 * HOUR),
      lifetimeMs: 10 * HOUR,
    };
    return { kind: "granted", grant, account: {}, rotated: true };
  }

  async acquire(provider: string, part: Partial<Request> & { maxWaitMs?: number } = {}) {
    const { maxWaitMs = 0, ...rest } = part;
    const request = { ...PLAIN, provider, ...rest };
    const deadline = after(this.clock.now(), 24 * HOUR);
    return this.broker.acquire(request, ANYBODY, {
      maxWaitMs,
      deadline,
      signal: new AbortController().signal,
    });
  }

  /** What is kept of a profile's login. */
  secrets(profile: string): { readonly access: string; readonly refresh: string } | undefined {
    const grant = this.broker.ctx.ledger.get(profile)?.grant;
    if (grant?.kind !== "oauth") return undefined;
    return { access: grant.accessToken.reveal(), refresh: grant.refreshToken?.reveal() ?? "" };
  }

  async settle(): Promise<void> {
    await settled();
  }
}

const PLAIN: Request = {
  provider: "",
  model: "",
  sessionId: "",
  pool: "",
  kinds: [],
  minValidForMs: 60_000,
  profile: "",
  excludeProfiles: [],
};

/** A promise with its handles. */
export function gate<T = void>() {
  let open: (value: T) => void = () => {};
  const opened = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
