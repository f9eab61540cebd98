import type { KeySource } from "../store/key-source.ts";
import { keyInText, keyText } from "../store/seal.ts";
import { StoreError } from "../store/store.ts";

const SERVICE = "auth-broker";
const PLACE = "the system's keyring";
/** Without this, a Linux without the Secret Service would get the kernel's keyring, which forgets with a reboot. */
const LASTING = { linux: { store: "secret-service" } } as const;

/** One entry of a keyring, as `@napi-rs/keyring` gives it. */
export interface KeyringEntry {
  getPassword(): Promise<string | null>;
  setPassword(password: string): Promise<void>;
  deleteCredential(): Promise<boolean>;
}

/** Opens the entry of an account. */
export type OpenEntry = (service: string, account: string) => KeyringEntry;

/**
 * The key in the keyring of the system: Secret Service on Linux, Keychain on macOS, Credential Manager on
 * Windows. One entry an installation, with its name as the account. A keyring that is locked, or not there,
 * is an error and never "no key". `load`: the optional package, loaded with the first use.
 */
export function keyringKey(load: () => Promise<OpenEntry> = loadPackage): KeySource {
  const use = async <T>(install: string, action: (entry: KeyringEntry) => Promise<T>): Promise<T> => {
    const open = await load();
    try {
      return await action(open(SERVICE, install));
    } catch (cause) {
      const mend = "unlock the keyring, or start the broker where it is open (in a login session)";
      throw new StoreError("unreadable", PLACE, "the keyring is locked or cannot be reached", mend, {
        cause,
      });
    }
  };
  return {
    kind: "keyring",
    place: PLACE,
    read: async (install) => {
      const text = await use(install, (entry) => entry.getPassword());
      if (text === null) return undefined;
      const key = keyInText(text);
      if (key !== undefined) return key;
      const mend = "give the recovery code to auth-broker key restore";
      throw new StoreError("unreadable", PLACE, `the entry of ${SERVICE} (${install}) holds no key`, mend);
    },
    write: (key, install) => use(install, (entry) => entry.setPassword(keyText(key))),
    remove: (install) => use(install, async (entry) => void (await entry.deleteCredential())),
  };
}

async function loadPackage(): Promise<OpenEntry> {
  try {
    const { AsyncEntry } = await import("@napi-rs/keyring");
    return (service, account) => new AsyncEntry(service, account, LASTING);
  } catch (cause) {
    const mend = "npm install --global @napi-rs/keyring, or choose another key.source in config.json";
    throw new StoreError("unreadable", PLACE, "the package @napi-rs/keyring is not installed", mend, {
      cause,
    });
  }
}
