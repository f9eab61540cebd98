// All in one file: each file costs a thread and its imports, some thousand times over.
import.meta.glob("../unit/classify-*.test.ts", { eager: true });
