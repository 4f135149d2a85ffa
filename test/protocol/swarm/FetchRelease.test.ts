import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { sha1, sha256 } from "../../../src/protocol/core/Digest.ts"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import type { KeyPair } from "../../../src/protocol/core/KeyPair.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import type * as Release from "../../../src/protocol/registry/Release.ts"
import * as Evidence from "../../../src/protocol/registry/Evidence.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import { type Content, StorageFailed } from "../../../src/protocol/swarm/Content.ts"
import { Blacklist, BLACKLIST_TTL_MS, BlacklistError } from "../../../src/protocol/swarm/Blacklist.ts"
import { fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import { prepare, publishPackage } from "../../../src/protocol/swarm/PublishPackage.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as Torrent from "../../../src/protocol/swarm/Torrent.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Fixtures from "../registry/Fixtures.ts"

const { name, range, text, version } = Fixtures

const packed = (packageVersion = "1.0.0") => ({
  name: name("a"),
  version: version(packageVersion),
  tarball: Uint8Array.from({ length: 40_000 }, (_, i) => (i * 31) & 0xff),
  files: {},
  metadata: {}
})

const spec = { name: name("a"), range: range("*") }
const options = { timeout: "3 seconds" } as const

/** A host that keeps its stores between calls. */
const join = (network: Testing.Network, host: string) =>
  Effect.map(Layer.build(Testing.host(network, { host })), (context) => ({
    context,
    does: <A, E>(work: Effect.Effect<A, E, Layer.Success<ReturnType<typeof Testing.host>> | Scope.Scope>) =>
      Effect.provideContext(work, context)
  }))

const makeKey = Effect.flatMap(Keystore, (keystore) => keystore.create(KeyName.make("publisher")))

const contentOf = (bytes: Uint8Array): Content => ({
  read: (offset, length) => Effect.sync(() => bytes.slice(offset, offset + length)),
  write: () => Effect.void
})

/** Signs whatever `lie` makes of an honest release, and seeds bytes that fit its torrent. */
const publishLie = Effect.fnUntraced(function* (
  key: KeyPair,
  lie: (honest: { release: Release.Release; manifest: Uint8Array; tarball: Uint8Array }) => {
    readonly release?: Partial<Release.Release>
    readonly manifest?: Uint8Array
    readonly tarball?: Uint8Array
  }
) {
  const swarm = yield* Swarm
  const honest = { ...(yield* prepare(key, packed())), tarball: packed().tarball }
  const { release: changes, manifest = honest.manifest, tarball = honest.tarball } = lie(honest)
  const bytes = Uint8Array.from([...manifest, ...tarball])
  const pieceLength = Torrent.pieceLengthFor(bytes.length)
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceLength) }, (_, i) => [
    ...sha1(bytes.subarray(i * pieceLength, (i + 1) * pieceLength))
  ])
  const torrent = Torrent.make({
    name: name("a"),
    version: version("1.0.0"),
    manifestLength: manifest.length,
    tarballLength: tarball.length,
    pieces: Uint8Array.from(pieces.flat())
  })
  yield* swarm.seed(torrent, contentOf(bytes))
  const release: Release.Release = {
    ...honest.release,
    s: [manifest.length, tarball.length],
    ih: torrent.infohash,
    p: torrent.pieces,
    ...changes
  }
  return { publisher: key.publicKey, release, flags: 0, evidence: Evidence.none } satisfies Resolve.Resolution
})

