/**
 * What a user decided about publishers, as one value: the names pinned to a publisher and the keys
 * that are trusted; and, of every key that this host saw revoked, what was said when it first did.
 * Nobody's records change what stands here; only the operations of `Pins` and `TrustedKeys` do, and
 * `Revocation` adds to it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Pin, Revoked } from "../registry/PublisherTrust.ts"

/** Pins in a book: every package that a large organisation ever installed. */
export const PINS_MAX = 100_000

/** Trusted keys in a book. */
export const TRUSTED_MAX = 10_000

/** Revoked keys in a book: later ones are refused as they are met, but not noted here. */
export const REVOKED_MAX = 10_000

/** UTF-16 units of a note. */
export const NOTE_MAX_CHARS = 200

/** What the user wrote beside a trusted key: one line that a terminal shows as it is. */
export const Note = Schema.String.check(
  Schema.makeFilter(
    (text: string) =>
      (text.length > 0 && text.length <= NOTE_MAX_CHARS && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)) ||
      `one line of 1 to ${NOTE_MAX_CHARS} characters`
  )
).pipe(Schema.brand("Note"))

export type Note = typeof Note.Type

/** `None` where the text is empty, too long, or more than a line. */
export const parseNote: (text: string) => Option.Option<Note> = Schema.decodeOption(Note)

/** A key whose packages are acceptable under any name, to the policy `userTrust`. `since` is in Unix ms. */
export interface TrustedKey {
  readonly publisher: PublicKey.PublicKey
  readonly since: number
  readonly note?: Note
}

/** A key that this host saw revoked at `since` (Unix ms), with what was said then. It never changes, and nothing removes it. */
export interface Tombstone extends Revoked {
  readonly since: number
}

/** Trusted and revoked keys stand under their hex spelling. */
export interface Book {
  readonly pins: ReadonlyMap<PackageName, Pin>
  readonly trusted: ReadonlyMap<string, TrustedKey>
  readonly revoked: ReadonlyMap<string, Tombstone>
}

export const empty: Book = { pins: new Map(), trusted: new Map(), revoked: new Map() }

/** Read in any of its three spellings, since people edit the file too; written in base64. */
const KeyText = Schema.String.pipe(
  Schema.decodeTo(
    Schema.toType(PublicKey.PublicKey),
    SchemaTransformation.transformEffect<PublicKey.PublicKey, string>({
      decode: (text) =>
        Option.match(PublicKey.parse(text), {
          onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ expected: "a public key" })),
          onSome: Effect.succeed
        }),
      encode: (key) => Effect.succeed(PublicKey.toBase64(key))
    })
  )
)

const Written = Schema.Struct({
  pins: Schema.Array(Schema.Struct({ name: PackageName, publisher: KeyText, since: Schema.Natural })).check(
    Schema.isMaxLength(PINS_MAX)
  ),
  trusted: Schema.Array(
    Schema.Struct({ publisher: KeyText, since: Schema.Natural, note: Schema.optionalKey(Note) })
  ).check(Schema.isMaxLength(TRUSTED_MAX)),
  /** Absent from the books of those who never saw a revocation. */
  revoked: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        publisher: KeyText,
        reason: Schema.String,
        timestamp: Schema.Natural,
        successor: Schema.optionalKey(KeyText),
        since: Schema.Natural
      })
    ).check(Schema.isMaxLength(REVOKED_MAX))
  )
})

const isBook = (value: unknown): value is Book =>
  typeof value === "object" && value !== null && "pins" in value && value.pins instanceof Map

/**
 * JSON ↔ book: `{"pins":[{"name","publisher","since"}],"trusted":[{"publisher","since","note"?}],
 * "revoked"?:[{"publisher","reason","timestamp","successor"?,"since"}]}`. A name or
 * key that stands there twice is refused: there is no telling which of the two was meant.
 */
export const codec: Schema.Codec<Book, unknown> = Written.pipe(
  Schema.decodeTo(
    Schema.declare(isBook),
    SchemaTransformation.transformEffect<Book, typeof Written.Type>({
      decode: (written) => {
        const pins = new Map(written.pins.map(({ name, ...pin }) => [name, pin]))
        const trusted = new Map(written.trusted.map((key) => [PublicKey.toHex(key.publisher), key]))
        const tombstones = written.revoked ?? []
        const revoked = new Map(
          tombstones.map((each) => [PublicKey.toHex(each.publisher), { ...each, successor: each.successor }])
        )
        return pins.size === written.pins.length &&
          trusted.size === written.trusted.length &&
          revoked.size === tombstones.length
          ? Effect.succeed({ pins, trusted, revoked })
          : Effect.fail(new SchemaIssue.InvalidValue({ expected: "every name and every key once" }))
      },
      encode: ({ pins, revoked, trusted }) =>
        Effect.succeed({
          pins: [...pins].map(([name, { publisher, since }]) => ({ name, publisher, since })),
          trusted: [...trusted.values()],
          ...(revoked.size === 0
            ? {}
            : {
                revoked: [...revoked.values()].map(({ publisher, reason, since, successor, timestamp }) =>
                  successor === undefined
                    ? { publisher, reason, timestamp, since }
                    : { publisher, reason, timestamp, successor, since }
                )
              })
        })
    })
  )
)
