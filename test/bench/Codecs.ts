/** What reading and writing costs beside the signatures: records a second, and microseconds for what every look-up does. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Ed25519, SIGNATURE_BYTES } from "../../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import type { PublicKey } from "../../src/protocol/core/PublicKey.ts"
import * as VerifiedSignatures from "../../src/protocol/core/VerifiedSignatures.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import * as NameClaim from "../../src/protocol/registry/NameClaim.ts"
import * as Release from "../../src/protocol/registry/Release.ts"
import { layer as nodeEd25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as Fixtures from "../protocol/registry/Fixtures.ts"
import { median, round } from "./Measure.ts"

const ROUNDS = 15

/** Calls that warm the compiler up before any are counted. */
const WARM_UP = 5_000

/** Microseconds of one call: the median of some rounds of `repeat` calls. */
export const microseconds = (work: (i: number) => unknown, repeat = 2_000): number => {
  for (let i = 0; i < Math.min(WARM_UP, repeat); i++) work(i)
  const taken = Array.from({ length: ROUNDS }, () => {
    const started = performance.now()
    for (let i = 0; i < repeat; i++) work(i)
    return ((performance.now() - started) / repeat) * 1000
  })
  return median(taken)
}

const perSecond = (us: number): number => Math.round(1e6 / us)

/** Encoded and decoded release records a second, directly and through the Effect schema. */
export const releases = () => {
  const release = Fixtures.release("left-pad", "1.2.3")
  const bytes = Release.encode(release)
  const encode = Schema.encodeSync(Release.codec)
  const decode = Schema.decodeUnknownSync(Release.codec)
  return {
    encodePerSecond: perSecond(microseconds(() => Release.encode(release))),
    decodePerSecond: perSecond(microseconds(() => Result.getOrThrow(Release.decode(bytes)))),
    schemaEncodePerSecond: perSecond(microseconds(() => encode(release))),
    schemaDecodePerSecond: perSecond(microseconds(() => decode(bytes)))
  }
}

const VALUE_BYTES = 900

/** Microseconds of a record's envelope, and of a signature check that is remembered. */
export const envelopes = async () => {
  const context = await Effect.runPromise(
    Effect.scoped(Layer.build(VerifiedSignatures.layer.pipe(Layer.provide(nodeEd25519))))
  )
  const run = <A, E>(effect: Effect.Effect<A, E, Ed25519>) => Effect.runSync(Effect.provideContext(effect, context))
  const { verify } = run(Effect.service(Ed25519))
  const pair = run(KeyPair.fromSeed(new Uint8Array(32).fill(5)))
  const salt = KeyString.saltOf("libreseed:package:bench")
  const record = Record.sign(pair, { salt, seq: 1, value: new Uint8Array(VALUE_BYTES).fill(7) })
  const message = Record.signedBytes(salt, 1, record.value)
  const bytes = Record.toBytes(record)
  return {
    cacheHitUs: round(microseconds(() => verify(record.signature, message, record.publicKey))),
    signedBytesUs: round(microseconds(() => Record.signedBytes(salt, 1, record.value))),
    verifyWarmUs: round(microseconds(() => run(Record.verify(record, "bench")))),
    toBytesUs: round(microseconds(() => Record.toBytes(record))),
    fromBytesWarmUs: round(microseconds(() => run(Record.fromBytes(bytes, "bench")))),
    targetUs: round(microseconds(() => Record.targetOf(record.publicKey, salt))),
    saltUs: round(microseconds(() => KeyString.saltOf("libreseed:package:bench")))
  }
}

const CLAIMS = 10_000

/** As many claims with other publishers as their first bytes can tell apart; their signatures are not looked at. */
const claims = (t: (i: number) => number): ReadonlyArray<NameClaim.NameClaim> =>
  Array.from({ length: CLAIMS }, (_, i) => {
    const k = new Uint8Array(32).fill(7)
    new DataView(k.buffer).setUint32(0, i * 65_537)
    const s = new Uint8Array(SIGNATURE_BYTES).fill(i & 0xff)
    return { k: k as PublicKey, lv: Fixtures.version("1.0.0"), fs: 0, t: t(i), s }
  })

/** Milliseconds of joining two sets of 10,000 claims that differ in half of them, without their signatures. */
export const merges = () => {
  const [ours, theirs] = [claims(() => 5), claims((i) => 5 + (i % 2))]
  const [self, that] = [NameClaim.fromClaims(ours), NameClaim.fromClaims(theirs)]
  const ms = (work: () => unknown) => round(microseconds(work, 3) / 1000)
  return {
    mergeMs: ms(() => NameClaim.merge(self, that)),
    fromClaimsMs: ms(() => NameClaim.fromClaims(ours)),
    toSortedMs: ms(() => NameClaim.toSorted(self)),
    encodeMs: ms(() => ours.map(NameClaim.encode))
  }
}

export const codecs = async () => ({ release: releases(), envelope: await envelopes(), claims: merges() })
