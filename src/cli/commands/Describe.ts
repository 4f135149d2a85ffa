/** How releases and publishers are shown, in text and in JSON. */
import * as Hex from "effect/encoding/Hex"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type { Release } from "../../protocol/registry/Release.ts"

export interface Owned {
  readonly publisher: PublicKey.PublicKey
  readonly release: Release
}

/** The stable JSON keys of `publish` and `resolve`. `sha256` is that of the tarball. */
export const document = ({ publisher, release }: Owned) => ({
  name: release.n,
  version: release.v,
  publisher: PublicKey.toBase64(publisher),
  infohash: Hex.encode(release.ih),
  sha256: Hex.encode(release.h)
})

export const lines = (owned: Owned): ReadonlyArray<string> => {
  const { infohash, name, publisher, sha256, version } = document(owned)
  return [`${name}@${version}`, `  publisher  ${publisher}`, `  infohash   ${infohash}`, `  sha256     ${sha256}`]
}

export const label = ({ release }: Pick<Owned, "release">): string => `${release.n}@${release.v}`
