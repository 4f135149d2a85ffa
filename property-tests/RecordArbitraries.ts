/** Arbitrary values of the records, and what can happen to bytes on their way. */
import * as fc from "fast-check"
import type { Infohash } from "../src/protocol/core/Infohash.ts"
import * as PeerAddress from "../src/protocol/core/PeerAddress.ts"
import * as Version from "../src/protocol/core/Version.ts"
import type * as Release from "../src/protocol/registry/Release.ts"
import { name } from "../test/protocol/registry/Fixtures.ts"

export const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** Unix milliseconds. */
export const time = fc.integer({ min: 0, max: 2 ** 48 })

export const packageName = fc.constantFrom("a", "left-pad", "@scope/name").map(name)

export const version = fc
  .tuple(fc.nat(99), fc.nat(99), fc.nat(99), fc.constantFrom("", "-rc.1", "+build"))
  .map(([major, minor, patch, rest]) => Version.Version.make(`${major}.${minor}.${patch}${rest}`))

const peer = fc
  .record({ host: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) })
  .map((each) => new PeerAddress.PeerAddress(each))

export const release: fc.Arbitrary<Release.Release> = fc.record(
  {
    n: packageName,
    v: version,
    m: bytes(32),
    h: bytes(32),
    ih: bytes(20).map((each) => each as Infohash),
    s: fc.tuple(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 500_000_000 })),
    t: time,
    p: fc.integer({ min: 1, max: 16 }).chain((pieces) => bytes(20 * pieces)),
    x: fc.array(peer, { minLength: 1, maxLength: 4 })
  },
  { requiredKeys: ["n", "v", "m", "h", "ih", "s", "t"] }
)

/** The bytes with one bit changed, chosen by any number. */
export const flipBit = (self: Uint8Array, choice: number): Uint8Array => {
  const bit = choice % (self.length * 8)
  return self.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
}
