/** `ls-cli trust list|add|remove|pin|unpin`: what the user decided about publishers. No network is needed. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Instant from "../../protocol/core/Instant.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type { Record } from "../../protocol/dht/Record.ts"
import * as Package from "../../protocol/registry/Package.ts"
import { type Proof, Proofs } from "../../protocol/registry/Proofs.ts"
import type { Revoked } from "../../protocol/registry/PublisherTrust.ts"
import * as Release from "../../protocol/registry/Release.ts"
import { NOTE_MAX_CHARS, parseNote, type TrustedKey } from "../../protocol/trust/Book.ts"
import * as Pins from "../../protocol/trust/Pins.ts"
import * as Revocation from "../../protocol/trust/Revocation.ts"
import * as TrustedKeys from "../../protocol/trust/TrustedKeys.ts"
import { quoted } from "../../runtime/archive/Printable.ts"
import * as OfflineNode from "../../runtime/OfflineNode.ts"
import * as FileProofs from "../../runtime/store/FileProofs.ts"
import * as FileRecordStore from "../../runtime/store/FileRecordStore.ts"
import * as FileTrustBook from "../../runtime/store/FileTrustBook.ts"
import * as Home from "../../runtime/store/Home.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import { nameOf } from "./Select.ts"

/** A key in any of its three spellings; `argument` is what the user typed it as. */
export const keyOf = (text: string, argument = quoted(text)): Effect.Effect<PublicKey.PublicKey, InvalidArgument> =>
  Effect.fromOption(PublicKey.parse(text)).pipe(
    Effect.mapError(
      () =>
        new InvalidArgument({
          argument,
          problem: "is not a public key",
          hint: "Give the key in base64, in hex or as key_…; ls-cli query <name> shows who publishes a name."
        })
    )
  )

const noteOf = (text: string) =>
  Effect.fromOption(parseNote(text)).pipe(
    Effect.mapError(
      () =>
        new InvalidArgument({
          argument: "--note",
          problem: "cannot be kept",
          hint: `Give one line of 1 to ${NOTE_MAX_CHARS} characters.`
        })
    )
  )

const stores = Layer.mergeAll(FileTrustBook.layer, FileRecordStore.layer, FileProofs.layer)

const offline = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Session, ({ home }) =>
    Effect.provide(work, stores.pipe(Layer.provide(Home.layer(home)), Layer.provideMerge(OfflineNode.platform)))
  )

/** A revocation that cannot be read has no date. */
const dayOf = (timestamp: number): string => (timestamp === 0 ? "a day that it does not tell" : Instant.day(timestamp))

const decodeRelease = Schema.decodeUnknownOption(Release.codec)
const decodePackage = Schema.decodeUnknownOption(Package.codec)

/** The infohash that a record of a proof names: a release's own, or that of the release that a package inlines. */
const infohashOf = ({ value }: Record): string =>
  Option.match(
    Option.orElse(decodeRelease(value), () => Option.map(decodePackage(value), ({ l }) => l)),
    { onNone: () => "", onSome: ({ ih }) => Hex.encode(ih) }
  )

const trustedDocument = ({ note, publisher, since }: TrustedKey) => ({
  publisher: PublicKey.toBase64(publisher),
  since,
  note: note ?? null
})

/** The stable JSON keys of a revocation, here and in `revoke`. */
export const revokedDocument = ({ publisher, reason, successor, timestamp }: Revoked) => ({
  publisher: PublicKey.toBase64(publisher),
  reason,
  timestamp,
  successor: successor === undefined ? null : PublicKey.toBase64(successor)
})

const proofDocument = ({ foundAt, name, publisher, records, version }: Proof) => ({
  publisher: PublicKey.toBase64(publisher),
  name,
  version,
  foundAt,
  infohashes: records.map(infohashOf)
})

const proofLines = ({ foundAt, infohashes, name, publisher, version }: ReturnType<typeof proofDocument>) => {
  const found = `  ${name}@${version} by ${publisher}, found on ${Instant.day(foundAt)}`
  return [found, ...infohashes.map((infohash) => `    infohash ${infohash}`)]
}

const section = (title: string, rows: ReadonlyArray<string>): ReadonlyArray<string> => [
  `${title}: ${rows.length === 0 ? "none" : ""}`.trim(),
  ...rows
]

