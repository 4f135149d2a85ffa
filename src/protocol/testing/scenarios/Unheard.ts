/**
 * A third of the nodes do not answer, and up to two in five packets are lost; for some time it is much worse, or most
 * nodes are out of reach. Whoever asks then may be told that too few answered; that something is not there, while most
 * of the nodes that should hold it do, nobody may be told. And people get what they want as soon as they have tried
 * often enough.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import { PackageName } from "../../core/PackageName.ts"
import { Dht } from "../../dht/Dht.ts"
import { DhtError } from "../../dht/DhtError.ts"
import * as KeyString from "../../dht/KeyString.ts"
import { RegistryError } from "../../registry/RegistryError.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE, SECOND } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import * as Expectations from "./Expectations.ts"
import { Witness } from "./Witness.ts"

const NAME = "unheard"
const VERSION = "1.0.0"

/** The weather is bad from here on, until the end; and worse for a while. */
const TROUBLE_MS = 5 * MINUTE
const WORSE_MS = 25 * MINUTE
const PLAY_MS = 50 * MINUTE

/**
 * Nodes that hold a record are enough where so many do, of the twenty that should: some ten of them answer, each with a
 * chance of a half or more. That none of them is heard and enough others are would take luck that no seed has.
 */
const HOLDERS_ENOUGH = 15

/** Times that somebody runs a command in bad weather. */
const TRIES = 15

const NOT_THERE: ReadonlySet<string> = new Set(["NameNotFound", "PackageNotFound", "VersionNotFound"])

const reasonOf = (error: unknown): string | undefined =>
  error instanceof RegistryError ? error.reason._tag : undefined

/** Whether it says that too few were heard to know. */
const isUnsure = (error: unknown): boolean =>
  error instanceof RegistryError && error.reason instanceof DhtError && error.reason.reason._tag === "TooFewAnswers"

/** How many nodes hold each of some records, the one held by fewest. */
const leastHolders = (world: World, targets: ReadonlyArray<string>): number => {
  const counts = new Map(targets.map((target) => [target, 0]))
  for (const { target } of world.nodes.holdings()) {
    const count = counts.get(target)
    if (count !== undefined) counts.set(target, count + 1)
  }
  return Math.min(...counts.values())
}

export const unheard = make({
  name: "unheard",
  about: "a third of the nodes are silent and packets are lost; what is not heard is never said not to be there",
  // What nodes forget is not there; here they remember.
  nodes: { forgetsAfter2h: 0, forgetsAfter24h: 0 },
  convergesWithinMs: HOUR,
  faults: (chance) => {
    const span = { atMs: TROUBLE_MS, forMs: PLAY_MS - TROUBLE_MS }
    const worse = { atMs: WORSE_MS, forMs: chance.between(5 * MINUTE, PLAY_MS - WORSE_MS) }
    return [
      Fault.byzantine(span, 1 / 3, "silent"),
      Fault.loss(span, chance.between(15, 40) / 100),
      ...(chance.is(0.3) ? [Fault.replay(span, chance.between(0, 50) / 100)] : []),
      ...(chance.is(0.3) ? [Fault.slow(span, chance.between(30, 150), chance.between(500, 2_000))] : []),
      ...(chance.is(0.7) ? [Fault.partition(worse, { share: chance.between(50, 90) / 100 })] : []),
      ...(chance.is(0.4) ? [Fault.loss(worse, chance.between(40, 70) / 100)] : [])
    ]
  },
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const [publisher, regular, passer, late] = yield* Actors.people(world, ["pub", "regular", "passer", "late"])
    const witness = new Witness()
    const name = PackageName.make(NAME)
    const place = { person: "pub", package: NAME, version: VERSION }
    const targets = (["package", "name index"] as const).map((of) =>
      Hex.encode(Adversary.targetIn(world, { ...place, of }))
    )
    const isHeld = () => leastHolders(world, targets) >= HOLDERS_ENOUGH

    yield* publisher!.publish({ name: NAME, version: VERSION })
    /** Whoever is told that it is not there, while it was there all the time, objects. */
    const judged = <A, E, R>(who: string, work: Effect.Effect<A, E, R>, deniedBy: (error: E) => string | undefined) =>
      Effect.suspend(() => {
        const wasHeld = isHeld()
        return Effect.tapError(work, (error) =>
          Effect.sync(() => {
            const denial = deniedBy(error)
            if (isUnsure(error)) witness.count("too few answers")
            if (denial === undefined) return
            witness.count("denied")
            if (wasHeld && isHeld()) witness.object(`${who} is told ${denial} of what most nodes hold that should`)
          })
        )
      })
    const resolves = (user: Actors.Person) =>
      judged(user.host.name, user.resolve(NAME), (error) => {
        const reason = reasonOf(error)
        return reason !== undefined && NOT_THERE.has(reason) ? reason : undefined
      }).pipe(Effect.tap(() => Effect.sync(() => witness.count("found"))))
    /** Asks the network alone, without tries and whatever is remembered. */
    const reads = (user: Actors.Person) => {
      const lookup = Effect.flatMap(Dht, (dht) =>
        dht.lookup(publisher!.publicKey, KeyString.saltOf(KeyString.packageOf(name)))
      )
      const found = Effect.filterOrFail(
        lookup,
        ({ value }) => Option.isSome(value),
        () => "nothing" as const
      )
      return judged(user.host.name, user.host.run(found), (error) => (error === "nothing" ? "nothing" : undefined))
    }
    const often = (user: Actors.Person, what: string, run: Effect.Effect<unknown, unknown>) =>
      [TROUBLE_MS, TROUBLE_MS, WORSE_MS, WORSE_MS, WORSE_MS].map((sinceMs) => ({
        atMs: chance.between(sinceMs + SECOND, PLAY_MS - MINUTE),
        title: `${user.host.name} ${what} ${NAME}`,
        run
      }))
    const users = [regular!, passer!, late!]
    return {
      laws: [witness.law("what was not heard is not said to be missing")],
      steps: [
        // Who knows the network, who knows a little of it, and who starts from three nodes in the worst of it.
        { atMs: 0, title: `regular installs ${NAME}`, run: regular!.install(NAME) },
        { atMs: 0, title: "passer looks for something else", run: passer!.resolve("something-else") },
        ...users.flatMap((user) => [...often(user, "resolves", resolves(user)), ...often(user, "reads", reads(user))]),
        {
          atMs: chance.between(TROUBLE_MS + SECOND, 2 * TROUBLE_MS),
          title: `late installs ${NAME} in the end`,
          run: Expectations.again(Effect.andThen(resolves(late!), late!.install(NAME)), TRIES),
          mustSucceed: true
        }
      ],
      goals: users.map((user) => ({ title: `${user.host.name} installs ${NAME}`, reach: user.install(NAME) })),
      figures: () => witness.figures(["found", "denied", "too few answers"])
    }
  })
})
