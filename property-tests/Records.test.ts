import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { Ed25519 } from "../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../src/protocol/core/KeyPair.ts"
import * as Version from "../src/protocol/core/Version.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import * as Torrent from "../src/protocol/swarm/Torrent.ts"
import { layer as ed25519 } from "../src/runtime/crypto/NodeEd25519.ts"
import { name } from "../test/protocol/registry/Fixtures.ts"
import { flipBit } from "./RecordArbitraries.ts"
import { runs } from "./Runs.ts"

const backend = Effect.runSync(Effect.provide(Effect.service(Ed25519), ed25519))
const run = <A, E>(effect: Effect.Effect<A, E, Ed25519>) =>
  Effect.runSyncExit(Effect.provideService(effect, Ed25519, backend))
const get = <A, E>(effect: Effect.Effect<A, E, Ed25519>): A =>
  Exit.match(run(effect), { onSuccess: (a) => a, onFailure: (cause) => assert.fail(String(cause)) })

const pairOf = (fill: number) => get(KeyPair.fromSeed(new Uint8Array(32).fill(fill)))
const [pair, other] = [pairOf(9), pairOf(10)]

const holds = (item: Record.Item): boolean => Exit.isSuccess(run(Record.verify(item, "x")))

/** Signed by two keys under two salts; some differ in one field only. */
const genuine: ReadonlyArray<Record.Record> = [pair, other].flatMap((each) =>
  ["x", "y"].flatMap((keyString) =>
    [1, 2, 3].map((seq) =>
      Record.sign(each, { salt: KeyString.saltOf(keyString), seq, value: new Uint8Array(40).fill(seq >> 1) })
    )
  )
)

const FIELDS = ["publicKey", "salt", "seq", "value", "signature"] as const

/** A genuine record with some of its fields taken from others. */
const relabelled = fc
  .tuple(
    fc.constantFrom(...genuine),
    fc.constantFrom(...genuine),
    fc.constantFrom(...genuine),
    fc.subarray([...FIELDS]),
    fc.subarray([...FIELDS])
  )
  .map(([base, second, third, fromSecond, fromThird]): Record.Item => {
    const pick = (from: Record.Record, names: ReadonlyArray<string>) =>
      Object.fromEntries(Object.entries(from).filter(([field]) => names.includes(field)))
    return Object.assign({}, base, pick(second, fromSecond), pick(third, fromThird))
  })

const isSame = (self: Record.Item, that: Record.Item): boolean =>
  self.seq === that.seq &&
  (["publicKey", "salt", "value", "signature"] as const).every(
    (field) => Buffer.compare(self[field], that[field]) === 0
  )

describe("records", () => {
  const envelope = Record.toBytes(genuine[0]!)

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
      runs
    )
  })

  it("any single bit flipped anywhere in the envelope is refused", () => {
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      assert.isTrue(Exit.isFailure(run(Record.fromBytes(flipBit(envelope, bit), "x"))), `bit ${bit}`)
    }
  })

  it("no forged, replayed or relabelled record holds: a mix of the fields of genuine ones is one of them or is refused", () => {
    fc.assert(
      fc.property(relabelled, (item) => {
        assert.strictEqual(
          holds(item),
          genuine.some((each) => isSame(each, item))
        )
      }),
      runs
    )
  })

  it("newer is commutative, associative and idempotent", () => {
    const versions = [1, 2, 2, 3].map((seq, i) =>
      Record.sign(pair, { salt: KeyString.saltOf("x"), seq, value: Uint8Array.of(i) })
    )
    const one = fc.constantFrom(...versions)
    fc.assert(
      fc.property(one, one, one, (a, b, c) => {
        assert.strictEqual(Record.newer(a, b), Record.newer(b, a))
        assert.strictEqual(Record.newer(a, Record.newer(b, c)), Record.newer(Record.newer(a, b), c))
        assert.strictEqual(Record.newer(a, a), a)
      }),
      runs
    )
  })

  it("a higher seq always wins, a lower never does, whatever the order and number of answers", () => {
    const versions = genuine.slice(0, 3)
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...versions), { minLength: 1, maxLength: 20 }), (answers) => {
        const newest = answers.reduce(Record.newer)
        assert.strictEqual(newest.seq, Math.max(...answers.map(({ seq }) => seq)))
        assert.isTrue(holds(newest))
      }),
      runs
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
      }),
      runs
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
      }),
      runs
    )
  })

  it("piece lengths are powers of two within bounds, and keep small torrents within 16 pieces", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Torrent.TORRENT_MAX_BYTES }), (total) => {
        const length = Torrent.pieceLengthFor(total)
        assert.strictEqual(Math.log2(length) % 1, 0)
        assert.isTrue(length >= Torrent.PIECE_LENGTH_MIN && length <= Torrent.PIECE_LENGTH_MAX)
        assert.isTrue(Math.ceil(total / length) <= Torrent.PIECES_INLINE_MAX || length === Torrent.PIECE_LENGTH_MAX)
      }),
      runs
    )
  })
})
