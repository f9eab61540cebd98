// All in one file: each file costs a thread and its imports, some hundred times over.
import fc from "fast-check";

// The same at every run, so that a mutant is found or not whatever the day.
fc.configureGlobal({ seed: 1 });

// One after another, the quick ones first: most mutants go no further.
const tables = import.meta.glob("../unit/{alias,cooldown,jwt,nearest,refreshing,time,token}.test.ts");
const properties = import.meta.glob("../property/{selection,transition}.test.ts");
for (const load of [...Object.values(tables), ...Object.values(properties)]) await load();