export const list = Effect.gen(function* () {
  const output = yield* Output
  const { pins, proofs, revoked, trusted } = yield* offline(
    Effect.gen(function* () {
      return {
        pins: yield* Pins.list,
        trusted: yield* TrustedKeys.list,
        revoked: yield* Revocation.remembered,
        proofs: yield* Effect.flatMap(Proofs, (store) => store.all)
      }
    })
  )
  const document = {
    pins: pins.map(({ name, publisher, since }) => ({ name, publisher: PublicKey.toBase64(publisher), since })),
    trusted: trusted.map(trustedDocument),
    revoked: revoked.map(revokedDocument),
    proofs: proofs.map(proofDocument)
  }
  const width = Math.max(0, ...document.pins.map(({ name }) => name.length))
  yield* output.result(document, [
    ...section(
      "Pinned names",
      document.pins.map(
        ({ name, publisher, since }) => `  ${name.padEnd(width)}  ${publisher}  since ${Instant.day(since)}`
      )
    ),
    ...section(
      "Trusted keys",
      document.trusted.map(
        ({ note, publisher, since }) => `  ${publisher}  since ${Instant.day(since)}${note === null ? "" : `  ${note}`}`
      )
    ),
    ...section(
      "Revoked keys that this host has seen",
      document.revoked.flatMap(({ publisher, reason, successor, timestamp }) => [
        `  ${publisher}  on ${dayOf(timestamp)}: ${reason}`,
        ...(successor === null
          ? []
          : [`    names ${successor} as its successor; ask its owner, for a thief of the key can name anybody`])
      ])
    ),
    ...section("Proofs that a publisher signed two releases of one version", document.proofs.flatMap(proofLines))
  ])
})

/** A pinned or trusted key is refused all the same once it is revoked; better to say so here than at the next install. */
const warnOfRevoked = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey) {
  const output = yield* Output
  const revoked = yield* Effect.orElseSucceed(Revocation.recall(publisher), () => Option.none<Revoked>())
  if (Option.isSome(revoked)) {
    yield* output.note(`This key is revoked (${revoked.value.reason}): what it signed is refused whatever you decide.`)
  }
})

export const add = Effect.fnUntraced(function* (keyText: string, noteText: Option.Option<string>) {
  const output = yield* Output
  const publisher = yield* keyOf(keyText)
  const note = Option.isSome(noteText) ? yield* noteOf(noteText.value) : undefined
  const entry = yield* offline(Effect.tap(TrustedKeys.add(publisher, note), () => warnOfRevoked(publisher)))
  const document = trustedDocument(entry)
  yield* output.result(document, [`${document.publisher} is trusted`])
})

export const remove = Effect.fnUntraced(function* (keyText: string) {
  const output = yield* Output
  const publisher = yield* keyOf(keyText)
  const removed = Option.isSome(yield* offline(TrustedKeys.remove(publisher)))
  const text = PublicKey.toBase64(publisher)
  yield* output.result({ publisher: text, removed }, [
    removed ? `${text} is no longer trusted` : `${text} was not trusted; nothing changed`
  ])
})

export const pin = Effect.fnUntraced(function* (nameText: string, keyText: string) {
  const output = yield* Output
  const name = yield* nameOf(nameText)
  const publisher = yield* keyOf(keyText)
  const { pin, replaced } = yield* offline(Effect.tap(Pins.pin(name, publisher), () => warnOfRevoked(publisher)))
  const text = PublicKey.toBase64(publisher)
  const before = Option.match(replaced, { onNone: () => null, onSome: (old) => PublicKey.toBase64(old.publisher) })
  yield* output.result({ name, publisher: text, since: pin.since, replaced: before }, [
    `${name} is pinned to ${text}${before === null ? "" : `, and no longer to ${before}`}`
  ])
})

export const unpin = Effect.fnUntraced(function* (nameText: string) {
  const output = yield* Output
  const name = yield* nameOf(nameText)
  const removed = yield* offline(Pins.unpin(name))
  const publisher = Option.match(removed, { onNone: () => null, onSome: (old) => PublicKey.toBase64(old.publisher) })
  yield* output.result({ name, publisher, removed: publisher !== null }, [
    publisher === null
      ? `${name} was not pinned; nothing changed`
      : `${name} is no longer pinned to ${publisher}; the next install pins it anew`
  ])
})
