/**
 * Keys by name. A keystore makes, keeps and lists key pairs; it never gives a secret away, only
 * {@link KeyPair}s that sign.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as StorageHint from "./StorageHint.ts"
import { ExitCode } from "./Errors.ts"
import type { KeyPair } from "./KeyPair.ts"
import type { PublicKey } from "./PublicKey.ts"

export const KEY_NAME_MAX_CHARS = 64

/** Lower-case letters, digits, `-` and `_`: safe as a file name everywhere. */
export const KeyName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]*$/),
  Schema.isMaxLength(KEY_NAME_MAX_CHARS)
).pipe(Schema.brand("KeyName"))

export type KeyName = typeof KeyName.Type

export const parseKeyName: (text: unknown) => Option.Option<KeyName> = Schema.decodeUnknownOption(KeyName)

export const DEFAULT_KEY_NAME: KeyName = KeyName.make("default")

/** A key as it is listed; one that cannot be read does not hide the others. */
export interface KeyEntry {
  readonly name: KeyName
  readonly publicKey: Result.Result<PublicKey, KeystoreError>
}

/** A key of that name exists; keys are never overwritten. */
export class KeyExists extends Schema.TaggedError<KeyExists>()("KeyExists", { key: Schema.String }) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Choose another name, or use the key that is there (ls-cli keys list)."
  override get message() {
    return `There is a key named "${this.key}" already`
  }
}

export class KeyNotFound extends Schema.TaggedError<KeyNotFound>()("KeyNotFound", { key: Schema.String }) {
  readonly exitCode = ExitCode.notFound
  get hint() {
    return `Make it with: ls-cli keys new ${this.key}`
  }
  override get message() {
    return `There is no key named "${this.key}"`
  }
}

/** The stored key cannot be read as a key; it is left as it is. */
export class KeyDamaged extends Schema.TaggedError<KeyDamaged>()("KeyDamaged", {
  key: Schema.String,
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Restore the file from a backup; nothing was changed."
  override get message() {
    return `The key "${this.key}" in ${this.location} is damaged: ${this.problem}`
  }
}

/** Others than the owner may read or write the secret. */
export class KeyExposed extends Schema.TaggedError<KeyExposed>()("KeyExposed", {
  key: Schema.String,
  location: Schema.String,
  mode: Schema.Int
}) {
  readonly exitCode = ExitCode.untrusted
  get hint() {
    return `If nobody else has read it, close it with: chmod 600 ${this.location}`
  }
  override get message() {
    return `The key "${this.key}" in ${this.location} is open to others (mode ${this.mode.toString(8).padStart(4, "0")})`
  }
}

export class KeystoreUnavailable extends Schema.TaggedError<KeystoreUnavailable>()("KeystoreUnavailable", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  get hint() {
    return StorageHint.of(this.problem, "Check that the directory exists, belongs to you and has free space.")
  }
  override get message() {
    return `The keystore in ${this.location} cannot be used: ${this.problem}`
  }
}

export class KeystoreError extends Schema.TaggedError<KeystoreError>()("KeystoreError", {
  reason: Schema.Union([KeyExists, KeyNotFound, KeyDamaged, KeyExposed, KeystoreUnavailable])
}) {
  override get message() {
    return this.reason.message
  }
}

export class Keystore extends Context.Service<
  Keystore,
  {
    /** Makes a key from fresh randomness. Fails with `KeyExists` rather than overwrite. */
    readonly create: (name: KeyName) => Effect.Effect<KeyPair, KeystoreError>
    readonly load: (name: KeyName) => Effect.Effect<KeyPair, KeystoreError>
    /** Sorted by name. */
    readonly list: Effect.Effect<ReadonlyArray<KeyEntry>, KeystoreError>
  }
>()("@libreseed/protocol/core/Keystore") {}
