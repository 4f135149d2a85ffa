/** What honest publishers did sign, whatever anybody says of them. */
import * as Hex from "effect/encoding/Hex"
import * as PublicKey from "../../core/PublicKey.ts"
import type { Release } from "../../registry/Release.ts"

/** What is signed, as far as it matters: a version of a name, and the hash of its tarball. */
type Signed = Pick<Release, "n" | "v" | "h">

export const labelOf = ({ h, n, v }: Signed): string => `${n}@${v} ${Hex.encode(h)}`

export class Truth {
  readonly #signed = new Map<string, Set<string>>()

  /** From here on, whatever is accepted under this key has to be something that it {@link signs}. */
  knows(publisher: PublicKey.PublicKey): void {
    const key = PublicKey.toHex(publisher)
    if (!this.#signed.has(key)) this.#signed.set(key, new Set())
  }

  /** The publisher is about to sign this release. */
  signs(publisher: PublicKey.PublicKey, release: Signed): void {
    this.knows(publisher)
    this.#signed.get(PublicKey.toHex(publisher))!.add(labelOf(release))
  }

  /** Whether the key is unknown here, or signed exactly this. */
  allows(publisher: PublicKey.PublicKey, release: Signed): boolean {
    return this.#signed.get(PublicKey.toHex(publisher))?.has(labelOf(release)) ?? true
  }
}
