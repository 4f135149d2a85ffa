/** `published/records.json` and `published/name-indices.json`, read as docs/spec/records.md tells a reader to. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import * as PackageName from "../../src/protocol/core/PackageName.ts"
import * as PeerAddress from "../../src/protocol/core/PeerAddress.ts"
import * as Version from "../../src/protocol/core/Version.ts"
import * as KeyString from "../../src/protocol/dht/KeyString.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import * as Announce from "../../src/protocol/registry/Announce.ts"
import * as NameClaim from "../../src/protocol/registry/NameClaim.ts"
import * as NameIndexRecord from "../../src/protocol/registry/NameIndexRecord.ts"
import * as Package from "../../src/protocol/registry/Package.ts"
import * as PackageRecord from "../../src/protocol/registry/PackageRecord.ts"
import * as Release from "../../src/protocol/registry/Release.ts"
import * as Revocation from "../../src/protocol/trust/Revocation.ts"
import { BACKENDS, holding, load, type NameIndicesFile, type RecordCase, type RecordsFile } from "./PublishedFiles.ts"
import { fromHex } from "./Vectors.ts"

const records = load<RecordsFile>("records.json")
const nameIndices = load<NameIndicesFile>("name-indices.json")

/** Why a record is refused. */
class Refused {
  readonly _tag = "Refused"
  readonly problem: string
  constructor(problem: string) {
    this.problem = problem
  }
}

const refuse = (problem: string) => Effect.fail(new Refused(problem))

const required = <A>(decoded: Result.Result<A, string>) =>
  Effect.fromResult(decoded).pipe(Effect.mapError((problem) => new Refused(problem)))

/** A decoded value as the file shows it. */
const viewOf = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Hex.encode(value)
  if (Array.isArray(value)) {
    const isPeers = value.length > 0 && value.every((each) => each instanceof PeerAddress.PeerAddress)
    return isPeers ? value.map((each) => Hex.encode(PeerAddress.toCompact(each))).join("") : value.map(viewOf)
  }
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, viewOf(inner)]))
}

const encodeAnnounce = Schema.encodeSync(Announce.codec)

/** A record, what it says as the file shows it, and its value encoded anew. */
interface Opened {
  readonly record: Record.Record
  readonly says: Partial<RecordCase>
  readonly encoded: Uint8Array
}

const openRelease = Effect.fnUntraced(function* (record: Record.Record, keyString: string) {
  const value = yield* required(Release.decode(record.value))
  if (KeyString.release(value.n, value.v) !== keyString) return yield* refuse("it speaks of another release")
  if (record.seq !== Release.RELEASE_SEQ) return yield* refuse("it was written again")
  return { record, says: { value: viewOf(value) }, encoded: Release.encode(value) } satisfies Opened
})

const openPackage = Effect.fnUntraced(function* (record: Record.Record, { keyString, pages }: RecordCase) {
  const value = yield* required(Package.decode(record.value))
  if (KeyString.packageOf(value.n) !== keyString) return yield* refuse("it speaks of another package")
  const versions = yield* Package.versions(value)
  const list = pages === undefined ? {} : { versions }
  const root = Package.rootOf(value)
  const made =
    root === undefined
      ? PackageRecord.whole(value, versions)
      : PackageRecord.cut(value, versions, { c: value.c, r: root, pages: [] })
  return { record, says: { value: viewOf(value), ...list }, encoded: made!.value } satisfies Opened
})

const openAnnounce = Effect.fnUntraced(function* (record: Record.Record, { pages }: RecordCase) {
  const value = yield* required(Announce.decode(record.value))
  const packages = (yield* Stream.runCollect(Announce.packages(value))).map(
    ({ name, version }) => [name, version] as const
  )
  const made = yield* Announce.make(packages, value.t)
  assert.deepStrictEqual(encodeAnnounce(value), made.value)
  return {
    record,
    says: { value: viewOf(value), ...(pages === undefined ? {} : { packages }) },
    encoded: made.value
  } satisfies Opened
})

const openRevocation = Effect.fnUntraced(function* (record: Record.Record) {
  const revoked = Option.getOrUndefined(Revocation.fromRecord(record))
  if (revoked === undefined) return yield* refuse("it revokes nothing")
  const { reason, successor, timestamp } = revoked
  const revokes = { reason, timestamp, successor: successor === undefined ? null : Hex.encode(successor) }
  return { record, says: { revokes }, encoded: record.value } satisfies Opened
})

const openNameIndex = Effect.fnUntraced(function* (record: Record.Record, { keyString, made, pages }: RecordCase) {
  const name = PackageName.PackageName.make(keyString.slice("libreseed:name-index:".length))
  const { claims } = yield* NameIndexRecord.contents(record.value)
  const valid = yield* NameClaim.verifyAll(name, claims)
  const written = NameIndexRecord.make(valid)
  if (made === true)
    assert.deepStrictEqual(
      written.pages.map((page) => Hex.encode(page)),
      pages ?? []
    )
  return {
    record,
    says: { claims: NameClaim.toSorted(valid).map((claim) => Hex.encode(NameClaim.encode(claim))) },
    encoded: made === true ? written.value : record.value
  } satisfies Opened
})

