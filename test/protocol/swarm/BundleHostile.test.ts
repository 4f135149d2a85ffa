import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { sha1, sha256 } from "../../../src/protocol/core/Digest.ts"
import { explain } from "../../../src/protocol/core/Errors.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import type { KeyPair } from "../../../src/protocol/core/KeyPair.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import { Proofs } from "../../../src/protocol/registry/Proofs.ts"
import * as Release from "../../../src/protocol/registry/Release.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import * as Bundle from "../../../src/protocol/swarm/Bundle.ts"
import * as BundleFormat from "../../../src/protocol/swarm/BundleFormat.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Revocation from "../../../src/protocol/trust/Revocation.ts"
import {
  changed,
  changedLetter,
  doubled,
  flipTimestamp,
  flipped,
  hugeLength,
  outside,
  swapped,
  withSections,
  without
} from "./BundleForgeries.ts"
import * as Bundles from "./Bundles.ts"
import * as Fixtures from "../registry/Fixtures.ts"

const { name, text, version } = Fixtures

const given = Effect.gen(function* () {
  const publisher = yield* Bundles.online(Testing.network())
  const key = yield* publisher.does(Bundles.keyPair("publisher"))
  yield* Bundles.publish(
    publisher,
    key,
    { name: "a", version: "1.0.0" },
    { name: "a", version: "1.1.0" },
    { name: "b", version: "1.0.0" }
  )
  const material = yield* Bundles.bundleOf(publisher, ["a@^1.0.0"])
  const bundle = yield* Bundles.write(publisher, material)
  return { publisher, key, material, bundle, sections: Bundles.sectionsOf(bundle) }
})

/** The older release of the package `a`, of which there is nothing but its own record. */
const storedOf = ({ material }: Given) => material.releases.find(({ release: { n, v } }) => n === "a" && v === "1.0.0")!

type Given = Effect.Success<typeof given>

/** Imports into an empty host; gives what it was refused for. Nothing may be left of it. */
const refusalOf = Effect.fnUntraced(function* (bundle: Uint8Array) {
  const user = yield* Bundles.offline
  const error = explain(yield* Effect.flip(Bundles.importInto(user, bundle)))
  assert.isDefined(error)
  assert.isAbove(error!.hint.length, 10)
  yield* leavesNothing(user)
  return error!
})

const leavesNothing = (user: Bundles.Host, records = 0) =>
  user.does(
    Effect.gen(function* () {
      assert.strictEqual((yield* (yield* PackageStore).list).length, 0)
      assert.strictEqual((yield* (yield* RecordStore).all).length, records)
      assert.strictEqual((yield* (yield* PageStore).targets).length, 0)
    })
  )

/** The sections with one more record, in its place. */
const withRecord = (all: Given, record: Record.Record): Uint8Array => {
  const records = [...all.material.records, record].toSorted(BundleFormat.byPlace)
  const others = all.sections.filter(({ letter }) => letter !== "r")
  return withSections(
    { ...all, sections: others },
    ...records.map((each) => ({ letter: "r", payload: Record.toBytes(each) }))
  )
}

const signed = (key: KeyPair, keyString: string, value: Uint8Array, seq = 1) =>
  Record.sign(key, { salt: KeyString.saltOf(keyString), seq, value })

