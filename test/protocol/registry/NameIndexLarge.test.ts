import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndex from "../../../src/protocol/registry/NameIndex.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { claimOf, claims, countingHost, NAME, publish, SIGNED_AT_MS } from "./NameIndexWorld.ts"

/** Pages that change with one claim: its leaf, with a neighbour where the boundary moves, and the pages above. */
const CHANGED_PAGES_MAX = 8

/** Signing and verifying 10,000 claims takes two seconds on an idle machine. */
const TIMEOUT_MS = 120_000

describe("a name that 10,000 publish", () => {
  const network = DhtMemory.make()
  const makeHost = Effect.scoped(countingHost(network))
  let all: ReadonlyArray<NameClaim.NameClaim> = []
  let host: Effect.Success<typeof makeHost>

  // The tests go on from each other, since to begin anew would cost 10,000 verifications each.
  beforeAll(async () => {
    all = claims(NameIndex.CLAIMS_MAX)
    host = await Effect.runPromise(makeHost)
  }, TIMEOUT_MS)

  it.live(
    "is read by each page and each signature once",
    () =>
      Effect.gen(function* () {
        const made = yield* publish(network, all.slice(1), 1)
        const { claims: found, missing } = yield* host.run(NameIndex.read(NAME))
        assert.strictEqual(found.size, NameIndex.CLAIMS_MAX - 1)
        assert.deepStrictEqual(missing, [])
        const { pageReads, verified } = host.reset()
        assert.strictEqual(verified, NameIndex.CLAIMS_MAX - 1)
        assert.strictEqual(pageReads, made.pages.length)
      }),
    TIMEOUT_MS
  )

  it.live(
    "takes a claim more for a few pages",
    () =>
      Effect.gen(function* () {
        yield* host.run(NameIndex.join(NAME, () => all[0]!))
        const { pagePuts, pageReads, puts, verified } = host.reset()
        assert.strictEqual(puts, 1)
        assert.isAtMost(pagePuts, CHANGED_PAGES_MAX)
        assert.isAtMost(pageReads, 16)
        assert.isAtMost(verified, 2)
      }),
    TIMEOUT_MS
  )

  it.live(
    "is read again by what changed",
    () =>
      Effect.gen(function* () {
        const newer = claimOf("publisher 5000", { version: "1.0.1", t: SIGNED_AT_MS + 1 })
        yield* publish(network, [...all, newer], 3)
        const { claims: found, inNetwork } = yield* host.run(NameIndex.read(NAME))
        assert.strictEqual(inNetwork.size, NameIndex.CLAIMS_MAX)
        assert.isTrue([...found.values()].some((claim) => NameClaim.compare(claim, newer) === 0))
        const { pageReads, verified } = host.reset()
        assert.isAtMost(pageReads, CHANGED_PAGES_MAX)
        assert.strictEqual(verified, 1)
      }),
    TIMEOUT_MS
  )

  it.live(
    "takes the own claim past the limit in the place of one by lot",
    () =>
      Effect.gen(function* () {
        const own = claimOf("one more")
        yield* host.run(NameIndex.join(NAME, () => own))
        assert.strictEqual(host.reset().puts, 1)
        const { claims: known, dropped } = yield* host.run(NameIndex.read(NAME))
        assert.strictEqual(known.size, NameIndex.CLAIMS_MAX)
        assert.strictEqual(dropped, 0, "the network has what is remembered")
        assert.isTrue([...known.values()].some((claim) => NameClaim.compare(claim, own) === 0))
      }),
    TIMEOUT_MS
  )
})
