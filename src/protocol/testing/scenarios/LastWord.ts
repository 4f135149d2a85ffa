/**
 * One publisher works at two machines with one key. One of them loses power in the middle of its work, again
 * and again, and so has numbered records that nobody else ever saw. Then both publish in the same moment, and
 * the other one goes for ever: what it was told is published stays so, though nobody is left to publish it again.
 */
import * as Effect from "effect/Effect"
import { PackageName } from "../../core/PackageName.ts"
import * as PackageLookup from "../../registry/PackageLookup.ts"
import { RegistryError } from "../../registry/RegistryError.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { make, MINUTE, SECOND } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import { notYet, Witness } from "./Witness.ts"

const NAME = "contested"

/** The write of a publication by which the package's record is signed, and the catalogue's: neither is in the network then. */
const SIGNING_WRITES = [11, 11, 11, 13]

/** One crash after the other, each in a publication of its own. */
const CRASHES = 3
const CRASH_EVERY_MS = 30 * SECOND

/** Everybody is up again by then. */
const MOMENT_MS = (CRASHES + 1) * CRASH_EVERY_MS

/** How far apart the two begin. */
const APART_MAX_MS = 600

const crashes = (chance: Chance): ReadonlyArray<Fault.Fault> => [
  ...Array.from({ length: CRASHES }, (_, i) =>
    Fault.crashAtWrite(
      { atMs: i * CRASH_EVERY_MS + 1, forMs: CRASH_EVERY_MS - SECOND },
      "desk",
      chance.pick(SIGNING_WRITES),
      "after"
    )
  ),
  ...(chance.is(0.5) ? [Fault.slow({ atMs: MOMENT_MS - SECOND, forMs: MINUTE }, chance.between(30, 200), 1_000)] : [])
]

const isRace = (error: unknown): boolean =>
  error instanceof RegistryError &&
  error.reason._tag === "DhtError" &&
  ["CasConflict", "StaleSeq"].includes(error.reason.reason._tag)

export const lastWord = make({
  name: "last-word",
  about: "two machines with one key publish in one moment, and one is gone for ever; what it published stays",
  faults: crashes,
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const desk = yield* Actors.person(world, "desk")
    const lap = new Actors.Person(world, world.host("lap"), desk.keyPair)
    const user = yield* Actors.person(world, "uma")
    const witness = new Witness()
    /** What somebody was told is published. */
    const out = new Set<string>()
    const publishing = (machine: Actors.Person, version: string) =>
      Effect.tap(machine.publish({ name: NAME, version }), () => Effect.sync(() => out.add(version)))

    yield* publishing(lap, "1.0.0")
    yield* publishing(desk, "1.1.0")
    const drafts = Array.from({ length: CRASHES }, (_, i) => `2.${i}.0`)
    const lastOfLap = Effect.andThen(
      publishing(lap, "3.0.0"),
      Effect.sync(() => {
        lap.host.crash()
        witness.count("gone with its last word said")
      })
    )
    const step = (atMs: number, machine: Actors.Person, version: string, run: Effect.Effect<unknown, unknown>) => ({
      atMs,
      title: `${machine.host.name} publishes ${NAME}@${version}`,
      run: Effect.tapError(run, (error) =>
        Effect.sync(() => {
          if (isRace(error)) witness.object(`${machine.host.name} was sent away because somebody else wrote`)
        })
      )
    })
    const apart = chance.below(APART_MAX_MS)
    return {
      laws: [witness.law("who races another machine with the same key is not told so, and tries again")],
      steps: [
        ...drafts.map((version, i) => step(i * CRASH_EVERY_MS + 2, desk, version, publishing(desk, version))),
        step(MOMENT_MS + apart, lap, "3.0.0", lastOfLap),
        step(MOMENT_MS + chance.below(APART_MAX_MS), desk, "2.9.0", publishing(desk, "2.9.0"))
      ],
      goals: [
        {
          title: "every version that somebody was told is published is listed",
          reach: Effect.gen(function* () {
            const { found } = yield* user.host.run(PackageLookup.look(desk.publicKey, PackageName.make(NAME)))
            const listed = new Set<string>((found?.value.vs ?? []).map(([version]) => version))
            const lacking = [...out].filter((version) => !listed.has(version))
            if (lacking.length > 0) return yield* notYet(`${NAME} lacks ${lacking.join(", ")}`)
          })
        }
      ],
      figures: () => ({ ...witness.figures(["gone with its last word said"]), published: out.size })
    }
  })
})
