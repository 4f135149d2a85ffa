/**
 * Everybody's clock is wrong by up to ten minutes, and now and then one by days or years, which may be set
 * right later. Publishers of one name publish and yank; whoever asks is given the newest, since what is
 * newest is counted and not dated. Nobody vanishes, nothing counts as stale that is not, and whoever keeps
 * the records alive goes on doing so after its clock was set back.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as RePut from "../../registry/RePut.ts"
import type { Freshness } from "../../registry/Freshness.ts"
import { RegistryError } from "../../registry/RegistryError.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { DAY, HOUR, make, MINUTE, type Step } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import * as Expectations from "./Expectations.ts"

const NAME = "timed"
const PUBLISHERS = ["pia", "quin"]
const USERS = ["ann", "ben", "cem"]
/** Holds the records, and puts them again. */
const KEEPER = "keeper"
/** Comes when everything that was not put again is forgotten. */
const LATECOMER = "dan"

/** How far clocks may be off, ms (the registry's own allowance between any two). */
const SKEW_MAX_MS = 10 * MINUTE

/** How far the wild clock is off, at least and at most. */
const WILD_MIN_MS = HOUR
const WILD_MAX_MS = 500 * DAY

/** The publishers are gone by then. */
const PUBLISHING_MS = HOUR

/** By then every node has forgotten what was put in the first hours. */
const LATE_MS = 29 * HOUR

/** Questions of each user. */
const QUESTIONS = 5

/** Short enough that a wrong clock would be found out, if it counted. */
const STRICT: Freshness = { limit: "2 hours", onStale: "fail" }

const skews = (chance: Chance): ReadonlyArray<Fault.Fault> => {
  const wild = chance.is(0.5) ? chance.pick([PUBLISHERS[0]!, USERS[0]!, KEEPER, KEEPER]) : undefined
  return [
    ...[...PUBLISHERS, ...USERS, KEEPER, LATECOMER].map((host) => {
      if (host !== wild) return Fault.skew({ atMs: 0 }, host, chance.between(-SKEW_MAX_MS, SKEW_MAX_MS))
      const ms = chance.between(WILD_MIN_MS, chance.pick([DAY, WILD_MAX_MS]))
      const forMs = chance.is(0.7) ? chance.between(10 * MINUTE, 2 * HOUR) : undefined
      return Fault.skew({ atMs: 0, forMs }, host, chance.is(0.6) ? ms : -ms)
    }),
    ...PUBLISHERS.map((host) => Fault.crash({ atMs: 2 * PUBLISHING_MS }, host))
  ]
}

/** What a publisher does, one after another. `newest` is what everybody is to be given once it is done. */
interface Act {
  readonly what: "publish" | "yank"
  readonly version: string
  readonly newest: string
}

/** The third release is taken back or the second, before a fourth comes or without one. */
const actsOf = (chance: Chance): ReadonlyArray<Act> => {
  const acts: Array<Act> = [
    { what: "publish", version: "1.0.0", newest: "1.0.0" },
    { what: "publish", version: "1.1.0", newest: "1.1.0" }
  ]
  if (chance.is(0.7)) acts.push({ what: "yank", version: "1.1.0", newest: "1.0.0" })
  if (chance.is(0.7)) acts.push({ what: "publish", version: "1.2.0", newest: "1.2.0" })
  return acts
}

/** One publisher at work. */
class Course {
  readonly publisher: Actors.Person
  readonly acts: ReadonlyArray<Act>
  begun = 0
  done = 0

  constructor(publisher: Actors.Person, acts: ReadonlyArray<Act>) {
    this.publisher = publisher
    this.acts = acts
  }

  get newest(): string {
    return this.acts.at(-1)!.newest
  }

  get versions(): ReadonlyArray<string> {
    return this.acts.filter(({ what }) => what === "publish").map(({ version }) => version)
  }

  run(act: Act) {
    return Effect.gen({ self: this }, function* () {
      this.begun++
      yield* act.what === "publish"
        ? this.publisher.publish({ name: NAME, version: act.version })
        : this.publisher.yank(NAME, act.version)
      this.done++
    })
  }

  /** What may be given to somebody who asked when `done` acts were done; `undefined` where there was nothing yet. */
  mayBeGiven(done: number): ReadonlyArray<string | undefined> {
    return [undefined, ...this.acts.map(({ newest }) => newest)].slice(done, this.begun + 1)
  }
}

