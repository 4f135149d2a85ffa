/**
 * One publisher works at two machines with one key, in bad weather. What one of them was told is out may be
 * buried by the other's higher number; once each has published again, as people do, every version that was
 * said to be out is listed, and whatever was yanked is yanked.
 */
import * as Effect from "effect/Effect"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import { at, Errands } from "./Errands.ts"
import * as Expectations from "./Expectations.ts"

const NAME = "shared"
const VERSIONS = 3

/** Newer than all that is published later, so that a yank that is lost is seen. The first is yanked at the first machine. */
const YANKED = ["9.0.0", "8.0.0"]

export const twoMachines = make({
  name: "two-machines",
  about: "one key publishes and yanks at two machines; once both published again all stands that was said to be done",
  faults: (chance) => Fault.storm(chance, { fromMs: 0, toMs: 10 * MINUTE }, { hosts: ["desk", "lap"], strength: 0.8 }),
  convergesWithinMs: HOUR,
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const desk = yield* Actors.person(world, "desk")
    const lap = new Actors.Person(world, world.host("lap"), desk.keyPair)
    const user = yield* Actors.person(world, "uma")
    for (const version of YANKED) yield* desk.publish({ name: NAME, version })
    const errands = new Errands(NAME)
    const steps = [desk, lap].flatMap((machine, nth) => {
      const publishing = Array.from({ length: VERSIONS }, (_, minor) => {
        // Mostly at the very same time.
        const atMs = minor * 3 * MINUTE + chance.below(chance.is(0.7) ? 400 : MINUTE)
        return at(atMs, errands.publishing(machine, `${nth + 1}.${minor}.0`))
      })
      return publishing.concat(at(chance.below(9 * MINUTE), errands.yanking(machine, YANKED[nth]!)))
    })
    const afterwards = [errands.publishing(desk, "3.0.0"), errands.publishing(lap, "3.1.0")]
    return {
      steps,
      goals: [
        {
          title: "all that was said to be done stands, once each machine has published again",
          reach: Effect.gen(function* () {
            yield* errands.again
            for (const { inTheEnd } of afterwards) yield* inTheEnd
            yield* errands.standing(user, desk)
            const { newest } = yield* Expectations.newestOf(user, NAME, desk)
            yield* Expectations.refuse(newest === "3.1.0" ? undefined : `the newest is ${newest}, not 3.1.0`)
          })
        }
      ],
      figures: () => errands.figures
    }
  })
})
