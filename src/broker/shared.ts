import { isOtherAccount } from "../domain/account.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { isOlder } from "../domain/grant.ts";
import type { Profile } from "../domain/profile.ts";
import type { Settings } from "../domain/settings.ts";
import { isLive } from "../domain/token.ts";
import { transition } from "../domain/transition.ts";
import type { ReadSharedSource } from "../provider/provider.ts";
import type { Clock } from "./clock.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";

/**
 * Grants that another program holds too. That program may have rotated one since we looked; its file
 * is read again before we would send an old token or call a login dead.
 */
export class SharedSources {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #read: ReadSharedSource;

  constructor(wiring: {
    readonly ledger: Ledger;
    readonly clock: Clock;
    readonly settings: Settings;
    readonly log: Log;
    readonly read: ReadSharedSource;
  }) {
    this.#ledger = wiring.ledger;
    this.#clock = wiring.clock;
    this.#settings = wiring.settings;
    this.#log = wiring.log;
    this.#read = wiring.read;
  }

  /**
   * Takes over a newer grant of the same account from the other program's file. True if there was one. The
   * file of a program that should have none any more (SOLE) counts only when ours was `refused`: it may
   * just as well have been logged in anew.
   */
  async adoptNewer(profile: Profile, { refused = false } = {}): Promise<boolean> {
    const isShared = profile.ownership === "SHARED" || (refused && profile.ownership === "SOLE");
    if (!isShared || profile.sourcePath === "") return false;
    const adopted = await this.#adoptFromFile(profile);
    const fields = { profile: profile.id, sourcePath: profile.sourcePath };
    if (adopted) this.#log.info(fields, "adopted the newer login from the file it is shared with");
    else if (refused) {
      this.#log.warn(
        fields,
        "the provider ended this login, and the file holds no newer one of the same account: somebody used it up elsewhere, or signed it out",
      );
    }
    return adopted;
  }

  async #adoptFromFile(profile: Profile): Promise<boolean> {
    const found = await this.#read(profile.sourcePath, profile.provider, profile.account, this.#clock.now());
    if (found === undefined || isOtherAccount(profile.account, found.account)) return false;
    let adopted = false;
    const change = (current: Profile | undefined): Profile => {
      // Removed while the file was read, and not to be brought back by it.
      if (current === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: profile.id });
      const isSame =
        current.generation === profile.generation && current.accountEpoch === profile.accountEpoch;
      adopted = isSame && this.#isNewer(found.grant, current);
      if (!adopted) return current;
      const event = { type: "adopted", grant: found.grant, account: found.account } as const;
      return transition(current, event, this.#clock.now(), this.#settings);
    };
    await this.#ledger.commit(profile.id, change).catch((error: unknown) => {
      if (!(error instanceof BrokerFailure)) throw error;
    });
    return adopted;
  }

  /** Another grant that is younger, or whose age is unknown while ours is of no use. */
  #isNewer(theirs: Profile["grant"], current: Profile): boolean {
    const ours = current.grant;
    if (theirs.kind !== "oauth" || ours.kind !== "oauth") return false;
    if (theirs.accessToken.equals(ours.accessToken)) return false;
    // What was lent to that program is no login.
    if (theirs.refreshToken === undefined && ours.refreshToken !== undefined) return false;
    if (isOlder(theirs, ours)) return false;
    return isOlder(ours, theirs) || !isLive(current, this.#clock.now());
  }
}