const aheadBy = (world: World, who: Actors.Person) =>
  Effect.map(who.host.run(Clock.currentTimeMillis), (now) => now - world.kernel.now)

const play = Effect.fnUntraced(function* (world: World) {
  const { chance } = world
  const publishers = yield* Actors.people(world, PUBLISHERS)
  const users = yield* Actors.people(world, USERS)
  const keeper = yield* Actors.person(world, KEEPER)
  const latecomer = yield* Actors.person(world, LATECOMER)
  const courses = publishers.map((publisher) => new Course(publisher, actsOf(chance)))
  for (const each of publishers) each.keepAlive()
  keeper.host.background("keeping records alive", RePut.run())
  let problem: string | undefined
  /** Whether a clock is off by more than the allowance, or was: dates of such a publisher say nothing. */
  const wild = new Set<string>()
  const offBy = Effect.fnUntraced(function* (self: Actors.Person, that: Actors.Person) {
    const [one, other] = [yield* aheadBy(world, self), yield* aheadBy(world, that)]
    for (const [who, ms] of [[self, one] as const, [that, other] as const]) {
      if (Math.abs(ms) > SKEW_MAX_MS) wild.add(who.host.name)
    }
    return wild.has(self.host.name) || wild.has(that.host.name) ? Infinity : Math.abs(one - other)
  })
  const ask = Effect.fnUntraced(function* (user: Actors.Person, course: Course) {
    const { publisher } = course
    const done = course.done
    const off = yield* offBy(user, publisher)
    const found = yield* Effect.result(
      user.resolve(NAME, "latest", { publisher: publisher.publicKey, freshness: STRICT })
    )
    const whose = `${NAME} by ${publisher.host.name}`
    if (Result.isSuccess(found)) {
      const given = found.success.release.v
      const allowed = course.mayBeGiven(done)
      if (!allowed.includes(given)) {
        problem ??= `${user.host.name} gets ${given} of ${whose}, and it is ${allowed.join(" or ")}`
      }
      return
    }
    const isStale = found.failure instanceof RegistryError && found.failure.reason._tag === "StaleRecord"
    if (isStale && off <= SKEW_MAX_MS) {
      problem ??= `${user.host.name} takes ${whose} for stale, with clocks ${off} ms apart`
    }
    if (!isStale && done > 0) problem ??= `${user.host.name} asks for ${whose}: ${String(found.failure)}`
  })
  const acting = (course: Course): ReadonlyArray<Step> => {
    const every = PUBLISHING_MS / (course.acts.length + 1)
    return course.acts.map((act, at) => ({
      atMs: at * every + chance.below(every / 2),
      title: `${course.publisher.host.name} ${act.what === "yank" ? "yanks" : "publishes"} ${NAME}@${act.version}`,
      run: course.run(act),
      mustSucceed: true
    }))
  }
  const asking = (user: Actors.Person): ReadonlyArray<Step> =>
    Array.from({ length: QUESTIONS }, () => {
      const course = chance.pick(courses)
      return {
        atMs: chance.below(PUBLISHING_MS + 10 * MINUTE),
        title: `${user.host.name} asks for the newest ${NAME} of ${course.publisher.host.name}`,
        run: ask(user, course)
      }
    })
  const seesAll = Effect.fnUntraced(function* (who: Actors.Person) {
    yield* Expectations.seesPublishers(who, NAME, publishers)
    for (const { newest, publisher, versions } of courses) {
      yield* Expectations.sees(who, NAME, publisher, { newest, versions })
    }
  })
  return {
    steps: [
      ...courses.flatMap(acting),
      ...users.flatMap(asking),
      {
        atMs: PUBLISHING_MS + 10 * MINUTE,
        title: `${KEEPER} takes note of everything`,
        run: seesAll(keeper),
        mustSucceed: true
      },
      {
        atMs: PUBLISHING_MS + 20 * MINUTE,
        title: "everybody sees everything",
        run: Effect.forEach(users, seesAll, { discard: true }),
        mustSucceed: true
      },
      { atMs: LATE_MS, title: `${LATECOMER} sees what was kept alive`, run: seesAll(latecomer), mustSucceed: true }
    ],
    laws: [{ title: "clocks decide nothing that is counted", broken: () => problem }]
  }
})

export const skewedClocks = make({
  name: "skewed-clocks",
  about: "everybody's clock is wrong by up to ten minutes, one perhaps by years",
  nodes: { forgetsAfter2h: 0.1, forgetsAfter24h: 0.9 },
  faults: skews,
  play
})
