/**
 * The network parts in two while publishers, one of them at two machines with one key, publish on
 * both sides, and yank. Once it is whole again everybody gets the newest of each publisher, and every claim on
 * the name they share is seen. Of two machines with one key the higher number buries what only the other's record
 * says; that comes back with the next publication of the machine that said it.
 */
import * as Effect from "effect/Effect"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, type Law, make, MINUTE, type Step } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import * as Errands from "./Errands.ts"
import * as Expectations from "./Expectations.ts"

const NAME = "common"
const PUBLISHERS = ["west", "east", "north"]
/** The second machine of the first publisher. */
const TWIN = "twin"
const USERS = ["ann", "ben", "cem"]

/** The network is whole so long, so that some of it is known to both sides. */
const WHOLE_UNTIL_MS = 2 * MINUTE
const SPLIT_MAX_MS = 40 * MINUTE

/** Out before all others and newer than all, so that a yank that is lost is seen. The first is yanked at the first machine. */
const YANKED = ["9.0.0", "8.0.0"]

/** Releases of one machine in the meantime, at most. */
const RELEASES_MAX = 3

const splits = (chance: Chance): ReadonlyArray<Fault.Fault> => {
  const machines = [...PUBLISHERS, TWIN]
  const split = (atMs: number) =>
    Fault.partition(
      { atMs, forMs: chance.between(4 * MINUTE, SPLIT_MAX_MS) },
      {
        share: chance.between(20, 60) / 100,
        hosts: [
          ...chance.sample(machines, chance.between(1, machines.length - 1)),
          ...chance.sample(USERS, chance.below(USERS.length + 1))
        ],
        isOneWay: chance.is(0.4)
      }
    )
  const first = split(WHOLE_UNTIL_MS)
  // Every so often it parts along another line before, or soon after, the first gap has closed.
  const second = split(chance.between(10 * MINUTE, SPLIT_MAX_MS))
  const rain = Fault.storm(chance, { fromMs: 0, toMs: SPLIT_MAX_MS }, { strength: 0.3 })
  return [first, ...(chance.is(0.3) ? [second] : []), ...(chance.is(0.4) ? rain : [])]
}

interface Publication {
  readonly by: Actors.Person
  readonly version: string
  readonly atMs: number
  isOut: boolean
}

/** Every machine numbers its releases for itself, so that no version is published twice. */
const publicationsOf = (chance: Chance, by: Actors.Person, at: number, isEarly: boolean): Array<Publication> =>
  Array.from({ length: chance.between(1, RELEASES_MAX) }, (_, nth) => ({
    by,
    version: `1.${nth * 10 + at}.0`,
    atMs:
      nth === 0 && isEarly
        ? chance.below(WHOLE_UNTIL_MS / 2)
        : chance.between(WHOLE_UNTIL_MS, WHOLE_UNTIL_MS + 20 * MINUTE),
    isOut: false
  }))

const titleOf = ({ by, version }: Publication): string => `${by.host.name} publishes ${NAME}@${version}`

const publishing = (publication: Publication) =>
  Effect.tap(publication.by.publish({ name: NAME, version: publication.version }), () =>
    Effect.sync(() => {
      publication.isOut = true
    })
  )

/** Whoever was told that it failed runs it again. */
const inTheEnd = (publication: Publication) =>
  Effect.suspend(() => (publication.isOut ? Effect.void : Effect.asVoid(publishing(publication))))

/** Watches what users are given: of a publisher with one machine never an older version than before. */
class Memory {
  problem: string | undefined
  readonly #newest = new Map<string, string>()

  resolving(user: Actors.Person, publisher: Actors.Person) {
    const key = `${user.host.name} ${publisher.host.name}`
    return Effect.gen({ self: this }, function* () {
      const before = this.#newest.get(key) ?? ""
      const { newest } = yield* Expectations.newestOf(user, NAME, publisher)
      if (before !== "" && Expectations.highest([before, newest]) !== newest) {
        this.problem ??= `${user.host.name} got ${before} by ${publisher.host.name}, and later ${newest}`
      }
      this.#newest.set(key, Expectations.highest([newest, this.#newest.get(key) ?? newest]))
    })
  }

