import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { PeerAddress } from "../../../src/protocol/core/PeerAddress.ts"
import type { PublicKey } from "../../../src/protocol/core/PublicKey.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, NoNodes } from "../../../src/protocol/dht/DhtError.ts"
import * as Policy from "../../../src/protocol/registry/Policy.ts"
import * as Requirement from "../../../src/protocol/registry/Requirement.ts"
import * as Seeders from "../../../src/protocol/registry/Seeders.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

const NOW = 1_750_000_000_000
const DAY_MS = 24 * 60 * 60 * 1000

const key = (fill: number) => new Uint8Array(32).fill(fill) as PublicKey

const candidate = (
  fill: number,
  fields: Partial<Policy.Candidate> & { readonly fs?: number; readonly lv?: string }
) => {
  const { fs = 5, lv = "1.0.0", ...rest } = fields
  const claim = { k: key(fill), lv: Fixtures.version(lv), fs, t: 10 }
  return { claim, observedAt: undefined, isTrusted: false, seeders: undefined, ...rest } satisfies Policy.Candidate
}

const order = (policy: Policy.Policy, candidates: ReadonlyArray<Policy.Candidate>) =>
  policy.judge(candidates, NOW).ranked.map(({ claim }) => claim.k[0])

describe("Policy", () => {
  it("firstSeen goes by the own observation, then by the claim, then by the key", () => {
    const all = [
      candidate(9, { fs: 0 }),
      candidate(4, { fs: 1 }),
      candidate(3, { fs: 1 }),
      candidate(8, { fs: 7, observedAt: 200 }),
      candidate(7, { fs: 9, observedAt: 100 })
    ]
    assert.deepStrictEqual(order(Policy.firstSeen, all), [7, 8, 9, 3, 4])
  })

  it("latestVersion goes by precedence", () => {
    const all = [candidate(3, { lv: "1.9.0" }), candidate(4, { lv: "1.10.0" }), candidate(5, { lv: "2.0.0-rc.1" })]
    assert.deepStrictEqual(order(Policy.latestVersion, all), [5, 4, 3])
  })

  it("seederCount takes the unknown for none", () => {
    const all = [candidate(3, { fs: 0 }), candidate(4, { seeders: 2 }), candidate(5, { seeders: 0, fs: 1 })]
    assert.deepStrictEqual(order(Policy.seederCount, all), [4, 3, 5])
  })

  it("userTrust refuses everybody where nobody is trusted", () => {
    const all = [candidate(3, {}), candidate(4, {})]
    const { ranked, refused } = Policy.userTrust.judge(all, NOW)
    assert.deepStrictEqual(ranked, [])
    assert.deepStrictEqual(
      refused.map(({ candidate, reason }) => [candidate.claim.k[0], reason]),
      [
        [3, "its key is not one that you trust"],
        [4, "its key is not one that you trust"]
      ]
    )
    assert.deepStrictEqual(order(Policy.userTrust, [...all, candidate(5, { isTrusted: true, fs: 9 })]), [5])
  })

  it("says what each lost by", () => {
    const lostBy = (policy: Policy.Policy, loser: Policy.Candidate, winner: Policy.Candidate) =>
      policy.judge([loser, winner], NOW).lost(loser, winner)
    const [seen, unseen] = [candidate(3, { observedAt: NOW }), candidate(4, {})]
    assert.include(lostBy(Policy.firstSeen, unseen, seen), "had not seen it before")
    assert.include(lostBy(Policy.firstSeen, seen, candidate(5, { observedAt: 0 })), "since 2025-06-15T15:06:40.000Z")
    assert.include(lostBy(Policy.firstSeen, unseen, candidate(5, { fs: 0 })), "the chosen one since 1970-01-01T00:00")
    assert.include(lostBy(Policy.firstSeen, candidate(4, { fs: 9e15 }), unseen), "an impossible date")
    assert.include(lostBy(Policy.firstSeen, candidate(5, {}), unseen), "its key comes later")
    assert.include(lostBy(Policy.latestVersion, unseen, candidate(5, { lv: "2.0.0" })), "of the chosen one 2.0.0")
    assert.include(lostBy(Policy.seederCount, unseen, candidate(5, { seeders: 2 })), "were not counted")
  })

  it("judges ten thousand candidates of the worst kind at once", () => {
    const all = Array.from({ length: 10_000 }, (_, i) => {
      const each = candidate(5, { lv: `${i}.0.0-rc.${i % 7}` })
      const k = Uint8Array.from(each.claim.k, (byte, at) => (at < 2 ? (i >> (8 * at)) & 0xff : byte)) as PublicKey
      return { ...each, claim: { ...each.claim, k } }
    })
    for (const policy of Policy.byName.values()) {
      const { ranked, refused } = policy.judge(all, NOW)
      assert.strictEqual(ranked.length + refused.length, all.length)
    }
  })

  it("is read from names, each for when those before it leave nobody", () => {
    const composed = Result.getOrThrow(Policy.parse(" userTrust, firstSeen"))
    assert.strictEqual(composed.name, "userTrust,firstSeen")
    assert.deepStrictEqual([...composed.needs], ["trust"])
    assert.deepStrictEqual(order(composed, [candidate(4, {}), candidate(3, {})]), [3, 4])
    assert.deepStrictEqual(order(composed, [candidate(4, { isTrusted: true }), candidate(3, {})]), [4])
    assert.deepStrictEqual(Policy.parse("firstSeen,worst"), Result.fail("worst"))
    assert.isTrue(Result.isFailure(Policy.parse("")))
  })
})

