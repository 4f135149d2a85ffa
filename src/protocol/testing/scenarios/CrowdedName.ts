/** Many publishers claim one name at once, in bad weather: no claim is lost, and everybody comes to see all of them. */
import * as Effect from "effect/Effect"
import * as PublicKey from "../../core/PublicKey.ts"
import { PackageName } from "../../core/PackageName.ts"
import * as Resolve from "../../registry/Resolve.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import { refuse } from "./Expectations.ts"

const NAME = "crowded"
const PUBLISHERS = 5

export const crowdedName = make({
  name: "crowded-name",
  about: "many publishers claim one name at once; no claim is lost",
  faults: (chance) => Fault.storm(chance, { fromMs: 0, toMs: 10 * MINUTE }, { strength: 0.7 }),
  convergesWithinMs: HOUR,
  play: Effect.fnUntraced(function* (world) {
    const names = Array.from({ length: PUBLISHERS }, (_, i) => `pub${i}`)
    const publishers = yield* Actors.people(world, names)
    const users = yield* Actors.people(world, ["ann", "ben"])
    for (const each of publishers) each.keepAlive()
    const all = publishers.map(({ publicKey }) => PublicKey.toHex(publicKey))
    const publish = (publisher: Actors.Person, at: number) => ({
      atMs: world.chance.below(5 * MINUTE),
      title: `pub${at} publishes ${NAME}@1.${at}.0`,
      run: publisher.publish({ name: NAME, version: `1.${at}.0` })
    })
    const publications = publishers.map(publish)
    return {
      steps: [
        ...publications,
        ...users.map((user) => ({
          atMs: world.chance.below(10 * MINUTE),
          title: `${user.host.name} installs ${NAME}`,
          run: user.install(NAME)
        }))
      ],
      goals: [
        // Whoever was cut off runs the command again, as its message says.
        ...publications.map(({ run, title }) => ({ title: `${title}, in the end`, reach: run })),
        ...users.map((user) => ({
          title: `${user.host.name} sees every publisher`,
          reach: Effect.gen(function* () {
            const found = yield* user.host.run(Resolve.publishersOf(PackageName.make(NAME)))
            const seen = new Set(found.map(({ claim }) => PublicKey.toHex(claim.k)))
            const unseen = all.filter((key) => !seen.has(key))
            yield* refuse(unseen.length === 0 ? undefined : `${user.host.name} does not see ${unseen.join(", ")} yet`)
          })
        })),
        ...users.map((user) => ({ title: `${user.host.name} has installed ${NAME}`, reach: user.install(NAME) }))
      ]
    }
  })
})