  get law(): Law {
    return { title: "nobody is given an older version than before", broken: () => this.problem }
  }
}

const play = Effect.fnUntraced(function* (world: World) {
  const { chance } = world
  const publishers = yield* Actors.people(world, PUBLISHERS)
  const users = yield* Actors.people(world, USERS)
  const first = publishers[0]!
  const twin = new Actors.Person(world, world.host(TWIN), first.keyPair)
  const machines = [...publishers, twin]
  for (const each of machines) each.keepAlive()
  const publications = machines.flatMap((each, at) => publicationsOf(chance, each, at, chance.is(0.6)))
  const versionsOf = (publisher: Actors.Person) => {
    const numbered = publications.filter(({ by }) => by === publisher || (publisher === first && by === twin))
    return [...numbered, ...(publisher === first ? afterwards : [])].map(({ version }) => version)
  }
  const memory = new Memory()
  const looking = (): Step => {
    const user = chance.pick(users)
    const publisher = chance.pick(publishers.slice(1))
    return {
      atMs: chance.between(MINUTE, SPLIT_MAX_MS),
      title: `${user.host.name} asks for the newest ${NAME} of ${publisher.host.name}`,
      run: memory.resolving(user, publisher)
    }
  }
  const seesVersionsOf = (who: Actors.Person, publisher: Actors.Person) => {
    const chosen = versionsOf(publisher)
    const versions = publisher === first ? [...chosen, ...YANKED] : chosen
    return Expectations.sees(who, NAME, publisher, { newest: Expectations.highest(chosen), versions })
  }
  for (const version of YANKED) yield* first.publish({ name: NAME, version })
  const errands = new Errands.Errands(NAME)
  const yanks = [first, twin].map((machine, nth) =>
    Errands.at(chance.between(WHOLE_UNTIL_MS, WHOLE_UNTIL_MS + 20 * MINUTE), errands.yanking(machine, YANKED[nth]!))
  )
  const afterwards = [first, twin].map((by, at): Publication => ({ by, version: `2.${at}.0`, atMs: 0, isOut: false }))
  const own = publications.filter(({ by }) => by === first || by === twin)
  /** Nothing that was done is done again; each machine goes on with something new. */
  const goingOn = Effect.gen(function* () {
    for (const each of own) yield* inTheEnd(each)
    yield* errands.again
    for (const each of afterwards) yield* inTheEnd(each)
    yield* errands.standing(users[0]!, first)
    yield* seesVersionsOf(first, first)
  })
  return {
    steps: [
      ...publications.map((each): Step => ({ atMs: each.atMs, title: titleOf(each), run: publishing(each) })),
      ...yanks,
      ...Array.from({ length: 6 }, looking)
    ],
    laws: [memory.law],
    goals: [
      ...publications
        .filter((each) => !own.includes(each))
        .map((each) => ({ title: `${titleOf(each)}, in the end`, reach: inTheEnd(each) })),
      {
        title: "once both machines with one key published again all stands that they were told is done",
        reach: goingOn
      },
      ...[...users, ...publishers].flatMap((who) => [
        {
          title: `${who.host.name} sees every publisher`,
          reach: Expectations.seesPublishers(who, NAME, publishers)
        },
        {
          title: `${who.host.name} sees every version of each`,
          reach: Effect.forEach(publishers, (publisher) => seesVersionsOf(who, publisher), { discard: true })
        }
      ])
    ],
    figures: () => ({
      published: publications.filter(({ isOut }) => isOut).length,
      yanked: errands.figures.yanked
    })
  }
})

export const splitPublish = make({
  name: "split-publish",
  about:
    "publishers publish and yank on both sides of a split; healed, and each having published again, all of it stands",
  faults: splits,
  convergesWithinMs: HOUR,
  play
})
