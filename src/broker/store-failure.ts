import { BrokerFailure, type Failure } from "../domain/failure.ts";
import { StoreError } from "../store/store.ts";

/** The failure that callers see when the store refuses. */
export function storeFailure(error: StoreError): Failure {
  return { kind: "store_unavailable", path: error.path, cause: error.message, mend: error.mend };
}

/** Rethrows what a store refused as a failure for callers; passes on everything else. */
export function storeTrouble(error: unknown): never {
  if (error instanceof StoreError) throw new BrokerFailure(storeFailure(error), { cause: error });
  throw error;
}
