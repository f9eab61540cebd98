import { ownHome, ownPlaces, type Places } from "../places.ts";

/** The places of the user who runs this. Throws `EndpointError` (78) if there are none. */
export function here(): Places {
  return ownPlaces(process.env);
}

/** The user's home directory. Throws `EndpointError` (78) if there is none. */
export function homeDirectory(): string {
  return ownHome(process.env);
}
