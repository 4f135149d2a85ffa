import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hex from "effect/encoding/Hex"
import * as fc from "fast-check"
import { assert, beforeAll, describe, it } from "vitest"
import * as Bencode from "../src/protocol/core/Bencode.ts"
import type { KeyPair } from "../src/protocol/core/KeyPair.ts"
import * as PublicKey from "../src/protocol/core/PublicKey.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import * as NameClaim from "../src/protocol/registry/NameClaim.ts"
import * as Policy from "../src/protocol/registry/Policy.ts"
import * as Publish from "../src/protocol/registry/Publish.ts"
import * as Resolve from "../src/protocol/registry/Resolve.ts"
import * as DhtMemory from "../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "../test/protocol/registry/Fixtures.ts"
import { runsUpTo } from "./Runs.ts"

const { keyPair, name, range, release, version } = Fixtures

const NOW = 1_750_000_000_000

type User = <A, E>(work: Effect.Effect<A, E, Fixtures.Host>) => Effect.Effect<A, E>

const run = <A, E>(work: Effect.Effect<A, E, Fixtures.Host>) =>
  Effect.runPromise(Effect.provide(work, Fixtures.host(DhtMemory.make())))

/** What a user takes: publisher and version; or the tag of the refusal. */
const outcome = async (user: User, options: Resolve.Options, wanted = "*") => {
  const exit = await Effect.runPromiseExit(
    user(Resolve.resolveByName({ name: name("a"), range: range(wanted) }, options))
  )
  if (Exit.isSuccess(exit)) {
    const { publisher, release } = exit.value
    return `${PublicKey.short(publisher)} ${release.v} ${Hex.encode(release.ih)}`
  }
  const reason = exit.cause.reasons.find((each) => each._tag === "Fail")?.error.reason
  return reason?._tag ?? "defect"
}

const targetOf = (item: Record.Item) => Hex.encode(Record.targetOf(item.publicKey, item.salt))

const networkOf = (items: Iterable<Record.Item>): DhtMemory.Network => {
  const network = DhtMemory.make()
  for (const item of items) network.items.set(targetOf(item), item)
  return network
}

const joining = (network: DhtMemory.Network) => Effect.runPromise(Effect.scoped(Fixtures.join(network)))

interface World {
  readonly keys: ReadonlyArray<KeyPair>
  /** Each publisher's package record after one, two and three versions. */
  readonly packages: ReadonlyArray<ReadonlyArray<Record.Item>>
  readonly claims: ReadonlyArray<NameClaim.NameClaim>
  readonly nameKey: KeyPair
  /** Everything in the network when everybody has published everything. */
  readonly all: ReadonlyArray<Record.Item>
}

const VERSIONS = ["1.0.0", "1.1.0", "2.0.0-rc.1"]

let world: World

beforeAll(async () => {
  const labels = ["alice", "bob", "carol"]
  const keys = await run(Effect.forEach(labels, keyPair))
  const network = DhtMemory.make()
  const packages: Array<Array<Record.Item>> = labels.map(() => [])
  for (const [at, pair] of keys.entries()) {
    const publisher = await joining(network)
    const salt = KeyString.saltOf(KeyString.packageOf(name("a")))
    for (const each of VERSIONS) {
      await Effect.runPromise(publisher(Publish.publish(pair, release("a", each, { content: labels[at]! }))))
      packages[at]!.push(network.items.get(Hex.encode(Record.targetOf(pair.publicKey, salt)))!)
    }
  }
  const claims = keys.flatMap((pair, at) =>
    [1, 2].map((t) =>
      NameClaim.sign(pair, name("a"), {
        latestVersion: version(`1.${at}.${t}`),
        firstSeen: NOW - at - 10,
        timestamp: NOW - 10 + t
      })
    )
  )
  const nameKey = await run(KeyString.nameKeyOf(KeyString.nameIndex(name("a"))))
  world = { keys, packages, claims, nameKey, all: [...network.items.values()] }
})

const indexOf = (claims: ReadonlyArray<NameClaim.NameClaim>, seq: number): Record.Record => {
  const wire = claims.map(({ fs, k, lv, s, t }) => ({ fs, k, lv: Bencode.utf8(lv), s, t }))
  const value = Bencode.encode({ c: wire, k: claims.length })
  return Record.sign(world.nameKey, { salt: KeyString.saltOf(KeyString.nameIndex(name("a"))), seq, value })
}

/** What the network shows at one time: an index with some of the claims, and a package record of each publisher, or none. */
interface View {
  readonly claims: ReadonlyArray<number>
  readonly packages: ReadonlyArray<number | undefined>
}

const view: fc.Arbitrary<View> = fc.record({
  claims: fc.array(fc.nat({ max: 5 }), { maxLength: 4 }),
  packages: fc.tuple(...[0, 1, 2].map(() => fc.option(fc.nat({ max: 2 }), { nil: undefined })))
})

/** Leaves nothing but the records of single releases, which never change. */
const hide = (network: DhtMemory.Network) => {
  network.items.clear()
  const salts = world.packages.map(([item]) => item!.salt)
  const changing = new Set([world.nameKey.publicKey, ...salts].map((bytes) => Hex.encode(bytes)))
  for (const item of world.all) {
    const isChanging = [item.publicKey, item.salt].some((bytes) => changing.has(Hex.encode(bytes)))
    if (!isChanging) network.items.set(targetOf(item), item)
  }
}

const show = (network: DhtMemory.Network, { claims, packages }: View, seq: number) => {
  hide(network)
  const items = packages.flatMap((at, publisher) => (at === undefined ? [] : [world.packages[publisher]![at]!]))
  for (const item of [
    ...items,
    indexOf(
      claims.map((at) => world.claims[at]!),
      seq
    )
  ]) {
    network.items.set(targetOf(item), item)
  }
}

