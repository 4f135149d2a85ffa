/**
 * Up to half of the nodes give the oldest record they know, and now and then a user reaches nobody else: who
 * has seen a newer one never goes back, across restarts too, and where honest nodes are among those who
 * answer everybody gets the newest.
 */
import * as Effect from "effect/Effect"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import { diskOf, isWarned, notYet, packageSeq, Witness } from "./Witness.ts"

const NAME = "rolled"
const USERS = ["ann", "ben", "cyd"]

/** All faults heal by then, but for the nodes that lie for good. */
const PLAY_MS = 90 * MINUTE

const UPDATES_PER_USER = 7

/** Times that the user is kept among liars, or loses power, or the disk too. */
const troubleOf = (chance: Chance, user: string): ReadonlyArray<Fault.Fault> => {
  // They turn while there is little that is old, and wait.
  const atMs = chance.between(0, 20 * MINUTE)
  const inWaitMs = chance.between(10 * MINUTE, 50 * MINUTE)
  const span = { atMs, forMs: inWaitMs + chance.between(5 * MINUTE, 20 * MINUTE) }
  const nodes = chance.between(3, 12)
  const crashAtMs = chance.between(5 * MINUTE, PLAY_MS - 10 * MINUTE)
  return [
    ...(chance.is(0.8)
      ? [
          Adversary.captive(span, [user], {
            nodes,
            inWaitMs,
            behaviour: chance.is(0.7) ? "rollback" : ["stale", "rollback"]
          })
        ]
      : []),
    ...(chance.is(0.6)
      ? [
          Fault.crash({ atMs: crashAtMs, forMs: chance.between(1_000, 5 * MINUTE) }, user, {
            keepDisk: chance.is(0.6)
          })
        ]
      : [])
  ]
}

export const rollback = make({
  name: "rollback",
  about: "up to half of the nodes give the oldest records they know; nobody who has seen newer ones goes back",
  convergesWithinMs: HOUR,
  faults: (chance) => {
    const liars = chance.between(10, 50) / 100
    const share = chance.fraction()
    return [
      Fault.byzantine({ atMs: chance.between(0, 5 * MINUTE) }, liars * share, "rollback"),
      Fault.byzantine({ atMs: chance.between(0, 5 * MINUTE) }, liars * (1 - share), "stale"),
      ...USERS.flatMap((user) => troubleOf(chance.fork(user), user)),
      ...Fault.storm(chance.fork("storm"), { fromMs: 0, toMs: PLAY_MS }, { strength: 0.3 })
    ]
  },
  play: Effect.fnUntraced(function* (world) {
    const [publisher, ...users] = yield* Actors.people(world, ["pub", ...USERS])
    const witness = new Witness()
    /** What the publisher's record numbers stand for. */
    const newestAt = new Map<number, string>()
    /** The highest number that was gone by on each disk. */
    const reached = new Map<string, number>()
    let latest = 0

    const publish = (version: string) =>
      Effect.tap(publisher!.publish({ name: NAME, version }), ({ publication }) =>
        Effect.sync(() => {
          const { seq } = publication.records[1]
          newestAt.set(seq, version)
          latest = Math.max(latest, seq)
        })
      )

    const update = (user: Actors.Person) =>
      witness.judged(
        user.resolve(NAME),
        () => ({ disk: diskOf(user.host), before: reached.get(diskOf(user.host)) ?? 0 }),
        (resolution, { before, disk }) => {
          const seq = packageSeq(resolution)
          const { v } = resolution.release
          if (seq < before) {
            witness.object(`${user.host.name} was taken back from record ${before} to ${seq}, which has ${v}`)
          }
          if (newestAt.get(seq) !== undefined && newestAt.get(seq) !== v) {
            witness.object(`${user.host.name} took ${v} out of record ${seq}, whose newest is ${newestAt.get(seq)}`)
          }
          reached.set(disk, Math.max(seq, reached.get(disk) ?? 0))
          witness.count(seq < latest ? "old ones taken" : "newest taken")
          if (isWarned(resolution, "rollback")) witness.count("rollbacks withstood")
        }
      )

    yield* publish("1.0.0")
    publisher!.keepAlive()
    const releases = world.chance.between(3, 6)
    const publications = Array.from({ length: releases }, (_, i) => ({
      atMs: Math.round(((i + world.chance.fraction()) / releases) * (PLAY_MS - 10 * MINUTE)),
      title: `pub publishes ${NAME}@1.${i + 1}.0`,
      run: publish(`1.${i + 1}.0`)
    }))
    const newest = `1.${releases}.0`
    return {
      laws: [witness.law("nobody who has seen a newer record goes back to an older one")],
      steps: [
        ...publications,
        ...users.flatMap((user) =>
          Array.from({ length: UPDATES_PER_USER }, () => ({
            atMs: world.chance.below(PLAY_MS),
            title: `${user.host.name} updates ${NAME}`,
            run: update(user)
          }))
        ),
        ...users.map((user) => ({
          atMs: world.chance.below(PLAY_MS),
          title: `${user.host.name} installs ${NAME}`,
          run: user.install(NAME)
        }))
      ],
      goals: [
        ...publications.map(({ run, title }) => ({ title: `${title}, in the end`, reach: run })),
        ...users.map((user) => ({
          title: `${user.host.name} gets ${newest}`,
          reach: Effect.flatMap(update(user), ({ release }) =>
            release.v === newest ? Effect.void : notYet(`${user.host.name} still gets ${release.v}`)
          )
        }))
      ],
      figures: () => witness.figures(["newest taken", "old ones taken", "rollbacks withstood"])
    }
  })
})
