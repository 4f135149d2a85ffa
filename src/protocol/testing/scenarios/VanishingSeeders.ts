/**
 * A package has several seeders: one sends corrupt pieces, one stalls, one has hardly any bandwidth. They
 * vanish one by one while people install. As long as an honest one is left everybody gets the package; then
 * nobody does, and is told why; and once one is back everybody does again.
 */
import * as Effect from "effect/Effect"
import { ExitCode, explain } from "../../core/Errors.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { make, MINUTE, SECOND, type Step } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import * as Expectations from "./Expectations.ts"

const NAME = "wanted"
const SEEDERS = ["author", "slow", "steady", "liar", "staller"]
const HONEST = ["author", "slow", "steady"]
const EARLY = ["ann", "ben", "cem", "dan"]

/** Until then an honest seeder is there. */
const SEEDED_UNTIL_MS = 40 * MINUTE
/** Nobody begins to install later than this, so that there is time to do so again. */
const EARLY_UNTIL_MS = 15 * MINUTE
/** How long nobody honest is there. */
const DARK_MS = 30 * MINUTE

/** From one piece to several, and to more than a release record has hashes of. */
const SIZES_BYTES = [3_000, 40_000, 120_000, 300_000]
/** Bytes per second of the slow seeder: a bad mobile line. */
const SLOW_MIN = 2_000
const SLOW_MAX = 20_000

/** Times that somebody runs a command again while an honest seeder is left. */
const TRIES = 6

const vanishing = (chance: Chance): ReadonlyArray<Fault.Fault> => {
  const honest = chance.shuffled(HONEST)
  const last = honest.at(-1)!
  const goes = (host: string): Fault.Fault =>
    Fault.crash({ atMs: chance.between(MINUTE, EARLY_UNTIL_MS), forMs: undefined }, host, {
      keepDisk: chance.is(0.5)
    })
  return [
    Fault.peer({ atMs: 0 }, "liar", "corrupt"),
    Fault.peer({ atMs: 0 }, "staller", "stalls"),
    ...honest.slice(0, -1).map(goes),
    ...["liar", "staller"].filter(() => chance.is(0.5)).map(goes),
    Fault.crash({ atMs: SEEDED_UNTIL_MS, forMs: DARK_MS }, last),
    ...(chance.is(0.5) ? [Fault.loss({ atMs: 0, forMs: SEEDED_UNTIL_MS }, chance.between(1, 15) / 100)] : []),
    ...(chance.is(0.3)
      ? [Fault.slow({ atMs: 0, forMs: SEEDED_UNTIL_MS }, chance.between(50, 300), chance.between(1_000, 3_000))]
      : []),
    ...(chance.is(0.3) ? [Fault.nat({ atMs: 0 }, chance.pick(["liar", ...honest.slice(0, -1)]))] : [])
  ]
}

/** What people can be told when nobody honest is there: nobody at all, nothing comes, or all of it is wrong. */
const isTold = (error: unknown): boolean => {
  const exitCode = explain(error)?.exitCode
  return exitCode === ExitCode.network || exitCode === ExitCode.untrusted
}

const play = Effect.fnUntraced(function* (world: World) {
  const { chance } = world
  const seeders = yield* Actors.people(world, SEEDERS)
  const early = yield* Actors.people(world, EARLY)
  const late = yield* Actors.person(world, "late")
  const author = seeders[0]!
  world.peers.bandwidth("slow", chance.between(SLOW_MIN, SLOW_MAX))
  yield* author.publish({ name: NAME, version: "1.0.0", bytes: chance.pick(SIZES_BYTES) })
  for (const seeder of seeders.slice(1)) {
    yield* seeder.install(NAME)
    yield* seeder.seed
  }
  for (const seeder of seeders) seeder.keepAlive()
  const honest = seeders.filter(({ host }) => HONEST.includes(host.name))
  const isDark = () => honest.every(({ host }) => !host.isUp)
  let problem: string | undefined
  const inTheDark = Effect.gen(function* () {
    const wasDark = isDark()
    const exit = yield* Effect.result(late.install(NAME))
    if (!wasDark || !isDark()) return
    if (exit._tag === "Success") problem = `${late.host.name} got ${NAME} while nobody honest served it`
    else if (!isTold(exit.failure)) problem = `${late.host.name} is told: ${String(exit.failure)}`
  })
  const installing = (user: Actors.Person): Step => ({
    atMs: chance.below(EARLY_UNTIL_MS),
    title: `${user.host.name} installs ${NAME}`,
    run: Expectations.again(user.install(NAME), TRIES),
    mustSucceed: true
  })
  /** Whoever comes back serves again: where the disk was lost too, there is nothing to serve. */
  const comingBack = (seeder: Actors.Person): Step => ({
    atMs: SEEDED_UNTIL_MS + DARK_MS + SECOND,
    title: `${seeder.host.name} serves again, if it is back`,
    run: Expectations.again(seeder.seed, TRIES)
  })
  return {
    steps: [
      ...early.map(installing),
      { atMs: SEEDED_UNTIL_MS + MINUTE, title: "late installs while nobody serves", run: inTheDark },
      ...honest.map(comingBack)
    ],
    laws: [{ title: "nobody gets what nobody serves, and everybody is told why", broken: () => problem }],
    goals: [late, ...early].map((user) => ({
      title: `${user.host.name} has ${NAME} once somebody serves it again`,
      reach: user.install(NAME)
    }))
  }
})

export const vanishingSeeders = make({
  name: "vanishing-seeders",
  about: "seeders of a package, some bad, vanish one by one while people install, until nobody is left",
  faults: vanishing,
  play
})
