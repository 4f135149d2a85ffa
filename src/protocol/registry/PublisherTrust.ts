/**
 * What resolution asks about publishers: which one the user pinned a name to, whom the user trusts,
 * and who has revoked their key. A port: `trust/Trust` answers it from the user's trust book and the
 * network.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Answer } from "../dht/Dht.ts"
import type { Record } from "../dht/Record.ts"
import { PublisherRevoked, RegistryError } from "./RegistryError.ts"

/** A name's publisher, as the user accepted it first. `since` is in Unix ms. */
export interface Pin {
  readonly publisher: PublicKey.PublicKey
  readonly since: number
}

/** A key's own word that nothing signed by it may be believed any more. */
export interface Revoked {
  readonly publisher: PublicKey.PublicKey
  /** As the record says it; for people. */
  readonly reason: string
  /** Unix ms, by the clock of whoever signed. */
  readonly timestamp: number
  readonly successor: PublicKey.PublicKey | undefined
}

/** Why a package is not taken from a publisher who revoked the key. */
export const refusalOf = (name: PackageName, { publisher, reason, successor }: Revoked): RegistryError =>
  new RegistryError({
    reason: new PublisherRevoked({
      package: name,
      publisher: PublicKey.toBase64(publisher),
      because: reason,
      ...(successor === undefined ? {} : { successor: PublicKey.toBase64(successor) })
    })
  })

/** What was found out about one key. `look` is the look-up's answer, for evidence; absent when none was made. */
export interface RevocationAnswer {
  readonly revoked: Option.Option<Revoked>
  readonly look: Answer<Record> | undefined
}

export class PublisherTrust extends Context.Service<
  PublisherTrust,
  {
    readonly pinOf: (name: PackageName) => Effect.Effect<Option.Option<Pin>, RegistryError>
    /** Trusted keys, in hex. */
    readonly trusted: Effect.Effect<ReadonlySet<string>, RegistryError>
    /** Asks the network (one look-up) unless a revocation is remembered. A network that cannot be asked is an error. */
    readonly revocationOf: (publisher: PublicKey.PublicKey) => Effect.Effect<RevocationAnswer, RegistryError>
  }
>()("@libreseed/protocol/registry/PublisherTrust") {
  /** No pins, nobody trusted, nobody revoked: for tests of what lies below trust. */
  static readonly layerBlank: Layer.Layer<PublisherTrust> = Layer.succeed(
    PublisherTrust,
    PublisherTrust.of({
      pinOf: () => Effect.succeedNone,
      trusted: Effect.succeed(new Set<string>()),
      revocationOf: () => Effect.succeed({ revoked: Option.none(), look: undefined })
    })
  )
}