describe("a bundle by nobody to be trusted", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(body))

  const cases: ReadonlyArray<readonly [string, (all: Given) => Uint8Array, string]> = [
    ["a file that is no bundle", () => text("PK\u0003\u0004 something else"), "NotABundle"],
    ["an empty file", () => new Uint8Array(0), "NotABundle"],
    ["a later format", (all) => changed(all, "h", () => text("d1:fi2e1:xi1ee")), "NewerBundle"],
    ["a header that is not canonical", (all) => changed(all, "h", () => text("d1:wle1:fi1ee")), "MalformedBundle"],
    [
      "wishes that are no packages",
      (all) => changed(all, "h", () => text("d1:fi1e1:wl6:\u001b[31m!ee")),
      "MalformedBundle"
    ],
    ["something behind its end", ({ bundle }) => Bundles.bytesOf([bundle, Uint8Array.of(0)]), "MalformedBundle"],
    ["a checksum that does not hold", ({ bundle }) => flipped(bundle, bundle.length - 1), "MalformedBundle"],
    ["a length of four gigabytes", ({ bundle }) => hugeLength(bundle), "MalformedBundle"],
    ["a kind of section that there is not", (all) => changedLetter(all, "i", "x"), "MalformedBundle"],
    ["sections out of order", ({ sections }) => Bundles.bundleWith(sections.toReversed()), "MalformedBundle"],
    ["a release that is listed twice", (all) => doubled(all, "l"), "MalformedBundle"],
    ["claims that are there twice", (all) => doubled(all, "c"), "MalformedBundle"],
    ["a record that is there twice", (all) => doubled(all, "r"), "MalformedBundle"],
    ["a tarball that is there twice", (all) => doubled(all, "t"), "MalformedBundle"],
    ["records in another order", (all) => swapped(all, "r"), "MalformedBundle"],
    ["contents in another order", (all) => swapped(all, "t"), "TamperedTarball"],
    ["no release at all", ({ sections }) => Bundles.bundleWith(sections.slice(0, 1)), "MalformedBundle"],
    ["a release without its records", (all) => without(all, "r"), "UnprovenBundle"],
    ["a release without its content", (all) => without(all, "t"), "MalformedBundle"],
    ["a record whose signature does not hold", (all) => changed(all, "r", (bytes) => flipped(bytes)), "InvalidRecord"],
    ["a claim whose signature does not hold", (all) => changed(all, "c", flipTimestamp), "UnprovenBundle"],
    ["other piece hashes", (all) => changed(all, "i", (info) => flipped(info, info.length - 9)), "UnprovenBundle"],
    ["a path that leaves the store", (all) => changed(all, "i", outside), "InvalidTorrent"],
    ["another manifest", (all) => changed(all, "m", flipped), "InvalidManifest"],
    ["another tarball", (all) => changed(all, "t", flipped), "TamperedTarball"],
    ["a longer tarball", (all) => changed(all, "t", (bytes) => Bundles.bytesOf([bytes, bytes])), "MalformedBundle"],
    [
      "a page that nothing leads to",
      (all) => withSections(all, { letter: "p", payload: text("page") }),
      "UnprovenBundle"
    ]
  ]
  let once: Given
  beforeAll(async () => {
    once = await Effect.runPromise(Effect.scoped(given))
  })
  for (const [title, make, tag] of cases) {
    test(
      `is refused, and nothing is left of it: ${title}`,
      Effect.gen(function* () {
        const error = yield* refusalOf(make(once))
        assert.strictEqual(error._tag, tag, error.message)
      })
    )
  }

  test(
    "is refused wherever it is cut off",
    Effect.gen(function* () {
      const { bundle, publisher } = yield* given
      for (let length = 0; length < bundle.length; length += 211) {
        const error = explain(yield* Effect.flip(Bundles.inspect(publisher, bundle.subarray(0, length))))
        assert.strictEqual(error?._tag, length < BundleFormat.MAGIC.length ? "NotABundle" : "BundleCut", `${length}`)
      }
      assert.strictEqual((yield* refusalOf(bundle.subarray(0, -1)))._tag, "BundleCut")
    })
  )

  test(
    "is refused before anything is read for a length that it only claims",
    Effect.gen(function* () {
      const { bundle } = yield* given
      const user = yield* Bundles.offline
      let taken = 0
      const endless = Stream.concat(
        Stream.make(bundle.subarray(0, 100)),
        Stream.fromEffectRepeat(Effect.sync(() => new Uint8Array(65_536)))
      ).pipe(Stream.tap((chunk) => Effect.sync(() => void (taken += chunk.length))))
      yield* Effect.flip(user.does(Bundle.inspect(endless, "endless")))
      assert.isBelow(taken, 1_000_000)
    })
  )

  test(
    "may not bring records that belong to nothing in it: of another key, name, version or kind",
    Effect.gen(function* () {
      const all = yield* given
      const [own, other] = yield* all.publisher.does(
        Effect.all([Bundles.keyPair("publisher"), Bundles.keyPair("somebody else")])
      )
      const value = Release.encode(Fixtures.release("a", "1.0.0"))
      const strangers = [
        signed(other, KeyString.release(name("a"), version("1.0.0")), value),
        signed(other, KeyString.REVOCATION, text("d1:ti1e1:w1:xe")),
        signed(own, KeyString.release(name("a"), version("9.0.0")), Release.encode(Fixtures.release("a", "9.0.0"))),
        signed(own, KeyString.packageOf(name("c")), value),
        signed(own, KeyString.announce(own.publicKey), value)
      ]
      for (const record of strangers) {
        const error = yield* refusalOf(withRecord(all, record))
        assert.strictEqual(error._tag, "UnprovenBundle", error.message)
        assert.include(error.message, "belongs to nothing")
      }
      const misplaced = signed(own, KeyString.release(name("b"), version("1.0.0")), value)
      assert.strictEqual((yield* refusalOf(withRecord(all, misplaced)))._tag, "UnprovenBundle")
    })
  )

  test(
    "may not bring more records of one place than prove two releases, nor has any verified that has no place",
    Effect.gen(function* () {
      const all = yield* given
      const { release } = storedOf(all)
      const forged = (record: Record.Record): Record.Record =>
        Object.assign({}, record, { signature: flipped(record.signature) })
      const another = (content: string) =>
        signed(
          all.key,
          KeyString.release(name("a"), version("1.0.0")),
          Release.encode({ ...release, h: sha256(text(content)) })
        )
      const [second, third] = [another("second"), another("third")].toSorted(BundleFormat.byPlace)
      const records = [...all.material.records, second!]
      // The last of the place, so that those before it hold.
      const last = [...records, third!].filter(({ salt }) => Bytes.Equivalence(salt, second!.salt))
      const worst = last.toSorted(BundleFormat.byPlace).at(-1)!
      const others = [...records, third!].filter((record) => record !== worst)
      const crowd = withRecord({ ...all, material: { ...all.material, records: others } }, forged(worst))
      const error = yield* refusalOf(crowd)
      assert.strictEqual(error._tag, "UnprovenBundle", error.message)
      assert.include(error.message, "too many records")
      const stray = forged(signed(all.key, KeyString.packageOf(name("c")), text("x")))
      assert.include((yield* refusalOf(withRecord(all, stray))).message, "belongs to nothing")
    })
  )

  test(
    "may not bring claims on names that it has no release of",
    Effect.gen(function* () {
      const all = yield* given
      const fields = { latestVersion: version("1.0.0"), firstSeen: 1, timestamp: 2 }
      const claim = NameClaim.sign(all.key, name("react"), fields)
      const payload = BundleFormat.encodeClaims({ c: [claim], n: name("react") })
      const error = yield* refusalOf(withSections(all, { letter: "c", payload }))
      assert.strictEqual(error._tag, "UnprovenBundle", error.message)
      assert.include(error.message, "react")
    })
  )

  test(
    "is refused where a publisher signed two releases of one version, and the proof is kept",
    Effect.gen(function* () {
      const all = yield* given
      const { release } = storedOf(all)
      const value = Release.encode({ ...release, h: sha256(text("another")) })
      const other = signed(all.key, KeyString.release(name("a"), version("1.0.0")), value)
      const bundle = withRecord(all, other)
      const user = yield* Bundles.offline
      const error = explain(yield* Effect.flip(Bundles.importInto(user, bundle)))
      assert.strictEqual(error?._tag, "Equivocation", error?.message)
      yield* leavesNothing(user)
      const proofs = Context.get(user.services, Proofs)
      assert.isTrue(Option.isSome(yield* proofs.find(all.key.publicKey, name("a"), version("1.0.0"))))
      assert.strictEqual(explain(yield* Effect.flip(Bundles.inspect(user, bundle)))?._tag, "Equivocation")
      // From now on an honest bundle of that version is refused too: neither release is to be believed.
      assert.strictEqual(explain(yield* Effect.flip(Bundles.importInto(user, all.bundle)))?._tag, "Equivocation")
    })
  )

  test(
    "is refused where it contradicts a release that is known here",
    Effect.gen(function* () {
      const all = yield* given
      const liar = yield* Bundles.online(Testing.network())
      yield* Bundles.publish(liar, all.key, { name: "a", version: "1.0.0", content: "another" })
      const other = yield* Bundles.write(liar, yield* Bundles.bundleOf(liar))
      const user = yield* Bundles.offline
      yield* Bundles.importInto(user, all.bundle)
      const before = yield* user.does(Effect.flatMap(RecordStore, (store) => store.all))
      assert.strictEqual(explain(yield* Effect.flip(Bundles.importInto(user, other)))?._tag, "Equivocation")
      assert.deepStrictEqual(yield* user.does(Effect.flatMap(RecordStore, (store) => store.all)), before)
      const resolving = user.does(Resolve.resolveExact(name("a"), version("1.0.0")))
      assert.strictEqual(explain(yield* Effect.flip(resolving))?._tag, "Equivocation")
      assert.strictEqual((yield* user.does(Resolve.resolveExact(name("a"), version("1.1.0")))).release.v, "1.1.0")
    })
  )

  test(
    "is refused where its publisher revoked the key, and the revocation is remembered",
    Effect.gen(function* () {
      const all = yield* given
      const revocation = Revocation.sign(all.key, { reason: Revocation.Reason.make("stolen"), timestamp: 1 })
      const bundle = withRecord(all, revocation)
      const user = yield* Bundles.offline
      const error = explain(yield* Effect.flip(Bundles.importInto(user, bundle)))
      assert.strictEqual(error?._tag, "PublisherRevoked", error?.message)
      yield* leavesNothing(user, 1)
      assert.strictEqual(explain(yield* Effect.flip(Bundles.inspect(user, bundle)))?._tag, "PublisherRevoked")
      // Known here, it is not to be left out of a bundle either.
      assert.strictEqual(explain(yield* Effect.flip(Bundles.importInto(user, all.bundle)))?._tag, "PublisherRevoked")
      const making = all.publisher.does(
        Effect.andThen(
          Effect.flatMap(RecordStore, (store) => store.remember(revocation)),
          Effect.flatMap(PackageStore, (store) =>
            Effect.flatMap(store.list, (list) => Bundle.gather([], list, { isRefreshing: false }))
          )
        )
      )
      assert.strictEqual(explain(yield* Effect.flip(making))?._tag, "PublisherRevoked")
    })
  )

  test(
    "is not written from a store that was damaged",
    Effect.gen(function* () {
      const { material, publisher } = yield* given
      const [stored] = material.releases
      const content = yield* publisher.does(Effect.flatMap(PackageStore, (store) => store.open(stored!)))
      yield* content.write(stored!.torrent.tarball.offset, Uint8Array.of(7, 7, 7))
      const error = explain(yield* Effect.flip(Bundles.write(publisher, material)))
      assert.strictEqual(error?._tag, "StorageFailed")
      assert.include(error?.message, "damaged")
    })
  )
})

/** Such a release could be signed by its own publisher. */
describe("a publisher who signs a torrent with a path", () => {
  it.live("does not get out of the store", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const all = yield* given
        const at = all.sections.findIndex(({ letter }) => letter === "i")
        const info = outside(all.sections[at]!.payload)
        const { p: _, ...release } = all.material.releases.find(
          ({ release: { n, v } }) => n === "a" && v === "1.0.0"
        )!.release
        const lie = { ...release, ih: sha1(info) as Uint8Array as Infohash }
        const record = signed(all.key, KeyString.release(name("a"), version("1.0.0")), Release.encode(lie))
        const others = all.material.records.filter(({ salt }) => !Buffer.from(salt).equals(Buffer.from(record.salt)))
        const bundle = withRecord({ ...all, material: { ...all.material, records: others } }, record)
        const sections = Bundles.sectionsOf(bundle)
        const own = sections.findIndex(({ letter }) => letter === "i")
        const error = yield* refusalOf(Bundles.bundleWith(sections.with(own, { letter: "i", payload: info })))
        assert.strictEqual(error._tag, "InvalidTorrent", error.message)
      })
    )
  )
})
