/** Who did something, as far as the system told. Without `uid`: the broker itself, or a peer that nobody vouches for. */
export interface Actor {
  readonly endpoint: string;
  readonly uid?: number;
  readonly pid?: number;
  /** Path of its program. */
  readonly program?: string;
  /** As `unitOf` says. */
  readonly unit?: string;
}

/** One thing that was done or refused. Holds no token and no part of one, and no text of a provider. */
export interface Deed {
  /** Absent: the broker by itself. */
  readonly actor?: Actor;
  /** Such as `acquire`, `put`, `refresh`. */
  readonly action: string;
  /** `OK`, `GRANTED`, an outcome that was reported, or the reason of a refusal. */
  readonly outcome: string;
  readonly provider?: string;
  readonly profile?: string;
  readonly generation?: number;
  /** Of the token that is meant: what `tokenFingerprint` shows of the profile. */
  readonly fingerprint?: string;
}

/** Where deeds are written down. Never throws and never waits. */
export interface Audit {
  /** `atMs`: wall clock. `atOnce`: not with the others within a second, but now. */
  note(deed: Deed, atMs: number, atOnce?: boolean): void;
}

export const NO_AUDIT: Audit = { note: () => {} };
