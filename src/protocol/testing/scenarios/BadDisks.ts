/**
 * Up to a tenth of all disk accesses fail, on every machine, while people publish, install and keep
 * records alive. Each command ends with an error that says so, or does what it should; once the disks are
 * well the same commands finish, and nothing is damaged.
 */
import * as Effect from "effect/Effect"
import { explain } from "../../core/Errors.ts"
import * as RePut from "../../registry/RePut.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { make, MINUTE, type Step } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import * as Expectations from "./Expectations.ts"

const PUBLISHERS = ["pia", "quin"]
const SEEDER = "seeder"
const USERS = ["ann", "ben"]
const EVERYBODY = [...PUBLISHERS, SEEDER, ...USERS]

const VERSIONS = ["1.0.0", "1.1.0"]

const BAD_UNTIL_MS = 30 * MINUTE

/** From one piece to a few. */
const SIZES_BYTES = [2_000, 50_000]

/** Commands that each machine is given in that time beside publishing. */
const COMMANDS = 3

const failing = (chance: Chance): ReadonlyArray<Fault.Fault> => [
  // Some begin later, so that there is something to spoil; all are well in the end.
  ...EVERYBODY.map((host) => {
    const atMs = chance.is(0.5) ? 0 : chance.below(BAD_UNTIL_MS / 2)
    return Fault.disk({ atMs, forMs: BAD_UNTIL_MS - atMs }, host, chance.below(101) / 1000)
  }),
  ...(chance.is(0.3) ? Fault.storm(chance, { fromMs: 0, toMs: BAD_UNTIL_MS }, { strength: 0.3 }) : [])
]

const nameOf = (publisher: Actors.Person): string => `of-${publisher.host.name}`

const play = Effect.fnUntraced(function* (world: World) {
  const { chance } = world
  const publishers = yield* Actors.people(world, PUBLISHERS)
  const seeder = yield* Actors.person(world, SEEDER)
  const users = yield* Actors.people(world, USERS)
  for (const each of [...publishers, seeder]) each.keepAlive()
  let problem: string | undefined
  let failures = 0
  /** Whatever goes wrong, whoever runs a command is told what, and what to do. */
  const explained = <A>(title: string, command: Effect.Effect<A, unknown>): Step => ({
    atMs: chance.below(BAD_UNTIL_MS),
    title,
    run: Effect.tapError(command, (error) =>
      Effect.sync(() => {
        failures++
        if (explain(error) === undefined) problem ??= `${title}: ${String(error)}`
      })
    )
  })
  const releases = publishers.flatMap((publisher) =>
    VERSIONS.map((version) => ({
      title: `${publisher.host.name} publishes ${nameOf(publisher)}@${version}`,
      run: publisher.publish({ name: nameOf(publisher), version, bytes: chance.pick(SIZES_BYTES) })
    }))
  )
  const putting = seeder.host.run(RePut.once)
  const command = (who: Actors.Person) => {
    const name = nameOf(chance.pick(publishers))
    const { host } = who
    return chance.pick([
      explained(`${host.name} installs ${name}`, who.install(name)),
      explained(`${host.name} resolves ${name}`, who.resolve(name)),
      explained(`${host.name} puts all that it holds`, host.run(RePut.once)),
      explained(`${host.name} serves what it has`, who.seed)
    ])
  }
  const working = Effect.gen(function* () {
    for (const { run } of releases) yield* run
    for (const who of [...users, seeder, ...publishers]) {
      for (const publisher of publishers) {
        yield* Expectations.sees(who, nameOf(publisher), publisher, { newest: VERSIONS.at(-1)!, versions: VERSIONS })
        yield* who.install(nameOf(publisher))
      }
    }
    const { failed } = yield* putting
    yield* Expectations.refuse(failed === 0 ? undefined : `${SEEDER} could not put ${failed} of its records`)
    yield* seeder.seed
  })
  return {
    steps: [
      ...releases.flatMap(({ run, title }) => [explained(title, run), explained(`${title} again`, run)]),
      ...[...users, seeder, ...publishers].flatMap((who) => Array.from({ length: COMMANDS }, () => command(who)))
    ],
    laws: [{ title: "whoever runs a command is told what went wrong", broken: () => problem }],
    goals: [{ title: "with good disks everything works", reach: working }],
    figures: () => ({ failures })
  }
})

export const badDisks = make({
  name: "bad-disks",
  about: "up to a tenth of the disk accesses of everybody fail",
  faults: failing,
  play
})
