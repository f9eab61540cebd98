// All in one file: each file costs a thread and its imports, some thousand times over.
import.meta.glob(
  [
    "../unit/{account,alias,cooldown,grant-age,jwt,login-paste,nearest,notice,refreshing,state,time,token,usage}.test.ts",
    "../property/{selection,transition,usage}.test.ts",
  ],
  { eager: true },
);
