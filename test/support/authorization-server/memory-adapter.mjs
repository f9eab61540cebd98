/**
 * Where the authorization server keeps what it issued: a map, nothing evicted, nothing shared with a
 * second server in the same process.
 *
 * Nothing here waits, so of two requests with the same refresh token only one finds it unspent. With
 * `graceMs` a spent one is shown as unspent for that long.
 *
 * @param {{graceMs: number, now: () => number}} options
 */
export function memoryAdapter({ graceMs, now }) {
  /** @type {Map<string, Record<string, any>>} */
  const records = new Map();

  const removeWhere = (matches) => {
    for (const [key, record] of records) if (matches(record)) records.delete(key);
  };
  const inGrace = (record) => now() < record.consumedAtMs + graceMs;

  class MemoryAdapter {
    constructor(model) {
      this.model = model;
    }

    #key(id) {
      return `${this.model}:${id}`;
    }

    async upsert(id, record) {
      records.set(this.#key(id), record);
    }

    async find(id) {
      const record = records.get(this.#key(id));
      const graced = this.model === "RefreshToken" && record?.consumed && inGrace(record);
      return graced ? { ...record, consumed: undefined } : record;
    }

    async findByUid(uid) {
      return this.#where((record) => record.uid === uid);
    }

    async findByUserCode(userCode) {
      return this.#where((record) => record.userCode === userCode);
    }

    #where(matches) {
      for (const [key, record] of records) {
        if (key.startsWith(`${this.model}:`) && matches(record)) return record;
      }
      return undefined;
    }

    async consume(id) {
      const record = records.get(this.#key(id));
      record.consumedAtMs ??= now();
      record.consumed = Math.floor(record.consumedAtMs / 1000);
    }

    async destroy(id) {
      records.delete(this.#key(id));
    }

    async revokeByGrantId(grantId) {
      removeWhere((record) => record.grantId === grantId);
    }
  }

  return {
    create: (model) => new MemoryAdapter(model),
    /** Forgets everything of one account. */
    forget: (accountId) => removeWhere((record) => record.accountId === accountId),
  };
}
