import { format } from "node:util";
import { chai, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from "@vitest/expect";

// What tests of the domain import from `vitest`, for a run without its threads: they are listed, not run.

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);
export const expect = chai.expect;

const above = [];

export function describe(name, define) {
  above.push(name);
  define();
  above.pop();
}

export function test(name, ...rest) {
  const title = [...above, name].join(" ");
  const { testsFound } = globalThis;
  // Two rows of a table may have the same name.
  const same = testsFound.filter((one) => one.title === title).length;
  testsFound.push({ id: same === 0 ? title : `${title} ${same + 1}`, title, run: rest.at(-1) });
}
test.each = (rows) => (name, run) => {
  for (const row of rows) {
    const values = Array.isArray(row) ? row : [row];
    test(format(name, ...values.slice(0, (name.match(/%[sdj]/g) ?? []).length)), () => run(...values));
  }
};
describe.each = (rows) => (name, define) => {
  for (const row of rows) describe(format(name, ...[row].flat()), () => define(...[row].flat()));
};
