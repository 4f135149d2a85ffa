/** What somebody who is not to be trusted may make of a bundle; the checksum always holds, where nothing else is said. */
import * as Option from "effect/Option"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import * as BundleFormat from "../../../src/protocol/swarm/BundleFormat.ts"
import * as Bundles from "./Bundles.ts"

/** A bundle, taken apart. */
export interface Parted {
  readonly sections: ReadonlyArray<Bundles.Section>
}

/** The sections with the first of a kind changed. */
export const changed = (
  { sections }: Parted,
  letter: string,
  change: (payload: Uint8Array) => Uint8Array
): Uint8Array => {
  const at = sections.findIndex((section) => section.letter === letter)
  return Bundles.bundleWith(
    sections.map((section, i) => (i === at ? { letter, payload: change(section.payload) } : section))
  )
}

export const flipped = (bytes: Uint8Array, at = bytes.length >> 1): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

export const withSections = ({ sections }: Parted, ...more: ReadonlyArray<Bundles.Section>): Uint8Array => {
  const order = "hlcrp"
  const before = [...sections.filter(({ letter }) => order.includes(letter)), ...more]
  const sorted = [...order].flatMap((letter) => before.filter((section) => section.letter === letter))
  return Bundles.bundleWith([...sorted, ...sections.filter(({ letter }) => !order.includes(letter))])
}

/** Says of the first section that it has as many bytes as can be said. */
export const hugeLength = (bundle: Uint8Array): Uint8Array => {
  const out = bundle.slice()
  out.fill(0xff, BundleFormat.MAGIC.length + 1, BundleFormat.MAGIC.length + 5)
  return out
}

export const changedLetter = ({ sections }: Parted, from: string, to: string): Uint8Array =>
  Bundles.bundleWith(sections.map((section) => (section.letter === from ? { ...section, letter: to } : section)))

export const doubled = ({ sections }: Parted, letter: string): Uint8Array => {
  const at = sections.findIndex((section) => section.letter === letter)
  return Bundles.bundleWith(sections.toSpliced(at, 0, sections[at]!))
}

/** The payloads of the first two sections of a kind in each other's place. */
export const swapped = ({ sections }: Parted, letter: string): Uint8Array => {
  const [first, second] = sections.flatMap((section, at) => (section.letter === letter ? [at] : []))
  return Bundles.bundleWith(sections.with(first!, sections[second!]!).with(second!, sections[first!]!))
}

export const without = ({ sections }: Parted, letter: string): Uint8Array =>
  Bundles.bundleWith(sections.filter((section) => section.letter !== letter))

/** Another date in the first claim of a section. */
export const flipTimestamp = (payload: Uint8Array): Uint8Array => {
  const { c, n } = Option.getOrThrow(Option.getSuccess(BundleFormat.decodeClaims(payload)))
  return BundleFormat.encodeClaims({ c: c.map((claim) => Object.assign({}, claim, { t: claim.t + 1 })), n })
}

/** An info dictionary that says `..` where the directory stands. */
export const outside = (info: Uint8Array): Uint8Array => {
  const decoded = Option.getOrThrow(Option.getSuccess(Bencode.decode(info)))
  return Bencode.encode({ ...(decoded as Bencode.Dictionary), name: Bencode.utf8("../../etc") })
}