/** Everything that a user may decide here; deciding it is seeing it. */
const decisions = async (user: User) => {
  const byName = await outcome(user, { policy: Policy.latestVersion })
  const byPublisher = []
  for (const { publicKey } of world.keys) byPublisher.push(await outcome(user, { publisher: publicKey }, ">=1.0.0-0"))
  return [byName, ...byPublisher]
}

describe("resolve", () => {
  it("is a function of the set of valid records seen, not of their order or their repetition", async () => {
    const shown = fc
      .array(view, { minLength: 1, maxLength: 3 })
      .chain((views) =>
        fc.tuple(
          fc.shuffledSubarray(views, { minLength: views.length }),
          fc.shuffledSubarray([...views, ...views], { minLength: views.length * 2 })
        )
      )
    await fc.assert(
      fc.asyncProperty(shown, async (orders) => {
        const results = []
        for (const views of orders) {
          const network = DhtMemory.make()
          const user = await joining(network)
          for (const [at, each] of views.entries()) {
            show(network, each, at + 1)
            await decisions(user)
          }
          hide(network)
          results.push(await decisions(user))
        }
        assert.deepStrictEqual(results[0], results[1])
      }),
      runsUpTo(60)
    )
  }, 60_000)

  it("does not depend on the order or repetition of the claims in a record", async () => {
    const claims = fc.uniqueArray(fc.nat({ max: 5 }), { minLength: 1, maxLength: 5 })
    const pairs = claims.chain((ids) =>
      fc.tuple(fc.constant(ids), fc.shuffledSubarray([...ids, ids[0]!], { minLength: ids.length + 1 }))
    )
    await fc.assert(
      fc.asyncProperty(pairs, fc.constantFrom(Policy.firstSeen, Policy.latestVersion), async (orders, policy) => {
        const results = []
        for (const ids of orders) {
          const network = networkOf(world.all)
          const index = indexOf(
            ids.map((at) => world.claims[at]!),
            99
          )
          network.items.set(targetOf(index), index)
          results.push(await outcome(await joining(network), { policy }))
        }
        assert.deepStrictEqual(results[0], results[1])
      }),
      runsUpTo(100)
    )
  }, 60_000)

  it("takes the valid record with the highest seq that it saw, and goes back for no lower one", async () => {
    const seqs = fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(seqs, fc.nat({ max: 2 }), async (shown, publisher) => {
        const network = networkOf(world.all)
        const user = await joining(network)
        const { publicKey } = world.keys[publisher]!
        let highest = -1
        for (const at of shown) {
          const item = world.packages[publisher]![at]!
          network.items.set(targetOf(item), item)
          highest = Math.max(highest, at)
          const newest = VERSIONS.slice(0, highest + 1).at(-1)!
          const taken = await outcome(user, { publisher: publicKey }, ">=1.0.0 || >=2.0.0-0")
          assert.include(taken, ` ${newest} `)
        }
      }),
      runsUpTo(200)
    )
  }, 60_000)

  /** Puts an item where another belongs, changes it, or overwrites the name with some of its claims: what anybody can do. */
  const forgery = fc.record({
    at: fc.nat(),
    from: fc.nat(),
    field: fc.constantFrom("whole", "value", "signature", "seq", "bit", "gone", "name"),
    bit: fc.nat()
  })

  const forge = (
    network: DhtMemory.Network,
    {
      at,
      bit,
      field,
      from
    }: { readonly at: number; readonly from: number; readonly field: string; readonly bit: number }
  ) => {
    const original = world.all[at % world.all.length]!
    const other = world.all[from % world.all.length]!
    const flipped = original.value.slice()
    flipped[(bit >> 3) % flipped.length]! ^= 1 << (bit & 7)
    const target = targetOf(original)
    if (field === "gone") network.items.delete(target)
    else if (field === "name") {
      const index = indexOf(
        world.claims.filter((_, i) => ((bit >> i) & 1) === 1),
        50 + (at % 50)
      )
      network.items.set(targetOf(index), index)
    } else {
      const changes = {
        whole: { value: other.value, seq: other.seq, signature: other.signature },
        value: { value: other.value, seq: original.seq + 1 },
        signature: { signature: other.signature },
        seq: { seq: original.seq + 1 + (bit % 5) },
        bit: { value: flipped }
      }
      network.items.set(target, { ...original, ...changes[field as keyof typeof changes] })
    }
  }

  it("lets no forged, replayed or relabelled record change what a user gets who was there before", async () => {
    const wanted = fc.constantFrom("*", "1.0.0", "~1.0", "2.0.0-rc.1")
    await fc.assert(
      fc.asyncProperty(fc.array(forgery, { minLength: 1, maxLength: 6 }), wanted, async (forgeries, wanted) => {
        const network = networkOf(world.all)
        const user = await joining(network)
        const honest = await outcome(user, {}, wanted)
        for (const each of forgeries) forge(network, each)
        assert.strictEqual(await outcome(user, {}, wanted), honest)
      }),
      runsUpTo(100)
    )
  }, 60_000)

  it("lets no forged, replayed or relabelled record give a newcomer anything but what a publisher signed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(forgery, { minLength: 1, maxLength: 6 }), fc.nat({ max: 2 }), async (forgeries, at) => {
        const network = networkOf(world.all)
        for (const each of forgeries) forge(network, each)
        const { publicKey: publisher } = world.keys[at]!
        const honest = await outcome(await joining(networkOf(world.all)), { publisher })
        const got = await outcome(await joining(network), { publisher })
        assert.isTrue(got === honest || got === "PackageNotFound", got)
      }),
      runsUpTo(200)
    )
  }, 60_000)
})
