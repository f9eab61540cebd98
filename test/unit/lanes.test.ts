import { describe, expect, test } from "vitest";
import { Lanes } from "../../src/broker/lanes.ts";
import { after as ahead } from "../../src/domain/time.ts";
import { FIXED_NOW } from "../support/arbitrary.ts";

const idle = () => false;

describe("a lane", () => {
  test("lets in so many at a time and the next when one leaves", async () => {
    const lanes = new Lanes(2);
    const first = await lanes.enter("client", idle);
    await lanes.enter("client", idle);
    let third = false;
    const entering = lanes.enter("client", idle).then(() => {
      third = true;
    });
    await Promise.resolve();
    expect(third).toBe(false);
    first.leave();
    await entering;
    expect(third).toBe(true);
  });

  test("is one for each client", async () => {
    const lanes = new Lanes(1);
    await lanes.enter("a", idle);
    await lanes.enter("b", idle);
  });

  test("prefers whom somebody waits for", async () => {
    const lanes = new Lanes(1);
    const first = await lanes.enter("client", idle);
    const order: string[] = [];
    void lanes.enter("client", idle).then(() => order.push("idle"));
    const urgent = lanes.enter("client", () => true).then(() => order.push("urgent"));
    first.leave();
    await urgent;
    expect(order).toEqual(["urgent"]);
  });

  test("remembers until when the endpoint wants silence, and forgets it then", () => {
    const lanes = new Lanes(1);
    lanes.hold("client", ahead(FIXED_NOW, 5_000), FIXED_NOW);
    expect(lanes.heldUntilMs("client", FIXED_NOW)).toBe(FIXED_NOW.wallMs + 5_000);
    const later = { wallMs: FIXED_NOW.wallMs + 5_000, monoMs: FIXED_NOW.monoMs + 5_000 };
    expect(lanes.heldUntilMs("client", later)).toBeUndefined();
  });

  test("does not take a later, shorter wish for silence for the end of a longer one", () => {
    const lanes = new Lanes(1);
    lanes.hold("client", ahead(FIXED_NOW, 600_000), FIXED_NOW);
    lanes.hold("client", ahead(FIXED_NOW, 5_000), FIXED_NOW);
    expect(lanes.heldUntilMs("client", FIXED_NOW)).toBe(FIXED_NOW.wallMs + 600_000);
  });
});
