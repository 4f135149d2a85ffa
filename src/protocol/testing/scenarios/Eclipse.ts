/**
 * Users come to a network of which nearly all nodes are hostile at that moment: garbage, made-up neighbours,
 * oversized answers, silence; and of the three nodes that they start from two or all are hostile or dead. Nothing of that is believed, no work is without an end, and once half of the
 * nodes are honest again they find everything, with what they learnt of the network before; or, where that
 * was nobody, with another list to start from.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as PublicKey from "../../core/PublicKey.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import type { Behaviour, EntranceMix } from "../simulation/Nodes.ts"
import { HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import { notYet, Witness } from "./Witness.ts"

const NAME = "behind"
const OLD = "1.0.0"
const NEW = "1.1.0"

/** Newcomers arrive while they are kept from the others, and are free long before the end. */
const ARRIVAL_MS = 5 * MINUTE
const FREE_MS = 25 * MINUTE
const PLAY_MS = 50 * MINUTE

const NEWCOMERS = ["ann", "ben"]

/**
 * No command goes on for longer, ms: three tries of reads, each of up to 256 queries of a second 16 at a time,
 * through several rounds.
 */
const PATIENCE_MS = 10 * MINUTE

/** Failures in a row after all has healed, until somebody takes another list of nodes to start from. */
const TRIES_BEFORE_ANOTHER_LIST = 3

const HOSTILE: ReadonlyArray<Behaviour> = ["garbage", "misleading", "silent", "oversized"]

/**
 * Nearly all nodes turn hostile, so that whoever comes meets hardly anybody else, whichever few lead the way in;
 * when it is healed so many of all stay so for good.
 */
const overrun = (
  span: Fault.Span,
  share: number,
  stays: number,
  behaviours: ReadonlyArray<Behaviour>
): Fault.Fault => ({
  title: `${Math.round(share * 100)} % of the nodes turn ${behaviours.join(", ")}; ${Math.round(stays * 100)} % for good`,
  atMs: span.atMs,
  forMs: span.forMs,
  begin: (world, chance) => {
    const nodes = world.nodes.names()
    const turned = chance.sample(nodes, Math.round(nodes.length * share))
    for (const name of turned) world.nodes.behave(name, chance.pick(behaviours))
    return () => {
      for (const name of turned.slice(Math.round(nodes.length * stays))) world.nodes.behave(name, "honest")
    }
  }
})

/** The lists that newcomers start from lead to hostile nodes mostly, or to none. */
const misled = (span: Fault.Span, entrances: EntranceMix): Fault.Fault => ({
  title: `whoever comes starts from ${entrances.hostile} hostile nodes and ${entrances.dead} dead ones of 3`,
  atMs: span.atMs,
  forMs: span.forMs,
  begin: (world) => {
    world.nodes.leadIn(entrances)
    return () => world.nodes.leadIn({})
  }
})

/** Two or three of the three are of no use. */
const poorEntrances = (chance: Chance): EntranceMix => {
  const useless = chance.pick([2, 2, 3])
  const dead = chance.below(useless)
  return { hostile: useless - dead, dead }
}

const seclusion = (chance: Chance, user: string): ReadonlyArray<Fault.Fault> => {
  const span = { atMs: chance.below(ARRIVAL_MS), forMs: chance.between(MINUTE, FREE_MS - ARRIVAL_MS) }
  return chance.is(0.3)
    ? [Adversary.captive(span, [user], { nodes: chance.between(2, 12), behaviour: [...HOSTILE, "withholding"] })]
    : []
}

export const eclipse = make({
  name: "eclipse",
  about: "newcomers meet hostile nodes mostly, and half of the network stays so; later they find everything",
  convergesWithinMs: HOUR,
  faults: (chance) => [
    overrun(
      { atMs: 1_000, forMs: chance.between(ARRIVAL_MS + MINUTE, FREE_MS) },
      chance.between(60, 94) / 100,
      chance.between(20, 50) / 100,
      chance.sample(HOSTILE, chance.between(1, HOSTILE.length))
    ),
    misled({ atMs: 1_500, forMs: FREE_MS }, poorEntrances(chance.fork("entrances"))),
    ...NEWCOMERS.flatMap((user) => seclusion(chance.fork(user), user)),
    Fault.loss({ atMs: chance.below(FREE_MS), forMs: 10 * MINUTE }, chance.between(0, 20) / 100)
  ],
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const publisher = yield* Actors.person(world, "pub")
    const witness = new Witness()
    const there = new Map<string, Actors.Person>()

    /** Machines are set up when they are needed first: their nodes start in the network as it is then. */
    const user = (name: string) =>
      Effect.suspend(() => {
        const known = there.get(name)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.tap(Actors.person(world, name), (made) => Effect.sync(() => there.set(name, made)))
      })
    const update = Effect.fnUntraced(function* (name: string) {
      const began = yield* Clock.currentTimeMillis
      const person = yield* user(name)
      const { publisher: found, release } = yield* Effect.ensuring(
        person.resolve(NAME),
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (now - began > PATIENCE_MS) witness.object(`${name} had to wait ${now - began} ms`)
        })
      )
      if (!PublicKey.equals(found, publisher.publicKey)) witness.object(`${name} was sent to a stranger`)
      return release
    })
    const counted = (name: string) =>
      Effect.matchEffect(update(name), {
        onFailure: (error) => {
          witness.count("not found")
          return Effect.fail(error)
        },
        onSuccess: () => Effect.sync(() => witness.count("found"))
      })

    /** Who reaches nobody for long looks for another list, and starts the program with it. */
    const tries = new Map<string, number>()
    const startAfresh = (name: string) =>
      Effect.sync(() => {
        const failed = (tries.get(name) ?? 0) + 1
        tries.set(name, failed)
        if (failed % TRIES_BEFORE_ANOTHER_LIST !== 0) return
        witness.count("other lists")
        const host = there.get(name)?.host
        host?.crash()
        host?.start()
      })

    yield* publisher.publish({ name: NAME, version: OLD })
    publisher.keepAlive()
    const publishes = publisher.publish({ name: NAME, version: NEW })
    return {
      laws: [witness.law("nobody is sent to a stranger, and no work is without an end")],
      steps: [
        { atMs: chance.below(PLAY_MS), title: `pub publishes ${NAME}@${NEW}`, run: publishes },
        ...NEWCOMERS.flatMap((name) => [
          {
            atMs: chance.between(2_000, ARRIVAL_MS),
            title: `${name} comes and resolves ${NAME}`,
            run: counted(name)
          },
          ...Array.from({ length: 3 }, () => ({
            atMs: chance.between(ARRIVAL_MS, PLAY_MS),
            title: `${name} resolves ${NAME}`,
            run: counted(name)
          }))
        ])
      ],
      goals: [
        { title: `pub publishes ${NAME}@${NEW}, in the end`, reach: publishes },
        ...NEWCOMERS.map((name) => ({
          title: `${name} installs ${NAME}@${NEW}`,
          reach: Effect.gen(function* () {
            const { v } = yield* update(name)
            if (v !== NEW) return yield* notYet(`${name} gets ${v}`)
            yield* (yield* user(name)).install(NAME)
          }).pipe(Effect.tapError(() => startAfresh(name)))
        }))
      ],
      figures: () => witness.figures(["found", "not found", "other lists"])
    }
  })
})
