/** What every publication log does, whatever it is kept in. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Draft, PublicationLog, STEPS, withStep } from "../../../src/protocol/registry/PublicationLog.ts"
import * as PeerAddress from "../../../src/protocol/core/PeerAddress.ts"
import { keyPair, name, release, version } from "./Fixtures.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"

const START_MS = 1_750_000_000_000

export const alice = Effect.runSync(Effect.provide(keyPair("alice"), ed25519)).publicKey
const bob = Effect.runSync(Effect.provide(keyPair("bob"), ed25519)).publicKey

export const draft = (packageName: string, packageVersion: string, startedAt = START_MS): Draft => ({
  publisher: alice,
  release: { ...release(packageName, packageVersion), x: Option.toArray(PeerAddress.make("192.0.2.1", 6881)) },
  startedAt,
  done: []
})

export const suite = <E>(title: string, layer: Layer.Layer<PublicationLog, E>) =>
  describe(`PublicationLog (${title})`, () => {
    const test = (what: string, body: Effect.Effect<void, unknown, PublicationLog>) =>
      it.live(what, () => Effect.provide(body, Layer.fresh(layer)))

    test(
      "gives back what was noted, to the last byte",
      Effect.gen(function* () {
        const log = yield* PublicationLog
        const noted = draft("@scope/a", "1.0.0-rc.1+build")
        assert.deepStrictEqual(yield* log.all, [])
        assert.deepStrictEqual(yield* log.find(alice, noted.release.n, noted.release.v), Option.none())
        yield* log.note(noted)
        assert.deepStrictEqual(yield* log.find(alice, noted.release.n, noted.release.v), Option.some(noted))
      })
    )

    test(
      "keeps publications apart by publisher, name and version",
      Effect.gen(function* () {
        const log = yield* PublicationLog
        const drafts = [draft("a", "1.0.0", 3), draft("a", "1.0.1", 1), draft("a1", "1.0.0", 2)]
        for (const each of [...drafts, { ...draft("a", "1.0.0", 4), publisher: bob }]) yield* log.note(each)
        for (const each of drafts) {
          assert.deepStrictEqual(yield* log.find(alice, each.release.n, each.release.v), Option.some(each))
        }
        yield* log.finish(alice, name("a"), version("1.0.0"))
        assert.deepStrictEqual(yield* log.find(alice, name("a"), version("1.0.0")), Option.none())
        assert.deepStrictEqual(
          (yield* log.all).map(({ startedAt }) => startedAt),
          [1, 2, 4]
        )
      })
    )

    test(
      "has the latest steps, in their order",
      Effect.gen(function* () {
        const log = yield* PublicationLog
        let noted = draft("a", "1.0.0")
        for (const step of STEPS.toReversed()) {
          noted = withStep(noted, step)
          yield* log.note(noted)
        }
        const found = Option.getOrThrow(yield* log.find(alice, name("a"), version("1.0.0")))
        assert.deepStrictEqual(found.done, STEPS)
        assert.deepStrictEqual(withStep(found, "stored"), found)
      })
    )

    test(
      "forgets what is finished, however often",
      Effect.gen(function* () {
        const log = yield* PublicationLog
        yield* log.finish(alice, name("a"), version("1.0.0"))
        yield* log.note(draft("a", "1.0.0"))
        yield* log.finish(alice, name("a"), version("1.0.0"))
        yield* log.finish(alice, name("a"), version("1.0.0"))
        assert.deepStrictEqual(yield* log.all, [])
      })
    )
  })
