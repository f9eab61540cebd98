/** An installed OpenClaw; run it as `node main …`. */
export interface OpenclawProgram {
  readonly version: string;
  /** Absolute path of a Node that it accepts. */
  readonly node: string;
  /** Absolute path of its entry. */
  readonly main: string;
  /** Directory of the package. */
  readonly package: string;
}

/** Where the tests keep what is big and comes from outside. */
export declare const CACHE: string;
/** The version that the tests are written against. */
export declare const OPENCLAW: string;
/** The last version that kept its logins in files. */
export declare const OPENCLAW_FILES: string;

/**
 * Installs that version first, unless the cache has it: a minute or two and 0.8 GB, from npm's registry.
 * So call it in a `beforeAll` with ten minutes.
 */
export declare function openclawProgram(version?: string): Promise<OpenclawProgram>;
