/**
 * Users who reach nobody but nodes that go on giving what they once had: nothing that is signed can be
 * changed, so they get old news. Past the limit of freshness each of them is told, with a warning or an
 * error, after a restart too; before it nobody is; and once they are free again they get the newest.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { CLOCK_SKEW_MAX_MS } from "../../registry/NameClaim.ts"
import * as Freshness from "../../registry/Freshness.ts"
import * as PackageRecord from "../../registry/PackageRecord.ts"
import { RegistryError } from "../../registry/RegistryError.ts"
import type { Resolution } from "../../registry/Resolve.ts"
import * as Fault from "../simulation/Fault.ts"
import { DAY, HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import { isWarned, notYet, packageSeq, Witness } from "./Witness.ts"

const NAME = "frozen"

/** The short limit of those who cannot wait a year, and how long they are kept: past it by far. */
const LIMIT_MS = 6 * DAY
const SHORT_PLAY_MS = 14 * DAY

/** The standard limit is waited for by a user of the standard options, of a publisher who has nothing new meanwhile. */
const YEAR_MS = Duration.toMillis(Freshness.FRESHNESS_LIMIT)
const AWAKE_AGAIN_MS = YEAR_MS + 20 * DAY

interface Guest {
  readonly name: string
  readonly freshness: Freshness.Freshness
}

const GUESTS: ReadonlyArray<Guest> = [
  { name: "ann", freshness: { limit: LIMIT_MS, onStale: "warn" } },
  { name: "ben", freshness: { limit: LIMIT_MS, onStale: "fail" } }
]
const PATIENT: Guest = { name: "cyd", freshness: Freshness.standard }

const isStale = (error: unknown): boolean => error instanceof RegistryError && error.reason._tag === "StaleRecord"

