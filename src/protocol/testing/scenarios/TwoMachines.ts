/** One publisher works at two machines with one key, in bad weather: no version is lost, and none is undone. */
import * as Effect from "effect/Effect"
import { PackageName } from "../../core/PackageName.ts"
import * as PackageLookup from "../../registry/PackageLookup.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import { refuse } from "./Expectations.ts"

const NAME = "shared"
const VERSIONS = 3

export const twoMachines = make({
  name: "two-machines",
  about: "one key publishes from two machines at once; no version is lost",
  faults: (chance) => Fault.storm(chance, { fromMs: 0, toMs: 10 * MINUTE }, { hosts: ["desk", "lap"], strength: 0.8 }),
  convergesWithinMs: HOUR,
  play: Effect.fnUntraced(function* (world) {
    const desk = yield* Actors.person(world, "desk")
    const lap = new Actors.Person(world, world.host("lap"), desk.keyPair)
    const user = yield* Actors.person(world, "uma")
    const publications = [desk, lap].flatMap((machine, major) =>
      Array.from({ length: VERSIONS }, (_, minor) => {
        const version = `${major + 1}.${minor}.0`
        const run = machine.publish({ name: NAME, version })
        return { version, title: `${machine.host.name} publishes ${NAME}@${version}`, run }
      })
    )
    return {
      // Mostly at the very same time.
      steps: publications.map(({ run, title, version }) => ({
        atMs: Number(version[2]) * 3 * MINUTE + world.chance.below(world.chance.is(0.7) ? 400 : MINUTE),
        title,
        run
      })),
      goals: [
        // Whoever was cut off runs the command again, as its message says; nobody else does anything.
        ...publications.map(({ run, title }) => ({ title: `${title}, in the end`, reach: run })),
        {
          title: "the package has every version",
          reach: Effect.gen(function* () {
            const { found } = yield* user.host.run(PackageLookup.look(desk.publicKey, PackageName.make(NAME)))
            const listed = new Set<string>((found?.value.vs ?? []).map(([version]) => version))
            const lacking = publications.filter(({ version }) => !listed.has(version)).map(({ version }) => version)
            yield* refuse(lacking.length === 0 ? undefined : `it lacks ${lacking.join(", ")}`)
          })
        }
      ]
    }
  })
})
