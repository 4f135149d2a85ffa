import { assert, describe, it } from "@effect/vitest"
import { Chance } from "../../../src/protocol/testing/simulation/Chance.ts"
import { EPOCH_MS, Kernel } from "../../../src/protocol/testing/simulation/Kernel.ts"
import { VirtualGlobals } from "../../../src/runtime/simulation/VirtualGlobals.ts"
import { pass } from "./Arena.ts"

const HOUR_MS = 3_600_000

const setUp = (seed = 1) => {
  const kernel = new Kernel(Chance.of(seed))
  const globals = VirtualGlobals.of(kernel)
  return { kernel, globals, machine: kernel.process("machine"), pass: (ms: number) => pass(kernel, ms) }
}

const replaced = () => [
  setTimeout,
  setInterval,
  setImmediate,
  clearTimeout,
  clearInterval,
  clearImmediate,
  queueMicrotask,
  process.nextTick,
  Date,
  Math.random
]

describe("VirtualGlobals", () => {
  it("are there while the simulation runs and gone after it, even where it throws", () => {
    const { globals } = setUp()
    const before = replaced()
    globals.around(() => replaced().forEach((each, i) => assert.notStrictEqual(each, before[i])))
    assert.throws(() =>
      globals.around(() => {
        throw new Error("broken")
      })
    )
    replaced().forEach((each, i) => assert.strictEqual(each, before[i]))
  })

  it("are the same for everybody who asks for those of a kernel", () => {
    const { globals, kernel } = setUp()
    assert.strictEqual(VirtualGlobals.of(kernel), globals)
    assert.notStrictEqual(setUp().globals, globals)
    // What is in force already stays.
    globals.around(() => {
      const inside = setTimeout
      globals.around(() => assert.strictEqual(setTimeout, inside))
      assert.strictEqual(setTimeout, inside)
    })
  })

  it("run timers of a machine in the order of virtual time", () => {
    const { globals, machine, pass } = setUp()
    globals.around(() => {
      const said: Array<string> = []
      globals.within(machine, () => {
        setTimeout((what: string) => said.push(what), HOUR_MS, "hour")
        setTimeout(() => said.push("least"), 0)
        setImmediate(() => said.push("immediate"))
        process.nextTick((what: string) => said.push(what), "tick")
        queueMicrotask(() => said.push("microtask"))
        clearTimeout(setTimeout(() => said.push("cleared"), 5))
      })
      pass(HOUR_MS - 2)
      assert.deepStrictEqual(said, ["immediate", "tick", "microtask", "least"])
      pass(2)
      assert.strictEqual(said.at(-1), "hour")
    })
  })

  it("repeat until it is cleared, from inside too", () => {
    const { globals, kernel, machine, pass } = setUp()
    globals.around(() => {
      const at: Array<number> = []
      globals.within(machine, () => {
        const interval = setInterval(() => {
          at.push(kernel.elapsedMs)
          if (at.length === 3) clearInterval(interval)
        }, 250)
        interval.unref()
      })
      pass(HOUR_MS)
      assert.deepStrictEqual(at, [250, 500, 750])
    })
  })

  it("end with the machine that set them", () => {
    const { globals, kernel, machine, pass } = setUp()
    globals.around(() => {
      let ticks = 0
      const other = kernel.process("other")
      for (const each of [machine, other]) globals.within(each, () => setInterval(() => ticks++, 1_000))
      pass(2_500)
      machine.kill()
      pass(2_000)
      assert.strictEqual(ticks, 6)
    })
  })

  it("show each machine its own clock and chance", () => {
    const { globals, kernel, pass } = setUp()
    const fast = kernel.process("fast", 60_000)
    globals.around(() => {
      pass(0)
      assert.strictEqual(
        globals.within(fast, () => Date.now()),
        EPOCH_MS + 60_000
      )
      assert.strictEqual(
        globals.within(fast, () => new Date().getTime()),
        EPOCH_MS + 60_000
      )
      assert.isTrue(new Date(5) instanceof Date)
    })
    const drawnBy = (seed: number) => {
      const { globals, machine } = setUp(seed)
      return globals.around(() => globals.within(machine, () => [Math.random(), Math.random()]))
    }
    assert.deepStrictEqual(drawnBy(1), drawnBy(1))
    assert.notDeepEqual(drawnBy(1), drawnBy(2))
  })

  it("leave to Node what no machine does", async () => {
    const { globals, pass } = setUp()
    const said: Array<string> = []
    const later = globals.around(() => {
      const { promise, resolve } = Promise.withResolvers<void>()
      process.nextTick(() => said.push("tick"))
      setTimeout(resolve, 1)
      clearTimeout(setTimeout(() => said.push("cleared"), 0))
      pass(HOUR_MS)
      assert.isAbove(Date.now(), 0)
      assert.isEmpty(said)
      return promise
    })
    await later
    assert.deepStrictEqual(said, ["tick"])
  })
})