describe("Requirement", () => {
  const refusedBy = (requirement: Requirement.Requirement, each: Policy.Candidate) =>
    Policy.require(Policy.firstSeen, requirement).judge([each], NOW).refused[0]?.reason

  it("seeders asks for so many that were counted", () => {
    assert.isUndefined(refusedBy(Requirement.seeders(2), candidate(3, { seeders: 2 })))
    assert.include(refusedBy(Requirement.seeders(2), candidate(3, { seeders: 1 }))!, "it has 1 seeder, and 2")
    assert.include(refusedBy(Requirement.seeders(1), candidate(3, {}))!, "could not be counted")
  })

  it("observedFor asks for the own observation, of that age at least", () => {
    const aDay = Requirement.observedFor("1 day")
    assert.isUndefined(refusedBy(aDay, candidate(3, { observedAt: NOW - DAY_MS })))
    assert.include(refusedBy(aDay, candidate(3, { observedAt: NOW - DAY_MS + 1 }))!, "for 1d")
    assert.isDefined(refusedBy(aDay, candidate(3, { fs: 0 })))
  })

  it("except leaves out the publishers named", () => {
    const all = [candidate(3, {}), candidate(4, {})]
    const policy = Policy.except(Policy.firstSeen, [key(3)])
    assert.deepStrictEqual(order(policy, all), [4])
    assert.strictEqual(policy.judge(all, NOW).refused[0]?.reason, "it was excluded")
  })

  it("is named with its policy", () => {
    const { name } = Policy.require(Policy.seederCount, Requirement.seeders(3))
    assert.strictEqual(name, "seederCount (seeders>=3)")
  })
})

describe("Seeders", () => {
  const peers = (...texts: ReadonlyArray<string>) =>
    texts.map((text) => {
      const [host = "", port = ""] = text.split(":")
      return new PeerAddress({ host, port: Number(port) })
    })

  it("counts a public address once, whatever ports it claims", () => {
    assert.strictEqual(Seeders.distinct(peers("8.8.8.8:1", "8.8.8.8:2", "9.9.9.9:1")), 2)
  })

  it("tells hosts of a private network apart by their ports, and never counts reserved addresses", () => {
    const all = peers(
      "127.0.0.1:1",
      "127.0.0.1:2",
      "10.0.0.1:1",
      "10.0.0.1:1",
      "224.0.0.1:1",
      "0.0.0.0:1",
      "192.0.2.1:1"
    )
    assert.strictEqual(Seeders.distinct(all), 3)
  })

  it.effect("are none where nobody can be asked", () =>
    Effect.gen(function* () {
      const dht = yield* Dht
      const findPeers = () => Effect.fail(new DhtError({ reason: new NoNodes({ bootstrap: [] }) }))
      const count = Effect.flatMap(Seeders.current, (seeders) => seeders.count(Fixtures.release("a", "1.0.0").ih))
      assert.strictEqual(yield* count, 0)
      assert.strictEqual(yield* Effect.provideService(count, Dht, { ...dht, findPeers }), 0)
      const provided = Seeders.Seeders.of({ count: () => Effect.succeed(7) })
      assert.strictEqual(yield* Effect.provideService(count, Seeders.Seeders, provided), 7)
    }).pipe(Effect.provide(Fixtures.host(DhtMemory.make())))
  )
})
