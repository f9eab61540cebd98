import { describe, expect, test } from "vitest";
import { Alarm } from "../../src/broker/alarm.ts";
import { after as ahead } from "../../src/domain/time.ts";
import { ManualClock } from "../support/clock.ts";

function world() {
  const clock = new ManualClock({ wallMs: 1_800_000_000_000 });
  const delays: number[] = [];
  const errors: unknown[] = [];
  let armed = 0;
  const counted = {
    now: () => clock.now(),
    timer: (delayMs: number, fire: () => void) => {
      delays.push(delayMs);
      armed += 1;
      let isOver = false;
      const end = () => {
        if (!isOver) armed -= 1;
        isOver = true;
      };
      const cancel = clock.timer(delayMs, () => {
        end();
        fire();
      });
      return () => {
        end();
        cancel();
      };
    },
  };
  return {
    clock,
    alarm: new Alarm(counted, (error) => errors.push(error)),
    errors,
    delays,
    armed: () => armed,
  };
}

describe("the alarm", () => {
  test("keeps one timer for any number of moments", () => {
    const { clock, alarm, armed } = world();
    for (let i = 1; i <= 1_000; i += 1) alarm.at(ahead(clock.now(), i * 1_000), () => {});
    expect(armed()).toBe(1);
  });

  test("never sets its timer further ahead than 30 s, so that 30 days do not overflow it", async () => {
    const { clock, alarm, delays } = world();
    let fired = false;
    alarm.at(ahead(clock.now(), 30 * 86_400_000), () => {
      fired = true;
    });
    await clock.advance(100_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(30_000);
    expect(fired).toBe(false);
  });

  test("fires each moment once, when it is reached and not before, in any order of setting", async () => {
    const { clock, alarm } = world();
    const fired: number[] = [];
    for (const ms of [50_000, 10, 70_000, 31_000]) alarm.at(ahead(clock.now(), ms), () => fired.push(ms));
    await clock.advance(9);
    expect(fired).toEqual([]);
    await clock.advance(100_000);
    expect(fired).toEqual([10, 31_000, 50_000, 70_000]);
  });

  test("does not fire what was taken back", async () => {
    const { clock, alarm } = world();
    let fired = false;
    const cancel = alarm.at(ahead(clock.now(), 1_000), () => {
      fired = true;
    });
    cancel();
    await clock.advance(60_000);
    expect(fired).toBe(false);
  });

  test("notices within 30 s that the machine slept past a moment", async () => {
    const { clock, alarm } = world();
    let fired = false;
    alarm.at(ahead(clock.now(), 3_600_000), () => {
      fired = true;
    });
    clock.sleepHost(3 * 3_600_000);
    await clock.advance(30_000);
    expect(fired).toBe(true);
  });

  test("does not fire what another function of the same moment took back", async () => {
    const { clock, alarm } = world();
    const fired: string[] = [];
    let cancel = () => {};
    alarm.at(ahead(clock.now(), 1_000), () => {
      fired.push("first");
      cancel();
    });
    cancel = alarm.at(ahead(clock.now(), 1_000), () => fired.push("second"));
    await clock.advance(2_000);
    expect(fired).toEqual(["first"]);
  });

  test("goes on when a function throws, for those of the same moment and of later ones", async () => {
    const { clock, alarm, errors } = world();
    const fired: number[] = [];
    alarm.at(ahead(clock.now(), 1_000), () => {
      throw new Error("unexpected");
    });
    for (const ms of [1_000, 2_000]) alarm.at(ahead(clock.now(), ms), () => fired.push(ms));
    await clock.advance(3_000);
    expect(fired).toEqual([1_000, 2_000]);
    expect(errors).toHaveLength(1);
  });
});
