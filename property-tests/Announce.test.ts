import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as KeyPair from "../src/protocol/core/KeyPair.ts"
import * as PackageName from "../src/protocol/core/PackageName.ts"
import * as Version from "../src/protocol/core/Version.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import * as Announce from "../src/protocol/registry/Announce.ts"
import * as AnnounceDocument from "../src/protocol/registry/AnnounceDocument.ts"
import { layer as ed25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import * as TreeNetwork from "../test/protocol/dht/TreeNetwork.ts"
import { runs, runsUpTo } from "./Runs.ts"

/** Names short and long, so that between 4 and 80 of them fit into a record. */
const name = fc
  .tuple(fc.constantFrom("", "@scope/", `@${"s".repeat(60)}/`, `@${"t".repeat(140)}/`), fc.integer({ min: 0, max: 30 }))
  .map(([scope, i]) => PackageName.PackageName.make(`${scope}p${i}`))

const version = fc
  .tuple(fc.integer({ min: 0, max: 20 }), fc.constantFrom("", "-rc.1", `-${"x".repeat(200)}`))
  .map(([minor, tail]) => Version.Version.make(`1.${minor}.0${tail}`))

const entry: fc.Arbitrary<Announce.Entry> = fc.tuple(name, version)
const entries = fc.array(entry, { maxLength: 40 })

const T = 1_700_000_000_000

const make = (of: Iterable<Announce.Entry>, t = T) => Effect.runSync(Announce.make(of, t))

const listed = (announce: Announce.Announce) =>
  Effect.map(Stream.runCollect(Announce.packages(announce)), (packages) =>
    packages.map((each): Announce.Entry => [each.name, each.version])
  )

const sorted = (of: Iterable<Announce.Entry>) => [...new Map(of)].toSorted(([a], [b]) => (a < b ? -1 : 1))

/** Adds one after another; gives the last draft. */
const addAll = async (
  network: TreeNetwork.TreeNetwork,
  start: Announce.Announce | undefined,
  more: ReadonlyArray<Announce.Entry>
) => {
  let announce = start
  for (const [each, at] of more) {
    const draft = await network.run(Announce.add(announce, each, at, T))
    network.hold(draft.pages)
    announce = draft.announce
  }
  return announce
}

describe("announces", () => {
  it("an announce is a function of its packages, whatever the order in which they were added", async () => {
    const law = fc.asyncProperty(entries, entries, async (start, more) => {
      const base = make(start)
      const network = TreeNetwork.make(base.pages)
      const wanted = make([...start, ...more]).announce
      assert.deepStrictEqual(await addAll(network, base.announce, more), more.length === 0 ? base.announce : wanted)
      const reversed = sorted([...start, ...more]).toReversed()
      if (reversed.length > 0) assert.deepStrictEqual(await addAll(network, undefined, reversed), wanted)
    })
    await fc.assert(law, runsUpTo(100))
  })

  it("an announce equals a sorted map of its packages: listing and look-up", async () => {
    const law = fc.asyncProperty(entries, name, async (of, wanted) => {
      const { announce, pages } = make(of)
      const network = TreeNetwork.make(pages)
      assert.deepStrictEqual(await network.run(listed(announce)), sorted(of))
      const found = await network.run(Announce.versionOf(announce, wanted))
      assert.strictEqual(found._tag === "Some" ? found.value : undefined, new Map(of).get(wanted))
    })
    await fc.assert(law, runsUpTo(500))
  })

  it("an announce fits a DHT item, reads as it was written, and has its packages inline exactly when that fits", () => {
    const law = fc.property(entries, (of) => {
      const { announce, pages, value } = make(of)
      assert.isAtMost(value.length, Record.VALUE_MAX_BYTES)
      assert.deepStrictEqual(Result.getOrThrow(Announce.decode(value)), announce)
      const text = sorted(of)
        .map(([each, at]) => `l${each.length}:${each}${at.length}:${at}e`)
        .join("")
      const inlineBytes = `d1:ci${announce.c}e1:pl${text}e1:ti${T}ee`.length
      assert.strictEqual(announce.r === undefined, inlineBytes <= Record.VALUE_MAX_BYTES)
      assert.strictEqual(pages.length === 0, announce.r === undefined)
    })
    fc.assert(law, runs)
  })

  it("an announce has one spelling: with any bit changed its bytes are refused, or are another announce", () => {
    const law = fc.property(entries, fc.nat(), fc.integer({ min: 0, max: 7 }), (of, at, bit) => {
      const { value } = make(of)
      const offset = at % value.length
      const changed = value.with(offset, value[offset]! ^ (1 << bit))
      const decoded = Announce.decode(changed)
      if (Result.isFailure(decoded)) return
      const announce = decoded.success
      assert.notDeepEqual(announce, make(of).announce)
      if (announce.p !== undefined) assert.deepStrictEqual(make(announce.p, announce.t).value, changed)
    })
    fc.assert(law, runs)
  })

  it("merge is commutative and idempotent, keeps every package, and lets the newer record have the say", async () => {
    const law = fc.asyncProperty(entries, entries, entries, fc.boolean(), async (base, one, two, isLater) => {
      const [here, there] = [make([...base, ...one], T + 1), make([...base, ...two], isLater ? T + 2 : T + 1)]
      const network = TreeNetwork.make([...here.pages, ...there.pages])
      const signed = ({ announce, value }: Announce.Draft, seq: number) => ({ record: { seq, value }, value: announce })
      const merged = await network.run(Announce.merge(signed(here, 3), signed(there, 4)))
      assert.deepStrictEqual(await network.run(Announce.merge(signed(there, 4), signed(here, 3))), merged)
      network.hold(merged.pages)
      const known = new Map(await network.run(listed(merged.announce)))
      assert.strictEqual(known.size, new Map([...base, ...one, ...two]).size)
      for (const [name, version] of await network.run(listed(there.announce))) {
        assert.strictEqual(known.get(name), version)
      }
      for (const each of [here, there]) {
        const again = await network.run(Announce.merge(signed(merged, 5), signed(each, 4)))
        assert.deepStrictEqual([again.value, again.pages], [merged.value, []])
      }
    })
    await fc.assert(law, runsUpTo(150))
  })

  it("a document proves what its publisher signed, and with anything changed in it proves nothing", () => {
    const run = <A, E>(work: Effect.Effect<A, E, import("../src/protocol/core/Ed25519.ts").Ed25519>) =>
      Effect.runSync(Effect.provide(work, ed25519))
    const keyPair = run(KeyPair.fromSeed(new Uint8Array(32).fill(9)))
    const salt = KeyString.saltOf(KeyString.announce(keyPair.publicKey))
    const law = fc.property(
      entries,
      fc.nat(),
      entry,
      fc.constantFrom("sequence", "timestamp", "packages", "signature"),
      (of, seq, [name, latestVersion], field) => {
        const { announce, value } = make(of)
        const record = Record.sign(keyPair, { salt, seq, value })
        const packages = sorted(of).map(([each, at]) => ({ name: each, latestVersion: at }))
        const document = AnnounceDocument.of({ record, value: announce }, packages)
        assert.deepStrictEqual(run(AnnounceDocument.verify(document)).record.value, value)
        const listed = packages.some((each) => each.name === name && each.latestVersion === latestVersion)
        const changed = {
          ...document,
          ...(field === "sequence" ? { sequence: seq + 1 } : {}),
          ...(field === "timestamp" ? { timestamp: T + 1 } : {}),
          ...(field === "signature" ? { signature: `A${document.signature.slice(1)}` } : {}),
          ...(field === "packages"
            ? {
                packages: listed
                  ? packages.filter((each) => each.name !== name)
                  : [...packages.filter((each) => each.name !== name), { name, latestVersion }]
              }
            : {})
        }
        if (changed.signature === document.signature && field === "signature") return
        assert.isTrue(Result.isFailure(run(Effect.result(AnnounceDocument.verify(changed)))))
      }
    )
    fc.assert(law, runsUpTo(300))
  })
})
