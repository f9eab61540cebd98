export const KEY_SOURCES = ["file", "keyring", "command"] as const;
/** `file`: a private file beside config.json. `keyring`: the system's. `command`: a program prints it. */
export type KeySourceKind = (typeof KEY_SOURCES)[number];

/** Where the key that seals the records comes from. Every method rejects with `StoreError`. */
export interface KeySource {
  readonly kind: KeySourceKind;
  /** Where the key lies, for messages: a path, or what stands for one. */
  readonly place: string;
  /** The 32 bytes of the key; undefined if there is none. One that cannot be told now is an error. */
  read(install: string): Promise<Uint8Array | undefined>;
  /** Makes `key` the one that `read` gives, durably. Absent: only its owner can change what is given. */
  readonly write?: (key: Uint8Array, install: string) => Promise<void>;
  /** Removes the key; no error if there is none. */
  readonly remove?: (install: string) => Promise<void>;
}

/** The source that the operator chose, and the others, for a change from one to another. */
export interface KeySources {
  readonly chosen: KeySourceKind;
  /** Rejects with `StoreError` if the configuration does not say enough of it. */
  of(kind: KeySourceKind): Promise<KeySource>;
}
