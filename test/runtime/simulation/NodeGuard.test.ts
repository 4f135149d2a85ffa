import { assert, describe, it } from "@effect/vitest"
import Fs from "node:fs"
import Os from "node:os"
import { NodeGuard } from "../../../src/runtime/simulation/NodeGuard.ts"

const guard = NodeGuard.install()

const usesOf = (run: () => unknown): ReadonlyArray<string> => {
  const uses: Array<string> = []
  guard.watch((what) => uses.push(what), run)
  return uses
}

describe("NodeGuard", () => {
  it("hears of functions that hang on others", () => {
    assert.deepStrictEqual(
      usesOf(() => process.hrtime.bigint()),
      ["the real time (hrtime)"]
    )
    assert.deepStrictEqual(
      usesOf(() => Fs.realpathSync.native(".")),
      ["the disk (realpathSync)"]
    )
  })

  it("hears of what differs from computer to computer", () => {
    for (const use of [() => process.memoryUsage(), () => process.memoryUsage.rss(), () => process.cpuUsage()]) {
      assert.match(usesOf(use).join(), /the load of this computer/)
    }
    for (const use of [() => Os.hostname(), () => Os.freemem()]) assert.match(usesOf(use).join(), /this computer/)
  })

  it("hears of nothing while it does not watch, and lets everything through", () => {
    assert.strictEqual(typeof process.hrtime.bigint(), "bigint")
    assert.deepStrictEqual(
      usesOf(() => 1),
      []
    )
  })
})
