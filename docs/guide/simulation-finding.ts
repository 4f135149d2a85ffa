import { PackageName, Resolve } from "@libreseed/protocol"
import { Actors, Fault, Scenario, Shrink, Simulation } from "@libreseed/protocol/testing"
import * as Effect from "effect/Effect"

const { MINUTE } = Scenario

const scenario = Scenario.make({
  name: "hasty",
  about: "a tool that takes silence for an answer",
  faults: () => [
    Fault.replay({ atMs: 0, forMs: 9 * MINUTE }, 0.2),
    Fault.partition({ atMs: 2 * MINUTE, forMs: 3 * MINUTE }, { share: 0, hosts: ["bob"] }),
    Fault.slow({ atMs: MINUTE, forMs: 5 * MINUTE }, 100, 1_000)
  ],
  play: Effect.fnUntraced(function* (world) {
    const alice = yield* Actors.person(world, "alice")
    const bob = yield* Actors.person(world, "bob")
    yield* alice.publish({ name: "colours", version: "1.0.0" })
    let isRemoved = false
    /** The mistake: whatever keeps the name from being resolved counts as "it is gone". */
    const look = bob.host.run(Resolve.resolveLatest(PackageName.PackageName.make("colours"))).pipe(
      Effect.orElseSucceed(() => {
        isRemoved = true
      })
    )
    return {
      steps: [1, 3, 5, 7].map((minute) => ({ atMs: minute * MINUTE, title: `bob looks, minute ${minute}`, run: look })),
      laws: [{ title: "what was published is never removed", broken: () => (isRemoved ? "bob removed it" : undefined) }]
    }
  })
})

const options = { seed: 7, scenario, nodes: 20 }
const report = Effect.runSync(Simulation.run(options))
console.log(`seed 7: ${report.finding?.text}`)

const { report: smallest } = Shrink.shrink((each) => Effect.runSync(Simulation.run(each)), options)
console.log(`what it takes, on ${smallest.nodes === 1 ? "1 node" : `${smallest.nodes} nodes`}:`)
for (const { id, title } of smallest.planned) console.log(`  ${id}  ${title}`)
