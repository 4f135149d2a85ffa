/** The published files as `README.md` describes them, and a network that holds the pages of one case. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { Ed25519 } from "../../src/protocol/core/Ed25519.ts"
import { Dht } from "../../src/protocol/dht/Dht.ts"
import { PageStore } from "../../src/protocol/dht/PageStore.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import { layer as nodeEd25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import { fromHex } from "./Vectors.ts"

export const directory = Path.resolve(import.meta.dirname, "published")

/** `reason` is there where `valid` is false. */
export interface Case {
  readonly name: string
  readonly valid: boolean
  readonly reason?: string
}

/** All byte strings are in hex. */
export interface RecordCase extends Case {
  readonly kind: "release" | "package" | "announce" | "nameIndex" | "revocation"
  readonly keyString: string
  readonly publicKey: string
  readonly envelope: string
  readonly seq?: number
  readonly target?: string
  readonly value?: unknown
  readonly pages?: ReadonlyArray<string>
  readonly versions?: ReadonlyArray<readonly [string, number]>
  readonly packages?: ReadonlyArray<readonly [string, string]>
  readonly revokes?: { readonly reason: string; readonly timestamp: number; readonly successor: string | null }
  readonly claims?: ReadonlyArray<string>
  readonly made?: boolean
}

export interface Keys {
  readonly [label: string]: { readonly seed: string; readonly publicKey: string }
}

interface Spelling {
  readonly text: string
  readonly valid: boolean
}

export interface RecordsFile {
  readonly keys: Keys
  readonly names: ReadonlyArray<Spelling>
  readonly versions: ReadonlyArray<Spelling>
  readonly keyStrings: ReadonlyArray<{
    readonly name: string
    readonly keyString: string
    readonly salt: string
    readonly topic?: string
    readonly nameKey?: string
  }>
  readonly cases: ReadonlyArray<RecordCase>
  readonly order: ReadonlyArray<{ readonly name: string; readonly older: string; readonly newer: string }>
  readonly equivocations: ReadonlyArray<{
    readonly name: string
    readonly records: ReadonlyArray<string>
    readonly equivocates: boolean
  }>
}

export interface NameIndicesFile {
  readonly cases: ReadonlyArray<RecordCase>
}

export interface ClaimsFile {
  readonly keys: Keys
  readonly cases: ReadonlyArray<
    Case & {
      readonly package: string
      readonly claim: string
      readonly publicKey?: string
      readonly latestVersion?: string
      readonly firstSeen?: number
      readonly timestamp?: number
      readonly signed?: string
    }
  >
  readonly merges: ReadonlyArray<{
    readonly name: string
    readonly package: string
    readonly sets: ReadonlyArray<ReadonlyArray<string>>
    readonly merged: ReadonlyArray<string>
  }>
  readonly believable: ReadonlyArray<{
    readonly name: string
    readonly claim: string
    readonly now: number
    readonly believed: boolean
  }>
}

type EntryView = readonly [key: string, value: string]

export interface TreesFile {
  readonly cases: ReadonlyArray<
    Case & {
      readonly root: string
      readonly pages: { readonly [target: string]: string }
      readonly entries?: ReadonlyArray<EntryView>
      readonly made?: boolean
    }
  >
  readonly unmakeable: ReadonlyArray<{ readonly name: string; readonly entries: ReadonlyArray<EntryView> }>
}

export interface TorrentsFile {
  readonly cases: ReadonlyArray<
    Case & {
      readonly info: string
      readonly package?: string
      readonly version?: string
      readonly manifestLength?: number
      readonly tarballLength?: number
      readonly pieceLength?: number
      readonly pieces?: string
      readonly infohash?: string
      readonly release?: string
    }
  >
  readonly misfits: ReadonlyArray<{ readonly name: string; readonly release: string }>
}

export interface ManifestsFile {
  readonly cases: ReadonlyArray<
    Case & {
      readonly publisher: string
      readonly release: string
      readonly manifest: string
      readonly value?: unknown
    }
  >
}

export const read = (file: string): string => Fs.readFileSync(Path.join(directory, file), "utf8")

/** The file as the type says that it is. */
export const load = <A>(file: string): A => JSON.parse(read(file))

/** Every verdict on a signature holds for both backends. */
export const BACKENDS = [
  ["noble", Ed25519.layerNoble],
  ["node", nodeEd25519]
] as const

/** A network that answers with these pages, by target in hex, and has nothing else; and an empty store. */
export const networkOf = (pages: ReadonlyMap<string, string>) =>
  Layer.mergeAll(
    Layer.fresh(PageStore.layerMemory),
    Layer.mock(Dht)({
      getImmutable: (target) =>
        Effect.sync(() => Option.map(Option.fromUndefinedOr(pages.get(Buffer.from(target).toString("hex"))), fromHex))
    })
  )

/** As {@link networkOf}, each page under its own target. */
export const holding = (pages: ReadonlyArray<string>) =>
  networkOf(new Map(pages.map((page) => [Buffer.from(Record.immutableTargetOf(fromHex(page))).toString("hex"), page])))
