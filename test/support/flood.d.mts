export declare const ATTACKS: Readonly<
  Record<"silent" | "half" | "requests" | "deadlines" | "resets" | "crowd" | "reconnects", string>
>;
export declare function attack(kind: keyof typeof ATTACKS, home: string): Promise<() => Promise<void>>;
export declare function times(ask: () => Promise<unknown>, count: number): Promise<number[]>;
export declare function percentile(sorted: readonly number[], share: number): number;
export declare function held(pid: number): { readonly descriptors: number; readonly mib: number };
