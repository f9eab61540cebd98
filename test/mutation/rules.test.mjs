// The parts of the domain that are tested through a whole broker, quick tables first.
import.meta.glob("../unit/cooldown.test.ts", { eager: true });
import.meta.glob("../integration/rules-{auth,cooldown,trial}.test.ts", { eager: true });
