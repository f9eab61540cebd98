import type { Profile } from "../domain/profile.ts";
import type { Now } from "../domain/time.ts";
import type { UsageHistory } from "../domain/usage-history.ts";

/** What is kept of a provider apart from its profiles. */
export interface ProviderState {
  /** Explicit order set by an operator. Absent: none. */
  readonly order?: readonly string[];
  /** An unacknowledged ban of one profile; holds the provider's other subscription profiles. */
  readonly ban?: { readonly profile: string; readonly setAtMs: number };
}

/** A profile's record that cannot be read. It is left as it lies. */
export interface CorruptRecord {
  /** The profile's id, read from the record or its file name. */
  readonly profile: string;
  readonly path: string;
  /** What is wrong with it, without any of its content. */
  readonly cause: string;
}

export interface Contents {
  readonly profiles: readonly StoredProfile[];
  readonly corrupt: readonly CorruptRecord[];
  readonly providers: Readonly<Record<string, ProviderState>>;
}

export interface StoredProfile {
  readonly profile: Profile;
  /** Rises by one with every `replace`. */
  readonly revision: number;
  /**
   * This is an older copy than one that was written here: somebody restored a backup. Its single-use
   * refresh token may have been sent since. Absent: nothing says so.
   */
  readonly older?: true;
}

/**
 * Where profiles live. Every method that writes resolves only when the change will survive a power
 * cut, and rejects with `StoreError` when nothing changed. One process owns a store at a time.
 */
export interface Store {
  /** `lowdb`, `memory`; shown in the status. */
  readonly kind: string;
  /** Everything there is, deadlines anchored to `now`. Rejects with `StoreError` if the whole cannot be read. */
  readAll(now: Now): Promise<Contents>;
  /**
   * Writes a profile whose stored revision is `revision` (0: not there yet) and gives the new
   * revision. With `reserve` the space for the next `replace` of the same profile is set aside as
   * part of the same promise, so that one cannot fail for want of space. A profile whose refresh is
   * open (`intent`) is always written so.
   */
  replace(profile: Profile, revision: number, options?: { readonly reserve?: boolean }): Promise<number>;
  /** Removes a profile, what was reserved for it, and its usage history. Removing an absent one is no error. */
  remove(profileId: string): Promise<void>;
  /** Moves a corrupt record of this id aside (never deletes it), so that a new one can take its place. */
  setAside(profileId: string): Promise<void>;
  replaceProviders(providers: Readonly<Record<string, ProviderState>>): Promise<void>;
  /** What a profile's account used lately; undefined if nothing is kept, or nothing that can be read. */
  readUsage(profileId: string): Promise<UsageHistory | undefined>;
  replaceUsage(profileId: string, history: UsageHistory): Promise<void>;
  /** Proves that the store can be written right now; rejects with `StoreError` if not. */
  probe(): Promise<void>;
  /**
   * Forgets key and records until `unlock`, after what was asked before. Gives the error with which all that
   * reads or writes rejects from then on.
   */
  lock(): Promise<StoreError>;
  /** Takes the key from its source again. Rejects with `StoreError`, and stays locked, if it is not to be had. */
  unlock(): Promise<void>;
  /** Gives up ownership. */
  close(): Promise<void>;
}

/** Why the store did not do as asked. The old state is untouched. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  /**
   * `locked`: another broker owns it; `conflict`: the revision was another; `other_source`: the key is kept
   * elsewhere than config.json says; else the file system refused.
   */
  readonly code:
    | "locked"
    | "full"
    | "read_only"
    | "denied"
    | "unreadable"
    | "conflict"
    | "other_source"
    | "io";
  readonly path: string;
  /** What an operator can do about it, one clause. */
  readonly mend: string;
  /** The process that holds the lock, if `locked` and known. */
  readonly pid?: number;

  constructor(
    code: StoreError["code"],
    path: string,
    message: string,
    mend: string,
    options?: ErrorOptions & { readonly pid?: number },
  ) {
    super(message, options);
    this.code = code;
    this.path = path;
    this.mend = mend;
    if (options?.pid !== undefined) this.pid = options.pid;
  }
}
