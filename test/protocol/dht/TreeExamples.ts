/** The examples of `docs/spec/trees.md`, made by the code. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import * as PackageName from "../../../src/protocol/core/PackageName.ts"
import * as Version from "../../../src/protocol/core/Version.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as TreePage from "../../../src/protocol/dht/TreePage.ts"
import * as Announce from "../../../src/protocol/registry/Announce.ts"
import * as TreeNetwork from "./TreeNetwork.ts"

const ANNOUNCED_AT = Date.UTC(2026, 0, 2, 3, 4, 5)

const decoder = new TextDecoder()

const pageBlock = (): string => {
  const { pages, root } = Tree.build([TreeNetwork.entry("left-pad", "1.3.0"), TreeNetwork.entry("right-pad", "1.0.1")])
  return [`page    ${decoder.decode(pages[0])}`, `target  ${Hex.encode(root)}`].join("\n")
}

const lineOf = (page: Uint8Array): string => {
  const { entries, height } = Result.getOrThrow(TreePage.decode(page))
  const [first, last] = [entries[0]!, entries.at(-1)!].map(({ key }) => decoder.decode(key))
  const target = Hex.encode(Record.immutableTargetOf(page))
  return `${target}  height ${height}  ${String(page.length).padStart(3)} bytes  ${String(entries.length).padStart(2)} entries  ${first} … ${last}`
}

const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => TreeNetwork.entry(`package-${String(i).padStart(2, "0")}`, "1.0.0"))

const announceBlock = (): string => {
  const packages = [
    ["left-pad", "1.3.0"],
    ["right-pad", "1.0.1"]
  ].map(([name, version]): Announce.Entry => [PackageName.PackageName.make(name!), Version.Version.make(version!)])
  const { value } = Effect.runSync(Announce.make(packages, ANNOUNCED_AT))
  return `v  ${decoder.decode(value)}`
}

/** Block by name. */
export const treeExamples: ReadonlyMap<string, string> = new Map([
  ["tree-page", pageBlock()],
  ["tree", Tree.build(numbered(100)).pages.map(lineOf).join("\n")],
  ["announce", announceBlock()]
])
