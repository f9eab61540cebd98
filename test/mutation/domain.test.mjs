// All in one file: each file costs a thread and its imports, some hundred times over. The random tests
// are left out, as they are for the classifier.
import.meta.glob("../unit/{account,alias,grant-age,jwt,nearest,refreshing,state,time,token}.test.ts", {
  eager: true,
});
