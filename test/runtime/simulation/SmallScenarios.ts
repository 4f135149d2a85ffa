/**
 * Scenarios of a second or so in which something goes wrong, each in its own way: what the pool, its workers and
 * the command line are tested with. Loaded as a user's module is.
 */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Fault from "../../../src/protocol/testing/simulation/Fault.ts"
import type { Play, Scenario } from "../../../src/protocol/testing/simulation/Scenario.ts"

const NODES = { count: 5 }

const step = (title: string, run: Effect.Effect<unknown, unknown>, atMs = 1_000) => ({ atMs, title, run })

/** A scenario of one step. */
const doing = (name: string, run: () => Effect.Effect<unknown, unknown>): Scenario => ({
  name,
  about: `somebody does what the name says: ${name}`,
  nodes: NODES,
  play: () => Effect.succeed({ steps: [step(name, Effect.suspend(run))] })
})

const loss = (atMs: number, share: number) => Fault.loss({ atMs, forMs: 1_000 }, share)

/** All is well in three seeds of four. */
const sometimes: Scenario = {
  name: "sometimes",
  about: "one seed in four fails",
  nodes: NODES,
  play: (world) =>
    Effect.sync((): Play => {
      const isBad = world.chance.below(4) === 0
      world.note("note", "world", `the number of this seed is ${world.chance.below(1_000_000)}`)
      return {
        steps: [step("look", Effect.sleep(500))],
        laws: [
          { title: "all is well", broken: () => (isBad && world.kernel.elapsedMs > 800 ? "it is not" : undefined) }
        ],
        figures: () => ({ luck: world.chance.below(100) })
      }
    })
}

/** Fails for as long as one fault of twelve and one step of ten are in. */
const entangled: Scenario = {
  name: "entangled",
  about: "one fault and one step together break something",
  nodes: { count: 20 },
  faults: () => Array.from({ length: 12 }, (_, i) => loss(i === 7 ? 2_000 : 100 * i, i === 7 ? 0.29 : 0)),
  play: (world) =>
    Effect.sync((): Play => {
      let isStepDone = false
      const isFaultThere = () => world.weather.conditions.lossShare === 0.29
      const done = Effect.sync(() => void (isStepDone = true))
      return {
        steps: Array.from({ length: 10 }, (_, i) => step(`step ${i}`, i === 4 ? done : Effect.void, 500 * i)),
        laws: [
          {
            title: "not both",
            broken: () => (isStepDone && isFaultThere() && world.nodes.names().length >= 3 ? "both" : undefined)
          }
        ]
      }
    })
}

const hoard = () => {
  const held: Array<unknown> = []
  for (;;) held.push(new Uint8Array(1_000).join())
}

/** Never comes to an end, and says so first. */
const spin = () => {
  Fs.writeSync(2, "it goes round\n")
  for (;;) continue
}

const scenarios: ReadonlyArray<Scenario> = [
  sometimes,
  entangled,
  doing("fine", () => Effect.sleep(100)),
  doing("throws", () => {
    throw new Error("this cannot be")
  }),
  {
    ...doing("throws-early", () => Effect.void),
    faults: () => {
      throw new Error("no faults today")
    }
  },
  doing("exits", () => Effect.sync(() => process.exit(3))),
  doing("sleepless", () => Effect.sync(spin)),
  doing("hoards", () => Effect.sync(hoard)),
  doing("reads", () => Effect.sync(() => Fs.readFile("package.json", () => undefined))),
  doing("reads-at-once", () => Effect.sync(() => Fs.existsSync("package.json") && Fs.readFileSync("package.json"))),
  doing("waits", () => Effect.promise(() => Promise.resolve(1))),
  doing("prints", () => Effect.sync(() => console.log("hello from a scenario")))
]

export default scenarios
