import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { Ed25519 } from "../src/protocol/core/Ed25519.ts"
import type { Infohash } from "../src/protocol/core/Infohash.ts"
import * as KeyPair from "../src/protocol/core/KeyPair.ts"
import * as PeerAddress from "../src/protocol/core/PeerAddress.ts"
import * as Version from "../src/protocol/core/Version.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import * as Package from "../src/protocol/registry/Package.ts"
import * as Release from "../src/protocol/registry/Release.ts"
import * as Torrent from "../src/protocol/swarm/Torrent.ts"
import { layer as ed25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import { name } from "../test/protocol/registry/Fixtures.ts"

const run = <A, E>(effect: Effect.Effect<A, E, Ed25519>) => Effect.runSyncExit(Effect.provide(effect, ed25519))
const get = <A, E>(effect: Effect.Effect<A, E, Ed25519>): A =>
  Exit.match(run(effect), { onSuccess: (a) => a, onFailure: (cause) => assert.fail(String(cause)) })

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const time = fc.integer({ min: 0, max: 2 ** 48 })

const release: fc.Arbitrary<Release.Release> = fc
  .record({
    n: fc.constantFrom("a", "left-pad", "@scope/name").map(name),
    v: fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((parts) => Version.Version.make(parts.join("."))),
    m: bytes(32),
    h: bytes(32),
    ih: bytes(20).map((each) => each as Infohash),
    s: fc.tuple(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 500_000_000 })),
    t: time,
    p: fc.option(
      fc.integer({ min: 1, max: 16 }).chain((pieces) => bytes(20 * pieces)),
      { nil: undefined }
    ),
    x: fc.option(
      fc.array(
        fc
          .record({ host: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) })
          .map((each) => new PeerAddress.PeerAddress(each)),
        { minLength: 1, maxLength: 4 }
      ),
      { nil: undefined }
    )
  })
  .map(({ p, x, ...rest }) => Object.assign(rest, p === undefined ? {} : { p }, x === undefined ? {} : { x }))

const encodeRelease = Schema.encodeSync(Release.codec)
const decodeRelease = Schema.decodeUnknownExit(Release.codec)

describe("records", () => {
  const pair = get(KeyPair.fromSeed(new Uint8Array(32).fill(9)))
  const record = Record.sign(pair, { salt: KeyString.saltOf("x"), seq: 5, value: new Uint8Array(60).fill(65) })
  const envelope = Record.toBytes(record)

  it("envelope round trip", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: Record.VALUE_MAX_BYTES }),
        fc.maxSafeNat(),
        fc.string(),
        (value, seq, key) => {
          const signed = Record.sign(pair, { salt: KeyString.saltOf(key), seq, value })
          assert.deepStrictEqual(get(Record.fromBytes(Record.toBytes(signed), "x")), signed)
        }
      ),
      { numRuns: 50 }
    )
  })

  it("any single bit flipped anywhere in the envelope is refused", () => {
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      const flipped = envelope.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
      assert.isTrue(Exit.isFailure(run(Record.fromBytes(flipped, "x"))), `bit ${bit}`)
    }
  })

  it("a signature holds under no other key, salt, seq or value", () => {
    const other = get(KeyPair.fromSeed(new Uint8Array(32).fill(10)))
    const changes: ReadonlyArray<Partial<Record.Item>> = [
      { publicKey: other.publicKey },
      { salt: KeyString.saltOf("y") },
      { salt: new Uint8Array() },
      { seq: 6 },
      { value: new Uint8Array(61).fill(65) },
      { signature: other.sign(Record.signedBytes(record.salt, record.seq, record.value)) }
    ]
    for (const change of changes) assert.isTrue(Exit.isFailure(run(Record.verify({ ...record, ...change }, "x"))))
  })

  it("newer is commutative, associative and idempotent", () => {
    const records = [1, 2, 2, 3].map((seq, i) =>
      Record.sign(pair, { salt: KeyString.saltOf("x"), seq, value: new Uint8Array([i]) })
    )
    const one = fc.constantFrom(...records)
    fc.assert(
      fc.property(one, one, one, (a, b, c) => {
        assert.strictEqual(Record.newer(a, b), Record.newer(b, a))
        assert.strictEqual(Record.newer(a, Record.newer(b, c)), Record.newer(Record.newer(a, b), c))
        assert.strictEqual(Record.newer(a, a), a)
      })
    )
  })
})

