import { PackageName, Resolve } from "@libreseed/protocol"
import { Actors, Fault, Scenario, Simulation } from "@libreseed/protocol/testing"
import * as Effect from "effect/Effect"

/** The tool: tells whether a newer version is out than the one at hand. */
const isOutdated = (name: string, version: string) =>
  Effect.map(Resolve.resolveLatest(PackageName.PackageName.make(name)), ({ release }) => release.v !== version)

const scenario = Scenario.make({
  name: "outdated",
  about: "a tool that tells whether a newer version is out",
  faults: (chance) => Fault.storm(chance, { fromMs: 0, toMs: 5 * Scenario.MINUTE }, { hosts: ["bob"] }),
  play: Effect.fnUntraced(function* (world) {
    const alice = yield* Actors.person(world, "alice")
    const bob = yield* Actors.person(world, "bob")
    const publish = (version: string) => alice.publish({ name: "colours", version })
    yield* publish("1.0.0")
    const tells = Effect.filterOrFail(bob.host.run(isOutdated("colours", "1.0.0")), Boolean, () => "not told yet")
    return {
      steps: [{ atMs: Scenario.MINUTE, title: "alice publishes 1.1.0", run: publish("1.1.0") }],
      goals: [
        { title: "1.1.0 is out", reach: publish("1.1.0") },
        { title: "bob is told", reach: tells }
      ]
    }
  })
})

for (let seed = 1; seed <= 5; seed++) {
  const { finding } = Effect.runSync(Simulation.run({ seed, scenario, nodes: 20 }))
  console.log(`seed ${seed}: ${finding === undefined ? "all is well" : finding.text}`)
}
