// All in one file: each file costs a thread and its imports, some thousand times over.
import.meta.glob(
  [
    "../unit/{account,alias,candidate,claimed-account,cooldown,cooldown-begins,cooldown-ends,credential}.test.ts",
    "../unit/{duration,env-names,explain,grant-age,jwt,login-paste,names,nearest,notice,pool,refreshing}.test.ts",
    "../unit/{reporting,selection,sentences,state,time,token,transition,unavailability,url,usage}.test.ts",
    "../property/{selection,transition,usage}.test.ts",
  ],
  { eager: true },
);
