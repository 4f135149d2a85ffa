/** `published/claims.json`, `trees.json`, `torrents.json` and `manifests.json`, against the library. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import * as PackageName from "../../src/protocol/core/PackageName.ts"
import * as PublicKey from "../../src/protocol/core/PublicKey.ts"
import * as Version from "../../src/protocol/core/Version.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import * as Tree from "../../src/protocol/dht/Tree.ts"
import * as Manifest from "../../src/protocol/registry/Manifest.ts"
import * as NameClaim from "../../src/protocol/registry/NameClaim.ts"
import * as Release from "../../src/protocol/registry/Release.ts"
import * as Torrent from "../../src/protocol/swarm/Torrent.ts"
import {
  BACKENDS,
  type ClaimsFile,
  load,
  type ManifestsFile,
  networkOf,
  type TorrentsFile,
  type TreesFile
} from "./PublishedFiles.ts"
import { fromHex } from "./Vectors.ts"

const nameOf = (text: string) => PackageName.PackageName.make(text)

const claims = load<ClaimsFile>("claims.json")

const decodeClaims = (encoded: ReadonlyArray<string>): ReadonlyArray<NameClaim.NameClaim> =>
  encoded.flatMap((each) => Option.toArray(Result.getSuccess(NameClaim.decode(fromHex(each)))))

const encodeClaims = (set: NameClaim.ClaimSet): ReadonlyArray<string> =>
  NameClaim.toSorted(set).map((claim) => Hex.encode(NameClaim.encode(claim)))

for (const [backend, ed25519] of BACKENDS) {
  describe(`published claims, signatures by ${backend}`, () => {
    for (const each of claims.cases) {
      it.effect(`${each.valid ? "takes" : "refuses"} a claim ${each.name}`, () =>
        Effect.gen(function* () {
          const valid = yield* NameClaim.verifyAll(nameOf(each.package), decodeClaims([each.claim]))
          assert.deepStrictEqual(encodeClaims(valid), each.valid ? [each.claim] : [])
          const [claim] = valid.values()
          if (claim === undefined) return
          const { fs, k, lv, t } = claim
          assert.deepStrictEqual(
            [Hex.encode(k), lv, fs, t],
            [each.publicKey, each.latestVersion, each.firstSeen, each.timestamp]
          )
          const body = Bencode.encode({ fs, k, lv: Bencode.utf8(lv), n: Bencode.utf8(each.package), t })
          assert.strictEqual(Hex.encode(Bencode.utf8("libreseed-v1:name-claim:")) + Hex.encode(body), each.signed)
          const { seed } = Object.values(claims.keys).find(({ publicKey }) => publicKey === each.publicKey)!
          const again = NameClaim.sign(yield* KeyPair.fromSeed(fromHex(seed)), nameOf(each.package), {
            latestVersion: lv,
            firstSeen: fs,
            timestamp: t
          })
          assert.strictEqual(Hex.encode(NameClaim.encode(again)), each.claim)
        }).pipe(Effect.provide(ed25519))
      )
    }

    for (const { merged, name, package: packageName, sets } of claims.merges) {
      it.effect(`merges ${name}, in any order`, () =>
        Effect.gen(function* () {
          const verified = yield* Effect.forEach(sets, (set) =>
            NameClaim.verifyAll(nameOf(packageName), decodeClaims(set))
          )
          for (const order of [verified, verified.toReversed(), [...verified, ...verified]]) {
            const union = order.reduce((self, that) => NameClaim.merge(self, that))
            assert.deepStrictEqual(encodeClaims(union), merged)
          }
        }).pipe(Effect.provide(ed25519))
      )
    }
  })
}

describe("published dates of claims", () => {
  for (const { believed, claim, name, now } of claims.believable) {
    it(`${believed ? "believes" : "does not believe"} a claim ${name}`, () => {
      const set = NameClaim.fromClaims(decodeClaims([claim]))
      assert.strictEqual(NameClaim.believable(set, now).length, believed ? 1 : 0)
    })
  }
})

const trees = load<TreesFile>("trees.json")

const entriesOf = (view: ReadonlyArray<readonly [string, string]>): ReadonlyArray<Tree.Entry> =>
  view.map(([key, value]) => ({ key: fromHex(key), value: fromHex(value) }))

describe("published trees", () => {
  for (const { entries: view = [], made, name, pages, root, valid } of trees.cases) {
    const target = fromHex(root) as Record.Target
    const network = networkOf(new Map(Object.entries(pages)))
    it.effect(`${valid ? "reads" : "refuses"} ${name}`, () =>
      Effect.gen(function* () {
        const listing = Stream.runCollect(Tree.entries(target))
        if (!valid) {
          const error = yield* Effect.flip(listing)
          assert.strictEqual(error._tag, "TreeError")
          assert.isAbove((yield* Tree.collect(target, { limit: Tree.ENTRIES_MAX })).missing.length, 0)
          return
        }
        const entries = entriesOf(view)
        assert.deepStrictEqual(yield* listing, entries)
        const { entries: collected, missing } = yield* Tree.collect(target, { limit: Tree.ENTRIES_MAX })
        assert.deepStrictEqual([collected, missing], [entries, []])
        for (const { key, value } of entries) assert.deepStrictEqual(yield* Tree.get(target, key), Option.some(value))
        assert.deepStrictEqual(yield* Tree.get(target, fromHex("616263646566")), Option.none())
      }).pipe(Effect.provide(network))
    )
    if (!valid) continue
    it(`${made === true ? "makes just these pages" : "makes other pages"} of ${name}`, () => {
      const built = Tree.build(entriesOf(view))
      const targets = built.pages.map((page) => Hex.encode(Record.immutableTargetOf(page)))
      const isSame = targets.length === Object.keys(pages).length && targets.every((each) => each in pages)
      assert.deepStrictEqual([isSame, Hex.encode(built.root) === root], [made, made])
    })
  }

  for (const { entries, name } of trees.unmakeable) {
    it(`makes no tree of entries with ${name}`, () => {
      assert.throws(() => Tree.build(entriesOf(entries)), RangeError)
    })
  }
})

const torrents = load<TorrentsFile>("torrents.json")

const releaseOf = (value: string): Release.Release => Result.getOrThrow(Release.decode(fromHex(value)))

describe("published torrents", () => {
  for (const each of torrents.cases) {
    const fromInfo = Torrent.fromInfo(fromHex(each.info), each.name)
    if (!each.valid) {
      it.effect(`refuses ${each.name}`, () =>
        Effect.map(Effect.flip(fromInfo), (error) => assert.strictEqual(error._tag, "InvalidTorrent"))
      )
      continue
    }
    it.effect(`takes ${each.name}`, () =>
      Effect.gen(function* () {
        const read = yield* fromInfo
        const made = Torrent.make({
          name: nameOf(each.package!),
          version: Version.Version.make(each.version!),
          manifestLength: each.manifestLength!,
          tarballLength: each.tarballLength!,
          pieces: fromHex(each.pieces!)
        })
        assert.deepStrictEqual(made, read)
        assert.deepStrictEqual(
          [Hex.encode(made.info), Hex.encode(made.infohash), made.pieceLength],
          [each.info, each.infohash, each.pieceLength]
        )
        const release = releaseOf(each.release!)
        const fits = Torrent.pieceCount(made) <= Torrent.PIECES_INLINE_MAX
        assert.deepStrictEqual(yield* Torrent.fromRelease(release), fits ? made : undefined)
        assert.strictEqual(Hex.encode(Release.encode(release)), each.release)
      })
    )
  }

  for (const { name, release } of torrents.misfits) {
    it.effect(`refuses the torrent of a release with ${name}`, () =>
      Effect.map(Effect.flip(Torrent.fromRelease(releaseOf(release))), (error) =>
        assert.strictEqual(error._tag, "InvalidTorrent")
      )
    )
  }
})

describe("published manifests", () => {
  for (const each of load<ManifestsFile>("manifests.json").cases) {
    const bytes = fromHex(each.manifest)
    const publisher = Option.getOrThrow(PublicKey.fromBytes(fromHex(each.publisher)))
    const verified = Manifest.verify(bytes, releaseOf(each.release), publisher)
    it.effect(`${each.valid ? "takes" : "refuses"} ${each.name}`, () =>
      Effect.gen(function* () {
        if (!each.valid) {
          assert.strictEqual((yield* Effect.flip(verified))._tag, "InvalidManifest")
          return
        }
        const manifest = yield* verified
        assert.deepStrictEqual(manifest, each.value)
        assert.deepStrictEqual(yield* Manifest.toBytes(manifest), bytes)
      })
    )
  }
})