describe("FetchRelease", () => {
  const test = (title: string, body: (network: Testing.Network) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(Effect.suspend(() => body(Testing.network()))))

  test("fetches from a seeder after the publisher has gone, and remembers what led to it", (network) =>
    Effect.gen(function* () {
      const seeder = yield* join(network, "10.0.0.2")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const publisher = yield* join(network, "10.0.0.1")
          yield* publisher.does(Effect.flatMap(makeKey, (key) => publishPackage(key, packed())))
          const fetched = yield* seeder.does(
            Effect.flatMap(Resolve.resolveByName(spec), (found) => fetchRelease(found, options))
          )
          const content = yield* Context.get(seeder.context, PackageStore).open(fetched)
          yield* seeder.does(Effect.flatMap(Swarm, (swarm) => swarm.seed(fetched.torrent, content)))
        })
      ).pipe(Effect.andThen(Effect.void))
      const publisherBack = yield* join(network, "10.0.0.4")
      const key = yield* publisherBack.does(makeKey)
      yield* publisherBack.does(publishPackage(key, { ...packed("2.0.0"), name: name("b") }))
      const user = yield* join(network, "10.0.0.3")
      const fetched = yield* user.does(
        Effect.flatMap(Resolve.resolveByName({ name: name("b"), range: range("*") }), (found) =>
          fetchRelease(found, options)
        )
      )
      assert.strictEqual(fetched.manifest.version, "2.0.0")
      const content = yield* Context.get(user.context, PackageStore).open(fetched)
      const tarball = yield* content.read(fetched.torrent.tarball.offset, fetched.torrent.tarball.length)
      assert.deepStrictEqual(tarball, packed().tarball)
      assert.strictEqual((yield* Context.get(user.context, RecordStore).all).length, 2)
    }))

  const lies: ReadonlyArray<readonly [string, Parameters<typeof publishLie>[1], string]> = [
    ["a manifest with another hash", () => ({ release: { m: sha256(text("else")) } }), "InvalidManifest"],
    ["a tarball with another hash", () => ({ release: { h: sha256(text("else")) } }), "InvalidManifest"],
    [
      "a tarball with one flipped byte",
      ({ tarball }) => ({ tarball: tarball.map((byte, i) => (i === 20_000 ? byte ^ 1 : byte)) }),
      "TamperedTarball"
    ],
    [
      "a manifest that is not JSON",
      () => ({ manifest: text("{"), release: { m: sha256(text("{")) } }),
      "InvalidManifest"
    ],
    [
      "a manifest that is not canonical",
      ({ manifest }) => {
        const spaced = text(` ${new TextDecoder().decode(manifest)}`)
        return { manifest: spaced, release: { m: sha256(spaced) } }
      },
      "InvalidManifest"
    ],
    [
      "a manifest of another version",
      ({ manifest }) => {
        const other = text(new TextDecoder().decode(manifest).replace('"version":"1.0.0"', '"version":"1.0.1"'))
        return { manifest: other, release: { m: sha256(other) } }
      },
      "InvalidManifest"
    ],
    [
      "a manifest whose content hash is wrong",
      ({ manifest }) => {
        const other = text(new TextDecoder().decode(manifest).replace('"contentHash":"e3', '"contentHash":"e4'))
        return { manifest: other, release: { m: sha256(other) } }
      },
      "InvalidManifest"
    ],
    [
      "other lengths than the torrent",
      ({ release }) => ({ release: { s: [release.s[0] - 1, release.s[1] + 1], p: undefined as never } }),
      "InvalidManifest"
    ]
  ]
  for (const [title, lie, tag] of lies) {
    test(`refuses ${title}, and keeps nothing of it`, (network) =>
      Effect.gen(function* () {
        const publisher = yield* join(network, "10.0.0.1")
        const user = yield* join(network, "10.0.0.2")
        const key = yield* publisher.does(makeKey)
        const resolution = yield* publisher.does(publishLie(key, lie))
        const error = yield* Effect.flip(user.does(fetchRelease(resolution, options)))
        assert.strictEqual(explain(error)?._tag, tag, explain(error)?.message)
        assert.strictEqual(explain(error)?.exitCode, 4)
        assert.include(explain(error)?.message, "a@1.0.0")
        const store = Context.get(user.context, PackageStore)
        assert.deepStrictEqual(yield* store.list, [])
        assert.isTrue(Option.isNone(yield* store.find(key.publicKey, name("a"), version("1.0.0"))))
      }))
  }

  test("keeps what is staged where it only cannot be read for the moment, and goes on from there", (network) =>
    Effect.gen(function* () {
      const publisher = yield* join(network, "10.0.0.1")
      const user = yield* join(network, "10.0.0.2")
      const key = yield* publisher.does(makeKey)
      const resolution = yield* publisher.does(publishLie(key, () => ({})))
      const store = Context.get(user.context, PackageStore)
      const failing = new StorageFailed({
        location: "a.tgz",
        operation: "open",
        problem: "EMFILE: too many open files"
      })
      const state = { isShort: false, discarded: 0 }
      const short: PackageStore["Service"] = {
        ...store,
        stage: (torrent) =>
          Effect.map(store.stage(torrent), (content) => ({
            ...content,
            read: (offset, length) => (state.isShort ? Effect.fail(failing) : content.read(offset, length))
          })),
        discard: (torrent) => Effect.suspend(() => (state.discarded++, store.discard(torrent)))
      }
      const swarm = Context.get(user.context, Swarm)
      const thenShort: Swarm["Service"] = {
        ...swarm,
        download: (request) => Effect.tap(swarm.download(request), () => Effect.sync(() => (state.isShort = true)))
      }
      const fetch = user.does(
        fetchRelease(resolution, options).pipe(
          Effect.provideService(PackageStore, short),
          Effect.provideService(Swarm, thenShort)
        )
      )
      assert.strictEqual(explain(yield* Effect.flip(fetch))?._tag, "StorageFailed")
      assert.strictEqual(state.discarded, 0)
      assert.deepStrictEqual(yield* Context.get(user.context, Blacklist).all, [])
      state.isShort = false
      const torrent = yield* Torrent.fromRelease(resolution.release)
      assert.isDefined(torrent)
      if (torrent === undefined) return
      const staged = yield* store.stage(torrent)
      const { tarball } = packed()
      const [manifestLength] = resolution.release.s
      assert.deepStrictEqual(yield* staged.read(manifestLength, tarball.length), tarball)
    }).pipe(Effect.scoped))

  const impossible: ReadonlyArray<readonly [string, (release: Release.Release) => Partial<Release.Release>]> = [
    ["more bytes than its piece hashes cover", ({ s }) => ({ s: [s[0], 2 ** 43] })],
    ["fewer bytes than its piece hashes cover", ({ s }) => ({ s: [s[0], 10] })],
    ["piece hashes that give another infohash", ({ p }) => ({ p: p!.map((byte) => byte ^ 1) })]
  ]
  for (const [title, change] of impossible) {
    test(`refuses a release with ${title}, before anybody is asked for a byte`, (network) =>
      Effect.gen(function* () {
        const publisher = yield* join(network, "10.0.0.1")
        const user = yield* join(network, "10.0.0.2")
        const key = yield* publisher.does(makeKey)
        const resolution = yield* publisher.does(publishLie(key, ({ release }) => ({ release: change(release) })))
        const error = yield* Effect.flip(user.does(fetchRelease(resolution, options)))
        assert.strictEqual(explain(error)?._tag, "InvalidTorrent", explain(error)?.message)
      }))
  }

  /** Counts what a host asks its swarm for. */
  const counted = (host: Effect.Success<ReturnType<typeof join>>) => {
    const swarm = Context.get(host.context, Swarm)
    const count = { downloads: 0 }
    const counting: Swarm["Service"] = {
      ...swarm,
      download: (request) => Effect.suspend(() => ((count.downloads += 1), swarm.download(request)))
    }
    return {
      count,
      fetch: (resolution: Resolve.Resolution, more?: Partial<Parameters<typeof fetchRelease>[1]>) =>
        host.does(
          fetchRelease(resolution, { ...options, ...more }).pipe(Effect.provideService(Swarm, counting), Effect.flip)
        )
    }
  }

  test("does not fetch again what was refused, until it is told to or a day has passed", (network) =>
    Effect.gen(function* () {
      const publisher = yield* join(network, "10.0.0.1")
      const user = yield* join(network, "10.0.0.2")
      const key = yield* publisher.does(makeKey)
      const lie = yield* publisher.does(publishLie(key, () => ({ release: { m: sha256(text("else")) } })))
      const { count, fetch } = counted(user)
      const first = explain(yield* fetch(lie))
      assert.strictEqual(first?._tag, "InvalidManifest")
      const second = explain(yield* fetch(lie))
      assert.strictEqual(second?._tag, "Blacklisted")
      assert.strictEqual(second?.exitCode, 4)
      assert.include(second?.message, "a@1.0.0")
      assert.include(second?.message, first?.message)
      assert.match(second?.message ?? "", /until \d{4}-\d\d-\d\dT/)
      assert.include(second?.hint, "--retry-refused")
      assert.strictEqual(count.downloads, 1)
      assert.strictEqual(explain(yield* fetch(lie, { ignoreBlacklist: true }))?._tag, "InvalidManifest")
      assert.strictEqual(count.downloads, 2)
      const blacklist = Context.get(user.context, Blacklist)
      const [entry] = yield* blacklist.all
      assert.closeTo(entry!.until - (yield* Clock.currentTimeMillis), BLACKLIST_TTL_MS, 60_000)
      // As if a day had passed.
      yield* blacklist.add({ ...entry!, until: yield* Clock.currentTimeMillis })
      assert.strictEqual(explain(yield* fetch(lie))?._tag, "InvalidManifest")
    }))

  test("does not refuse an honest release for what another publisher said of its infohash", (network) =>
    Effect.gen(function* () {
      const publisher = yield* join(network, "10.0.0.1")
      const mallory = yield* join(network, "10.0.0.2")
      const user = yield* join(network, "10.0.0.3")
      const honest = yield* publisher.does(Effect.flatMap(makeKey, (key) => publishLie(key, () => ({}))))
      const key = yield* mallory.does(makeKey)
      const lie = { ...honest, publisher: key.publicKey }
      assert.strictEqual(explain(yield* Effect.flip(user.does(fetchRelease(lie, options))))?._tag, "InvalidManifest")
      assert.strictEqual(explain(yield* Effect.flip(user.does(fetchRelease(lie, options))))?._tag, "Blacklisted")
      const fetched = yield* user.does(fetchRelease(honest, options))
      assert.strictEqual(fetched.manifest.version, "1.0.0")
    }))

  test("takes off the list what turns out well when it is tried again", (network) =>
    Effect.gen(function* () {
      const publisher = yield* join(network, "10.0.0.1")
      const user = yield* join(network, "10.0.0.2")
      const key = yield* publisher.does(makeKey)
      const honest = yield* publisher.does(publishLie(key, () => ({})))
      const blacklist = Context.get(user.context, Blacklist)
      const until = (yield* Clock.currentTimeMillis) + 60_000
      yield* blacklist.add({ infohash: honest.release.ih, publisher: key.publicKey, reason: "a broken disk", until })
      assert.strictEqual(explain(yield* Effect.flip(user.does(fetchRelease(honest, options))))?._tag, "Blacklisted")
      yield* user.does(fetchRelease(honest, { ...options, ignoreBlacklist: true }))
      assert.deepStrictEqual(yield* blacklist.all, [])
    }))

  test("does not hold against a release that nobody serves it", (network) =>
    Effect.gen(function* () {
      const user = yield* join(network, "10.0.0.2")
      const gone = yield* join(network, "10.0.0.1")
      const key = yield* gone.does(makeKey)
      const honest = yield* gone.does(Effect.scoped(publishLie(key, () => ({}))))
      const error = yield* Effect.flip(user.does(fetchRelease(honest, { timeout: "1 millis" })))
      assert.strictEqual(explain(error)?._tag, "NoPeers")
      assert.deepStrictEqual(yield* Context.get(user.context, Blacklist).all, [])
    }))

  test("fetches though the list cannot be used", (network) =>
    Effect.gen(function* () {
      const publisher = yield* join(network, "10.0.0.1")
      const user = yield* join(network, "10.0.0.2")
      const key = yield* publisher.does(makeKey)
      const honest = yield* publisher.does(publishLie(key, () => ({})))
      const broken = Effect.fail(new BlacklistError({ location: "blacklist.json", problem: "it is damaged" }))
      const unusable = Blacklist.of({ add: () => broken, find: () => broken, remove: () => broken, all: broken })
      yield* user.does(fetchRelease(honest, options).pipe(Effect.provideService(Blacklist, unusable)))
    }))

  test("keeps the first of two releases that a publisher signed for one version, and trusts neither", (network) =>
    Effect.gen(function* () {
      const publisher = yield* join(network, "10.0.0.1")
      const user = yield* join(network, "10.0.0.2")
      const key = yield* publisher.does(makeKey)
      const honest = yield* publisher.does(publishLie(key, () => ({})))
      const first = yield* user.does(fetchRelease(honest, options))
      const other = yield* publisher.does(publishLie(key, () => ({ release: { h: sha256(text("another tarball")) } })))
      const error = yield* Effect.flip(user.does(fetchRelease(other, options)))
      assert.strictEqual(explain(error)?._tag, "Equivocation", explain(error)?.message)
      const store = Context.get(user.context, PackageStore)
      const kept = Option.getOrThrow(yield* store.find(key.publicKey, name("a"), version("1.0.0")))
      assert.deepStrictEqual(kept.release.h, first.release.h)
    }))

  test("downloads a release once for all who ask for it at the same time", (network) =>
    Effect.gen(function* () {
      const publisher = yield* join(network, "10.0.0.1")
      const user = yield* join(network, "10.0.0.2")
      yield* publisher.does(Effect.flatMap(makeKey, (key) => publishPackage(key, packed())))
      const resolution = yield* user.does(Resolve.resolveByName(spec))
      let downloads = 0
      const swarm = Context.get(user.context, Swarm)
      const counting: Swarm["Service"] = {
        ...swarm,
        download: (request) => Effect.suspend(() => ((downloads += 1), swarm.download(request)))
      }
      const fetched = yield* user.does(
        Effect.forEach([1, 2, 3], () => fetchRelease(resolution, options), { concurrency: "unbounded" }).pipe(
          Effect.provideService(Swarm, counting)
        )
      )
      assert.strictEqual(fetched.length, 3)
      assert.strictEqual(downloads, 1)
    }))
})
