/**
 * What honest publishers did sign, whatever anybody says of them: every byte of a release is bound by the
 * hashes of its manifest and of its tarball.
 */
import * as Hex from "effect/encoding/Hex"
import * as PublicKey from "../../core/PublicKey.ts"
import type { Release } from "../../registry/Release.ts"

/** What is signed, as far as it matters: a version of a name, its two hashes, and where to find it. */
export type Signed = Pick<Release, "n" | "v" | "m" | "h" | "ih">

export const labelOf = ({ h, ih, m, n, v }: Signed): string => `${n}@${v} ${[m, h, ih].map(Hex.encode).join(" ")}`

export class Truth {
  readonly #signed = new Map<string, Set<string>>()

  /** From here on, whatever is accepted under this key has to be something that it {@link signs}. */
  knows(publisher: PublicKey.PublicKey): void {
    const key = PublicKey.toHex(publisher)
    if (!this.#signed.has(key)) this.#signed.set(key, new Set())
  }

  isKnown(publisher: PublicKey.PublicKey): boolean {
    return this.#signed.has(PublicKey.toHex(publisher))
  }

  /** The publisher is about to sign this release. */
  signs(publisher: PublicKey.PublicKey, release: Signed): void {
    this.knows(publisher)
    this.#signed.get(PublicKey.toHex(publisher))!.add(labelOf(release))
  }

  /** Whether the key signed exactly this; `undefined` where the key is unknown here. */
  saysOf(publisher: PublicKey.PublicKey, release: Signed): boolean | undefined {
    return this.#signed.get(PublicKey.toHex(publisher))?.has(labelOf(release))
  }
}
