/** Which Node a package asks for in `engines`, and whether this one will do. */
import * as Option from "effect/Option"
import * as Version from "../../protocol/core/Version.ts"
import type { PackageFacts } from "../store/UnpackedIndex.ts"
import { UnsupportedEngine } from "./InstallError.ts"

/** A nightly build of Node counts as the release that it leads to, as npm has it. */
const ownVersion = (): string => process.versions.node.replace(/[-+].*$/, "")

/** What is wrong; `undefined` where nothing is, or where the range cannot be read. */
export const problemOf = ({ engines, name, version }: PackageFacts): UnsupportedEngine | undefined => {
  const wanted = engines?.["node"]
  if (wanted === undefined || wanted.trim() === "" || wanted.trim() === "*") return undefined
  const found = Option.getOrUndefined(Version.parse(ownVersion()))
  const range = Option.getOrUndefined(Version.parseRange(wanted))
  if (found === undefined || range === undefined || Version.satisfies(found, range)) return undefined
  return new UnsupportedEngine({ package: `${name}@${version}`, engine: "node", wanted, found })
}