export const freeze = make({
  name: "freeze",
  about: "users get stale answers only for longer than records may be old; each of them is told, and gets free again",
  convergesWithinMs: 6 * HOUR,
  faults: (chance) => {
    const jail = (users: ReadonlyArray<string>, atMs: number, untilMs: number) => {
      const behaviour = chance.pick([["rollback"], ["stale"], ["rollback", "stale", "withholding"]] as const)
      const nodes = chance.between(5, 25)
      return Adversary.captive({ atMs, forMs: untilMs - atMs }, users, { nodes, behaviour })
    }
    const restartAt = chance.between(9 * DAY, SHORT_PLAY_MS)
    return [
      jail(
        GUESTS.map(({ name }) => name),
        chance.between(6 * HOUR, 3 * DAY),
        SHORT_PLAY_MS - chance.between(0, DAY)
      ),
      jail([PATIENT.name], chance.between(6 * HOUR, 10 * DAY), AWAKE_AGAIN_MS + chance.between(0, 5 * DAY)),
      Fault.crash({ atMs: restartAt, forMs: HOUR }, chance.pick(GUESTS).name, { keepDisk: chance.is(0.7) }),
      Fault.loss({ atMs: chance.between(0, DAY), forMs: chance.between(HOUR, 9 * DAY) }, chance.between(0, 10) / 100)
    ]
  },
  play: Effect.fnUntraced(function* (world) {
    const publisher = yield* Actors.person(world, "pub")
    const guests = yield* Effect.forEach([...GUESTS, PATIENT], ({ freshness, name }) =>
      Effect.map(Actors.person(world, name), (user) => ({ user, freshness }))
    )
    const witness = new Witness()
    /** When each of the publisher's records was signed, Unix ms. */
    const signedAt = new Map<number, number>()
    let newest = "1.0.0"

    const publish = (version: string) =>
      Effect.gen(function* () {
        publisher.host.start()
        const { publication } = yield* publisher.publish({ name: NAME, version })
        const { seq, value } = publication.records[1]
        const pkg = Result.getOrThrow(PackageRecord.decode(value))
        signedAt.set(seq, pkg.t)
        newest = pkg.l.v
      })
    /** The publisher's machine is on for no longer than that: enough nodes never forget. */
    const publishAndGo = (version: string) =>
      Effect.andThen(
        publish(version),
        Effect.sync(() => publisher.host.crash())
      )

    const judge = (resolution: Resolution, { limit, onStale }: Freshness.Freshness, user: string, now: number) => {
      const seq = packageSeq(resolution)
      const signed = signedAt.get(seq)
      if (signed === undefined) return
      const over = now - signed - Duration.toMillis(Duration.fromInputUnsafe(limit))
      const isTold = isWarned(resolution, "stale")
      if (over > CLOCK_SKEW_MAX_MS && (onStale === "fail" || !isTold)) {
        witness.object(`${user} was not told that record ${seq} is older than may be by ${over} ms`)
      }
      if (over < -CLOCK_SKEW_MAX_MS && isTold)
        witness.object(`${user} was told that record ${seq} is old, and it is not`)
      witness.count(isTold ? "warned" : "fresh")
    }

    const update = (user: Actors.Person, freshness: Freshness.Freshness) =>
      Effect.gen(function* () {
        const resolution = yield* Effect.tapError(user.resolve(NAME, "latest", { freshness }), (error) =>
          Effect.sync(() => {
            if (!isStale(error)) return
            witness.count("refused")
            if (freshness.onStale === "warn") witness.object(`${user.host.name} asked to be warned, and was refused`)
          })
        )
        judge(resolution, freshness, user.host.name, yield* Clock.currentTimeMillis)
        return resolution
      })

    yield* publishAndGo("1.0.0")
    yield* Effect.forEach(guests, ({ freshness, user }) => update(user, freshness), { discard: true })

    const step = (atMs: number, user: Actors.Person, freshness: Freshness.Freshness) => ({
      atMs,
      title: `${user.host.name} updates ${NAME}`,
      run: update(user, freshness)
    })
    const releases = world.chance.between(2, 4)
    const spread = (SHORT_PLAY_MS - DAY) / releases
    const again = `2.${world.chance.below(10)}.0`
    return {
      laws: [witness.law("whoever gets records older than may be is told, and nobody else")],
      steps: [
        ...Array.from({ length: releases }, (_, i) => ({
          atMs: Math.round((i + world.chance.fraction()) * spread),
          title: `pub publishes ${NAME}@1.${i + 1}.0`,
          run: publishAndGo(`1.${i + 1}.0`)
        })),
        ...guests
          .slice(0, GUESTS.length)
          .flatMap(({ freshness, user }) =>
            Array.from({ length: 8 }, () => step(world.chance.below(SHORT_PLAY_MS + DAY), user, freshness))
          ),
        ...guests
          .slice(GUESTS.length)
          .flatMap(({ freshness, user }) =>
            Array.from({ length: 6 }, (_, i) =>
              step(
                i % 2 === 0 ? world.chance.below(SHORT_PLAY_MS) : world.chance.between(YEAR_MS, AWAKE_AGAIN_MS),
                user,
                freshness
              )
            )
          ),
        {
          atMs: AWAKE_AGAIN_MS + world.chance.below(MINUTE),
          title: `pub publishes ${NAME}@${again} after a year`,
          run: publishAndGo(again)
        }
      ],
      goals: [
        { title: `pub publishes ${NAME}@${again}, in the end`, reach: publish(again) },
        ...guests.map(({ freshness, user }) => ({
          title: `${user.host.name} gets the newest, and no warning`,
          reach: Effect.flatMap(update(user, freshness), (resolution) =>
            resolution.release.v === again && !isWarned(resolution, "stale")
              ? Effect.void
              : notYet(`${user.host.name} gets ${resolution.release.v} of ${newest}`)
          )
        }))
      ],
      figures: () => witness.figures(["fresh", "warned", "refused"])
    }
  })
})
