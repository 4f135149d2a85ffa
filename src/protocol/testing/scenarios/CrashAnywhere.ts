/**
 * Machines lose power at any of the writes of publishing, installing and keeping alive, right before or
 * right after; some lose their disks too, and one loses power again and again. After each the same command is
 * run again and finishes: nothing is half installed, nothing is released twice, nothing is lost.
 */
import * as Effect from "effect/Effect"
import * as RePut from "../../registry/RePut.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import * as Laws from "../simulation/Laws.ts"
import { make, MINUTE, SECOND, type Step } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import * as Expectations from "./Expectations.ts"

const NAME = "fragile"
const PUBLISHER = "pub"
const SEEDER = "seeder"
const USERS = ["ann", "ben"]
/** Loses power again and again. */
const UNLUCKY = "unlucky"

const VERSIONS = ["1.0.0", "1.1.0", "1.2.0"]

/** Writes of the longest of each command, a few more than were counted: some machines then keep running. */
const WRITES_OF_PUBLISH = 20
const WRITES_OF_INSTALL = 9
const WRITES_OF_RE_PUT = 6

/** Everything that goes wrong has gone wrong by then. */
const TROUBLE_MS = 40 * MINUTE

/** How long the unlucky one has to bear it. */
const FLICKER_MS = 5 * MINUTE

/** How long a machine is off. */
const OFF_MIN_MS = 5 * SECOND
const OFF_MAX_MS = 5 * MINUTE

/** As {@link Fault.crashAtWrite}, and what was on the disk is gone. */
const crashAndLose = (span: Fault.Span & { readonly forMs: number }, host: string, write: number): Fault.Fault => {
  const crash = Fault.crashAtWrite(span, host, write, "after")
  return {
    ...crash,
    title: `${crash.title}, and loses its disk`,
    begin: (world, chance) => {
      const heal = crash.begin(world, chance)
      return () => {
        const machine = world.hostNamed(host)
        if (machine?.isUp === false) {
          // Only a machine that runs can lose its disk.
          machine.start()
          machine.crash({ keepDisk: false })
        }
        heal()
      }
    }
  }
}

/** A machine loses power every so often, from a few seconds on: hardly anything ever finishes in between. */
const flicker = (span: Fault.Span & { readonly forMs: number }, host: string): Fault.Fault => ({
  title: `${host} loses power again and again`,
  atMs: span.atMs,
  forMs: span.forMs,
  begin: (world, chance) => {
    let isOver = false
    const machine = world.hostNamed(host)
    const next = () => {
      world.kernel.after(chance.between(200, 20 * SECOND), () => {
        if (isOver) return
        machine?.crash()
        world.kernel.after(chance.between(SECOND, 10 * SECOND), () => {
          machine?.start()
          if (!isOver) next()
        })
      })
    }
    next()
    return () => {
      isOver = true
      machine?.start()
    }
  }
})

/** When each of the three releases is published, others install, and the seeder puts again: each meets a crash. */
const ROUND_MS = 12 * MINUTE

const crashes = (chance: Chance): ReadonlyArray<Fault.Fault> => {
  const crash = (round: number, host: string, writes: number): Fault.Fault => {
    const span = { atMs: round * ROUND_MS + 1, forMs: chance.between(OFF_MIN_MS, OFF_MAX_MS) + MINUTE }
    const write = chance.between(1, writes)
    return chance.is(0.2)
      ? crashAndLose(span, host, write)
      : Fault.crashAtWrite(span, host, write, chance.pick(["before", "after"]))
  }
  return [
    ...VERSIONS.flatMap((_, round) => [
      crash(round, PUBLISHER, WRITES_OF_PUBLISH),
      ...USERS.filter(() => chance.is(0.7)).map((user) => crash(round, user, WRITES_OF_INSTALL)),
      crash(round, SEEDER, WRITES_OF_RE_PUT)
    ]),
    flicker({ atMs: SECOND, forMs: FLICKER_MS }, UNLUCKY),
    ...(chance.is(0.3) ? [Fault.loss({ atMs: 0, forMs: TROUBLE_MS }, chance.between(1, 15) / 100)] : [])
  ]
}

const play = Effect.fnUntraced(function* (world: World) {
  const { chance } = world
  const publisher = yield* Actors.person(world, PUBLISHER)
  const seeder = yield* Actors.person(world, SEEDER)
  const users = yield* Actors.people(world, USERS)
  const unlucky = yield* Actors.person(world, UNLUCKY)
  const publishing = VERSIONS.map((version) => publisher.publish({ name: NAME, version, bytes: 20_000 }))
  /** What a seeder does at its start, with everything that it holds. */
  const serving = Effect.gen(function* () {
    yield* seeder.install(NAME)
    yield* seeder.seed
    return yield* seeder.host.run(RePut.once)
  })
  /** Installs all the time, however often that is cut off. */
  const trying = Expectations.again(unlucky.install(NAME), FLICKER_MS / (20 * SECOND))
  const inRound = (round: number, withinMs: number): number => round * ROUND_MS + 2 + chance.below(withinMs)
  const steps = VERSIONS.flatMap((version, round): ReadonlyArray<Step> => [
    {
      atMs: inRound(round, SECOND),
      title: `${PUBLISHER} publishes ${NAME}@${version}`,
      run: publishing[round]!
    },
    ...users.map((user) => ({
      atMs: inRound(round, 40 * SECOND),
      title: `${user.host.name} installs ${NAME}`,
      run: user.install(NAME)
    })),
    { atMs: inRound(round, 40 * SECOND), title: `${SEEDER} puts all that it holds`, run: serving },
    // Whoever was cut off runs it again, perhaps into the next crash.
    {
      atMs: inRound(round, ROUND_MS / 2) + MINUTE,
      title: `${PUBLISHER} publishes ${NAME}@${version} again`,
      run: publishing[round]!
    }
  ])
  const newest = VERSIONS.at(-1)!
  const everything = Effect.gen(function* () {
    for (const each of publishing) yield* each
    yield* serving
    for (const who of [...users, unlucky, seeder, publisher]) {
      yield* Expectations.sees(who, NAME, publisher, { newest, versions: VERSIONS })
      const { release } = yield* who.install(NAME)
      yield* Expectations.refuse(release.v === newest ? undefined : `${who.host.name} has ${release.v}`)
    }
  })
  const steadily = { atMs: SECOND, title: `${UNLUCKY} installs ${NAME} again and again`, run: trying }
  return {
    steps: [...steps, steadily],
    laws: [Laws.nobodyEquivocates(() => world.hosts)],
    goals: [{ title: "the same commands run again finish, and everybody has what was published", reach: everything }]
  }
})

export const crashAnywhere = make({
  name: "crash-anywhere",
  about: "machines lose power at any write of publishing, installing and keeping alive",
  faults: crashes,
  play
})
