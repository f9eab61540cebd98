import type { Grant, OAuthGrant } from "../domain/grant.ts";
import type { Notice } from "../domain/notice.ts";
import type { Settings } from "../domain/settings.ts";
import type { Now } from "../domain/time.ts";
import type { GiveBack, Provider, ReadSharedSource, ReadUsage, RefreshGrant } from "../provider/provider.ts";
import type { Store } from "../store/store.ts";
import type { Audit } from "./audit.ts";
import type { Clock } from "./clock.ts";
import type { Context } from "./context.ts";
import type { Log } from "./log.ts";
import type { LoginWiring } from "./login-landing.ts";

/** What a broker is made of; everything that is not decided by the rules comes from outside. */
export interface BrokerParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly log: Log;
  /** The per-install key. */
  readonly key: Uint8Array;
  /** A provider by canonical id; plain for ids that only own profiles. */
  readonly providerOf: (id: string) => Provider;
  /** Built in or in the configuration. */
  readonly isKnown: (id: string) => boolean;
  /** Ids that the configuration names. */
  readonly configured: readonly string[];
  readonly refreshGrant: RefreshGrant;
  readonly readShared: ReadSharedSource;
  readonly readUsage: ReadUsage;
  /** Tells an operator of something; absent if nobody wants to be told. */
  readonly notify?: (notice: Notice) => void;
  /** [0, 1); keeps apart what need not happen together. */
  readonly random: () => number;
  readonly giveBack: GiveBack;
  readonly fingerprintOf: (grant: Grant) => string;
  /** Default: nothing is written down. */
  readonly audit?: Audit;
  readonly signOutHint: Context["signOutHint"];
  /** Draws the moment of the refresh ahead for a grant that came from outside. */
  readonly withRefreshDue: (grant: OAuthGrant, provider: string, now: Now) => OAuthGrant;
  readonly login: LoginWiring;
  /** Aborts when the broker is about to stop. */
  readonly ending: AbortSignal;
  /** Lock when nobody asked for so long. Absent: never. */
  readonly lockAfterMs?: number;
}
