/**
 * Absolute paths of a Node for Windows, and of the directory of modules that koffi needs there. Installs them first,
 * unless the cache has them: from npm's registry, a few seconds.
 */
export declare function windowsNode(): Promise<{ readonly node: string; readonly modules: string }>;