describe("release records", () => {
  it("round trip", () => {
    fc.assert(
      fc.property(release, (value) => {
        const decoded = decodeRelease(encodeRelease(value))
        assert.isTrue(Exit.isSuccess(decoded))
        if (Exit.isSuccess(decoded)) assert.deepStrictEqual(encodeRelease(decoded.value), encodeRelease(value))
      })
    )
  })

  it("a changed byte decodes to another release or to none, never to the same", () => {
    fc.assert(
      fc.property(release, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, flip) => {
        const encoded = encodeRelease(value)
        const changed = encoded.map((byte, i) => (i === at % encoded.length ? byte ^ flip : byte))
        const decoded = decodeRelease(changed)
        if (Exit.isSuccess(decoded)) assert.deepStrictEqual(encodeRelease(decoded.value), changed)
      })
    )
  })
})

describe("package records", () => {
  const versions = fc.uniqueArray(
    fc
      .tuple(fc.nat(5), fc.nat(5), fc.nat(5), fc.constantFrom("", "-rc.1"))
      .map(([a, b, c, pre]) => `${a}.${b}.${c}${pre}`),
    { minLength: 1, maxLength: 12 }
  )
  const packageOf = (texts: ReadonlyArray<string>, template: Release.Release) =>
    texts.reduce<Package.Package | undefined>(
      (pkg, text) => Package.add(pkg, { ...template, v: Version.Version.make(text) }, 1),
      undefined
    )!

  it("do not depend on the order in which versions were published", () => {
    fc.assert(
      fc.property(
        versions.chain((each) => fc.tuple(fc.constant(each), fc.shuffledSubarray(each, { minLength: each.length }))),
        release,
        ([each, shuffled], template) =>
          assert.deepStrictEqual(
            Package.toBytes(packageOf(shuffled, template)),
            Package.toBytes(packageOf(each, template))
          )
      )
    )
  })

  it("adding what is there changes nothing", () => {
    fc.assert(
      fc.property(versions, release, (each, template) => {
        const pkg = packageOf(each, template)
        for (const text of each) {
          const again = Package.add(pkg, { ...template, v: Version.Version.make(text) }, 1)
          assert.deepStrictEqual(Package.toBytes(again), Package.toBytes(pkg))
        }
      })
    )
  })

  it("always fit into a record", () => {
    fc.assert(
      fc.property(release, fc.integer({ min: 1, max: 400 }), (template, count) => {
        const pkg: Package.Package = {
          ...packageOf(["1.0.0"], template),
          vs: Array.from(
            { length: count },
            (_, i) => [Version.Version.make(`1.${i}.0-${"x".repeat(i % 40)}a`), 0] as const
          ),
          c: count
        }
        assert.isAtMost(Package.toBytes(pkg).length, Record.VALUE_MAX_BYTES)
      }),
      { numRuns: 50 }
    )
  })
})

describe("torrents", () => {
  const shape = fc
    .tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 40_000_000 }))
    .map(([manifestLength, tarballLength]) => {
      const total = manifestLength + tarballLength
      const pieces = new Uint8Array(20 * Math.ceil(total / Torrent.pieceLengthFor(total))).fill(7)
      return {
        name: name("@scope/name"),
        version: Version.Version.make("1.2.3-rc.1+b"),
        manifestLength,
        tarballLength,
        pieces
      }
    })

  it("info dictionary round trip", () => {
    fc.assert(
      fc.property(shape, (each) => {
        const torrent = Torrent.make(each)
        assert.deepStrictEqual(get(Torrent.fromInfo(torrent.info, "")), torrent)
      })
    )
  })

  it("a changed byte gives another infohash or is refused", () => {
    const torrent = Torrent.make({
      name: name("a"),
      version: Version.Version.make("1.0.0"),
      manifestLength: 100,
      tarballLength: 900,
      pieces: new Uint8Array(20)
    })
    fc.assert(
      fc.property(fc.nat(torrent.info.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = torrent.info.map((byte, i) => (i === at ? byte ^ flip : byte))
        const decoded = run(Torrent.fromInfo(changed, ""))
        if (Exit.isSuccess(decoded)) assert.notDeepEqual(decoded.value.infohash, torrent.infohash)
      })
    )
  })

  it("piece lengths are powers of two within bounds, and keep small torrents within 16 pieces", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Torrent.TORRENT_MAX_BYTES }), (total) => {
        const length = Torrent.pieceLengthFor(total)
        assert.strictEqual(Math.log2(length) % 1, 0)
        assert.isTrue(length >= Torrent.PIECE_LENGTH_MIN && length <= Torrent.PIECE_LENGTH_MAX)
        assert.isTrue(Math.ceil(total / length) <= Torrent.PIECES_INLINE_MAX || length === Torrent.PIECE_LENGTH_MAX)
      })
    )
  })
})