/** What a reader does who asked for `keyString` under `publicKey`. */
const open = Effect.fnUntraced(function* (wanted: RecordCase) {
  const record = yield* Record.fromBytes(fromHex(wanted.envelope), wanted.keyString)
  if (Hex.encode(record.publicKey) !== wanted.publicKey) return yield* refuse("it is by another key")
  if (Hex.encode(record.salt) !== Hex.encode(KeyString.saltOf(wanted.keyString))) {
    return yield* refuse("it is at another salt")
  }
  switch (wanted.kind) {
    case "release":
      return yield* openRelease(record, wanted.keyString)
    case "package":
      return yield* openPackage(record, wanted)
    case "announce":
      return yield* openAnnounce(record, wanted)
    case "revocation":
      return yield* openRevocation(record)
    case "nameIndex":
      return yield* openNameIndex(record, wanted)
  }
})

for (const [backend, ed25519] of BACKENDS) {
  describe(`published records, signatures by ${backend}`, () => {
    for (const each of [...records.cases, ...nameIndices.cases]) {
      const opened = open(each).pipe(Effect.provide([holding(each.pages ?? []), ed25519]))
      const title = `${each.kind}: ${each.name}`
      if (!each.valid) {
        it.effect(`refuses ${title}`, () =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(opened)
            assert.include(["InvalidRecord", "Refused"], error._tag)
          })
        )
        continue
      }
      it.effect(`takes ${title}`, () =>
        Effect.gen(function* () {
          const { encoded, record, says } = yield* opened
          const { envelope, kind: _, made: _made, name: _name, pages: _pages, valid: _valid, ...expected } = each
          assert.deepStrictEqual(
            {
              keyString: each.keyString,
              publicKey: Hex.encode(record.publicKey),
              seq: record.seq,
              target: Hex.encode(Record.targetOf(record.publicKey, record.salt)),
              ...says
            },
            expected
          )
          assert.deepStrictEqual(encoded, record.value)
          assert.strictEqual(Hex.encode(Record.toBytes(record)), envelope)
        })
      )
    }

    it.effect("signs the publisher's records as they are signed", () =>
      Effect.gen(function* () {
        const publisher = yield* KeyPair.fromSeed(fromHex(records.keys["publisher"]!.seed))
        assert.strictEqual(Hex.encode(publisher.publicKey), records.keys["publisher"]!.publicKey)
        for (const each of records.cases.filter(({ valid }) => valid)) {
          const { salt, seq, value } = yield* Record.fromBytes(fromHex(each.envelope), each.name)
          const record = Record.sign(publisher, { salt, seq, value })
          assert.strictEqual(Hex.encode(Record.toBytes(record)), each.envelope)
        }
      }).pipe(Effect.provide(ed25519))
    )
  })
}

describe("published names and key strings", () => {
  it("takes and refuses names of packages", () => {
    for (const { text, valid } of records.names)
      assert.strictEqual(PackageName.problem(text) === undefined, valid, text)
  })

  it("takes and refuses versions", () => {
    for (const { text, valid } of records.versions) assert.strictEqual(Version.isVersion(text), valid, text)
  })

  for (const { keyString, name, nameKey, salt, topic } of records.keyStrings) {
    it.effect(`derives salt, topic and name key: ${name}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(Hex.encode(KeyString.saltOf(keyString)), salt)
        if (topic !== undefined) assert.strictEqual(Hex.encode(KeyString.topicOf(keyString)), topic)
        if (nameKey === undefined) return
        assert.strictEqual(Hex.encode((yield* KeyString.nameKeyOf(keyString)).publicKey), nameKey)
      }).pipe(Effect.provide(BACKENDS[0][1]))
    )
  }
})

describe("published pairs of records", () => {
  const verified = (envelope: string) =>
    Record.fromBytes(fromHex(envelope), "a published pair").pipe(Effect.provide(BACKENDS[1][1]))

  for (const { name, newer, older } of records.order) {
    it.effect(`newer is ${name}`, () =>
      Effect.gen(function* () {
        const [first, second] = [yield* verified(older), yield* verified(newer)]
        assert.strictEqual(Record.newer(first, second), second)
        assert.strictEqual(Record.newer(second, first), second)
      })
    )
  }

  const releaseIn = (record: Record.Record): Release.Inlined =>
    Result.getOrElse(Release.decode(record.value), () => Result.getOrThrow(Package.decode(record.value)).l)

  for (const { equivocates, name, records: pair } of records.equivocations) {
    it.effect(`${equivocates ? "equivocates" : "does not equivocate"}: ${name}`, () =>
      Effect.gen(function* () {
        const [first, second] = yield* Effect.forEach(pair, verified)
        assert.strictEqual(Release.sameContent(releaseIn(first!), releaseIn(second!)), !equivocates)
      })
    )
  }
})
